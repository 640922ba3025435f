"""Sums out of the roll-ups: the only SQL behind charts. Every function takes days as ordinals, both ends included;
`names` say what was renamed."""

from collections.abc import Iterable

from sqlalchemy import Column, ColumnElement, Connection, func, select

from services.api.figures import Cell, Plural
from services.api.io import tables as db
from services.api.names import Names
from services.api.rollups import CELL_MEASURES, CUSTOMER, OTHER, OWN_WORK, RATING_MEASURES
from services.contracts.events import Plan

PLACES = frozenset({"product", "region", "site"})
"""The attributes that roll-ups know."""
_DAY = 86_400_000_000
_FIRST_DAY = 719_163  # 1970-01-01


def days_known(connection: Connection) -> tuple[int, int] | None:
    """First and last day that anything happened on."""
    row = connection.execute(select(func.min(db.narrow.c.day), func.max(db.narrow.c.day))).one()
    return (row[0], row[1]) if row[0] is not None else None


def cells(connection: Connection, first: int, last: int) -> dict[tuple[str, str], Cell]:
    """Stage x area over some days."""
    table = db.narrow
    sums = [func.sum(table.c[name]).label(name) for name in CELL_MEASURES]
    query = select(table.c.stage, table.c.area, *sums).where(table.c.day.between(first, last))
    rows = connection.execute(query.group_by(table.c.stage, table.c.area))
    return {(row.stage, row.area): Cell(*(int(getattr(row, name)) for name in CELL_MEASURES)) for row in rows}


def area_days(connection: Connection, first: int, last: int) -> dict[str, dict[int, int]]:
    """Events that name an area, by area and day."""
    return _series(connection, db.narrow.c.area, db.narrow.c.n, first, last)


def stage_days(connection: Connection, first: int, last: int) -> dict[str, dict[int, int]]:
    """Events of a stage, each counted once, by stage and day."""
    return _series(connection, db.narrow.c.stage, db.narrow.c.main, first, last)


def all_days(connection: Connection, first: int, last: int) -> dict[int, int]:
    """Events of customers, each counted once, by day."""
    query = select(db.narrow.c.day, func.sum(db.narrow.c.main).label("n"))
    rows = connection.execute(query.where(db.narrow.c.day.between(first, last)).group_by(db.narrow.c.day))
    return {row.day: int(row.n) for row in rows}


def _series(
    connection: Connection, by: Column[str], measure: Column[int], first: int, last: int
) -> dict[str, dict[int, int]]:
    query = select(by.label("name"), db.narrow.c.day, func.sum(measure).label("n"))
    rows = connection.execute(query.where(db.narrow.c.day.between(first, last)).group_by(by, db.narrow.c.day))
    found: dict[str, dict[int, int]] = {}
    for row in rows:
        found.setdefault(row.name, {})[row.day] = int(row.n)
    return found


def theme_days(connection: Connection, first: int, last: int, *, voice: str = CUSTOMER) -> dict[str, dict[int, int]]:
    """Events that name a theme, by theme and day."""
    table = db.wide
    query = select(table.c.theme, table.c.day, func.sum(table.c.n).label("n")).where(
        table.c.theme != "", table.c.voice == voice, table.c.day.between(first, last)
    )
    found: dict[str, dict[int, int]] = {}
    for row in connection.execute(query.group_by(table.c.theme, table.c.day)):
        found.setdefault(row.theme, {})[row.day] = int(row.n)
    return found


def own_people(connection: Connection, names: Names, since: int) -> dict[str, int]:
    """How many distinct employees speak of each theme of their own work."""
    query = (
        select(db.tags.c.themes, db.feedback.c.customer)
        .join(db.feedback, db.feedback.c.id == db.tags.c.id)
        .where(
            db.tags.c.channel == "employee",
            db.tags.c.stage == OTHER,
            db.tags.c.counts == 1,
            db.tags.c.occurred_at >= since,
        )
    )
    people: dict[str, set[str]] = {}
    for row in connection.execute(query):
        for theme in row.themes.split():
            people.setdefault(names.present("themes", theme), set()).add(row.customer or "")
    return {theme: len(known) for theme, known in people.items()}


def theme_places(
    connection: Connection, names: Names, themes: Iterable[str], first: int, last: int
) -> dict[str, list[Plural]]:
    """Where the events of themes come from: counts by region, product and site, most first."""
    table = db.wide
    meant = {old: theme for theme in themes for old in names.meant("themes", theme)}
    counts: dict[tuple[str, str, str], int] = {}
    for attribute in ("region", "site", "product"):
        query = select(table.c.theme, table.c[attribute].label("value"), func.sum(table.c.n).label("n")).where(
            table.c.theme.in_(list(meant)), table.c.voice == CUSTOMER, table.c.day.between(first, last)
        )
        for row in connection.execute(query.group_by(table.c.theme, table.c[attribute])):
            key = (meant[row.theme], attribute, row.value)
            counts[key] = counts.get(key, 0) + int(row.n)
    found: dict[str, list[Plural]] = {theme: [] for theme in meant.values()}
    for (theme, attribute, value), n in counts.items():
        found[theme].append(Plural(attribute, value, n))
    return {theme: sorted(rows, key=lambda p: (-p.n, p.attribute, p.value)) for theme, rows in found.items()}


def group_days(connection: Connection, plan: Plan, first: int, last: int) -> dict[int, int]:
    """Daily counts of what an action is about: its theme, else its cell, in its places."""
    table = db.wide
    conditions: list[ColumnElement[bool]] = [table.c.day.between(first, last)]
    if plan.theme:
        conditions.append(table.c.theme == plan.theme)
    else:
        conditions += [table.c.theme == "", table.c.stage == (plan.stage or ""), table.c.area == (plan.area or "")]
    for name in ("product", "region", "site"):
        if name in plan.attributes:  # a group's places are compared as the router does, in lower case
            conditions.append(func.lower(table.c[name]) == plan.attributes[name].lower())
    voice = OWN_WORK if plan.part == "engagement" else CUSTOMER
    query = select(table.c.day, func.sum(table.c.n).label("n")).where(table.c.voice == voice, *conditions)
    return {row.day: int(row.n) for row in connection.execute(query.group_by(table.c.day))}


def member_days(connection: Connection, action: str, first: int, last: int) -> dict[int, int]:
    """Daily counts of the events that count in an action."""
    day = (db.feedback.c.occurred_at // _DAY + _FIRST_DAY).label("day")
    query = (
        select(day, func.count().label("n"))
        .join(db.members, db.members.c.event == db.feedback.c.id)
        .where(db.members.c.action == action, db.members.c.present == 1)
        .group_by(day)
    )
    return {int(row.day): row.n for row in connection.execute(query) if first <= row.day <= last}


def rating_sums(connection: Connection, first: int, last: int) -> dict[tuple[str, str], tuple[int, ...]]:
    """Sums of solicited ratings by (area, kind); the empty area is everybody."""
    table = db.ratings
    sums = [func.sum(table.c[name]).label(name) for name in RATING_MEASURES]
    query = select(table.c.area, table.c.kind, *sums).where(table.c.day.between(first, last))
    rows = connection.execute(query.group_by(table.c.area, table.c.kind))
    return {(row.area, row.kind): tuple(int(getattr(row, name)) for name in RATING_MEASURES) for row in rows}


def channel_counts(connection: Connection, first: int, last: int) -> dict[str, int]:
    """Events by channel, each counted once."""
    table = db.wide
    query = select(table.c.channel, func.sum(table.c.main).label("n")).where(
        table.c.day.between(first, last), table.c.theme == ""
    )
    return {row.channel: int(row.n) for row in connection.execute(query.group_by(table.c.channel))}


def quotes(
    connection: Connection, names: Names, areas: Iterable[str], since: int, *, each: int = 1
) -> dict[str, list[str]]:
    """Ids of the newest grievances that are mainly about each area: with words, neither too short nor too long."""
    found: dict[str, list[str]] = {}
    for area in areas:
        query = (
            select(db.tags.c.id)
            .join(db.feedback, db.feedback.c.id == db.tags.c.id)
            .where(
                db.tags.c.area.in_(names.meant("areas", area)),
                db.tags.c.status == "tagged",
                db.tags.c.counts == 1,
                db.tags.c.sentiment.in_(["negative", "mixed"]),
                db.tags.c.occurred_at >= since,
                db.feedback.c.channel != "employee",
                func.length(db.feedback.c.text).between(25, 260),
            )
            .order_by(db.tags.c.received_at.desc(), db.tags.c.id.desc())
            .limit(each)
        )
        found[area] = list(connection.execute(query).scalars())
    return found


def waiting_counts(connection: Connection) -> tuple[int, int]:
    """How many voices need a look, and how many events have no tags yet."""
    look = select(func.count()).where(db.tags.c.status == "unsure", db.tags.c.counts == 1)
    unsure = connection.execute(look).scalar_one()
    untagged = connection.execute(select(func.count()).select_from(db.untagged)).scalar_one()
    return int(unsure), int(untagged)


def sources(connection: Connection) -> list[tuple[str, int, int]]:
    """Each source with its number of events and when the newest came."""
    table = db.feedback
    query = select(table.c.source, func.count(), func.max(table.c.received_at)).group_by(table.c.source)
    return [(row[0], int(row[1]), int(row[2])) for row in connection.execute(query.order_by(table.c.source))]


def is_sample(connection: Connection) -> bool:
    """Whether anything stored is a dry run (the sample is one)."""
    query = select(db.actions.c.id).where(db.actions.c.mode == "rehearsal").limit(1)
    return connection.execute(query).first() is not None
