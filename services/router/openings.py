"""When an action opens, what it is at first, and who is told. Decisions about one group; no state, no clock."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from services.contracts.events import Action, Join, Notification
from services.contracts.ids import notification_id
from services.router.episodes import Told
from services.router.memory import Member

Opening = Literal["threshold", "critical"]


def opens(join: Join, waiting: Sequence[Member]) -> Opening | None:
    """Whether those that wait are enough now, and why. Imports open nothing, and neither does a dry run."""
    if join.mode == "backfill" or not join.plan.opens:
        return None
    # those who gave no name may all be the same person
    count = len({member.customer for member in waiting}) if join.plan.people else len(waiting)
    if count >= join.plan.threshold:
        return "threshold"
    return "critical" if is_critical(join) else None


def is_critical(join: Join) -> bool:
    """Whether this signal alone opens an action."""
    at_once = join.plan.at_once_from_severity
    live = join.mode != "backfill" and join.plan.opens
    return live and at_once is not None and join.severity >= at_once


def new_action(name: str, join: Join, why: Opening, members: Sequence[Member]) -> Action:
    """An action with no members yet."""
    plan = join.plan
    return Action(
        id=name,
        group=join.group,
        revision=1,
        state="open",
        plan=plan,
        severity=0,
        priority=1,
        reason=why,
        opened_at=join.at,
        updated_at=join.at,
        first_occurred_at=members[0].occurred_at,
        last_occurred_at=members[0].occurred_at,
        signals=0,
        customers=0,
        acknowledge_due_at=join.at + timedelta(hours=plan.acknowledge_hours),
        resolve_due_at=join.at + timedelta(hours=plan.resolve_hours),
        mode=join.mode,
    )


def notifications(action: Action, told: Told, *, at: datetime) -> list[Notification]:
    """Who is to be told of an action: its team's targets, or those that its team escalates to."""
    targets = action.plan.escalates_to if told == "escalated" else action.plan.targets
    return [
        Notification(
            id=notification_id(action.id, action.revision, target),
            target=target,
            team=action.plan.team,
            why=told,
            at=at,
            action=action,
        )
        for target in dict.fromkeys(targets)
    ]
