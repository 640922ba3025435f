"""Reading feedback: lists in keyset pages, one event whole, its conversation, a customer's timeline, the members of an
action. Voices are what counts: of a conversation the one event that stands for it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, column, func, literal_column, or_, select, table, text, tuple_

from services.api.io import tables as db
from services.api.io.store import Store, micros
from services.api.names import UNNAMED, Names
from services.api.queries import Cursor, FeedbackFilter, search_words
from services.api.shapes import Voice
from services.contracts.events import FeedbackClassified, FeedbackReceived, Pseudonym

_MOST_HITS = 5_000
"""A search looks at the newest hits, so that a word that is everywhere costs no more than a rare one (SQLite)."""

_NAMESAKES = 50
"""Conversations under one name that are looked through for the one that an event began."""

EVERYTHING = FeedbackFilter()
"""The filter that asks nothing."""

_facts = msgspec.json.Decoder(FeedbackReceived)
_classified = msgspec.json.Decoder(FeedbackClassified)

_COLUMNS = (
    db.feedback.c.id,
    db.feedback.c.text,
    db.feedback.c.facts,
    db.feedback.c.received_at,
    db.feedback.c.occurred_at,
    db.tags.c.body,
)

_EVENTS = db.feedback.outerjoin(db.tags, db.tags.c.id == db.feedback.c.id)
"""Events with their tags, where they have any."""

_STANDS = or_(db.tags.c.counts == 1, db.tags.c.counts.is_(None))
"""An event that counts, or is not read yet."""


class Page(msgspec.Struct, frozen=True):
    """Rows and where the next page begins; None at the end."""

    items: list[Voice]
    next: Cursor | None


def list_feedback(
    connection: Connection,
    store: Store,
    asked: FeedbackFilter,
    *,
    limit: int,
    after: Cursor | None,
    parts: bool = False,
    names: Names = UNNAMED,
) -> Page:
    """Newest first by the time of receipt, then id. Of a conversation the one that stands for it; a search by words
    finds its parts, too. `parts`: whatever came in is listed, unless tags are asked for: those are of voices. `names`
    say under which ids a stage, an area or a theme stood before."""
    by_tag = asked.by_tag()
    source = db.tags.join(db.feedback, db.feedback.c.id == db.tags.c.id) if by_tag else _EVENTS
    driver = db.tags if by_tag else db.feedback
    if asked.status == "received":
        source = source.join(db.untagged, db.untagged.c.id == driver.c.id)
    query = select(*_COLUMNS).select_from(source)
    query = _filtered(query, store, asked, names, driver=driver)
    if asked.q is None and (by_tag or not parts):
        query = query.where(db.tags.c.counts == 1 if by_tag else _STANDS)
    return _page(connection, query, driver.c.received_at, driver.c.id, limit=limit, after=after)


def _page(connection: Connection, query: Any, time: Any, name: Any, *, limit: int, after: Cursor | None) -> Page:
    """Rows of a query, newest first by a time, then id."""
    if after is not None:
        query = query.where(tuple_(time, name) < (after.value, after.id))
    rows = connection.execute(query.order_by(time.desc(), name.desc()).limit(limit + 1)).all()
    page = rows[:limit]
    return Page(_voices(page), Cursor(getattr(page[-1], time.name), page[-1].id) if len(rows) > limit else None)


def _filtered(query: Any, store: Store, asked: FeedbackFilter, names: Names, *, driver: Any) -> Any:
    for name in ("source", "channel"):
        if (value := getattr(asked, name)) is not None:
            query = query.where(driver.c[name] == value)
    if asked.stage is not None:
        query = query.where(db.tags.c.stage.in_(names.meant("stages", asked.stage)))
    for name in ("sentiment", "intent", "severity", "region", "site", "product"):
        if (value := getattr(asked, name)) is not None:
            query = query.where(db.tags.c[name] == value)
    if asked.status in {"tagged", "unsure"}:
        query = query.where(db.tags.c.status == asked.status)
    if asked.area is not None:
        query = query.where(_any_of(db.tags.c.areas, names.meant("areas", asked.area)))
    if asked.theme is not None:
        query = query.where(_any_of(db.tags.c.themes, names.meant("themes", asked.theme)))
    if asked.since is not None:
        query = query.where(driver.c.occurred_at >= micros(asked.since))
    if asked.until is not None:
        query = query.where(driver.c.occurred_at < micros(asked.until))
    if asked.q is not None:
        query = query.where(matching(store, asked.q))
    return query


def _any_of(column: Any, ids: Iterable[str]) -> Any:
    """A condition on ids that stand in one column as ` a b `."""
    return or_(*(column.contains(f" {name} ", autoescape=True) for name in ids))


def matching(store: Store, words: str) -> Any:
    """A condition on `feedback`: its text holds all of the words."""
    found = search_words(words)
    if not found:
        return text("1 = 0")
    if store.sqlite:
        search = table("feedback_search", column("rowid"))
        quoted = " ".join(f'"{word}"' for word in found)
        hits = select(search.c.rowid).where(text("feedback_search MATCH :words").bindparams(words=quoted))
        return db.feedback.c.seq.in_(hits.order_by(search.c.rowid.desc()).limit(_MOST_HITS))
    return literal_column("feedback.search").op("@@")(func.plainto_tsquery("simple", " ".join(found)))


def get_voice(connection: Connection, name: str) -> Voice | None:
    """One event by its id."""
    found = voices_by_id(connection, [name])
    return found.get(name)


def voices_by_id(connection: Connection, names: Sequence[str]) -> Mapping[str, Voice]:
    """Events by their ids; ids that are not stored are left out."""
    query = select(*_COLUMNS).select_from(_EVENTS)
    rows = connection.execute(query.where(db.feedback.c.id.in_(list(names)))).all()
    return {voice.event.id: voice for voice in _voices(rows)}


def head_of(connection: Connection, voice: Voice) -> str | None:
    """For a part of a conversation, the event that stands for all of it; None for what stands for itself, and while
    only the company has spoken."""
    tagged = voice.tagged
    if tagged is None or tagged.conversation is None or tagged.counts:
        return None
    if tagged.conversation.head is not None:
        return tagged.conversation.head
    query = (  # it came before its head, and only the head's tags tell of it
        select(db.tags.c.body)
        .where(
            db.tags.c.conversation == tagged.conversation.id,
            db.tags.c.source == tagged.source,
            db.tags.c.received_at >= micros(tagged.received_at),
            db.tags.c.counts == 1,
        )
        .order_by(db.tags.c.received_at, db.tags.c.id)
        .limit(_NAMESAKES)
    )
    for body in connection.execute(query).scalars():
        whole = _classified.decode(body)
        if whole.conversation is not None and any(part.id == tagged.id for part in whole.conversation.parts):
            return whole.id
    return None


def conversation(connection: Connection, voice: Voice) -> list[Voice]:
    """The parts that the tags of a conversation's head tell of, in the order in which they were said; empty for an
    event that is alone."""
    if not voice.parts:
        return []
    found = voices_by_id(connection, [voice.event.id, *voice.parts])
    return sorted(found.values(), key=lambda one: (one.event.occurred_at, one.event.received_at, one.event.id))


def find_event(connection: Connection, source: str, source_id: str) -> str | None:
    """The id of what a sender calls (source, id)."""
    query = select(db.feedback.c.id).where(db.feedback.c.source == source, db.feedback.c.source_id == source_id)
    return connection.execute(query).scalar()


def timeline(connection: Connection, customer: Pseudonym, *, limit: int, after: Cursor | None) -> Page:
    """What one customer said, newest first by when it occurred; a conversation once. Employees have no timeline."""
    query = (
        select(*_COLUMNS)
        .select_from(_EVENTS)
        .where(db.feedback.c.customer == customer, db.feedback.c.channel != "employee", _STANDS)
    )
    return _page(connection, query, db.feedback.c.occurred_at, db.feedback.c.id, limit=limit, after=after)


def members(connection: Connection, action: str, *, limit: int, after: Cursor | None) -> Page:
    """The events that count in an action, newest first by when they occurred."""
    query = (
        select(*_COLUMNS)
        .select_from(
            db.members.join(db.feedback, db.feedback.c.id == db.members.c.event).outerjoin(
                db.tags, db.tags.c.id == db.feedback.c.id
            )
        )
        .where(and_(db.members.c.action == action, db.members.c.present == 1))
    )
    return _page(connection, query, db.feedback.c.occurred_at, db.feedback.c.id, limit=limit, after=after)


def was_corrected(connection: Connection, event: str, revision: int) -> bool:
    """Whether somebody has corrected this tag revision."""
    query = select(db.corrections.c.id).where(db.corrections.c.event == event, db.corrections.c.revision == revision)
    return connection.execute(query.limit(1)).first() is not None


def correction_exists(connection: Connection, name: str) -> bool:
    """Whether a correction has come through its topic."""
    return connection.execute(select(db.corrections.c.id).where(db.corrections.c.id == name)).first() is not None


def _voices(rows: Iterable[Any]) -> list[Voice]:
    return [
        Voice(
            msgspec.structs.replace(_facts.decode(row.facts), text=row.text),
            _classified.decode(row.body) if row.body is not None else None,
        )
        for row in rows
    ]
