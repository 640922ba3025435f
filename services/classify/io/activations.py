"""Which model is in force: reads every activation before the first tag, then follows, and changes between batches.

A version that is not here, is another file than the one that was activated, or does not fit the taxonomy is refused
loudly, and the one before stays. Where a partition comes to this worker, `settled` has read all that was activated
until then, so that no version on a partition goes back.
"""

import asyncio
from collections.abc import Callable, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from services.classify.metrics import ClassifyMetrics
from services.classify.tagging.tagger import Tagger
from services.contracts.codec import RawMessage, decode
from services.contracts.errors import BadMessage, Misconfigured, Unavailable
from services.contracts.events import ModelActivated
from services.contracts.topics import MODEL_ACTIVATIONS
from services.kit.kafka import for_aiokafka
from services.kit.process import Process

Load = Callable[[ModelActivated], Tagger]
"""The tagger of an activated version. Raises Misconfigured. May take seconds; called beside the loop."""


class ModelWatch:
    """`tagger` is the one in force; whoever tags takes it once for each batch."""

    def __init__(
        self,
        process: Process,
        shipped: Tagger,
        digest: str,
        *,
        load: Load,
        metrics: ClassifyMetrics,
    ) -> None:
        self.tagger = shipped
        self.active: ModelActivated | None = None
        self._process = process
        self._digest = digest
        self._load = load
        self._metrics = metrics
        self._consumer: AIOKafkaConsumer | None = None
        self._place = TopicPartition(MODEL_ACTIVATIONS, 0)
        self._taken = 0
        self._moved = asyncio.Condition()

    async def follow(self) -> None:
        """Reads for ever. Raises Unavailable when Kafka is away."""
        consumer = AIOKafkaConsumer(**for_aiokafka(self._process.settings), enable_auto_commit=False)
        try:
            await consumer.start()
            consumer.assign([self._place])
            await consumer.seek_to_beginning(self._place)
            first_end = (await consumer.end_offsets([self._place]))[self._place]
            waiting: list[RawMessage] = []
            while True:
                position = await consumer.position(self._place)
                if position >= first_end:
                    await self._take(waiting)
                    waiting = []
                    async with self._moved:
                        self._consumer, self._taken = consumer, position
                        self._moved.notify_all()
                found = await consumer.getmany(self._place, timeout_ms=500)
                for r in found.get(self._place, ()):
                    waiting.append(RawMessage(r.topic, r.partition, r.offset, r.key, r.value))
        except KafkaError as error:
            raise Unavailable(f"Kafka is away ({type(error).__name__})") from None
        finally:
            self._consumer = None
            await consumer.stop()

    async def settled(self) -> None:
        """Returns once everything that was activated before the call is in force, or refused. Raises Unavailable."""
        async with self._moved:
            await self._moved.wait_for(lambda: self._consumer is not None)
            consumer = self._consumer
        try:
            end = (await consumer.end_offsets([self._place]))[self._place] if consumer is not None else 0
        except KafkaError as error:
            raise Unavailable(f"Kafka is away ({type(error).__name__})") from None
        async with self._moved:
            await self._moved.wait_for(lambda: self._taken >= end)

    async def _take(self, messages: Sequence[RawMessage]) -> None:
        """The newest of these that can be loaded comes into force."""
        for message in reversed(messages):
            try:
                activation: ModelActivated = decode(message, ModelActivated)
                tagger = await asyncio.to_thread(self._tagger_of, activation)
            except BadMessage as error:
                self._refuse(message.offset, "", error.message)
            except Misconfigured as error:
                self._refuse(message.offset, activation.version, str(error))
            else:
                self._bring_into_force(activation, tagger)
                return

    def _tagger_of(self, activation: ModelActivated) -> Tagger:
        if (self.tagger.versions.model, self._digest) == (activation.version, activation.digest):
            return self.tagger
        tagger = self._load(activation)
        if tagger.versions.model != activation.version:
            raise Misconfigured(["The model's own name is not the one that was activated."])
        return tagger

    def _bring_into_force(self, activation: ModelActivated, tagger: Tagger) -> None:
        self.active, self.tagger, self._digest = activation, tagger, activation.digest
        self._metrics.activated(tagger)
        self._process.log.info("model in force", model=activation.version, by=activation.by, reason=activation.reason)

    def _refuse(self, offset: int, version: str, detail: str) -> None:
        self._metrics.activation_failures.inc()
        self._process.log.error("model refused; the one before stays", offset=offset, model=version, detail=detail)
