"""The transactional fold around stateful work: each input partition is folded exactly once, by one owner at a time.

Outputs, touched state and the input position of a batch go in one transaction. The position comes from the state, not
from the consumer group; the group only shares the partitions out. A gap in the input, a fenced claim or any exception
that nobody foresaw ends the process, because memory has then moved on and only what is written counts.
"""

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError, ProducerFenced

from services.contracts.codec import Outbound, RawMessage, dead_letter
from services.contracts.errors import Misconfigured, Unavailable
from services.contracts.topics import DEAD_LETTERS, load_topics
from services.kit.claim import Claim
from services.kit.clock import utc_now
from services.kit.kafka import for_aiokafka, partitions_of
from services.kit.metrics import ConsumerMetrics
from services.kit.outage import is_outage
from services.kit.poison import BegunNote
from services.kit.process import EXIT_BUG, Process, WorkerLock
from services.kit.worker import Halt

BATCH_SIZE = 1_000
_BATCH_LIMIT_SECONDS = 120.0
_ALONE_LIMIT_SECONDS = 20.0
_COMMIT_SECONDS = 0.5
_BUSY_FROM = 3
_GATHER_SECONDS = 0.06
_FOREVER_MS = 86_400_000


class PartitionFold(Protocol):
    """The work: all state of one partition, in memory. Never called from two threads at once; may block for a batch."""

    def restore(self, key: bytes, value: bytes | None) -> None:
        """Takes a state record that this fold wrote; None took it back. Called before the first `fold`."""

    def fold(self, messages: Sequence[RawMessage], now: datetime) -> Sequence[Outbound]:
        """Everything a batch leads to: outputs, dead letters, and records for the state topic in this partition."""


@dataclass(frozen=True)
class Fold:
    """A fold of `topic` whose state is in `state_topic`, both with the same number of partitions."""

    process: Process
    group: str
    topic: str
    state_topic: str
    make: Callable[[int], PartitionFold]
    metrics: ConsumerMetrics
    batch_size: int = BATCH_SIZE

    @property
    def topics(self) -> tuple[str, ...]:
        """What it reads."""
        return (self.topic,)


async def run_fold(fold: Fold, halt: Halt) -> None:
    """Runs until cancelled. Raises Unavailable when Kafka is away or the claim was taken over."""
    settings = fold.process.settings
    born = [partitions_of(load_topics()[topic], settings) for topic in (fold.topic, fold.state_topic)]
    if born[0] != born[1]:
        raise Misconfigured([f"Topic {fold.state_topic} has {born[1]} partitions, {fold.topic} has {born[0]}."])
    lock = WorkerLock(settings.data_dir, fold.group, settings.worker)
    try:
        await _Loop(fold, halt).run()
    except ProducerFenced:
        raise Unavailable("another worker has taken this worker's partitions over") from None
    except KafkaError as error:
        raise Unavailable(f"Kafka is away ({type(error).__name__})") from None
    finally:
        lock.release()


class _Owned:
    """A partition that this process owns, and how far it is."""

    def __init__(self, claim: Claim, work: PartitionFold, position: int) -> None:
        self.claim = claim
        self.work = work
        self.position = position
        self.committed = position


class _Loop(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    def __init__(self, fold: Fold, halt: Halt) -> None:
        self._fold = fold
        self._halt = halt
        self._process = fold.process
        self._connection = for_aiokafka(fold.process.settings)
        self._restored = fold.process.health.check("state restored")
        worker = fold.process.settings.worker
        self._begun = BegunNote(fold.process.settings.data_dir / "worker" / f"{fold.group}-{worker}.begun")
        self._generation = 0
        self._owned: dict[TopicPartition, _Owned] = {}
        self._batch_in_flight = asyncio.Lock()
        self._consumer = AIOKafkaConsumer(
            **self._connection,
            group_id=fold.group,
            group_instance_id=f"{fold.group}-{worker}",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=6_000,
            heartbeat_interval_ms=1_500,
            max_poll_interval_ms=_FOREVER_MS,
            fetch_max_wait_ms=500,
            max_partition_fetch_bytes=2 * 1024 * 1024,
        )

    async def run(self) -> None:
        await self._consumer.start()
        try:
            self._consumer.subscribe([self._fold.topic], listener=self)
            committed_at, done = 0.0, 0
            while True:
                generation = self._generation
                await self._take_over(generation)
                found = await self._read(busy=_BUSY_FROM <= done < self._fold.batch_size)
                done, bad = 0, 0
                async with self._batch_in_flight:
                    # what was fetched under an assignment that is over belongs to somebody else now
                    if generation == self._generation:
                        done, bad = await self._round(found)
                # outside the lock: standing still must not hold the group up
                await self._halt.after(good=done - bad, bad=bad)
                if time.monotonic() - committed_at > _COMMIT_SECONDS:
                    committed_at = time.monotonic()
                    await self._commit()
        except KafkaError as error:
            if is_outage(error):
                self._begun.done()  # nobody is to be suspected of it
            raise
        finally:
            await self._consumer.stop()
            for owned in self._owned.values():
                with contextlib.suppress(KafkaError):
                    await owned.claim.release()

    # ---- ownership --------------------------------------------------------------------------------------------------

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """Waits for the batch in flight, so that it is not fenced; then lets go."""
        async with self._batch_in_flight:
            self._generation += 1
            released, self._owned = self._owned, {}
        self._restored.failed("sharing partitions out")
        for owned in released.values():
            with contextlib.suppress(KafkaError):
                await owned.claim.release()

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """Only stops fetching: restoring here would stop heart-beats, and the group would share out anew for ever."""
        self._generation += 1
        self._consumer.pause(*assigned)
        if not assigned:
            self._restored.passed("no partitions for this worker")

    async def _take_over(self, generation: int) -> None:
        """Claims and restores what is assigned and not yet owned."""
        assigned = self._consumer.assignment()
        for place in sorted(assigned - self._owned.keys()):
            started = time.monotonic()
            claim = Claim(
                self._connection,
                name=self._fold.group,
                owner=self._process.settings.worker,
                state_topic=self._fold.state_topic,
                partition=place.partition,
            )
            work = self._fold.make(place.partition)
            position = await claim.take(work.restore)
            if position is None:
                position = (await self._consumer.beginning_offsets([place]))[place]
            if generation != self._generation:
                await claim.release()
                return
            self._consumer.seek(place, position)
            self._consumer.resume(place)
            self._owned[place] = _Owned(claim, work, position)
            self._process.log.info(
                "claimed", partition=place.partition, position=position, ms=int((time.monotonic() - started) * 1000)
            )
        if assigned and assigned == self._owned.keys():
            self._restored.passed(f"{len(assigned)} partitions")

    async def _read(self, *, busy: bool) -> dict[TopicPartition, list[Any]]:
        """What there is. While traffic is dense it first lets more arrive: a transaction costs the broker the same,
        whether it holds five signals or five hundred; a single signal is folded at once."""
        if busy:
            await asyncio.sleep(_GATHER_SECONDS)
        found: dict[TopicPartition, list[Any]] = await self._consumer.getmany(
            timeout_ms=200, max_records=self._fold.batch_size
        )
        return found

    # ---- batches ----------------------------------------------------------------------------------------------------

    async def _round(self, found: dict[TopicPartition, list[Any]]) -> tuple[int, int]:
        """One fetch, all partitions at once; one by one where earlier rounds ended the process.

        Answers how many messages were done, and how many of them became dead letters.
        """
        work = [
            (self._owned[place], messages)
            for place, records in found.items()
            if (messages := self._next(place, records))
        ]
        messages = [message for _, some in work for message in some]
        if not messages:
            return 0, 0
        if self._begun.one_by_one(messages):
            bad = 0
            for owned, some in work:
                for message in some:
                    bad += await self._alone(owned, message)
        else:
            self._begun.begin(messages)
            bad = sum(await asyncio.gather(*(self._batch(owned, some) for owned, some in work)))
        self._begun.cleared(messages)
        self._begun.done()
        processed = self._fold.metrics.processed
        processed.labels(self._fold.topic, "ok").inc(len(messages) - bad)
        processed.labels(self._fold.topic, "dead_letter").inc(bad)
        return len(messages), bad

    def _next(self, place: TopicPartition, records: Sequence[Any]) -> list[RawMessage]:
        """The records from the position on. A gap means that what was folded is no longer all there was."""
        position = self._owned[place].position
        fresh = [record for record in records if record.offset >= position]
        for expected, record in enumerate(fresh, start=position):
            if record.offset != expected:
                self._process.log.error("gap in the input", partition=place.partition, expected=expected)
                raise RuntimeError("a gap in the input")
        return [
            RawMessage(r.topic, r.partition, r.offset, r.key, r.value, tuple(r.headers), r.timestamp or 0)
            for r in fresh
        ]

    async def _batch(self, owned: _Owned, messages: Sequence[RawMessage], limit: float = _BATCH_LIMIT_SECONDS) -> int:
        """Folds and writes. Answers how many were dead letters."""
        watchdog = threading.Timer(limit, os._exit, args=(EXIT_BUG,))
        watchdog.daemon = True
        watchdog.start()
        try:
            started = time.perf_counter()
            outputs = owned.work.fold(messages, utc_now())
            self._fold.metrics.duration.labels(self._fold.topic).observe(time.perf_counter() - started)
        finally:
            watchdog.cancel()
        return await self._write(owned, messages, outputs)

    async def _alone(self, owned: _Owned, message: RawMessage) -> int:
        if not self._begun.culprit(message):
            self._begun.begin([message], alone=True)
            return await self._batch(owned, [message], _ALONE_LIMIT_SECONDS)
        letter = dead_letter(
            message,
            service=self._process.name,
            version=self._process.version,
            code="crashed",
            detail="processing this message ended the worker",
            at=utc_now(),
        )
        return await self._write(owned, [message], [letter])

    async def _write(self, owned: _Owned, messages: Sequence[RawMessage], outputs: Sequence[Outbound]) -> int:
        position = messages[-1].offset + 1
        await owned.claim.write(outputs, position=position)
        owned.position = position
        headers = (dict(output.headers) for output in outputs if output.topic in DEAD_LETTERS)
        letters = [facts for facts in headers if "dl_topic" in facts]
        for facts in letters:
            source, code = facts["dl_topic"].decode(), facts["dl_code"].decode()
            self._fold.metrics.dead_letters.labels(source, code).inc()
            self._process.log.warning("dead letter", id=facts["dl_id"].decode(), code=code)
        return len(letters)

    async def _commit(self) -> None:
        """Tells the group how far the fold is, for those who watch lag. Nothing is read from there."""
        moved = {place: owned for place, owned in self._owned.items() if owned.position != owned.committed}
        if not moved:
            return
        positions = {place: owned.position for place, owned in moved.items()}
        with contextlib.suppress(KafkaError):
            await self._consumer.commit(positions)
            for place, owned in moved.items():
                owned.committed = positions[place]
