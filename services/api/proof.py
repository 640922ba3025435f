"""Did the fix work? Counts of what an action is about before it broke, while it was broken and after it was put right,
held against everything else as control. A pure function of daily counts; knows no store and no clock.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from services.api.figures import chance
from services.api.wording import about
from services.contracts import ids
from services.contracts.events import Action, ActionCommand, VerdictName

BEFORE_WEEKS = 8
_SURE = 0.05
_LEAST = 4
_LEAST_CONTROL = 10


class Rates(msgspec.Struct, frozen=True):
    """Counts and their weeks, for one thing."""

    before: int
    before_weeks: float
    during: int
    during_weeks: float
    after: int
    after_weeks: float
    last_week: int

    def a_week(self, when: str) -> float:
        weeks: float = getattr(self, f"{when}_weeks")
        return getattr(self, when) / weeks if weeks > 0 else 0.0


class Proof(msgspec.Struct, frozen=True):
    """The verdict, the sentence that says why, and the figures behind it."""

    verdict: VerdictName
    reason: str
    rates: Rates
    control_change: float | None


def is_over(action: Action, *, now: datetime) -> bool:
    """Whether an action was put right, and the time that its expectation gave itself has passed."""
    expected = action.expectation
    return (
        action.state == "resolved"
        and expected is not None
        and expected.verdict is None
        and now >= expected.since + timedelta(days=expected.days)
    )


def judge(action: Action, group: Mapping[int, int], control: Mapping[int, int], *, first_day: int) -> Proof:
    """The verdict on a resolved action. `group` and `control` are daily counts; `first_day` is where data begins."""
    if action.expectation is None:
        raise ValueError("an action without expectation cannot be judged")
    ours, others = _rates(action, group, first_day), _rates(action, control, first_day)
    change = _control_change(others)
    verdict, why = _verdict(ours, change, target=action.expectation.target_per_week)
    return Proof(verdict, why, ours, change)


def verdict_command(action: Action, proof: Proof, *, at: datetime) -> ActionCommand:
    """The proof as a command. Its id follows from the resolution that it judges, so a repeat is the same command."""
    if action.expectation is None:
        raise ValueError("an action without expectation has no verdict")
    return ActionCommand(
        id=ids.command_id(f"verdict/{action.expectation.since.isoformat()}", action.id),
        action=action.id,
        group=action.group,
        command="verdict",
        by="palette",
        at=at,
        verdict=proof.verdict,
        reason=proof.reason,
        mode=action.mode,
    )


def _verdict(ours: Rates, control_change: float | None, *, target: float) -> tuple[VerdictName, str]:
    during, after, before = ours.a_week("during"), ours.a_week("after"), ours.a_week("before")
    moved = f"From {about(during)} a week while it was open to {about(after)} a week since"
    if ours.during + ours.after < _LEAST:
        return "too_early", f"Only {ours.during + ours.after} cases in all: too few to tell."
    fell = after < during and chance(ours.after, ours.after_weeks, ours.during, ours.during_weeks) <= _SURE
    if not fell:
        return (
            "no_effect",
            f"{about(during).capitalize()} a week before, {about(after)} a week after: no fall to speak of.",
        )
    if (
        after > target
        and chance(ours.after, ours.after_weeks, round(target * ours.after_weeks), ours.after_weeks) <= 0.2
    ):
        return "no_effect", f"{moved}, but {about(target)} a week was promised."
    if ours.during_weeks >= 2 and ours.last_week <= target < during and ours.last_week < during / 3:
        return "cause_unproven", f"{moved}; it had already stopped in the week before."
    if control_change is not None and after >= during * control_change * 0.85:
        return "cause_unproven", f"{moved}, but everything else fell by {1 - control_change:.0%} too.".replace(
            "%", " %"
        )
    rest = _rest(control_change)
    if ours.before_weeks < 1:
        return "back_to_normal", f"{moved}{rest}. What is usual here is not known: it broke when counting began."
    usual = f"; {about(before)} a week was usual before it broke"
    if after < before and chance(ours.after, ours.after_weeks, ours.before, ours.before_weeks) <= _SURE:
        return "better_than_before", f"{moved}{usual}{rest}."
    return "back_to_normal", f"{moved}{usual}{rest}."


def _rest(control_change: float | None) -> str:
    if control_change is None:
        return ""
    share = control_change - 1
    if abs(share) < 0.1:
        return ", while everything else stayed as it was"
    return f", while everything else {'rose' if share > 0 else 'fell'} by {abs(share):.0%}".replace("%", " %")


def _rates(action: Action, days: Mapping[int, int], first_day: int) -> Rates:
    expected = action.expectation
    if expected is None:
        raise ValueError("an action without expectation has no periods")
    broke = (action.opened_at - timedelta(hours=action.plan.window_hours)).date().toordinal()
    broke = max(broke, first_day)
    fixed = max(expected.since.date().toordinal(), broke)
    end = (expected.since + timedelta(days=expected.days)).date().toordinal()
    start = max(first_day, broke - 7 * BEFORE_WEEKS)
    return Rates(
        before=_sum(days, start, broke - 1),
        before_weeks=max(0, broke - start) / 7,
        during=_sum(days, broke, fixed),
        during_weeks=(fixed - broke + 1) / 7,
        after=_sum(days, fixed + 1, end),
        after_weeks=max(1, end - fixed) / 7,
        last_week=_sum(days, fixed - 6, fixed),
    )


def _control_change(others: Rates) -> float | None:
    if others.during < _LEAST_CONTROL or others.after < _LEAST_CONTROL:
        return None
    return others.a_week("after") / others.a_week("during")


def _sum(days: Mapping[int, int], first: int, last: int) -> int:
    return sum(n for day, n in days.items() if first <= day <= last)
