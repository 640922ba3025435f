"""One batch into the store: rows, roll-ups and offsets in one transaction, under the owner's name.

The first statement moves the offsets of the batch's partitions where this owner holds them; when another one does, all
of it is rolled back (Fenced). Doing a batch twice changes nothing.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, bindparam, case, func, insert, select, text

from services.api.io import tables as db
from services.api.io.store import Store, micros
from services.api.pools import POOL_MEASURES, pooled
from services.api.project import Batch, Stored
from services.api.rollups import CELL_MEASURES, RATING_MEASURES, Deltas, Key, contribution
from services.contracts.events import Action, ActionChanged, FeedbackClassified, FeedbackReceived

_CHUNK = 400
_WAITING = ("id", "source", "partition", "offset")
_LEFT = frozenset({"left", "closed"})
_BOOKKEEPING = frozenset({"joined", "left", "updated"})
_encode = msgspec.json.Encoder().encode
_classified = msgspec.json.Decoder(FeedbackClassified)


class Fenced(Exception):
    """Another process has taken over these partitions."""


class Projection:
    """Writes batches as `owner`, once it has claimed its partitions."""

    def __init__(self, store: Store, *, owner: str) -> None:
        self._store = store
        self._owner = owner

    def claim(self, partitions: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
        """Takes partitions over and answers where to read on; whoever held them before can no longer write."""
        with self._store.writing() as connection:
            for topic, partition in sorted(partitions):
                statement = self._store.insert(db.offsets).values(
                    topic=topic, partition=partition, owner=self._owner, next=0
                )
                connection.execute(
                    statement.on_conflict_do_update(
                        index_elements=["topic", "partition"], set_={"owner": statement.excluded.owner}
                    )
                )
            rows = connection.execute(select(db.offsets).where(db.offsets.c.owner == self._owner)).all()
        return {(row.topic, row.partition): row.next for row in rows}

    def write(self, batch: Batch) -> int:
        """Writes a batch; answers how many of its events said something new. Raises Fenced."""
        with self._store.writing() as connection:
            self._move(connection, batch.ends)
            news = _write_feedback(connection, self._store, batch)
            news += _write_tags(connection, self._store, batch.classified)
            news += _write_actions(connection, self._store, batch.actions)
            news += _write_changes(connection, self._store, batch.changes)
            for table, rows in _PLAIN:
                found = rows(batch)
                if found:
                    connection.execute(self._store.insert(table).on_conflict_do_nothing(), found)
            _write_policies(connection, self._store, batch.policies)
            _write_models(connection, self._store, batch.models)
        return news

    def _move(self, connection: Connection, ends: Mapping[tuple[str, int], int]) -> None:
        next_ = bindparam("to", type_=db.offsets.c.next.type)
        statement = (
            db.offsets.update()
            .where(
                db.offsets.c.topic == bindparam("t"),
                db.offsets.c.partition == bindparam("p"),
                db.offsets.c.owner == self._owner,
            )
            .values(next=case((db.offsets.c.next < next_, next_), else_=db.offsets.c.next))
        )
        for (topic, partition), end in sorted(ends.items()):
            if connection.execute(statement, {"t": topic, "p": partition, "to": end}).rowcount != 1:
                raise Fenced(f"{topic}-{partition} belongs to another process")


def _write_feedback(connection: Connection, store: Store, batch: Batch) -> int:
    found = batch.received
    if not found:
        return 0
    known = _present(connection, db.feedback, found)
    new = [stored for name, stored in found.items() if name not in known]
    if not new:
        return 0
    first = (connection.execute(select(func.max(db.feedback.c.seq))).scalar() or 0) + 1
    rows = [_feedback_row(stored, seq) for seq, stored in enumerate(new, start=first)]
    connection.execute(insert(db.feedback), rows)
    searchable = [{"seq": row["seq"], "text": row["text"]} for row in rows if row["text"]]
    if store.sqlite and searchable:
        connection.execute(text("INSERT INTO feedback_search (rowid, text) VALUES (:seq, :text)"), searchable)
    tagged = batch.classified.keys() | _present(
        connection, db.tags, (row["id"] for row in rows if row["id"] not in batch.classified)
    )
    waiting = [{name: row[name] for name in _WAITING} for row in rows if row["id"] not in tagged]
    if waiting:
        connection.execute(insert(db.untagged), waiting)
    return len(new)


def _feedback_row(stored: Stored, seq: int) -> dict[str, Any]:
    event: FeedbackReceived = stored.event
    return {
        "seq": seq,
        "id": event.id,
        "source": event.source,
        "source_id": event.source_id,
        "channel": event.channel,
        "occurred_at": micros(event.occurred_at),
        "received_at": micros(event.received_at),
        "customer": event.customer,
        "mode": event.mode,
        "partition": stored.partition,
        "offset": stored.offset,
        # PostgreSQL keeps no NUL; one character for one, so that spans still fit
        "text": event.text.replace("\x00", "�") if event.text else event.text,
        "facts": _encode(msgspec.structs.replace(event, text=None)),
    }


def _write_tags(connection: Connection, store: Store, found: dict[str, Stored]) -> int:
    if not found:
        return 0
    old = {
        row.id: row
        for row in rows_by_id(connection, select(db.tags.c.id, db.tags.c.revision, db.tags.c.body), db.tags, found)
    }
    narrow, wide, ratings, pools = Deltas(), Deltas(), Deltas(), Deltas()
    rows, purge = [], False
    for name, stored in found.items():
        event: FeedbackClassified = stored.event
        before = old.get(name)
        if before is not None:
            if event.revision <= before.revision:
                continue
            purge = True
            _add_contribution(_classified.decode(before.body), (narrow, wide, ratings, pools), sign=-1)
        _add_contribution(event, (narrow, wide, ratings, pools), sign=1)
        rows.append(_tag_row(event, stored.raw))
    if not rows:
        return 0
    statement = store.insert(db.tags)
    fresh = {c.name: statement.excluded[c.name] for c in db.tags.columns if c.name != "id"}
    connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=fresh), rows)
    for names in _chunks([row["id"] for row in rows if row["id"] not in old]):
        connection.execute(db.untagged.delete().where(db.untagged.c.id.in_(names)))
    for table, deltas, measures in (
        (db.narrow, narrow, CELL_MEASURES),
        (db.wide, wide, CELL_MEASURES),
        (db.ratings, ratings, RATING_MEASURES),
        (db.pools, pools, POOL_MEASURES),
    ):
        _add(connection, store, table, deltas.rows(), measures)
        if purge:
            connection.execute(table.delete().where(table.c.n == 0))
    return len(rows)


def _add_contribution(event: FeedbackClassified, rollups: tuple[Deltas, ...], *, sign: int) -> None:
    for deltas, part in zip(rollups, (*contribution(event), pooled(event)), strict=True):
        deltas.add(part, sign=sign)


def _tag_row(event: FeedbackClassified, raw: bytes) -> dict[str, Any]:
    tags = event.tags
    return {
        "id": event.id,
        "revision": event.revision,
        "status": tags.status,
        "stage": tags.stage,
        "area": tags.areas[0].area if tags.areas else "unknown",
        "areas": _words(tag.area for tag in tags.areas),
        "themes": _words(tags.themes),
        "sentiment": tags.sentiment,
        "intent": tags.intent,
        "severity": tags.severity,
        "source": event.source,
        "channel": event.channel,
        "product": event.attributes.get("product", ""),
        "region": event.attributes.get("region", ""),
        "site": event.attributes.get("site", ""),
        "counts": int(event.counts),
        "conversation": event.conversation.id if event.conversation is not None else None,
        "occurred_at": micros(event.occurred_at),
        "received_at": micros(event.received_at),
        "body": raw,
    }


def _words(names: Iterable[str]) -> str:
    joined = " ".join(names)
    return f" {joined} " if joined else ""


def _add(
    connection: Connection,
    store: Store,
    table: Table,
    rows: Iterable[tuple[Key, list[int]]],
    measures: Sequence[str],
) -> None:
    names = [c.name for c in table.primary_key.columns]
    values = [dict(zip((*names, *measures), (*key, *sums), strict=True)) for key, sums in rows]
    if not values:
        return
    statement = store.insert(table)
    added = {name: table.c[name] + statement.excluded[name] for name in measures}
    connection.execute(statement.on_conflict_do_update(index_elements=names, set_=added), values)


def _write_actions(connection: Connection, store: Store, found: dict[str, Stored]) -> int:
    if not found:
        return 0
    statement = store.insert(db.actions)
    fresh = {c.name: statement.excluded[c.name] for c in db.actions.columns if c.name != "id"}
    newer = statement.on_conflict_do_update(
        index_elements=["id"], set_=fresh, where=db.actions.c.revision < statement.excluded.revision
    )
    rows = [_action_row(stored.event, stored.raw) for stored in found.values()]
    return max(connection.execute(newer, rows).rowcount, 0)


def _action_row(action: Action, raw: bytes) -> dict[str, Any]:
    return {
        "id": action.id,
        "revision": action.revision,
        "group": action.group,
        "state": action.state,
        "team": action.plan.team,
        "kind": action.plan.action,
        "theme": action.plan.theme or "",
        "stage": action.plan.stage or "",
        "area": action.plan.area or "",
        "priority": action.priority,
        "severity": action.severity,
        "opened_at": micros(action.opened_at),
        "updated_at": micros(action.updated_at),
        "resolve_due_at": micros(action.resolve_due_at),
        "mode": action.mode,
        "body": raw,
    }


def _write_changes(connection: Connection, store: Store, found: dict[str, Stored]) -> int:
    if not found:
        return 0
    rows, joined = [], {}
    for stored in sorted(found.values(), key=lambda s: (s.partition, s.offset)):
        change: ActionChanged = stored.event
        rows.append(
            {
                "id": change.id,
                "action": change.action or "",
                "command": change.command or "",
                "member": int(change.change in _BOOKKEEPING),
                "partition": stored.partition,
                "offset": stored.offset,
                "body": stored.raw,
            }
        )
        for event in (*change.members, change.event):
            if event and change.action:
                joined[(change.action, event)] = {
                    "action": change.action,
                    "event": event,
                    "present": int(change.change not in _LEFT),
                    "offset": stored.offset,
                }
    added = connection.execute(store.insert(db.changes).on_conflict_do_nothing(), rows).rowcount
    if joined:
        statement = store.insert(db.members)
        fresh = {name: statement.excluded[name] for name in ("present", "offset")}
        # one action's changes are in one partition, so a smaller offset is an earlier change
        later = statement.on_conflict_do_update(
            index_elements=["action", "event"], set_=fresh, where=db.members.c.offset < statement.excluded.offset
        )
        connection.execute(later, [joined[key] for key in sorted(joined)])
    return max(added, 0)


def _write_policies(connection: Connection, store: Store, found: dict[str, Stored]) -> None:
    statement = store.insert(db.policies)
    fresh = {name: statement.excluded[name] for name in ("at", "by", "body")}
    for stored in found.values():
        policy = stored.event
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["version"], set_=fresh, where=db.policies.c.at < statement.excluded.at
            ),
            {"version": policy.version, "at": micros(policy.at), "by": policy.by, "body": _encode(policy)},
        )


def _write_models(connection: Connection, store: Store, found: dict[str, Stored]) -> None:
    statement = store.insert(db.models)
    fresh = {name: statement.excluded[name] for name in ("offset", "body")}
    for stored in found.values():
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["version"], set_=fresh, where=db.models.c.offset < statement.excluded.offset
            ),
            {"version": stored.event.version, "offset": stored.offset, "body": stored.raw},
        )


_PLAIN: tuple[tuple[Table, Callable[[Batch], list[dict[str, Any]]]], ...] = (
    (
        db.commands,
        lambda b: [
            {"id": s.event.id, "action": s.event.action, "reason": s.event.reason or "", "body": s.raw}
            for s in b.commands.values()
        ],
    ),
    (
        db.corrections,
        lambda b: [
            {
                "id": s.event.correction.id,
                "event": s.event.of.id,
                "revision": s.event.of.revision,
                "by": s.event.correction.by,
                "at": micros(s.event.correction.at),
                "asked": s.event.correction.asked or "page",
                "body": s.raw,
            }
            for s in b.corrections.values()
        ],
    ),
    (
        db.outcomes,
        lambda b: [
            {"id": s.event.id, "action": s.event.action, "at": micros(s.event.at), "body": s.raw}
            for s in b.outcomes.values()
        ],
    ),
    (
        db.rejections,
        lambda b: [
            {
                "id": s.event.id,
                "source": s.event.source,
                "received_at": micros(s.event.received_at),
                "reason": s.event.reason,
            }
            for s in b.rejected.values()
        ],
    ),
    (db.letters, lambda b: [msgspec.structs.asdict(letter) for letter in b.letters.values()]),
    (db.marks, lambda b: [msgspec.structs.asdict(mark) for mark in b.marks.values()]),
)


def _present(connection: Connection, table: Table, names: Iterable[str]) -> set[str]:
    return {row.id for row in rows_by_id(connection, select(table.c.id), table, names)}


def rows_by_id(connection: Connection, query: Any, table: Table, names: Iterable[str]) -> Iterable[Any]:
    """Rows of a query with these ids, however many there are."""
    for chunk in _chunks(list(names)):
        yield from connection.execute(query.where(table.c.id.in_(chunk)))


def _chunks(names: list[str]) -> Iterable[list[str]]:
    return (names[start : start + _CHUNK] for start in range(0, len(names), _CHUNK))
