"""Reading what people said of tags, and what could be asked of them. Knows SQL; what to ask is decided elsewhere."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection, and_, func, select

from services.api.choosing import Candidate, candidate
from services.api.io import tables as db
from services.api.io.feedback import voices_by_id
from services.api.io.labels import on_day
from services.api.io.store import micros
from services.api.not_ours import NOT_OURS
from services.api.reviewed import Opinion, opinion
from services.api.shapes import Voice
from services.contracts.events import FeedbackCorrected, ModelActivated

_CANDIDATES = 2_000
_PER_SOURCE = 200
_DISOWNED = 500

_corrected = msgspec.json.Decoder(FeedbackCorrected)
_activated = msgspec.json.Decoder(ModelActivated)


def opinions(connection: Connection) -> list[Opinion]:
    """Everything that anybody ever said of a tag, oldest first."""
    query = select(db.corrections.c.body).order_by(db.corrections.c.at, db.corrections.c.id)
    return [opinion(_corrected.decode(row.body)) for row in connection.execute(query)]


def voices_of(connection: Connection, names: Sequence[str]) -> dict[str, Voice]:
    """Stored events by id, however many."""
    found: dict[str, Voice] = {}
    for begin in range(0, len(names), 400):
        found |= voices_by_id(connection, names[begin : begin + 400])
    return found


def candidates(connection: Connection, *, since: datetime) -> list[Candidate]:
    """Voices that nobody has looked at: the newest of every source, since then. Whoever corrected a part has looked at
    its whole conversation."""
    numbered = (
        select(
            db.tags.c.id,
            db.tags.c.received_at,
            func.row_number()
            .over(partition_by=db.tags.c.source, order_by=(db.tags.c.received_at.desc(), db.tags.c.id))
            .label("place"),
        )
        .outerjoin(db.corrections, db.corrections.c.event == db.tags.c.id)
        .where(db.tags.c.received_at >= micros(since), db.tags.c.counts == 1, db.corrections.c.id.is_(None))
        .subquery()
    )
    query = select(numbered.c.id).where(numbered.c.place <= _PER_SOURCE)
    names = connection.execute(query.order_by(numbered.c.received_at.desc(), numbered.c.id).limit(_CANDIDATES))
    found = voices_of(connection, [row.id for row in names])
    unseen = (v for v in found.values() if v.tagged is None or v.tagged.correction is None)
    return [item for voice in unseen if (item := candidate(voice)) is not None]


def labelled(connection: Connection, names: Sequence[str]) -> list[Candidate]:
    """Events as candidates, for those that were labelled already."""
    found = voices_of(connection, names)
    return [item for name in names if name in found and (item := candidate(found[name])) is not None]


def answered_on(connection: Connection, *, by: str, day: datetime) -> int:
    """How many labels a person has given for the queue on a day."""
    query = select(func.count()).where(
        db.corrections.c.by == by,
        db.corrections.c.asked == "review",
        on_day(day),
    )
    return int(connection.execute(query).scalar_one())


def answered_once(connection: Connection, *, besides: str, since: datetime) -> list[str]:
    """Voices that one person has answered, who is somebody else."""
    table = db.corrections
    query = (
        select(table.c.event)
        .join(db.tags, db.tags.c.id == table.c.event)
        .where(table.c.at >= micros(since), table.c.asked != NOT_OURS, db.tags.c.counts == 1)
        .group_by(table.c.event)
        .having(and_(func.count(func.distinct(table.c.by)) == 1, func.max(table.c.by) != besides))
    )
    return list(connection.execute(query).scalars())


def disowned(connection: Connection) -> list[str]:
    """Events in cases of which a team said that they are not theirs, and that nobody has answered since."""
    members = db.members
    declined = select(db.commands.c.action).where(db.commands.c.reason == NOT_OURS)
    query = (
        select(members.c.event)
        .outerjoin(db.corrections, db.corrections.c.event == members.c.event)
        .where(members.c.action.in_(declined), members.c.present == 1, db.corrections.c.id.is_(None))
        .distinct()
    )
    return list(connection.execute(query.order_by(members.c.event).limit(_DISOWNED)).scalars())


def first_tags(connection: Connection, names: Sequence[str]) -> Mapping[str, FeedbackCorrected]:
    """For events that somebody has corrected, the first correction, which holds the model's own tags."""
    found: dict[str, FeedbackCorrected] = {}
    query = select(db.corrections.c.body).where(db.corrections.c.event.in_(list(names)))
    for row in connection.execute(query):
        corrected = _corrected.decode(row.body)
        before = found.get(corrected.of.id)
        if before is None or corrected.of.revision < before.of.revision:
            found[corrected.of.id] = corrected
    return found


def activations(connection: Connection) -> list[ModelActivated]:
    """The last activation of every version, the one in force first."""
    query = select(db.models.c.body).order_by(db.models.c.offset.desc())
    return [_activated.decode(row.body) for row in connection.execute(query)]
