"""Where one event is, and whether all of them are: the store and the topics held against each other."""

import mmap
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import msgspec
from sqlalchemy import Connection, select

from services.api.io import tables as db
from services.api.io.projection import rows_by_id
from services.api.io.store import Store, moment
from services.api.io.topic_reader import TopicReader
from services.contracts.topics import FEEDBACK_RECEIVED
from services.kit.settings import Settings

_REFUSED_SHOWN = 5


def in_journal(data_dir: Path, event: str) -> str | None:
    """Whether the intake's journal still holds the event: it keeps what Kafka has for a minute more. Looks for the id's
    bytes only; the journal's form is the intake's business."""
    wanted = UUID(event).bytes
    for path in sorted((data_dir / "ingest").rglob("*.journal")):
        if path.stat().st_size == 0:
            continue
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            if content.find(wanted) >= 0:
                return f"held in {path.name}"
    return None


def of(connection: Connection, event: str, *, source: str, source_id: str) -> Iterator[tuple[str, str]]:
    """Every station that the store knows, in order."""
    places = []
    received = connection.execute(select(db.feedback).where(db.feedback.c.id == event)).first()
    if received is not None:
        places.append((FEEDBACK_RECEIVED, received.partition, received.offset))
        where = f"{FEEDBACK_RECEIVED} {received.partition} at {received.offset}"
        yield "received", f"{moment(received.received_at).isoformat()}, {where}"
    else:
        refused = connection.execute(
            select(db.rejections)
            .where(db.rejections.c.source == source)
            .order_by(db.rejections.c.received_at.desc())
            .limit(_REFUSED_SHOWN)
        ).all()
        for row in refused:
            if row.id == event:
                yield "rejected", f"{moment(row.received_at).isoformat()}, {row.reason}"
    tags = connection.execute(select(db.tags).where(db.tags.c.id == event)).first()
    if tags is not None:
        yield "tagged", f"revision {tags.revision}, {tags.status}: {tags.stage} / {tags.area}"
    elif received is not None:
        yield "tagged", "not yet"
    for topic, partition, offset in places:
        letters = connection.execute(
            select(db.letters).where(
                db.letters.c.topic == topic, db.letters.c.partition == partition, db.letters.c.offset == offset
            )
        )
        for row in letters:
            replayed = connection.execute(select(db.marks.c.at).where(db.marks.c.id == row.id)).scalar()
            yield (
                "dead letter",
                f"{row.id} in {row.service}-dlq: {row.code}" + (f", replayed {replayed}" if replayed else ""),
            )


class Row(msgspec.Struct, order=True):
    """One source on one day: what stands in the topic, and what became of it."""

    source: str
    day: str
    accepted: int = 0
    stored: int = 0
    dead: int = 0
    in_flight: int = 0
    tagged: int = 0

    @property
    def missing(self) -> int:
        return self.accepted - self.stored - self.dead - self.in_flight


class _Seen(msgspec.Struct):
    id: str
    source: str
    received_at: datetime


_seen = msgspec.json.Decoder(_Seen)


def audit(settings: Settings, store: Store) -> list[Row]:
    """Every event in `feedback-received` held against the store, by distinct ids. Raises Unavailable."""
    reader = TopicReader(settings, [FEEDBACK_RECEIVED])
    rows: dict[tuple[str, str], Row] = {}
    counted: set[bytes] = set()
    try:
        for batch in reader.batches(reader.ends()):
            found: dict[str, tuple[Row, int, int]] = {}
            for message in batch:
                try:
                    seen = _seen.decode(message.value or b"")
                    name = UUID(seen.id).bytes
                except (msgspec.MsgspecError, ValueError):
                    continue  # a dead letter, which has no source to count it under
                if name in counted:
                    continue
                counted.add(name)
                day = seen.received_at.astimezone(UTC).date().isoformat()
                row = rows.setdefault((seen.source, day), Row(seen.source, day))
                row.accepted += 1
                found[seen.id] = (row, message.partition, message.offset)
            _hold_against(store, found)
    finally:
        reader.close()
    return sorted(rows.values())


def _hold_against(store: Store, found: dict[str, tuple[Row, int, int]]) -> None:
    with store.reading() as connection:
        stored = {row.id for row in rows_by_id(connection, select(db.feedback.c.id), db.feedback, found)}
        tagged = {row.id for row in rows_by_id(connection, select(db.tags.c.id), db.tags, found)}
        query = select(db.offsets.c.partition, db.offsets.c.next).where(db.offsets.c.topic == FEEDBACK_RECEIVED)
        position = {row.partition: row.next for row in connection.execute(query)}
        dead = {
            (row.partition, row.offset)
            for row in connection.execute(
                select(db.letters.c.partition, db.letters.c.offset).where(
                    db.letters.c.topic == FEEDBACK_RECEIVED, db.letters.c.service == "api"
                )
            )
        }
    for name, (row, partition, offset) in found.items():
        row.stored += name in stored
        row.tagged += name in tagged
        if name not in stored:
            row.dead += (partition, offset) in dead
            row.in_flight += offset >= position.get(partition, 0)
