"""Topics -> store: one thread that reads, projects, writes and notes for everybody where it stands.

The store's own offsets say where to read on; they are also committed to Kafka as group `api`, for visibility only.
While Kafka is away the thread tries again by itself and the API goes on answering from the store. A message that cannot
be read becomes a dead letter before its offset moves.
"""

import threading
import time
import uuid
from collections.abc import Sequence
from datetime import datetime

from kafka import KafkaProducer, TopicPartition
from kafka.errors import KafkaError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from services.api.io.fetch import Fetch
from services.api.io.news import News
from services.api.io.projection import Fenced, Projection
from services.api.io.publisher import sent
from services.api.io.store import Store, is_passing
from services.api.project import SERVICE, TOPICS, Bad, Batch, read
from services.contracts.codec import RawMessage, dead_letter
from services.contracts.errors import Unavailable
from services.contracts.topics import load_topics
from services.kit.clock import Clock, utc_now
from services.kit.kafka import create_topics, partitions_of, producer
from services.kit.metrics import ConsumerMetrics
from services.kit.poison import HaltDecision
from services.kit.process import Process

_SEND_SECONDS = 30
_BACK_OFF_SECONDS = (0.5, 1.0, 2.0, 5.0)


class Consumer:
    """The reading thread. `start` and `stop` are called once; `resume` whenever somebody looked at the dead letters."""

    def __init__(
        self, process: Process, store: Store, metrics: ConsumerMetrics, news: News, *, clock: Clock = utc_now
    ) -> None:
        self._news = news
        self._process = process
        self._store = store
        self._metrics = metrics
        metrics.latency.labels("readable")
        self._clock = clock
        self._stopping = threading.Event()
        self._resumed = threading.Event()
        self._halt = HaltDecision()
        self._not_halted = process.health.check("not halted")
        self._not_halted.passed()
        self._producer: KafkaProducer | None = None
        self._thread = threading.Thread(target=self._run, name="projection", daemon=True)
        self.connected = False

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._resumed.set()
        self._thread.join(timeout=10)

    def resume(self) -> str:
        """Goes on after a halt."""
        if self._not_halted.is_ok:
            return "was not halted"
        self._resumed.set()
        return "resumed"

    # ---- the loop ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        attempt = 0
        while not self._stopping.is_set():
            try:
                self._read_until_it_ends()
                attempt = 0
            except (KafkaError, Unavailable) as error:
                self._away("Kafka", error)
            except DBAPIError as error:
                if not is_passing(error):
                    self._process.crash("the store failed", error)
                self._away("the store", error)
            except Fenced as error:
                self._process.log.error("another process took over", detail=str(error))
                self._process.end(1)
            except Exception as error:
                self._process.crash("the projection failed", error)
            self._stopping.wait(_BACK_OFF_SECONDS[min(attempt, len(_BACK_OFF_SECONDS) - 1)])
            attempt += 1

    def _away(self, what: str, error: Exception) -> None:
        if self.connected:
            self._process.log.warning(
                f"{what} is away, the page answers from what is stored", error=type(error).__name__
            )
        self.connected = False

    def _read_until_it_ends(self) -> None:
        create_topics(self._process.settings)
        projection = Projection(self._store, owner=uuid.uuid4().hex)
        partitions = [
            TopicPartition(topic.name, number)
            for topic in load_topics().values()
            if topic.name in TOPICS
            for number in range(partitions_of(topic, self._process.settings))
        ]
        positions = projection.claim((p.topic, p.partition) for p in partitions)
        read_on = {p: positions.get((p.topic, p.partition), 0) for p in partitions}
        try:
            with Fetch(self._process.settings, group=SERVICE, positions=read_on, stopping=self._stopping) as fetch:
                self.connected = True
                while not self._stopping.is_set():
                    messages = fetch.read()
                    if messages:
                        batch = self._write(projection, messages)
                        self._stand_still(batch, len(messages))
                    fetch.show_positions()
        finally:
            self.connected = False
            self._drop_producer()

    def _stand_still(self, batch: Batch, messages: int) -> None:
        if not self._halt.saw(good=messages - len(batch.bad), bad=len(batch.bad)):
            return
        self._resumed.clear()
        self._not_halted.failed("halted after too many dead letters; look at them, then `palette resume api`")
        self._process.log.error("halted", dead_letters_in_batch=len(batch.bad))
        for topic in TOPICS:
            self._metrics.halted.labels(topic).set(1)
        self._resumed.wait()
        self._halt.forget()
        self._not_halted.passed()
        for topic in TOPICS:
            self._metrics.halted.labels(topic).set(0)

    # ---- one batch --------------------------------------------------------------------------------------------------

    def _write(self, projection: Projection, messages: Sequence[RawMessage]) -> Batch:
        started = time.perf_counter()
        batch = read(messages)
        self._put_aside(batch.bad)
        try:
            news = projection.write(batch)
        except (SQLAlchemyError, ValueError, OverflowError) as error:
            if isinstance(error, DBAPIError) and is_passing(error):
                raise
            batch, news = self._one_by_one(projection, messages), len(messages)
        spent = time.perf_counter() - started
        self._note(batch, messages, news, spent)
        self._news.tell()
        return batch

    def _one_by_one(self, projection: Projection, messages: Sequence[RawMessage]) -> Batch:
        """The batch again, each message alone: the one that the database refuses is put aside."""
        whole = Batch()
        for message in messages:
            single = read([message])
            try:
                projection.write(single)
            except (SQLAlchemyError, ValueError, OverflowError) as error:
                if isinstance(error, DBAPIError) and is_passing(error):
                    raise
                refused = Bad(message, "unexpected", f"the store refused it: {type(error).__name__}")
                self._put_aside([refused])
                single = Batch()
                single.bad.append(refused)
                single.ends[(message.topic, message.partition)] = message.offset + 1
                projection.write(single)
            whole.bad += single.bad
            whole.ends |= single.ends
        return whole

    def _put_aside(self, bad: Sequence[Bad]) -> None:
        """Dead letters, acknowledged before the offset moves. Raises Unavailable."""
        if not bad:
            return
        if self._producer is None:
            self._producer = producer(self._process.settings)
        now = self._clock()
        for item in bad:
            self._process.log.warning(
                "dead letter",
                topic=item.message.topic,
                partition=item.message.partition,
                offset=item.message.offset,
                code=item.code,
            )
            self._metrics.dead_letters.labels(item.message.topic, item.code).inc()
        letters = [
            dead_letter(
                item.message,
                service=SERVICE,
                version=self._process.version,
                code=item.code,
                detail=item.detail,
                at=now,
            )
            for item in bad
        ]
        for kept in [sent(self._producer, letter) for letter in letters]:
            kept.get(timeout=_SEND_SECONDS)

    def _note(self, batch: Batch, messages: Sequence[RawMessage], news: int, spent: float) -> None:
        counts: dict[str, int] = {}
        for message in messages:
            counts[message.topic] = counts.get(message.topic, 0) + 1
        for bad in batch.bad:
            counts[bad.message.topic] -= 1
            self._metrics.processed.labels(bad.message.topic, "dead_letter").inc()
        for topic, count in counts.items():
            self._metrics.processed.labels(topic, "ok").inc(count)
            self._metrics.duration.labels(topic).observe(spent)
        now = self._clock()
        for stored in batch.classified.values():
            if stored.event.mode == "live" and stored.event.revision == 1:
                self._metrics.latency.labels("readable").observe(_seconds(stored.event.received_at, now))
        self._process.log.info(
            "batch", messages=len(messages), news=news, ms=round(spent * 1000, 1), dead_letters=len(batch.bad)
        )

    def _drop_producer(self) -> None:
        if self._producer is not None:
            self._producer.close(timeout=2)
            self._producer = None


def _seconds(start: datetime, end: datetime) -> float:
    return max(0.0, (end - start).total_seconds())
