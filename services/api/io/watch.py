"""Watches every consumer group and every dead-letter topic from outside, and counts what is missing.

Asks Kafka for positions, the store for what it holds. What it finds are metrics and the words of the health page.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec
from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError
from sqlalchemy import Connection, func, select

from services.api.io import tables as db
from services.api.io.rounds import Rounds
from services.api.io.store import Store
from services.api.lag import GROUPS, Lag, Passed, Place, lags, oldest_ages
from services.api.metrics import WatchMetrics
from services.api.project import SERVICE
from services.contracts import topics as t
from services.kit.clock import Clock, utc_now
from services.kit.kafka import client_settings, partitions_of
from services.kit.process import Process

_EVERY_SECONDS = 5.0
OTHER = "other"


class Seen(msgspec.Struct, frozen=True):
    """One look at everything."""

    at: datetime
    lags: list[Lag]
    ages: dict[tuple[str, str], float]
    letters: dict[str, int]
    missing: dict[str, int] | None


class Watch(Rounds):
    """A thread that looks every five seconds; `last` is the newest look, None before the first."""

    def __init__(
        self,
        process: Process,
        store: Store,
        metrics: WatchMetrics,
        *,
        sources: Callable[[], frozenset[str]],
        clock: Clock = utc_now,
    ) -> None:
        super().__init__(process, "watch", every=_EVERY_SECONDS)
        self._sources = sources
        self._store = store
        self._metrics = metrics
        self._clock = clock
        self.last: Seen | None = None
        for topic in t.DEAD_LETTERS:
            metrics.letters_open.labels(topic).set(0)

    def caught_up(self) -> bool:
        """Whether the store held everything at the last look, and that was just now."""
        seen = self.last
        if seen is None or (self._clock() - seen.at).total_seconds() > 6 * _EVERY_SECONDS:
            return False
        return all(lag.messages == 0 for lag in seen.lags if lag.group == SERVICE)

    def _round(self) -> None:
        try:
            self._look_until_it_fails()
        except KafkaError as error:
            self._process.log.debug("positions could not be read", error=type(error).__name__)

    def _look_until_it_fails(self) -> None:
        settings = client_settings(self._process.settings)
        admin = KafkaAdminClient(**settings, client_id="palette-watch")
        try:
            consumer = KafkaConsumer(
                **settings,
                client_id="palette-watch",
                enable_auto_commit=False,
                isolation_level="read_uncommitted",
                reconnect_backoff_max_ms=1_000,
            )
            try:
                while not self._stopping.is_set():
                    self.look(admin, consumer)
                    self._stopping.wait(_EVERY_SECONDS)
            finally:
                consumer.close(timeout_ms=1_000)
        finally:
            admin.close()

    def look(self, admin: Any, consumer: Any) -> Seen:
        """One look; also puts it into the metrics. Raises KafkaError."""
        committed = {group: _positions(admin, group) for group in GROUPS}
        places = [TopicPartition(*place) for place in self._places()]
        begins = {(p.topic, p.partition): at for p, at in consumer.beginning_offsets(places).items()}
        ends = {(p.topic, p.partition): at for p, at in consumer.end_offsets(places).items()}
        found = lags(committed, begins, ends)
        now = self._clock()
        written = _written(consumer, {(lag.topic, lag.partition, lag.next) for lag in found if lag.messages})
        passed = Passed(
            {p: at for (topic, p), at in committed["classify"].items() if topic == t.FEEDBACK_RECEIVED},
            {p: end for (topic, p), end in ends.items() if topic == t.FEEDBACK_CLASSIFIED},
        )
        with self._store.reading() as connection:
            letters = open_letters(connection)
            missing = missing_events(connection, passed)
        seen = Seen(now, found, oldest_ages(found, written, now=now), letters, missing)
        self._show(seen)
        self.last = seen
        return seen

    def _places(self) -> Iterable[Place]:
        wanted = {name for names in GROUPS.values() for name in names}
        for name in sorted(wanted):
            for number in range(partitions_of(t.load_topics()[name], self._process.settings)):
                yield name, number

    def _show(self, seen: Seen) -> None:
        for lag in seen.lags:
            self._metrics.lag.labels(lag.group, lag.topic, str(lag.partition)).set(lag.messages)
        for (group, topic), age in seen.ages.items():
            self._metrics.oldest_age.labels(group, topic).set(age)
        for topic, number in seen.letters.items():
            self._metrics.letters_open.labels(topic).set(number)
        if seen.missing is not None:
            declared = self._sources()
            by_label = dict.fromkeys([*declared, OTHER], 0)
            for source, number in seen.missing.items():
                by_label[source if source in declared else OTHER] += number
            for label, number in by_label.items():
                self._metrics.missing.labels(label).set(number)
        self._metrics.last_success.set(seen.at.timestamp())


def _positions(admin: Any, group: str) -> dict[Place, int]:
    found = admin.list_group_offsets({group: None})[group]
    return {(p.topic, p.partition): o.offset for p, o in found.items() if o.offset >= 0}


def _written(consumer: Any, wanted: Iterable[tuple[str, int, int]]) -> dict[Place, dict[int, datetime]]:
    """When the messages at these offsets were written. At a transaction's marker the next message counts."""
    by_place = {TopicPartition(topic, partition): offset for topic, partition, offset in wanted}
    found: dict[Place, dict[int, datetime]] = {}
    if not by_place:
        return found
    consumer.assign(list(by_place))
    for place, offset in by_place.items():
        consumer.seek(place, offset)
    for place, records in consumer.poll(timeout_ms=2_000, max_records=len(by_place) * 50).items():
        at = datetime.fromtimestamp(records[0].timestamp / 1000, UTC)
        found[(place.topic, place.partition)] = {by_place[place]: at}
    return found


def open_letters(connection: Connection) -> dict[str, int]:
    """Dead letters that nobody replayed, by their topic."""
    replayed = select(db.marks.c.id)
    query = select(db.letters.c.service, func.count().label("n")).where(db.letters.c.id.not_in(replayed))
    found = {row.service: row.n for row in connection.execute(query.group_by(db.letters.c.service))}
    return {topic: found.get(topic.removesuffix("-dlq"), 0) for topic in t.DEAD_LETTERS}


def missing_events(connection: Connection, passed: Passed) -> dict[str, int] | None:
    """By source: stored, passed by the classifier, yet neither tagged nor put aside. None while the store still reads
    what the classifier said; nothing can be told then."""
    query = select(db.offsets.c.partition, db.offsets.c.next).where(db.offsets.c.topic == t.FEEDBACK_CLASSIFIED)
    if not passed.store_has_caught_up({row.partition: row.next for row in connection.execute(query)}):
        return None
    missing = dict.fromkeys(connection.execute(select(db.feedback.c.source).distinct()).scalars(), 0)
    for partition, at in passed.classify_at.items():
        letter = (
            select(db.letters.c.id)
            .where(
                db.letters.c.topic == t.FEEDBACK_RECEIVED,
                db.letters.c.partition == db.untagged.c.partition,
                db.letters.c.offset == db.untagged.c.offset,
            )
            .exists()
        )
        query = select(db.untagged.c.source, func.count().label("n")).where(
            db.untagged.c.partition == partition, db.untagged.c.offset < at, ~letter
        )
        for row in connection.execute(query.group_by(db.untagged.c.source)):
            missing[row.source] += row.n
    return missing
