"""What may be asked of an action in which state; every refusal has its reason."""

import pytest

from services.contracts.events import Tick
from services.contracts.ids import change_id, tick_id
from tests.unit.router.builders import GROUP, Folded, at, command, join, opened

STEPS = {
    "open": (),
    "acknowledged": ("acknowledge",),
    "in_progress": ("start",),
    "resolved": ("resolve",),
    "verified": ("resolve", "verdict"),
}


def in_state(state: str) -> Folded:
    folded = opened()
    for name in STEPS[state]:
        folded.take(command(name, folded.action.id, 1, verdict="back_to_normal" if name == "verdict" else None))
    assert folded.action.state == state
    return folded


@pytest.mark.parametrize(
    ("state", "asked", "answer"),
    [
        ("open", "acknowledge", "acknowledged"),
        ("acknowledged", "acknowledge", "already_acknowledged"),
        ("in_progress", "acknowledge", "already_acknowledged"),
        ("resolved", "acknowledge", "already_resolved"),
        ("verified", "acknowledge", "already_closed"),
        ("open", "start", "in_progress"),
        ("acknowledged", "start", "in_progress"),
        ("in_progress", "start", "already_started"),
        ("resolved", "start", "already_resolved"),
        ("verified", "start", "already_closed"),
        ("open", "assign", "open"),
        ("in_progress", "assign", "in_progress"),
        ("resolved", "assign", "already_resolved"),
        ("verified", "assign", "already_closed"),
        ("open", "comment", "open"),
        ("verified", "comment", "verified"),
        ("open", "resolve", "resolved"),
        ("in_progress", "resolve", "resolved"),
        ("resolved", "resolve", "already_resolved"),
        ("verified", "resolve", "already_closed"),
        ("open", "reopen", "not_resolved"),
        ("in_progress", "reopen", "not_resolved"),
        ("resolved", "reopen", "open"),
        ("verified", "reopen", "open"),
        ("open", "verdict", "not_resolved"),
        ("resolved", "verdict", "verified"),
        ("verified", "verdict", "already_closed"),
    ],
)
def test_each_command_in_each_state_is_done_or_refused_with_its_reason(state: str, asked: str, answer: str) -> None:
    folded = in_state(state)
    revision = folded.action.revision
    signal = command(asked, folded.action.id, 2, to="bob", comment="see here", verdict="better_than_before")
    folded.take(signal)
    change = folded.changes[-1]

    assert change.id == change_id(folded.action.id, signal.id)
    assert change.command == signal.id
    assert change.by == "ann"
    if answer in STEPS:
        assert folded.action.state == change.state == answer
        assert folded.action.revision == change.revision == revision + 1
        assert folded.action.changes[-1].comment == "see here"
    else:
        assert (change.change, change.reason) == ("refused", answer)
        assert (change.revision, change.state, folded.action.revision) == (revision, state, revision)


def test_an_unknown_action_is_refused() -> None:
    folded = Folded().take(command("acknowledge", "nobody-knows-it"))
    assert [(c.change, c.reason, c.action) for c in folded.changes] == [
        ("refused", "unknown_action", "nobody-knows-it")
    ]


def test_a_command_that_comes_twice_is_done_once() -> None:
    folded = opened()
    again = command("comment", folded.action.id, 1, comment="once")
    folded.take(again, again)
    assert folded.names == ["opened", "commented"]


def test_a_stale_view_is_refused_but_complaints_that_joined_since_do_not_make_it_stale() -> None:
    folded = opened()
    seen = folded.action.revision
    folded.take(join("x", 1), join("y", 1), command("acknowledge", folded.action.id, 2, expected_revision=seen))
    assert folded.action.state == "acknowledged"

    folded.take(command("resolve", folded.action.id, 3, expected_revision=seen))
    assert folded.changes[-1].reason == "stale_revision"
    folded.take(command("resolve", folded.action.id, 3, expected_revision=99))
    assert folded.changes[-1].reason == "stale_revision"


def test_who_acknowledges_owns_it_unless_it_has_an_owner() -> None:
    folded = opened()
    folded.take(command("assign", folded.action.id, 1, to="bob"), command("acknowledge", folded.action.id, 2))
    assert folded.action.owner == "bob"
    assert in_state("acknowledged").action.owner == "ann"


def test_handing_over_to_a_team_starts_again_there_and_tells_it() -> None:
    folded = in_state("acknowledged")
    folded.take(command("assign", folded.action.id, 5, to="billing", team="billing", comment="not ours"))

    assert (folded.action.plan.team, folded.action.owner, folded.action.state) == ("billing", None, "open")
    assert folded.action.acknowledge_due_at == at(5 + 24)
    assert folded.told == [("opened", "actions"), ("opened", "other")]
    assert (folded.changes[-1].change, folded.changes[-1].to) == ("handed_over", "billing")


def test_not_ours_is_a_handing_over_that_says_so_and_a_repeat_changes_nothing() -> None:
    folded = in_state("acknowledged")
    asked = command("assign", folded.action.id, 5, to="care", team="care", reason="not_ours")
    folded.take(asked, asked)

    assert [(c.change, c.reason) for c in folded.changes if c.command == asked.id] == [("handed_over", "not_ours")]
    assert folded.action.changes[-1].reason == "not_ours"


@pytest.mark.parametrize(("asked", "reason"), [("assign", "nobody_named"), ("verdict", "verdict_missing")])
def test_a_command_without_what_it_needs_is_refused(asked: str, reason: str) -> None:
    folded = in_state("resolved" if asked == "verdict" else "open")
    folded.take(command(asked, folded.action.id, 2))
    assert folded.changes[-1].reason == reason


@pytest.mark.parametrize(
    ("verdict", "state", "change"),
    [
        ("back_to_normal", "verified", "verified"),
        ("better_than_before", "verified", "verified"),
        ("cause_unproven", "verified", "verified"),
        ("no_effect", "open", "reopened"),
        ("too_early", "resolved", "judged"),
    ],
)
def test_the_verdict_of_the_numbers_closes_or_reopens(verdict: str, state: str, change: str) -> None:
    folded = in_state("resolved")
    folded.take(command("verdict", folded.action.id, 400, verdict=verdict, reason="12 a week to 2"))

    assert (folded.action.state, folded.changes[-1].change, folded.changes[-1].reason) == (state, change, verdict)
    assert folded.action.expectation is not None
    assert folded.action.expectation.verdict == verdict
    assert folded.action.expectation.verdict_reason == "12 a week to 2"


def test_no_effect_is_told_again() -> None:
    folded = in_state("resolved")
    folded.take(command("verdict", folded.action.id, 400, verdict="no_effect"))
    assert folded.told == [("opened", "actions"), ("reopened", "actions")]


def tick(folded: Folded, timer: str, hours: float) -> Tick:
    return Tick(
        id=tick_id(folded.action.id, timer, at(hours)), group=GROUP, at=at(hours), action=folded.action.id, timer=timer
    )


def test_a_broken_promise_is_noted_once() -> None:
    folded = opened()
    folded.take(tick(folded, "acknowledge_due", 24), tick(folded, "acknowledge_due", 24))

    assert folded.names == ["opened", "breached"]
    assert folded.action.breached == ("acknowledge_due",)
    assert folded.action.updated_at == at(24)


def test_a_kept_or_moved_promise_is_not_broken() -> None:
    kept = in_state("acknowledged")
    assert kept.take(tick(kept, "acknowledge_due", 24)).action.breached == ()

    moved = in_state("resolved")
    moved.take(command("reopen", moved.action.id, 5), tick(moved, "acknowledge_due", 24))
    assert moved.action.breached == ()
    assert moved.take(tick(moved, "acknowledge_due", 29)).action.breached == ("acknowledge_due",)


def test_a_rehearsed_action_has_no_clock_until_a_person_takes_it_up() -> None:
    folded = opened(mode="rehearsal")
    assert folded.take(tick(folded, "resolve_due", 240)).action.breached == ()

    folded.take(command("acknowledge", folded.action.id, 1_000))
    assert folded.action.mode == "live"
    assert folded.action.resolve_due_at == at(1_240)
    assert folded.take(tick(folded, "resolve_due", 1_240)).action.breached == ("resolve_due",)
