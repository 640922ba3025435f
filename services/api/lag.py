"""How far consumers are behind, worked out from offsets and times alone. Knows groups and topics, no broker."""

from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec

from services.contracts import topics as t

Place = tuple[str, int]

GROUPS: dict[str, tuple[str, ...]] = {
    "classify": (t.FEEDBACK_RECEIVED, t.FEEDBACK_CORRECTIONS),
    "router": (t.FEEDBACK_CLASSIFIED, t.ACTION_COMMANDS),
    "router-fold": (t.ROUTING_SIGNALS,),
    "notify": (t.NOTIFICATIONS,),
    "api": (t.FEEDBACK_RECEIVED, t.FEEDBACK_CLASSIFIED, t.ACTIONS, t.ACTION_CHANGES),
}
"""Who must read what. A group that never committed is behind by everything."""


class Lag(msgspec.Struct, frozen=True):
    """One group on one partition: how many messages are left, and since when the oldest of them waits."""

    group: str
    topic: str
    partition: int
    messages: int
    next: int


def lags(
    committed: Mapping[str, Mapping[Place, int]],
    begins: Mapping[Place, int],
    ends: Mapping[Place, int],
) -> list[Lag]:
    """Every group on every partition that it must read."""
    found = []
    for group, names in GROUPS.items():
        done = committed.get(group, {})
        for (topic, partition), end in sorted(ends.items()):
            if topic not in names:
                continue
            at = max(done.get((topic, partition), 0), begins.get((topic, partition), 0))
            found.append(Lag(group, topic, partition, max(0, end - at), at))
    return found


def oldest_ages(
    found: Iterable[Lag], written: Mapping[Place, dict[int, datetime]], *, now: datetime
) -> dict[tuple[str, str], float]:
    """Age in seconds of the oldest message that a group has not done, by group and topic; 0 when there is none.
    `written` says when the message at an offset was written."""
    ages: dict[tuple[str, str], float] = {}
    for lag in found:
        key = (lag.group, lag.topic)
        at = written.get((lag.topic, lag.partition), {}).get(lag.next) if lag.messages else None
        age = max(0.0, (now - at).total_seconds()) if at is not None else 0.0
        ages[key] = max(ages.get(key, 0.0), age)
    return ages


class Passed(msgspec.Struct, frozen=True):
    """What must be true before the audit counts: the classifier's position on what came in, and how far the store has
    read what came out of it since."""

    classify_at: dict[int, int]
    tags_end: dict[int, int]

    def store_has_caught_up(self, read: Mapping[int, int]) -> bool:
        """Whether everything that the classifier had said when its position was read is in the store."""
        return all(read.get(partition, 0) >= end for partition, end in self.tags_end.items())
