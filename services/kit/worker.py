"""The Faust loop around a stateless step: read a batch, call the step, send everything and await it, acknowledge.

The only place that touches Faust, because an exception inside an agent *acknowledges* its events: so the body of the
loop never raises. What cannot be read is a dead letter made by the step; what is `Unavailable` is tried again in place;
anything else ends the process before the acknowledgement, and the supervisor starts it again.
"""

import asyncio
import contextlib
import os
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import uvloop
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from services.contracts.codec import Outbound, RawMessage, dead_letter
from services.contracts.errors import Unavailable
from services.kit.clock import utc_now
from services.kit.faustapp import FaustSource
from services.kit.frost import Frost
from services.kit.kafka import create_topics, for_aiokafka
from services.kit.metrics import ConsumerMetrics
from services.kit.outage import is_outage
from services.kit.poison import BegunNote, HaltDecision
from services.kit.process import EXIT_BUG, Process, WorkerLock
from services.kit.server import ThreadedServer

Step = Callable[[Sequence[RawMessage], datetime], Sequence[Outbound]]
"""A batch of raw messages and the time in; everything to be sent out, dead letters included."""

BATCH_SIZE = 256
_BATCH_LIMIT_SECONDS = 120.0
_ALONE_LIMIT_SECONDS = 20.0


@dataclass(frozen=True)
class Worker:
    """A stateless stream worker. `gate` is awaited first, `assigned` after each rebalance; `beside` live as long."""

    process: Process
    topics: tuple[str, ...]
    step: Step
    metrics: ConsumerMetrics
    group: str
    gate: Callable[[], Awaitable[None]] | None = None
    assigned: Callable[[], Awaitable[None]] | None = None
    beside: tuple[Callable[[], Awaitable[None]], ...] = ()
    batch_size: int = BATCH_SIZE


class Halting(Protocol):
    """What can stand still: a worker's loop, or a fold."""

    @property
    def process(self) -> Process: ...
    @property
    def group(self) -> str: ...
    @property
    def topics(self) -> tuple[str, ...]: ...
    @property
    def metrics(self) -> ConsumerMetrics: ...


class Halt:
    """Standing still until somebody says `resume`. Shared by the loop and the ops thread."""

    def __init__(self, worker: Halting) -> None:
        self._worker = worker
        self._decision = HaltDecision()
        self._check = worker.process.health.check("not halted")
        self._check.passed()
        self._resumed = threading.Event()

    async def after(self, *, good: int, bad: int) -> None:
        """Counts a batch; when too many were dead letters, waits here until resumed. The loop stays alive meanwhile."""
        if not self._decision.saw(good=good, bad=bad):
            return
        self._resumed.clear()
        self._check.failed(
            f"halted after too many dead letters; look at them, then `palette resume {self._worker.group}`"
        )
        self._worker.process.log.error("halted", group=self._worker.group, dead_letters_in_batch=bad)
        for topic in self._worker.topics:
            self._worker.metrics.halted.labels(topic).set(1)
        while not self._resumed.is_set():
            self._worker.process.health.beat()
            await asyncio.sleep(0.2)
        self._decision.forget()
        self._check.passed()
        for topic in self._worker.topics:
            self._worker.metrics.halted.labels(topic).set(0)

    def resume(self) -> str:
        """Goes on, and says what it did."""
        if self._check.is_ok:
            return f"{self._worker.group} was not halted"
        self._resumed.set()
        self._worker.process.log.warning("resumed", group=self._worker.group)
        return f"{self._worker.group} goes on"


def run_worker(worker: Worker, *, server: Callable[[Halt], ThreadedServer] | None = None) -> None:
    """Runs until SIGTERM or SIGINT. `server` makes the ops server that can resume it. Blocks."""
    process = worker.process
    lock = WorkerLock(process.settings.data_dir, worker.group, process.settings.worker)
    halt = Halt(worker)
    loop = _Loop(worker, halt)  # before anybody can ask: what it has to wait for makes it not ready
    ops = server(halt).start() if server is not None else None
    try:
        create_topics(process.settings)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(loop.run())
    finally:
        if ops is not None:
            ops.stop()
        lock.release()


class _Loop:
    def __init__(self, worker: Worker, halt: Halt) -> None:
        self._worker = worker
        self._process = worker.process
        self._halt = halt
        self._assigned = worker.process.health.check("partitions assigned")
        folder = worker.process.settings.data_dir / "worker"
        self._begun = BegunNote(folder / f"{worker.group}-{worker.process.settings.worker}.begun")
        self._stopping = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        producer = AIOKafkaProducer(
            **for_aiokafka(self._process.settings),
            acks="all",
            enable_idempotence=True,
            linger_ms=2,
            max_batch_size=256 * 1024,
            max_request_size=2_000_000,
        )
        try:
            await producer.start()
        except KafkaError as error:
            raise Unavailable(f"Kafka does not answer ({type(error).__name__})") from None
        beside = [asyncio.create_task(self._watched(task)) for task in self._worker.beside]
        if self._worker.gate is not None and not await self._passes(self._worker.gate):
            return
        worker, settings = self._worker, self._process.settings
        source = FaustSource(
            settings, group=worker.group, topics=worker.topics, batch_size=worker.batch_size, assigned=worker.assigned
        )
        await source.start()
        beside.append(asyncio.create_task(self._beat(source)))
        beside.append(asyncio.create_task(self._watched(lambda: self._consume(source, producer))))
        await self._stopping.wait()
        # The batch in flight is finished; then the process ends where it stands: unwinding the libraries gains nothing.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), timeout=15)
        await source.commit()
        self._process.log.info("ended")
        self._process.end(0)

    async def _passes(self, gate: Callable[[], Awaitable[None]]) -> bool:
        """Waits for the gate or for the end, whichever comes first."""
        opened = asyncio.create_task(self._watched(gate))
        ended = asyncio.create_task(self._stopping.wait())
        while not (opened.done() or ended.done()):
            self._process.health.beat()
            await asyncio.wait({opened, ended}, timeout=1, return_when=asyncio.FIRST_COMPLETED)
        return not self._stopping.is_set()

    async def _watched(self, task: Callable[[], Awaitable[None]]) -> None:
        try:
            await task()
        except Exception as error:
            self._process.crash("a task beside the loop ended by a bug", error)

    async def _beat(self, source: FaustSource) -> None:
        frost = Frost()
        while True:
            frost.end_if_thawed(self._process)
            self._process.health.beat()
            if source.partitions:
                self._assigned.passed(f"{source.partitions} partitions")
            else:
                self._assigned.failed("no partitions")
            if source.gave_up and not self._stopping.is_set():
                self._process.log.error("the stream library gave up")
                self._process.end(EXIT_BUG)
            await asyncio.sleep(0.25)

    async def _consume(self, source: FaustSource, producer: AIOKafkaProducer) -> None:
        while True:
            batch = await source.batch()
            if self._stopping.is_set():
                return  # nothing more is begun; the process is about to end
            self._idle.clear()
            await self._batch(batch.messages, producer)
            source.acknowledge(batch)
            self._idle.set()

    async def _batch(self, messages: list[RawMessage], producer: AIOKafkaProducer) -> None:
        """One batch, start to acknowledged outputs. Returns only when it is safe to acknowledge the inputs."""
        try:
            if self._begun.one_by_one(messages):
                bad = sum([await self._alone(message, producer) for message in messages])
            else:
                self._begun.begin(messages)
                bad = await self._send(await self._called(messages, limit=_BATCH_LIMIT_SECONDS), producer)
            self._begun.cleared(messages)
            self._begun.done()
            self._count(messages, bad)
            await self._halt.after(good=max(0, len(messages) - bad), bad=bad)
        except BaseException as error:
            if is_outage(error):
                self._begun.done()  # nobody is to be suspected of it
                self._process.crash("", Unavailable(f"Kafka is away ({type(error).__name__})"))
            self._process.crash("a batch ended by a bug", error)

    async def _alone(self, message: RawMessage, producer: AIOKafkaProducer) -> int:
        if self._begun.culprit(message):
            self._process.log.error("message ended the worker", topic=message.topic, offset=message.offset)
            letter = dead_letter(
                message,
                service=self._process.name,
                version=self._process.version,
                code="crashed",
                detail="processing this message ended the worker",
                at=utc_now(),
            )
            return await self._send([letter], producer)
        self._begun.begin([message], alone=True)
        bad = await self._send(await self._called([message], limit=_ALONE_LIMIT_SECONDS), producer)
        self._begun.cleared([message])
        return bad

    async def _called(self, messages: Sequence[RawMessage], *, limit: float) -> Sequence[Outbound]:
        """Calls the step beside the loop, so that heart-beats go on; a step that never comes back ends the process."""
        watchdog = threading.Timer(limit, os._exit, args=(EXIT_BUG,))
        watchdog.daemon = True
        watchdog.start()
        delay = 0.25
        try:
            while True:
                started = time.perf_counter()
                try:
                    outputs = await asyncio.to_thread(self._worker.step, messages, utc_now())
                except Unavailable as error:
                    self._process.log.warning("a dependency is away, trying again", detail=str(error), seconds=delay)
                    await asyncio.sleep(delay)
                    delay = min(5.0, delay * 2)
                    continue
                self._worker.metrics.duration.labels(messages[0].topic).observe(time.perf_counter() - started)
                return outputs
        finally:
            watchdog.cancel()

    async def _send(self, outputs: Sequence[Outbound], producer: AIOKafkaProducer) -> int:
        """Sends all and awaits all. Answers how many were dead letters. Kafka away: waits, and tries again."""
        waiting = list(outputs)
        while waiting:
            futures = [
                await producer.send(o.topic, o.value, key=o.key, partition=o.partition, headers=list(o.headers))
                for o in waiting
            ]
            results = await asyncio.gather(*futures, return_exceptions=True)
            failed = [(o, r) for o, r in zip(waiting, results, strict=True) if isinstance(r, BaseException)]
            for _, error in failed:
                if not (isinstance(error, KafkaError) and error.retriable):
                    raise error
            waiting = [o for o, _ in failed]
            if waiting:
                self._process.log.warning("outputs not acknowledged, trying again", messages=len(waiting))
                await asyncio.sleep(0.5)
        letters = 0
        for output in outputs:
            if output.topic.endswith("-dlq"):
                letters += 1
                facts = dict(output.headers)
                source, code = facts["dl_topic"].decode(), facts["dl_code"].decode()
                self._worker.metrics.dead_letters.labels(source, code).inc()
                self._process.log.warning("dead letter", id=facts["dl_id"].decode(), code=code)
        return letters

    def _count(self, messages: Sequence[RawMessage], bad: int) -> None:
        processed = self._worker.metrics.processed
        for topic in self._worker.topics:
            count = sum(m.topic == topic for m in messages)
            processed.labels(topic, "ok").inc(max(0, count - bad) if topic == messages[0].topic else count)
        if bad:
            processed.labels(messages[0].topic, "dead_letter").inc(bad)
