"""What becomes of one notification: facts in, decision with its reason out. Knows no network, file or clock."""

from enum import StrEnum
from typing import Literal

import msgspec

from services.contracts.events import Notification, State
from services.notify import backoff

Outcome = Literal["delivered", "gave_up", "covered"]


class Reason(StrEnum):
    """How one attempt ended, or why there was none."""

    DELIVERED = "delivered"
    UNREACHABLE = "unreachable"
    TIMED_OUT = "timed_out"
    ANSWERED_ERROR = "answered_error"
    REFUSED = "refused"
    BUSY = "busy"
    REDIRECTED = "redirected"
    PRIVATE_ADDRESS = "private_address"
    GONE = "gone"
    NOT_WRITTEN = "not_written"
    UNKNOWN_TARGET = "unknown_target"
    UNEXPECTED = "unexpected"
    MOVED_ON = "moved_on"
    TOLD_LATER = "told_later"


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """How one attempt ended. `detail` is fit for people and never holds what the receiver wrote."""

    reason: Reason
    detail: str = ""
    retry_after: float | None = None

    @property
    def delivered(self) -> bool:
        return self.reason is Reason.DELIVERED

    @property
    def blames_target(self) -> bool:
        """Whether the next message for this target would fare no better."""
        return self.reason not in {Reason.DELIVERED, Reason.REFUSED, Reason.UNEXPECTED}


class ActionNow(msgspec.Struct, frozen=True):
    """What the page knows of an action at the moment of delivery."""

    revision: int
    state: State


class Final(msgspec.Struct, frozen=True, kw_only=True):
    """It is over: what the outcome says."""

    outcome: Outcome
    reason: Reason
    detail: str = ""


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """Again after so many seconds."""

    seconds: float
    reason: Reason
    detail: str = ""


def covered(told: Notification, *, newest_revision: int, now: ActionNow | None) -> Final | None:
    """Whether telling this would be noise: a newer message for the same action exists, or people have moved on."""
    if newest_revision > told.action.revision:
        return Final(
            outcome="covered", reason=Reason.TOLD_LATER, detail="a newer message about the same action follows"
        )
    if now is None or now.revision <= told.action.revision:
        return None
    # an action that was on somebody's desk when it was called late is late until it is resolved
    waiting_for = ("open",) if told.action.state == "open" else ("open", "acknowledged", "in_progress")
    if now.state in waiting_for:
        return None
    words = now.state.replace("_", " ")
    return Final(outcome="covered", reason=Reason.MOVED_ON, detail=f"the action is {words} by now")


def after(
    answer: Answer, *, attempts: int, waiting_seconds: float, give_up_after_seconds: float, dice: float
) -> Final | Retry:
    """What follows from an attempt. `attempts` counts it; `waiting_seconds` runs from the first one."""
    if answer.delivered:
        return Final(outcome="delivered", reason=Reason.DELIVERED, detail=answer.detail)
    if answer.reason is Reason.GONE:
        return Final(outcome="gave_up", reason=Reason.GONE, detail=answer.detail)
    asked = min(answer.retry_after or 0.0, backoff.LONGEST_RETRY_AFTER_SECONDS)
    pause = max(asked, backoff.delay(attempts, dice=dice))
    if waiting_seconds + pause > give_up_after_seconds:
        hours = give_up_after_seconds / 3600
        return Final(
            outcome="gave_up",
            reason=answer.reason,
            detail=f"{answer.detail}; tried {attempts} times within {hours:g} h",
        )
    return Retry(seconds=pause, reason=answer.reason, detail=answer.detail)
