"""The Kafka side: reads `notifications` into the outbox, writes outcomes and dead letters. One thread, never idle long.

An offset is committed only after the outbox has the message on disk and Kafka has the dead letters; a message read
again is known by its id. Outcomes are sent until Kafka acknowledged them, and may come twice.
"""

import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from kafka import ConsumerRebalanceListener, KafkaConsumer, KafkaProducer
from kafka.errors import CommitFailedError, KafkaError, RebalanceInProgressError

from services.contracts.codec import Outbound, RawMessage, encode
from services.contracts.errors import Unavailable
from services.contracts.events import NotificationOutcome
from services.contracts.topics import NOTIFICATIONS
from services.kit.clock import Clock
from services.kit.health import Check
from services.kit.kafka import client_settings, producer
from services.kit.metrics import ConsumerMetrics
from services.kit.poison import BegunNote, HaltDecision
from services.kit.process import Process
from services.notify.io.outbox import Finished, Outbox
from services.notify.step import SERVICE, Arrivals, letter, read

_POLL_MS = 250
_COMMIT_EVERY_SECONDS = 5.0
_COMMIT_LIMIT_MS = 5_000


class NotificationReader:
    """Reads until told to stop. `arrived` is called with the targets of what is new; `beside` once per turn."""

    def __init__(
        self,
        process: Process,
        *,
        outbox: Outbox,
        metrics: ConsumerMetrics,
        clock: Clock,
        arrived: Callable[[list[str]], None],
        beside: Callable[[], None],
    ) -> None:
        self._process = process
        self._outbox = outbox
        self._metrics = metrics
        self._clock = clock
        self._arrived = arrived
        self._beside = beside
        self._joined = process.health.check("group joined")
        self._not_halted = process.health.check("not halted")
        self._not_halted.passed()
        self._halt = HaltDecision()
        self._resume = threading.Event()
        self._sending: dict[str, Any] = {}
        self._committed = time.monotonic()
        settings = process.settings
        self._begun = BegunNote(settings.data_dir / "worker" / f"{SERVICE}-{settings.worker}.begun")
        self._producer: KafkaProducer = producer(settings, max_block_ms=5_000)
        try:
            self._consumer = KafkaConsumer(
                **client_settings(settings),
                group_id=SERVICE,
                group_instance_id=f"{SERVICE}-{settings.worker}",
                client_id=f"palette-{SERVICE}",
                isolation_level="read_committed",
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                session_timeout_ms=6_000,
                heartbeat_interval_ms=1_500,
                max_poll_records=256,
            )
        except KafkaError as error:
            raise Unavailable(f"Kafka does not answer ({type(error).__name__})") from None

    def run(self, stopping: threading.Event) -> None:
        """Blocks until `stopping` is set, then finishes what is in hand."""
        self._consumer.subscribe([NOTIFICATIONS], listener=_Joined(self._joined))
        try:
            while not stopping.is_set():
                self._process.health.beat()
                self._read_some(stopping)
                self._report()
                self._stand_still_or_go_on()
                self._beside()
        finally:
            self._producer.flush(timeout=5)
            self._report()
            self._producer.close(timeout=1)
            self._consumer.close()

    def resume(self) -> str:
        """Goes on after a halt, and says what it did. May be called from any thread."""
        if self._not_halted.is_ok:
            return f"{SERVICE} was not halted"
        self._resume.set()
        return f"{SERVICE} goes on"

    # ---- in ----------------------------------------------------------------------------------------------------------

    def _read_some(self, stopping: threading.Event) -> None:
        found = self._consumer.poll(timeout_ms=_POLL_MS)
        messages = [_raw(record) for records in found.values() for record in records]
        if not messages:
            self._commit_now_and_then()
            return
        started = time.perf_counter()
        arrivals = self._arrivals(messages)
        new = self._outbox.take(arrivals.told, now=self._clock().timestamp())
        self._metrics.duration.labels(NOTIFICATIONS).observe(time.perf_counter() - started)
        if not self._sent(arrivals.letters, stopping):
            return
        self._begun.cleared(messages)
        self._begun.done()
        self._commit()
        self._count(len(new), len(arrivals.told) - len(new), arrivals.letters)
        self._arrived([told.target for told in new])

    def _arrivals(self, messages: Sequence[RawMessage]) -> Arrivals:
        if not self._begun.one_by_one(messages):
            self._begun.begin(messages)
            return read(messages, at=self._clock(), version=self._process.version)
        parts = [self._alone(message) for message in messages]
        return Arrivals(tuple(t for p in parts for t in p.told), tuple(x for p in parts for x in p.letters))

    def _alone(self, message: RawMessage) -> Arrivals:
        at, version = self._clock(), self._process.version
        if self._begun.culprit(message):
            detail = "processing this message ended the worker"
            return Arrivals((), (letter(message, code="crashed", detail=detail, at=at, version=version),))
        self._begun.begin([message], alone=True)
        return read([message], at=at, version=version)

    def _commit_now_and_then(self) -> None:
        """Passes the marks that end transactions: they are no messages, and would look like one left over for ever."""
        if time.monotonic() - self._committed > _COMMIT_EVERY_SECONDS:
            self._commit()

    def _commit(self) -> None:
        self._committed = time.monotonic()
        try:
            self._consumer.commit(timeout_ms=_COMMIT_LIMIT_MS)
        except (CommitFailedError, RebalanceInProgressError):
            self._process.log.info("partitions moved before a commit; their messages are read again")
        except KafkaError as error:
            self._process.log.warning("an offset could not be committed yet", error=type(error).__name__)

    def _count(self, new: int, repeated: int, letters: Sequence[Outbound]) -> None:
        processed = self._metrics.processed
        processed.labels(NOTIFICATIONS, "ok").inc(new)
        processed.labels(NOTIFICATIONS, "repeat").inc(repeated)
        processed.labels(NOTIFICATIONS, "dead_letter").inc(len(letters))
        for output in letters:
            facts = dict(output.headers)
            code = facts["dl_code"].decode()
            self._metrics.dead_letters.labels(NOTIFICATIONS, code).inc()
            self._process.log.warning("dead letter", id=facts["dl_id"].decode(), code=code)
        self._process.log.info("batch", topic=NOTIFICATIONS, new=new, repeated=repeated, dead_letters=len(letters))
        if self._halt.saw(good=new + repeated, bad=len(letters)) and self._not_halted.is_ok:
            self._resume.clear()
            self._not_halted.failed(
                f"halted after too many dead letters; look at them, then `palette resume {SERVICE}`"
            )
            self._metrics.halted.labels(NOTIFICATIONS).set(1)
            self._process.log.error("halted", dead_letters_in_batch=len(letters))

    def _stand_still_or_go_on(self) -> None:
        if self._not_halted.is_ok:
            return
        assigned = self._consumer.assignment()
        if not self._resume.is_set():
            self._consumer.pause(*assigned)  # at each turn: a rebalance may have brought others
            return
        self._consumer.resume(*assigned)
        self._halt.forget()
        self._not_halted.passed()
        self._metrics.halted.labels(NOTIFICATIONS).set(0)
        self._process.log.warning("resumed")

    # ---- out ---------------------------------------------------------------------------------------------------------

    def _sent(self, letters: Sequence[Outbound], stopping: threading.Event) -> bool:
        """Sends dead letters and waits until Kafka has them; False where the process ends first."""
        for output in letters:
            while True:
                self._process.health.beat()
                try:
                    self._send(output).get(timeout=10)
                    break
                except KafkaError as error:
                    if not error.retriable:
                        raise
                    self._process.log.warning("a dead letter is not acknowledged yet", error=type(error).__name__)
                    if stopping.wait(0.5):
                        return False
        return True

    def _report(self) -> None:
        """Starts sending outcomes that are not under way, and marks those that Kafka has. Does not wait."""
        for finished in self._outbox.unreported():
            if finished.id not in self._sending:
                try:
                    self._sending[finished.id] = self._send(_outcome(finished))
                except KafkaError:
                    break  # Kafka is away; the next turn tries again
        over = [(key, future) for key, future in self._sending.items() if future.is_done]
        for key, future in over:
            del self._sending[key]
            if future.failed() and not getattr(future.exception, "retriable", False):
                raise future.exception  # the producer is dead for good: a new process makes a new one
        self._outbox.reported([key for key, future in over if future.succeeded()])

    def _send(self, output: Outbound) -> Any:
        return self._producer.send(output.topic, key=output.key, value=output.value, headers=list(output.headers))


class _Joined(ConsumerRebalanceListener):  # type: ignore[misc]  # the library has no types
    """Notes that the group has let this worker in."""

    def __init__(self, check: Check) -> None:
        self._check = check

    def on_partitions_revoked(self, revoked: Any) -> None:
        """Nothing to hand over: what was read is in the outbox."""

    def on_partitions_assigned(self, assigned: Any) -> None:
        self._check.passed(f"{len(assigned)} partitions")


def _outcome(finished: Finished) -> Outbound:
    event = NotificationOutcome(
        id=finished.id,
        target=finished.target,
        action=finished.action,
        at=datetime.fromtimestamp(finished.done_at, UTC),
        outcome=finished.outcome,
        attempts=finished.attempts,
        detail=finished.detail,
    )
    return encode(event, trace=finished.trace)


def _raw(record: Any) -> RawMessage:
    return RawMessage(
        record.topic,
        record.partition,
        record.offset,
        record.key,
        record.value,
        tuple(record.headers or ()),
        record.timestamp or 0,
    )
