"""Reading who labelled what: how many texts, what was said of one, what a person did today. Knows SQL only."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, func, select

from services.api.io import tables as db
from services.api.io.store import micros
from services.api.not_ours import NOT_OURS
from services.api.teaching import Progress
from services.contracts.events import FeedbackCorrected
from services.contracts.learning import Learning

_HISTORY = 50

_corrected = msgspec.json.Decoder(FeedbackCorrected)


def labelled(connection: Connection, *, one_by_one: bool = False) -> int:
    """How many texts somebody has labelled. What has no words teaches nothing.
    `one_by_one`: without those that a team handed on with a whole case, at which nobody looked singly."""
    query = (
        select(func.count(func.distinct(db.corrections.c.event)))
        .join(db.feedback, db.feedback.c.id == db.corrections.c.event)
        .where(func.coalesce(db.feedback.c.text, "") != "")
    )
    if one_by_one:
        query = query.where(db.corrections.c.asked != NOT_OURS)
    return int(connection.execute(query).scalar_one())


def progress(connection: Connection, learning: Learning) -> Progress:
    """How far the first labels are, of those that somebody looked at singly."""
    return Progress(labelled(connection, one_by_one=True), learning.onboarding.labels)


def said_of(connection: Connection, event: str) -> list[FeedbackCorrected]:
    """What people said of one text's tags, oldest first."""
    table = db.corrections
    query = select(table.c.body).where(table.c.event == event).order_by(table.c.at, table.c.id).limit(_HISTORY)
    return [_corrected.decode(row.body) for row in connection.execute(query)]


def said_by(connection: Connection, *, by: str, day: datetime) -> Sequence[FeedbackCorrected]:
    """What one person said on a day, oldest first."""
    table = db.corrections
    query = select(table.c.body).where(table.c.by == by, on_day(day))
    return [_corrected.decode(row.body) for row in connection.execute(query.order_by(table.c.at, table.c.id))]


def on_day(day: datetime) -> ColumnElement[bool]:
    """A condition on corrections: said on that day."""
    start = day.replace(hour=0, minute=0, second=0, microsecond=0)
    at = db.corrections.c.at
    return and_(at >= micros(start), at < micros(start + timedelta(days=1)))
