"""The fold of one group: when an action opens, who counts, what brings it back."""

from datetime import UTC, datetime, timedelta

import pytest

from services.contracts.codec import encode
from tests.unit.router.builders import Folded, at, command, join, opened, plan, retract

# ---- opening --------------------------------------------------------------------------------------------------------


def test_an_action_opens_at_the_threshold_and_names_who_came_in() -> None:
    folded = Folded().take(join("a", 0), join("b", 5))
    assert folded.changes == []

    folded.take(join("c", 6))
    (change,) = folded.changes
    assert (change.change, change.reason, change.event, change.members) == ("opened", "threshold", "c", ("a", "b"))
    assert (folded.action.signals, folded.action.customers, folded.action.revision) == (3, 3, 1)
    assert folded.action.first_occurred_at == at(0)
    assert folded.action.acknowledge_due_at == at(6 + 24)
    assert folded.told == [("opened", "actions")]


def test_signals_outside_the_window_do_not_count() -> None:
    week = 168
    folded = Folded().take(join("a", 0), join("b", week - 1), join("c", week + 0.5))
    assert folded.changes == []

    folded.take(join("d", week + 1))
    assert (folded.action.signals, folded.changes[0].members) == (3, ("b", "c"))


def test_a_late_signal_counts_by_when_it_happened() -> None:
    folded = Folded().take(join("a", 0), join("b", 200), join("c", 201), join("d", 202, occurred_at=at(1)))
    assert folded.changes == []


def test_an_event_of_the_year_1_is_only_very_late() -> None:
    never = datetime.min.replace(tzinfo=UTC)
    folded = Folded().take(join("a", 0, occurred_at=never), join("b", 1, occurred_at=never), join("c", 2), join("d", 3))
    assert folded.changes == []

    folded.take(join("e", 4))
    assert folded.changes[0].members == ("c", "d")


def test_a_late_critical_signal_opens_at_once_all_the_same() -> None:
    folded = Folded().take(join("a", 200), join("b", 201, occurred_at=at(1), severity=3))
    assert (folded.names, folded.action.signals, folded.action.first_occurred_at) == (["opened"], 2, at(1))


def test_a_critical_signal_opens_at_once() -> None:
    folded = Folded().take(join("a", severity=3))

    assert folded.names == ["opened"]
    assert (folded.action.reason, folded.action.severity) == ("critical", 3)


def test_a_correction_to_critical_opens_at_once() -> None:
    folded = Folded().take(join("a"), join("a", 1, revision=2, severity=3))
    assert folded.names == ["opened"]


def test_a_correction_to_critical_opens_even_for_what_no_longer_waited() -> None:
    folded = Folded().take(join("a", 0), join("b", 300), join("a", 301, revision=2, severity=3, occurred_at=at(0)))
    assert (folded.names, folded.action.signals) == (["opened"], 2)


def test_danger_told_late_brings_a_resolved_action_back() -> None:
    folded = opened()
    folded.take(command("resolve", folded.action.id, 10), join("late", 11, occurred_at=at(5), severity=3))
    assert (folded.names[-1], folded.action.severity) == ("reopened", 3)


def test_critical_opens_nothing_where_policy_says_so() -> None:
    assert Folded().take(join("a", severity=3, plan=plan(at_once_from_severity=None))).changes == []


def test_people_are_counted_once_and_the_nameless_as_one() -> None:
    people = plan(people=True, threshold=3, at_once_from_severity=None)
    folded = Folded().take(
        join("a", customer="p1", plan=people),
        join("b", customer="p1", plan=people),
        join("c", customer=None, plan=people),
        join("d", customer=None, plan=people),
    )
    assert folded.changes == []
    assert folded.take(join("e", customer="p2", plan=people)).action.signals == 5


def test_imports_open_nothing_and_join_what_is_open() -> None:
    folded = Folded().take(*(join(f"i{n}", severity=3, mode="backfill") for n in range(50)))
    assert folded.changes == []

    folded = opened()
    folded.take(join("i", 1, mode="backfill"), join("long-ago", 1, mode="backfill", occurred_at=at(-900)))
    assert folded.action.signals == 4
    assert folded.told == [("opened", "actions")]


def test_a_dry_run_opens_nothing() -> None:
    folded = Folded().take(*(join(f"e{n}", plan=plan(opens=False), severity=3) for n in range(9)))
    assert folded.changes == []


def test_a_rehearsal_opens_and_tells_nobody() -> None:
    folded = opened(mode="rehearsal")
    assert folded.names == ["opened"]
    assert folded.action.mode == "rehearsal"
    assert folded.told == []


# ---- counting -------------------------------------------------------------------------------------------------------


def test_a_repeat_counts_once_whenever_it_comes() -> None:
    folded = opened()
    folded.take(join("e0"), join("e2"), join("later", 1), join("later", 1))

    assert folded.action.signals == 4
    assert folded.names == ["opened", "joined"]


def test_a_customer_who_complains_twice_is_one_customer_and_two_signals() -> None:
    folded = opened().take(join("x", 1, customer="p-e0"), join("y", 1, customer=None))
    assert (folded.action.signals, folded.action.customers) == (5, 3)


def test_the_worst_five_are_the_severest_and_newest() -> None:
    folded = opened().take(*(join(f"s{n}", n, severity=n % 3) for n in range(1, 9)))
    assert folded.action.worst == ("s8", "s5", "s2", "s7", "s4")


def test_every_change_is_one_revision() -> None:
    folded = opened().take(join("x", 1), retract("x", 2), join("y", 3))
    assert [change.revision for change in folded.changes] == [1, 2, 3, 4]
    assert folded.action.revision == 4


def test_priority_lifts_what_is_severe_frequent_and_easy() -> None:
    assert opened().action.priority == (1 + 1 + 1) * 2
    assert opened(severity=2, plan=plan(ease=3)).action.priority == (1 + 2 + 1) * 3


# ---- retractions ----------------------------------------------------------------------------------------------------


def test_a_newer_tag_revision_takes_an_event_out() -> None:
    folded = opened().take(join("x", 1, severity=2), retract("x", 2))

    assert folded.names[-1] == "left"
    assert (folded.action.signals, folded.action.customers, folded.action.severity) == (3, 3, 1)
    assert "x" not in folded.action.worst


def test_a_retraction_from_a_stranger_or_a_repeat_is_nothing() -> None:
    folded = opened().take(retract("stranger"), retract("e0"), retract("e0"))
    assert folded.action.signals == 2


def test_an_old_join_that_comes_again_after_its_retraction_does_not_count() -> None:
    folded = opened().take(retract("e0", 1), join("e0", 0))
    assert folded.action.signals == 2


def test_an_event_that_comes_back_by_a_third_revision_counts_again() -> None:
    folded = opened().take(retract("e0", 1), join("e0", 2, revision=3))
    assert folded.action.signals == 3


def test_waiting_signals_can_be_taken_back() -> None:
    assert Folded().take(join("a"), join("b"), retract("a", 1), join("c", 2)).changes == []


def test_an_action_without_signals_is_closed_and_its_event_may_open_it_again() -> None:
    folded = Folded().take(join("a", severity=3), retract("a", 1))
    first = folded.action
    assert (first.state, folded.changes[-1].change, folded.changes[-1].reason) == ("verified", "closed", "nothing_left")

    folded.take(join("a", 2, revision=3, severity=3))
    assert (folded.action.id, folded.action.state, folded.action.revision) == (first.id, "open", 3)
    assert folded.action.signals == 1


# ---- the episode ----------------------------------------------------------------------------------------------------


def test_after_the_resolution_only_new_events_bring_it_back_and_only_at_the_threshold() -> None:
    folded = opened()
    folded.take(command("resolve", folded.action.id, 10))
    folded.take(join("old", 11, occurred_at=at(9)), join("n1", 12), join("n2", 13))
    assert (folded.action.state, folded.action.signals) == ("resolved", 4)

    folded.take(join("n3", 14))
    assert (folded.action.state, folded.action.signals, folded.action.reopened) == ("open", 7, 1)
    assert (folded.changes[-1].reason, folded.changes[-1].members) == ("recurrence", ("n1", "n2"))
    assert folded.told == [("opened", "actions"), ("reopened", "actions")]
    assert folded.action.acknowledge_due_at == at(14 + 24)


def test_a_reopening_by_hand_takes_in_those_that_waited() -> None:
    folded = opened()
    folded.take(command("resolve", folded.action.id, 10), join("n1", 12))
    folded.take(command("reopen", folded.action.id, 13))

    assert folded.action.signals == 4
    assert folded.changes[-1].members == ("n1",)


def test_a_verified_action_stays_and_the_next_episode_is_another_action() -> None:
    folded = opened()
    first = folded.action.id
    folded.take(command("resolve", first, 10), command("verdict", first, 400, verdict="back_to_normal"))
    folded.take(*(join(f"n{n}", 500 + n) for n in range(3)))

    assert folded.action.id != first
    assert (folded.action.revision, folded.action.signals, folded.action.state) == (1, 3, "open")
    assert folded.action.worst == ("n2", "n1", "n0")


def test_acknowledged_is_not_told_again() -> None:
    folded = opened()
    folded.take(command("acknowledge", folded.action.id, 1), *(join(f"n{n}", 2, severity=3) for n in range(9)))
    assert folded.told == [("opened", "actions")]


def test_a_rehearsed_action_that_live_signals_bring_back_is_told() -> None:
    folded = opened(mode="rehearsal")
    folded.take(command("resolve", folded.action.id, 10, mode="rehearsal"))
    folded.take(*(join(f"n{n}", 11) for n in range(3)))

    assert folded.action.mode == "live"
    assert folded.told == [("reopened", "actions")]


def test_an_episode_keeps_the_plan_it_opened_with() -> None:
    folded = opened().take(join("x", 1, plan=plan(policy="v2", team="shops", threshold=1)))
    assert (folded.action.plan.policy, folded.action.plan.team) == ("v1", "delivery")


# ---- memory ---------------------------------------------------------------------------------------------------------


def test_ids_are_remembered_for_two_days_and_at_least_two_thousand() -> None:
    folded = opened()
    folded.take(*(join(f"m{n}", 1 + n / 1000) for n in range(3_000)))
    assert folded.take(join("m0", 1)).action.signals == 3_003
    assert len(folded.group.memory) == 3_003

    folded.take(*(join(f"k{n}", 60) for n in range(100)))
    assert 2_000 <= len(folded.group.memory) < 2_100
    assert folded.take(join("k0", 60), join("m2999", 4)).action.signals == 3_103


def test_an_action_stays_small_whatever_happens_to_it() -> None:
    folded = opened()
    for number in range(60):
        folded.take(command("comment", folded.action.id, 1, comment="ü" * 5_000, id=f"c{number}"))
    folded.take(*(join(f"m{n}", 1) for n in range(2_000)))

    assert len(encode(folded.action).value or b"") < 64_000
    assert len(folded.action.changes) == 20
    assert len(folded.action.worst) == 5


def test_a_flood_of_imports_does_not_grow_what_waits_without_bound() -> None:
    folded = Folded().take(*(join(f"i{n}", mode="backfill") for n in range(1_500)))
    assert len(folded.group.head.waiting) == 1_000


@pytest.mark.parametrize("weeks", [1, 8])
def test_a_resolution_promises_against_the_weeks_before_the_episode(weeks: int) -> None:
    hours = weeks * 168.0
    early = [join(f"w{n}", -hours + n * 84, mode="backfill") for n in range(weeks * 2)]
    folded = Folded().take(*early, *(join(f"e{n}", 200 + n) for n in range(12)))
    folded.take(command("resolve", folded.action.id, 300))
    promise = folded.action.expectation

    assert promise is not None
    assert (promise.peak_per_week, promise.since, promise.days) == (12.0, at(300), 14)
    if weeks == 8:
        assert promise.baseline_weeks >= 7
        assert 1.4 <= promise.baseline_per_week <= 2.2
        assert promise.target_per_week == 6.0
    else:
        assert promise.baseline_weeks <= 3


def test_the_target_is_never_below_what_was_normal() -> None:
    normal = [join(f"w{n}", -1344 + n * 24, plan=plan(opens=False)) for n in range(56)]
    folded = Folded().take(*normal, *(join(f"e{n}", 1) for n in range(3)))
    folded.take(command("resolve", folded.action.id, 2))
    promise = folded.action.expectation

    assert promise is not None
    assert promise.target_per_week == promise.baseline_per_week == pytest.approx(7, abs=0.2)
    assert promise.since - folded.action.opened_at == timedelta(hours=1)
