"""Policy versions as they were activated: reads the whole topic, then follows it."""

import asyncio
from collections.abc import Callable

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from services.contracts.codec import RawMessage, decode
from services.contracts.errors import BadMessage, Unavailable
from services.contracts.events import PolicyActivated
from services.contracts.policy import Policy
from services.contracts.policyfiles import FILES, load_policy
from services.contracts.topics import POLICY_ACTIVATIONS
from services.contracts.yamlfile import PolicyRefused
from services.kit.kafka import for_aiokafka
from services.kit.metrics import PolicyMetrics
from services.kit.process import Process
from services.router.signals import Policies


class PolicyWatch:
    """Knows every version that was activated. Until there is one, `wait` blocks and the process is not ready."""

    def __init__(self, process: Process, *, loaded: Callable[[Policy], None]) -> None:
        self.policies = Policies()
        self._process = process
        self._loaded = loaded
        self._metrics = PolicyMetrics(process.registry, FILES)
        self._check = process.health.check("policy in force", "no policy was activated yet")
        self._in_force = asyncio.Event()

    async def wait(self) -> None:
        """Returns once the topic was read to its end and a version is in force."""
        await self._in_force.wait()

    async def follow(self) -> None:
        """Reads for ever. Raises Unavailable when Kafka is away."""
        consumer = AIOKafkaConsumer(**for_aiokafka(self._process.settings), enable_auto_commit=False)
        try:
            await consumer.start()
            place = TopicPartition(POLICY_ACTIVATIONS, 0)
            consumer.assign([place])
            await consumer.seek_to_beginning(place)
            end = (await consumer.end_offsets([place]))[place]
            while True:
                found = await consumer.getmany(place, timeout_ms=500)
                for record in found.get(place, ()):
                    self._take(RawMessage(record.topic, record.partition, record.offset, record.key, record.value))
                if self.policies and await consumer.position(place) >= end and not self._in_force.is_set():
                    self._in_force.set()
        except KafkaError as error:
            raise Unavailable(f"Kafka is away ({type(error).__name__})") from None
        finally:
            await consumer.stop()

    def _take(self, message: RawMessage) -> None:
        """A bad version leaves the old ones in force: the API checks before it publishes, so this one is from a
        version of Palette that knew more, or less."""
        try:
            activation: PolicyActivated = decode(message, PolicyActivated)
            policy = load_policy(activation.files, version=activation.version)
        except BadMessage as error:
            self._process.log.error("policy refused", offset=message.offset, detail=error.message)
            return
        except PolicyRefused as refused:
            for file in {problem.file for problem in refused.problems}:
                self._metrics.refused(file)
            self._process.log.error("policy refused", problems=[str(problem) for problem in refused.problems[:20]])
            return
        self.policies = self.policies.with_version(activation.at, policy)
        for file in FILES:
            self._metrics.loaded(file, activation.at.timestamp())
        self._loaded(self.policies.newest)
        self._check.passed(f"version {self.policies.newest.version}")
        self._process.log.info("policy in force", version=policy.version, by=activation.by, rules=len(policy.rules))
