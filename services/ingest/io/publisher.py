"""The sender: one thread, one idempotent producer, journal order. Knows the journal and Kafka, not feedback.

It reads the journal from where Kafka has everything, keeps a bounded number in flight, and takes finished sends from
the front. After any failure the producer is built anew and everything that is not acknowledged is sent again: readers
know repeats by their id. kafka-python's producer is dead for good after a record that the broker refuses, and then
fails every later record with the same error, so the error does not name the culprit: over the failed window records
go one at a time, and the one that fails alone on a fresh producer is the one.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Protocol

from kafka.errors import (
    ClusterAuthorizationFailedError,
    InvalidRecordError,
    InvalidTimestampError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)

from services.contracts.codec import Outbound
from services.contracts.errors import Unavailable
from services.ingest.io.frames import Record
from services.ingest.metrics import IngestMetrics
from services.kit.logs import Log

_MOST_IN_FLIGHT = 2_000
_MOST_BYTES_IN_FLIGHT = 16 << 20
_SILENT_SECONDS = 3.0
_BACK_OFF_SECONDS = (0.2, 0.5, 1.0, 2.0)
_AT_FAULT = (MessageSizeTooLargeError, RecordListTooLargeError, InvalidRecordError, InvalidTimestampError)
_DENIED = (ClusterAuthorizationFailedError, TopicAuthorizationFailedError)
_REJECTIONS_PER_SECOND = 50.0


class Source(Protocol):
    """Where records come from, in order (`io/journal.py`)."""

    @property
    def durable(self) -> int: ...
    def read(self, position: int) -> list[Record]: ...
    def acknowledge(self, position: int) -> None: ...


class _Failed(Exception):
    """A send did not succeed. `alone`: it was the first on its producer, with no other beside it."""

    def __init__(self, record: Record, cause: BaseException, *, alone: bool) -> None:
        super().__init__(type(cause).__name__)
        self.record = record
        self.cause = cause
        self.alone = alone


class _Flight:
    """What one producer was given and has not finished, in order; bounded, because the producer is not."""

    def __init__(self, producer: Any) -> None:
        self._producer = producer
        self._sent: deque[tuple[Record, Any]] = deque()
        self._bytes = 0
        self._count = 0
        self._moved_at = time.monotonic()
        self.end = 0

    def has_room(self, *, one_by_one: bool) -> bool:
        if one_by_one:
            return not self._sent
        return len(self._sent) < _MOST_IN_FLIGHT and self._bytes < _MOST_BYTES_IN_FLIGHT

    @property
    def is_silent(self) -> bool:
        """Whether Kafka should have answered by now."""
        return bool(self._sent) and time.monotonic() - self._moved_at > _SILENT_SECONDS

    def send(self, record: Record, *, then: Callable[[object], None]) -> None:
        """Raises _Failed when the producer itself refuses the record."""
        message = record.message
        if not self._sent:
            self._moved_at = time.monotonic()
        self._count += 1
        self.end = record.end
        try:
            future = self._producer.send(message.topic, message.value, message.key, list(message.headers))
        except _AT_FAULT as error:
            raise _Failed(record, error, alone=self._count == 1) from None
        self._sent.append((record, future))
        self._bytes += len(record.payload)
        future.add_both(then)

    def finished(self) -> Iterator[Record]:
        """Takes what is done from the front. Raises _Failed at the first that failed."""
        while self._sent and self._sent[0][1].is_done:
            record, future = self._sent[0]
            if future.exception is not None:
                raise _Failed(record, future.exception, alone=self._count == 1)
            self._sent.popleft()
            self._bytes -= len(record.payload)
            self._moved_at = time.monotonic()
            yield record


class Publisher:
    """Gets what is journalled into Kafka. `reject` makes the message that records a refusal by Kafka."""

    def __init__(
        self,
        source: Source,
        *,
        connect: Callable[[], Any],
        reject: Callable[[Record], Outbound],
        acknowledged: Callable[[int], None],
        metrics: IngestMetrics,
        log: Log,
        begin: int = 0,
    ) -> None:
        self._source = source
        self._connect = connect
        self._reject = reject
        self._acknowledged = acknowledged
        self._metrics = metrics
        self._log = log
        self._done = begin
        self._one_by_one_until = -1
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._rejections: deque[Outbound] = deque(maxlen=1_000)
        self._rejections_allowed = 200.0
        self._rejections_at = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self.trouble = "not connected yet"
        """Why nothing reaches Kafka; empty while all is well."""

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """There is more to send."""
        self._wake.set()

    def offer(self, rejection: Outbound) -> None:
        """Sends the record of a refusal when there is time; under a flood the metric alone counts them."""
        self._rejections.append(rejection)
        self._wake.set()

    def stop(self, timeout: float = 5.0) -> None:
        """Sends what can still be sent, then ends. What is left stays in the journal for the next start."""
        deadline = time.monotonic() + timeout
        while not self.trouble and self._done < self._source.durable and time.monotonic() < deadline:
            self._stopping.wait(0.02)
        self._stopping.set()
        self._wake.set()
        self._thread.join(timeout=timeout + 10)

    # ---- the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            producer = None
            before = self._done
            try:
                producer = self._connect()
                self._pump(producer)
            except _Failed as failed:
                self._judge(failed)
            except Unavailable as error:
                self._note("away", str(error))
            except KafkaError as error:
                self._note("away", type(error).__name__)
            except Exception as error:  # whatever a library throws, the journal must go on being sent
                self._metrics.publish_failures.labels("unexpected").inc()
                self._log.bug("the sender failed and begins anew", error)
                self.trouble = f"failing ({type(error).__name__})"
            finally:
                _close(producer)
            failures = 0 if self._done > before else min(failures + 1, len(_BACK_OFF_SECONDS) - 1)
            if failures:
                self._stopping.wait(_BACK_OFF_SECONDS[failures])

    def _pump(self, producer: Any) -> None:
        """Sends until told to stop. Raises _Failed for the first send that failed."""
        flight = _Flight(producer)
        ahead: deque[Record] = deque()
        position = self._done
        while not self._stopping.is_set():
            self._wake.clear()
            self._take_finished(flight)
            if flight.is_silent and not self.trouble:
                self._note("away", f"no answer for {_SILENT_SECONDS:.0f} s")  # the producer itself goes on trying
            one_by_one = self._done < self._one_by_one_until
            if not ahead and position < self._source.durable:
                ahead, position = self._read(position)
            while ahead and flight.has_room(one_by_one=one_by_one):
                flight.send(ahead.popleft(), then=self._woken)
            if not one_by_one:
                self._send_rejections(producer)
            if not ahead or not flight.has_room(one_by_one=one_by_one):
                self._wake.wait(timeout=0.5)

    def _read(self, position: int) -> tuple[deque[Record], int]:
        end = self._source.durable
        records = self._source.read(position)
        if records:
            return deque(records), records[-1].end
        self._log.error("the journal is damaged; going on behind it", position=position, bytes=end - position)
        return deque(), end

    def _woken(self, _result: object) -> None:
        self._wake.set()

    def _take_finished(self, flight: "_Flight") -> None:
        oldest: Record | None = None
        try:
            for record in flight.finished():
                oldest = oldest or record
                self._done = record.end
        except _Failed:
            self._one_by_one_until = max(self._one_by_one_until, flight.end)
            raise
        finally:
            if oldest is not None:
                self._mark(oldest)

    def _mark(self, oldest: Record) -> None:
        """Kafka has everything up to here."""
        self.trouble = ""
        self._metrics.publish_duration.observe(max(0.0, time.time() - oldest.at_ms / 1000))
        self._source.acknowledge(self._done)
        self._acknowledged(self._done)
        if self._done >= self._one_by_one_until:
            self._one_by_one_until = -1

    # ---- failures ---------------------------------------------------------------------------------------------------

    def _judge(self, failed: _Failed) -> None:
        cause = failed.cause
        if isinstance(cause, _DENIED):
            self._note("denied", f"Kafka denies access ({type(cause).__name__})")
        elif not isinstance(cause, _AT_FAULT):
            self._one_by_one_until = -1
            self._note("away", type(cause).__name__)
        elif not failed.alone:
            self._one_by_one_until = max(self._one_by_one_until, failed.record.end)
            self._metrics.publish_failures.labels("refused").inc()
        else:
            self._put_aside(failed)

    def _put_aside(self, failed: _Failed) -> None:
        """Records that Kafka refuses this one, and only then goes on behind it."""
        rejection = self._reject(failed.record)
        producer = None
        try:
            producer = self._connect()
            producer.send(rejection.topic, rejection.value, rejection.key, list(rejection.headers)).get(timeout=10)
        except (KafkaError, Unavailable) as error:
            self._note("away", type(error).__name__)
            return
        finally:
            _close(producer)
        self._log.error("Kafka refused a record", reason=type(failed.cause).__name__, bytes=len(failed.record.payload))
        self._metrics.publish_failures.labels("refused").inc()
        self._done = failed.record.end
        self._mark(failed.record)

    def _note(self, kind: str, detail: str) -> None:
        self._metrics.publish_failures.labels(kind).inc()
        if not self.trouble:
            self._log.warning("Kafka takes nothing; the journal keeps what is accepted", detail=detail)
        self.trouble = detail

    def _send_rejections(self, producer: Any) -> None:
        now = time.monotonic()
        self._rejections_allowed += (now - self._rejections_at) * _REJECTIONS_PER_SECOND
        self._rejections_allowed = min(200.0, self._rejections_allowed)
        self._rejections_at = now
        while self._rejections:
            rejection = self._rejections.popleft()
            if self._rejections_allowed >= 1:
                self._rejections_allowed -= 1
                producer.send(rejection.topic, rejection.value, rejection.key, list(rejection.headers))


def _close(producer: Any) -> None:
    """Lets go of a producer. Its `close` flushes first, and raises, still sending, when that does not end in time: then
    its thread is told to stop, lest it sends old records behind newer ones."""
    if producer is None:
        return
    try:
        producer.close(timeout=1)
    except Exception:
        with suppress(Exception):
            producer._sender.force_close()
            producer._sender.join(timeout=5)
