"""Shares of a slice out of the store: pools from their roll-up, checks from what people answered."""

from collections.abc import Callable
from datetime import UTC, datetime, time
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, func, select

from services.api.calibration import checks
from services.api.io import tables as db
from services.api.io.store import micros
from services.api.names import Names
from services.api.pools import guess, pooled
from services.api.queries import ShareQuery
from services.api.reviewed import opinion
from services.api.rollups import THOUSANDTHS
from services.api.shares import KNOWN, Check, Pool, Shares, shares
from services.contracts.events import FeedbackCorrected

_MAIN = 0.8
"""How often a named area is the main one: in the lab .58 of the first areas were the true main one, .72 a true one."""

_corrected = msgspec.json.Decoder(FeedbackCorrected)


def read_shares(connection: Connection, asked: ShareQuery, names: Names) -> Shares:
    """The shares that are asked for, of all labels in use; what was renamed is counted with what took its place."""
    section, labels = ("stages", names.stages) if asked.by == "stage" else ("areas", names.areas)

    def present(label: str) -> str:
        return names.present(section, label)

    pools, known = _pools(connection, asked, present)
    return shares(list(labels), pools, known, _checks(connection, asked, present))


def _pools(
    connection: Connection, asked: ShareQuery, present: Callable[[str], str]
) -> tuple[list[Pool], dict[str, int]]:
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
    known: dict[str, int] = {}
    open_ones: dict[tuple[str, int], tuple[int, int]] = {}
    for row in connection.execute(query.group_by(table.c.label, table.c.band).order_by(table.c.label, table.c.band)):
        label, number = present(row.label), int(row.n)
        if row.band == KNOWN:
            known[label] = known.get(label, 0) + number
        elif number:
            before, sure = open_ones.get((label, row.band), (0, 0))
            open_ones[(label, row.band)] = (before + number, sure + int(row.confidence))
    pools = [
        Pool(label, number, _chance(asked.by, sure / THOUSANDTHS / number))
        for (label, _), (number, sure) in open_ones.items()
    ]
    return pools, known


def _checks(connection: Connection, asked: ShareQuery, present: Callable[[str], str]) -> list[Check]:
    """What people were asked about, of the events of the slice."""
    since = micros(datetime.combine(asked.first, time.min, UTC))
    until = micros(datetime.combine(asked.last, time.max, UTC))
    mine: Any = and_(
        db.tags.c.occurred_at.between(since, until),
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
            found.append(Check(present(label), _chance(asked.by, confidence), present(truth)))
    return found


def _chance(head: str, confidence: float) -> float:
    return confidence * _MAIN if head == "area" else confidence
