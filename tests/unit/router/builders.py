"""Tagged events, joins and commands with valid defaults, and the shipped policy."""

import itertools
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from services.contracts.codec import Outbound, RawMessage, encode
from services.contracts.events import (
    Action,
    ActionChanged,
    ActionCommand,
    AreaTag,
    Command,
    FeedbackClassified,
    Join,
    Notification,
    Plan,
    Retract,
    RoutingSignal,
    Tags,
    Versions,
)
from services.contracts.policy import Policy
from services.contracts.policyfiles import load_policy, read_folder
from services.router.groups import Group

POLICY_FOLDER = Path(__file__).parents[3] / "deploy" / "policy"
START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
GROUP = "cause.improvement/theme:driver-marked-delivered/region:north"

_numbers = itertools.count(1)


def at(hours: float = 0.0) -> datetime:
    """So many hours after the tests' first moment."""
    return START + timedelta(hours=hours)


@cache
def shipped_policy() -> Policy:
    """The policy in deploy/policy."""
    return load_policy(read_folder(POLICY_FOLDER))


def tags(**over: Any) -> Tags:
    areas = over.pop("areas", ("fulfilment",))
    return Tags(
        **{
            "stage": "receive",
            "stage_confidence": 0.9,
            "areas": tuple(AreaTag(area=area, confidence=0.9) for area in areas),
            "sentiment": "negative",
            "sentiment_confidence": 0.9,
            "intent": "complaint",
            "intent_confidence": 0.9,
            "severity": 1,
            "severity_confidence": 0.9,
            "status": "tagged",
            "versions": Versions(model="m1", taxonomy="t1"),
            "themes": ("driver-marked-delivered",),
        }
        | over
    )


def classified(**over: Any) -> FeedbackClassified:
    """A tagged complaint about a parcel in the north; `tags` may be a dict of what differs."""
    given = over.pop("tags", {})
    return FeedbackClassified(
        **{
            "id": f"event-{next(_numbers)}",
            "revision": 1,
            "tags": given if isinstance(given, Tags) else tags(**given),
            "source": "web-survey",
            "channel": "survey",
            "occurred_at": at(),
            "received_at": at(0.1),
            "tagged_at": at(0.2),
            "customer": f"p-{next(_numbers)}",
            "attributes": {"region": "north"},
        }
        | over
    )


def plan(**over: Any) -> Plan:
    return Plan(
        **{
            "rule": "whoever-owns-it",
            "policy": "v1",
            "action": "cause",
            "part": "improvement",
            "team": "delivery",
            "threshold": 3,
            "window_hours": 168.0,
            "acknowledge_hours": 24.0,
            "resolve_hours": 240.0,
            "theme": "driver-marked-delivered",
            "targets": ("actions",),
        }
        | over
    )


def join(event: str, hours: float = 0.0, **over: Any) -> Join:
    revision = over.pop("revision", 1)
    return Join(
        **{
            "id": f"join-{event}-{revision}",
            "group": GROUP,
            "at": at(hours),
            "event": event,
            "revision": revision,
            "occurred_at": at(hours),
            "severity": 1,
            "plan": plan(),
            "customer": f"p-{event}",
        }
        | over
    )


def retract(event: str, hours: float = 0.0, *, revision: int = 2) -> Retract:
    return Retract(id=f"retract-{event}-{revision}", group=GROUP, at=at(hours), event=event, revision=revision)


def command(name: str, action: str, hours: float = 0.0, **over: Any) -> Command:
    number = over.pop("id", f"command-{next(_numbers)}")
    team = over.pop("team", None)
    asked = ActionCommand(
        **{"id": number, "action": action, "group": GROUP, "command": name, "by": "ann", "at": at(hours)} | over
    )
    targets = ("other",) if team else ()
    return Command(id=number, group=GROUP, at=at(hours), command=asked, team=team, targets=targets)


class Folded:
    """One group that folds signals and keeps what came out."""

    def __init__(self) -> None:
        self.group = Group.new(GROUP)
        self.changes: list[ActionChanged] = []
        self.notifications: list[Notification] = []

    def take(self, *signals: RoutingSignal) -> "Folded":
        for signal in signals:
            for outcome in self.group.take(signal):
                if isinstance(outcome, ActionChanged):
                    self.changes.append(outcome)
                else:
                    self.notifications.append(outcome)
        return self

    @property
    def action(self) -> Action:
        assert self.group.head.action is not None
        return self.group.head.action

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(n.why, n.target) for n in self.notifications]

    @property
    def names(self) -> list[str]:
        return [change.change for change in self.changes]


def opened(*, hours: float = 0.0, **over: Any) -> Folded:
    """A group whose action three complaints have opened."""
    return Folded().take(*(join(f"e{n}", hours, **over) for n in range(3)))


def raw(outputs: Iterable[Outbound], *, partition: int = 0) -> list[RawMessage]:
    """Outputs as the next reader gets them, numbered from 0."""
    return [
        RawMessage(output.topic, partition, offset, output.key, output.value, output.headers)
        for offset, output in enumerate(outputs)
    ]


def messages(events: Sequence[Any]) -> list[RawMessage]:
    """Events as messages of their topic."""
    return raw(encode(event) for event in events)
