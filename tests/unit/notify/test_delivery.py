"""Decisions about one notification, and the breaker of a target."""

import pytest

from services.notify.backoff import CAP_SECONDS, OPEN_CAP_SECONDS, OPEN_SECONDS, OPENS_AFTER, Breaker, delay
from services.notify.delivery import ActionNow, Answer, Final, Reason, Retry, after, covered
from tests.unit.notify.builders import NOON, action, notification

DAY = 86_400.0
FAILED = Answer(reason=Reason.ANSWERED_ERROR, detail="HTTP 503")


@pytest.mark.parametrize(
    ("why", "told_state", "state_now", "is_covered"),
    [
        ("opened", "open", "open", False),
        ("opened", "open", "acknowledged", True),
        ("opened", "open", "in_progress", True),
        ("opened", "open", "verified", True),
        ("escalated", "open", "acknowledged", True),
        ("escalated", "acknowledged", "in_progress", False),
        ("escalated", "in_progress", "in_progress", False),
        ("escalated", "in_progress", "resolved", True),
    ],
)
def test_nobody_is_told_what_people_have_moved_on_from(
    why: str, told_state: str, state_now: str, is_covered: bool
) -> None:
    told = notification(why=why, of=action(revision=3, state=told_state, acknowledged_at=NOON))
    final = covered(told, newest_revision=3, now=ActionNow(4, state_now))
    assert (final is not None) is is_covered
    if final is not None:
        assert (final.outcome, final.reason) == ("covered", Reason.MOVED_ON)


def test_a_page_that_lags_behind_covers_nothing() -> None:
    told = notification(why="reopened", of=action(revision=8))
    assert covered(told, newest_revision=8, now=ActionNow(7, "resolved")) is None


def test_a_page_that_does_not_answer_covers_nothing() -> None:
    assert covered(notification(), newest_revision=1, now=None) is None


def test_a_newer_message_about_the_same_action_covers_an_older_one() -> None:
    final = covered(notification(), newest_revision=2, now=None)
    assert final is not None
    assert final.reason is Reason.TOLD_LATER


def test_a_failure_is_tried_again_later_and_later_until_the_time_is_up() -> None:
    waits, attempts, waiting = [], 0, 0.0
    while True:
        attempts += 1
        decision = after(FAILED, attempts=attempts, waiting_seconds=waiting, give_up_after_seconds=DAY, dice=0.999999)
        if isinstance(decision, Final):
            break
        assert isinstance(decision, Retry)
        waits.append(round(decision.seconds))
        waiting += decision.seconds
    assert waits[:5] == [5, 10, 20, 40, 80]
    assert max(waits) == CAP_SECONDS
    assert DAY - CAP_SECONDS < waiting <= DAY
    assert (decision.outcome, decision.reason) == ("gave_up", Reason.ANSWERED_ERROR)
    assert decision.detail == f"HTTP 503; tried {attempts} times within 24 h"


def test_half_of_the_pause_is_chance() -> None:
    assert delay(1, dice=0.0) == 2.5
    assert delay(1, dice=0.5) == 3.75
    assert delay(10_000, dice=0.0) == CAP_SECONDS / 2


def test_what_the_receiver_asked_for_is_kept_to_but_not_beyond_an_hour() -> None:
    polite = Answer(reason=Reason.BUSY, retry_after=120.0)
    greedy = Answer(reason=Reason.BUSY, retry_after=1e9)
    for answer, expected in ((polite, 120.0), (greedy, 3600.0)):
        decision = after(answer, attempts=1, waiting_seconds=0, give_up_after_seconds=DAY, dice=0)
        assert isinstance(decision, Retry)
        assert decision.seconds == expected


def test_a_receiver_that_is_gone_is_not_tried_again() -> None:
    decision = after(
        Answer(reason=Reason.GONE, detail="HTTP 410"), attempts=1, waiting_seconds=0, give_up_after_seconds=DAY, dice=0
    )
    assert decision == Final(outcome="gave_up", reason=Reason.GONE, detail="HTTP 410")


def test_the_breaker_opens_after_five_failures_allows_one_try_and_closes_with_a_success() -> None:
    breaker, now = Breaker(), 1_000.0
    for _ in range(OPENS_AFTER - 1):
        breaker = breaker.failed(now)
        assert breaker.wait(now) == 0
        assert breaker.is_closed()
    breaker = breaker.failed(now)
    assert not breaker.is_closed()
    assert breaker.wait(now) == OPEN_SECONDS
    now += OPEN_SECONDS
    assert breaker.wait(now) == 0, "half-open"
    breaker = breaker.failed(now)
    assert breaker.wait(now) == 2 * OPEN_SECONDS
    for _ in range(20):
        now += breaker.wait(now)
        breaker = breaker.failed(now)
    assert breaker.wait(now) == OPEN_CAP_SECONDS
    assert breaker.failing_for(now) == now - 1_000.0
    assert Breaker().failing_for(now) == 0


def test_the_breaker_keeps_to_retry_after_from_the_first_failure() -> None:
    breaker = Breaker().failed(0.0, retry_after=90.0)
    assert breaker.wait(0.0) == 90.0
    assert breaker.wait(90.0) == 0.0


@pytest.mark.parametrize("reason", [Reason.REFUSED, Reason.UNEXPECTED, Reason.DELIVERED])
def test_a_message_that_is_itself_at_fault_does_not_open_the_breaker(reason: Reason) -> None:
    assert not Answer(reason=reason).blames_target
