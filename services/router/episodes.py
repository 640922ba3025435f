"""What may be asked of an action in which state, and what it does: one table, every refusal with its reason.

Pure: takes an action and a command, answers the changed action or a refusal. Counting, ids and revisions are in
`groups.py`.
"""

from datetime import datetime, timedelta
from typing import Literal

import msgspec

from services.contracts.events import Action, Change, Command, CommandName, Expectation, Mode, State, Timer, VerdictName

Refusal = Literal[
    "unknown_action",
    "stale_revision",
    "already_acknowledged",
    "already_started",
    "already_resolved",
    "already_closed",
    "not_resolved",
    "nobody_named",
    "verdict_missing",
]
Told = Literal["opened", "reopened", "escalated"]

CHANGES_KEPT = 20
_COMMENT_KEPT = 500

_ACTIVE: tuple[State, ...] = ("open", "acknowledged", "in_progress")
_OVER: dict[State, Refusal] = {"resolved": "already_resolved", "verified": "already_closed"}
_NOT_YET: dict[State, Refusal] = dict.fromkeys(_ACTIVE, "not_resolved")
_REFUSED: dict[CommandName, dict[State, Refusal]] = {
    "acknowledge": {"acknowledged": "already_acknowledged", "in_progress": "already_acknowledged", **_OVER},
    "assign": _OVER,
    "start": {"in_progress": "already_started", **_OVER},
    "comment": {},
    "resolve": _OVER,
    "reopen": _NOT_YET,
    "verdict": {**_NOT_YET, "verified": "already_closed"},
}
"""Which command is refused in which state, and why. What is not here is done."""

_CLOSING: tuple[VerdictName, ...] = ("back_to_normal", "better_than_before", "cause_unproven")


class Refused(msgspec.Struct, frozen=True):
    """The command cannot be done; `reason` goes back to whoever asked."""

    reason: Refusal


class Done(msgspec.Struct, frozen=True):
    """The command was done: the action after it (its revision and history are the caller's), and who has to be told."""

    action: Action
    change: str
    reason: str
    told: Told | None = None


def obey(action: Action, signal: Command, *, expectation: Expectation | None) -> Done | Refused:
    """Does what a command asks. `expectation` is what a resolution would promise, computed from the group's history."""
    asked = signal.command
    refusal = _REFUSED[asked.command].get(action.state)
    if refusal is not None:
        return Refused(refusal)
    if asked.expected_revision is not None and not _is_current(action, asked.expected_revision):
        return Refused("stale_revision")
    if asked.command == "assign" and not asked.to:
        return Refused("nobody_named")
    if asked.command == "verdict" and asked.verdict is None:
        return Refused("verdict_missing")
    action = _touched(action, at=signal.at, mode=asked.mode)
    match asked.command:
        case "acknowledge":
            changed = msgspec.structs.replace(
                action, state="acknowledged", acknowledged_at=signal.at, owner=action.owner or asked.by
            )
            return Done(changed, "acknowledged", "asked")
        case "start":
            changed = msgspec.structs.replace(
                action,
                state="in_progress",
                acknowledged_at=action.acknowledged_at or signal.at,
                owner=action.owner or asked.by,
            )
            return Done(changed, "started", "asked")
        case "assign":
            return _assigned(action, signal)
        case "comment":
            return Done(action, "commented", "asked")
        case "resolve":
            changed = msgspec.structs.replace(
                action,
                state="resolved",
                acknowledged_at=action.acknowledged_at or signal.at,
                resolved_at=signal.at,
                expectation=expectation,
            )
            return Done(changed, "resolved", asked.reason or "asked")
        case "reopen":
            return Done(
                reopened(action, at=signal.at, mode=asked.mode), "reopened", asked.reason or "asked", "reopened"
            )
        case "verdict":
            return _judged(action, signal, asked.verdict or "too_early")


def _is_current(action: Action, expected: int) -> bool:
    """Whether whoever saw that revision saw all that people did since. Complaints that joined meanwhile do not count:
    on a busy day they would refuse every click."""
    return (action.changes[-1].revision if action.changes else action.revision) <= expected <= action.revision


def _assigned(action: Action, signal: Command) -> Done:
    if signal.team is None:
        return Done(msgspec.structs.replace(action, owner=signal.command.to), "assigned", "asked")
    # handed to another team: it has to see it first, so it starts again from open and that team is told
    plan = msgspec.structs.replace(
        action.plan, team=signal.team, targets=signal.targets, escalates_to=signal.escalates_to
    )
    changed = msgspec.structs.replace(
        action,
        plan=plan,
        owner=None,
        state="open",
        acknowledged_at=None,
        acknowledge_due_at=signal.at + timedelta(hours=plan.acknowledge_hours),
        breached=tuple(timer for timer in action.breached if timer != "acknowledge_due"),
    )
    return Done(changed, "handed_over", signal.command.reason or "asked", "opened")


def _judged(action: Action, signal: Command, verdict: VerdictName) -> Done:
    expectation = action.expectation and msgspec.structs.replace(
        action.expectation, verdict=verdict, verdict_reason=signal.command.reason, verdict_at=signal.at
    )
    judged = msgspec.structs.replace(action, expectation=expectation)
    if verdict in _CLOSING:
        return Done(msgspec.structs.replace(judged, state="verified", verified_at=signal.at), "verified", verdict)
    if verdict == "no_effect":
        again = reopened(judged, at=signal.at, mode=signal.command.mode)
        return Done(again, "reopened", verdict, "reopened")
    return Done(judged, "judged", verdict)


def reopened(action: Action, *, at: datetime, mode: Mode) -> Action:
    """The action once more from the start: promises count anew and the team is told again."""
    return msgspec.structs.replace(
        action,
        state="open",
        mode="live" if mode == "live" else action.mode,
        reopened=action.reopened + 1,
        acknowledged_at=None,
        resolved_at=None,
        verified_at=None,
        acknowledge_due_at=at + timedelta(hours=action.plan.acknowledge_hours),
        resolve_due_at=at + timedelta(hours=action.plan.resolve_hours),
        breached=(),
    )


def _touched(action: Action, *, at: datetime, mode: Mode) -> Action:
    """A rehearsed action that a person takes up becomes a live one; what was due before is promised from now on."""
    if action.mode == "live" or mode != "live":
        return action
    return msgspec.structs.replace(
        action,
        mode="live",
        acknowledge_due_at=max(action.acknowledge_due_at, at + timedelta(hours=action.plan.acknowledge_hours))
        if action.acknowledge_due_at < at
        else action.acknowledge_due_at,
        resolve_due_at=at + timedelta(hours=action.plan.resolve_hours)
        if action.resolve_due_at < at
        else action.resolve_due_at,
    )


def is_due(action: Action, timer: Timer, at: datetime) -> bool:
    """Whether a promise that was due at `at` is broken: it still stands, was not kept, and was not told before."""
    if action.mode != "live" or timer in action.breached:
        return False
    if timer == "acknowledge_due":
        return action.state == "open" and action.acknowledge_due_at == at
    return action.state in _ACTIVE and action.resolve_due_at == at


def is_over(action: Action) -> bool:
    """Whether the next signal of the group begins a new episode."""
    return action.state == "verified"


def with_change(action: Action, change: Change) -> Action:
    """The action with one more line of history; the last twenty are kept, comments shortened to keep it small."""
    if change.comment is not None and len(change.comment) > _COMMENT_KEPT:
        change = msgspec.structs.replace(change, comment=change.comment[: _COMMENT_KEPT - 1] + "…")
    return msgspec.structs.replace(action, changes=(*action.changes, change)[-CHANGES_KEPT:])


def priority_of(*, severity: int, signals: int, ease: int) -> int:
    """Impact x ease, 1 to 30: impact is 1 + severity (0-3) + doublings of the signals (0-6), ease 1 hard to 3 easy.

    A quick win that bothers a few people stands above a hard one that bothers somewhat more.
    """
    return (1 + severity + min(6, max(1, signals).bit_length() - 1)) * ease
