"""Notifications with valid defaults, as the router would write them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from services.contracts import events as e
from services.contracts.ids import action_id, notification_id

NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)


def plan(**over: Any) -> e.Plan:
    """A cause plan for a theme in one region."""
    defaults: dict[str, Any] = {
        "rule": "delivery-theme",
        "policy": "p-1",
        "action": "cause",
        "part": "improvement",
        "team": "delivery",
        "threshold": 5,
        "window_hours": 72.0,
        "acknowledge_hours": 8.0,
        "resolve_hours": 120.0,
        "theme": "driver-marked-delivered",
        "stage": "receive",
        "area": "fulfilment",
        "attributes": {"region": "north"},
        "targets": ("actions",),
    }
    return e.Plan(**defaults | over)


def action(**over: Any) -> e.Action:
    """An action that has just opened."""
    defaults: dict[str, Any] = {
        "id": action_id("cause/driver-marked-delivered/region=north", "e-5"),
        "group": "cause/driver-marked-delivered/region=north",
        "revision": 1,
        "state": "open",
        "plan": plan(),
        "severity": 2,
        "priority": 12,
        "reason": "5 signals within 72 h reached the threshold of 5",
        "opened_at": NOON,
        "updated_at": NOON,
        "first_occurred_at": NOON - timedelta(days=2),
        "last_occurred_at": NOON - timedelta(minutes=3),
        "signals": 5,
        "customers": 4,
        "acknowledge_due_at": NOON + timedelta(hours=8),
        "resolve_due_at": NOON + timedelta(days=5),
    }
    return e.Action(**defaults | over)


def notification(*, target: str = "actions", why: Any = "opened", of: e.Action | None = None) -> e.Notification:
    """The telling of an action to a target."""
    told = of or action()
    return e.Notification(
        id=notification_id(told.id, told.revision, target),
        target=target,
        team=told.plan.team,
        why=why,
        at=told.updated_at,
        action=told,
    )


def many(count: int, *, target: str = "actions") -> list[e.Notification]:
    """Notifications of so many different actions."""
    return [notification(target=target, of=action(id=action_id("group", f"e-{n}"))) for n in range(count)]
