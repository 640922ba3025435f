"""Rates of the router: the fold in memory and on Kafka, and step one. Functions that return figures; no assertions."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from services.contracts.codec import Outbound, RawMessage, encode
from services.contracts.events import Join, Plan
from services.router.partition import GroupsOfPartition

_START = datetime(2026, 11, 2, tzinfo=UTC)


def signals(count: int, *, groups: int) -> list[Outbound]:
    """Joins of distinct events spread over so many groups, an action opening in each."""
    plan = Plan(
        rule="whoever-owns-it",
        policy="4fc6ed80020a",
        action="cause",
        part="improvement",
        team="delivery",
        threshold=3,
        window_hours=168.0,
        acknowledge_hours=24.0,
        resolve_hours=240.0,
        theme="driver-marked-delivered",
        stage="receive",
        area="fulfilment",
        attributes={"region": "north"},
        targets=("actions",),
        ask="Find out what is behind “driver marked it delivered” (region north) and stop it from happening again.",
    )
    out = []
    for number in range(count):
        at = _START + timedelta(seconds=number)
        out.append(
            encode(
                Join(
                    id=f"00000000-0000-5000-8000-{number:012d}",
                    group=f"cause.improvement/theme:driver-marked-delivered/region:{number % groups}",
                    at=at,
                    event=f"10000000-0000-5000-8000-{number:012d}",
                    revision=1,
                    occurred_at=at,
                    severity=number % 3,
                    plan=plan,
                    customer=None if number % 5 == 0 else f"p{number:030d}",  # type: ignore[arg-type]
                )
            )
        )
    return out


def fold_in_memory(count: int = 40_000, *, groups: int = 1_000, batch: int = 500) -> float:
    """Signals a second through one partition's fold, bytes in and bytes out."""
    messages = [
        RawMessage(s.topic, 0, n, s.key, s.value, s.headers) for n, s in enumerate(signals(count, groups=groups))
    ]
    fold = GroupsOfPartition(0, version="bench")
    started = time.perf_counter()
    for first in range(0, count, batch):
        fold.fold(messages[first : first + batch], _START)
    return count / (time.perf_counter() - started)
