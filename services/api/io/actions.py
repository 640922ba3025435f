"""Reading actions: lists by priority, one with its history, what became of a command, the teams in force."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, func, or_, select

from services.api.io import tables as db
from services.api.names import UNNAMED, Names
from services.api.queries import ACTIVE, ActionFilter, Cursor
from services.contracts.events import Action, ActionChanged, ActionCommand, NotificationOutcome, PolicyActivated

_action = msgspec.json.Decoder(Action)
_change = msgspec.json.Decoder(ActionChanged)
_command = msgspec.json.Decoder(ActionCommand)
_outcome = msgspec.json.Decoder(NotificationOutcome)
_policy = msgspec.json.Decoder(PolicyActivated)

HISTORY = 500


class ActionPage(msgspec.Struct, frozen=True):
    items: list[Action]
    next: Cursor | None


def list_actions(
    connection: Connection, asked: ActionFilter, *, limit: int, after: Cursor | None, names: Names = UNNAMED
) -> ActionPage:
    """Highest priority first, then by id. `names` say under which ids a theme stood before."""
    table = db.actions
    query = select(table.c.body)
    if asked.states():
        query = query.where(table.c.state.in_(asked.states()))
    for name in ("team", "kind"):
        if (value := getattr(asked, name)) is not None:
            query = query.where(table.c[name] == value)
    if asked.theme is not None:
        query = query.where(table.c.theme.in_(names.meant("themes", asked.theme)))
    if after is not None:
        query = query.where(
            or_(table.c.priority < after.value, and_(table.c.priority == after.value, table.c.id > after.id))
        )
    rows = connection.execute(query.order_by(table.c.priority.desc(), table.c.id).limit(limit + 1)).all()
    found = [_action.decode(row.body) for row in rows[:limit]]
    return ActionPage(found, Cursor(found[-1].priority, found[-1].id) if len(rows) > limit else None)


def get_action(connection: Connection, name: str) -> Action | None:
    """One action by its id."""
    row = connection.execute(select(db.actions.c.body).where(db.actions.c.id == name)).first()
    return _action.decode(row.body) if row is not None else None


def actions_of(connection: Connection, events: Sequence[str]) -> dict[str, list[str]]:
    """The actions that events count in, by event."""
    table = db.members
    query = select(table.c.event, table.c.action).where(table.c.event.in_(list(events)), table.c.present == 1)
    found: dict[str, list[str]] = {}
    for row in connection.execute(query.order_by(table.c.event, table.c.action)):
        found.setdefault(row.event, []).append(row.action)
    return found


def actions_by_id(connection: Connection, names: Iterable[str]) -> list[Action]:
    """Actions by their ids, newest first."""
    query = select(db.actions.c.body).where(db.actions.c.id.in_(list(names)))
    return [_action.decode(row.body) for row in connection.execute(query.order_by(db.actions.c.opened_at.desc()))]


def history(connection: Connection, action: str) -> list[ActionChanged]:
    """What happened to an action, oldest first: the last 500 lines, without members coming and going."""
    table = db.changes
    query = select(table.c.body).where(table.c.action == action, table.c.member == 0)
    rows = connection.execute(query.order_by(table.c.offset.desc()).limit(HISTORY)).all()
    return [_change.decode(row.body) for row in reversed(rows)]


def outcome_of(connection: Connection, command: str) -> ActionChanged | None:
    """The change, or the refusal, that a command caused."""
    row = connection.execute(select(db.changes.c.body).where(db.changes.c.command == command)).first()
    return _change.decode(row.body) if row is not None else None


def get_command(connection: Connection, name: str) -> ActionCommand | None:
    """A command that has come through its topic."""
    row = connection.execute(select(db.commands.c.body).where(db.commands.c.id == name)).first()
    return _command.decode(row.body) if row is not None else None


def deliveries(connection: Connection, action: str) -> list[NotificationOutcome]:
    """Who was told, and whether it arrived."""
    query = select(db.outcomes.c.body).where(db.outcomes.c.action == action).order_by(db.outcomes.c.at).limit(50)
    return [_outcome.decode(row.body) for row in connection.execute(query)]


def open_counts(connection: Connection) -> list[Any]:
    """Number of actions per state, team and area."""
    table = db.actions
    grouped = (table.c.state, table.c.team, table.c.area)
    return list(connection.execute(select(*grouped, func.count().label("n")).group_by(*grouped).order_by(*grouped)))


def active_policy(connection: Connection) -> PolicyActivated | None:
    """The policy version that came into force last."""
    row = connection.execute(select(db.policies.c.body).order_by(db.policies.c.at.desc()).limit(1)).first()
    return _policy.decode(row.body) if row is not None else None


def all_active(connection: Connection) -> list[Action]:
    """Every action that is not done, highest priority first."""
    query = select(db.actions.c.body).where(db.actions.c.state.in_(ACTIVE))
    rows = connection.execute(query.order_by(db.actions.c.priority.desc(), db.actions.c.id).limit(500))
    return [_action.decode(row.body) for row in rows]
