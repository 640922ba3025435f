"""What a resolution promises: from the days a group has seen to a weekly rate before, at the worst, and hoped for.

Pure. Whether the promise was kept is tested elsewhere, against the roll-ups.
"""

from collections.abc import Mapping
from datetime import datetime

from services.contracts.events import Action, Expectation

DAYS_KEPT = 120
_BASELINE_DAYS = 56
_LEAST_DAYS = 14


def expect(days: Mapping[int, int], action: Action, *, at: datetime) -> Expectation:
    """The promise of resolving an action now. `days`: signals by day (proleptic ordinal) that the group counted."""
    start, end = action.first_occurred_at.toordinal(), at.toordinal()
    before = {day: count for day, count in days.items() if start - _BASELINE_DAYS <= day < start}
    # from the first signal before the episode: how long nobody had complained before that is not known here
    known = start - min(before) if before else 0
    weeks = known / 7 if known >= _LEAST_DAYS else 0.0
    baseline = sum(before.values()) / weeks if weeks else 0.0
    peak = worst_week(days, first=start, last=max(start, end))
    return Expectation(
        since=at,
        days=action.plan.expectation_days,
        baseline_per_week=round(baseline, 2),
        baseline_weeks=round(weeks, 1),
        peak_per_week=float(peak),
        target_per_week=round(max(baseline, peak * action.plan.expectation_share), 2),
    )


def worst_week(days: Mapping[int, int], *, first: int, last: int) -> int:
    """The most signals of any seven days in a row that begin within the given ones."""
    inside = {day: count for day, count in days.items() if first <= day <= last}
    return max((sum(inside.get(day + ahead, 0) for ahead in range(7)) for day in inside), default=0)
