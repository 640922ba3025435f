"""Shares of a slice out of the store: pools from their roll-up, checks from what people answered."""

from typing import Any

import msgspec
from sqlalchemy import Connection, and_, func, select

from services.api.calibration import checks
from services.api.io import tables as db
from services.api.pools import guess, pooled
from services.api.queries import ShareQuery
from services.api.reviewed import opinion
from services.api.rollups import THOUSANDTHS
from services.api.shares import KNOWN, Check, Pool, Shares, shares
from services.contracts.events import FeedbackCorrected

_MAIN = 0.8
"""How often a named area is the main one: in the lab .58 of the first areas were the true main one, .72 a true one."""
_DAY = 86_400_000_000
_FIRST_DAY = 719_163  # 1970-01-01

_corrected = msgspec.json.Decoder(FeedbackCorrected)


def read_shares(connection: Connection, asked: ShareQuery, labels: list[str]) -> Shares:
    """The shares that are asked for, of all `labels`."""
    pools, known = _pools(connection, asked)
    return shares(labels, pools, known, _checks(connection, asked))


def _pools(connection: Connection, asked: ShareQuery) -> tuple[list[Pool], dict[str, int]]:
    table = db.pools
    query = select(
        table.c.label,
        table.c.band,
        func.sum(table.c.n).label("n"),
        func.sum(table.c.confidence).label("confidence"),
    ).where(
        table.c.head == asked.by,
        table.c.day.between(asked.first.toordinal(), asked.last.toordinal()),
        *(table.c[name] == value for name, value in asked.facts().items()),
    )
    pools, known = [], {}
    for row in connection.execute(query.group_by(table.c.label, table.c.band).order_by(table.c.label, table.c.band)):
        number = int(row.n)
        if row.band == KNOWN:
            known[row.label] = number
        elif number:
            pools.append(Pool(row.label, number, _chance(asked.by, int(row.confidence) / THOUSANDTHS / number)))
    return pools, known


def _checks(connection: Connection, asked: ShareQuery) -> list[Check]:
    """What people were asked about, of the events of the slice."""
    since, until = ((day.toordinal() - _FIRST_DAY) * _DAY for day in (asked.first, asked.last))
    mine: Any = and_(
        db.tags.c.occurred_at >= since,
        db.tags.c.occurred_at < until + _DAY,
        *(db.tags.c[name] == value for name, value in asked.facts().items()),
    )
    query = select(db.corrections.c.body).join(db.tags, db.tags.c.id == db.corrections.c.event).where(mine)
    answers = [_corrected.decode(row.body) for row in connection.execute(query)]
    outside = {answer.of.id for answer in answers if not pooled(answer.of)}
    found = []
    for item in checks(map(opinion, answers)):
        if item.event not in outside:
            label, confidence = guess(item.said, asked.by)
            truth = item.stage if asked.by == "stage" else item.main_area
            found.append(Check(label, _chance(asked.by, confidence), truth))
    return found


def _chance(head: str, confidence: float) -> float:
    return confidence * _MAIN if head == "area" else confidence
