"""The pure parts: verdicts, scores, words, evidence in a text, lag, questions."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from services.api import phrases, wording
from services.api.cases import headline, tell, title, where
from services.api.figures import Plural, chance, concentrated, moved, new_themes, standing
from services.api.lag import GROUPS, Passed, lags, oldest_ages
from services.api.marked import runs, telling
from services.api.names import Names
from services.api.proof import is_over, judge, verdict_command
from services.api.queries import BadQuery, Cursor, cursor_of
from services.api.rollups import Deltas, contribution, on_scale, score, weeks_of
from services.contracts import events as e
from services.contracts.topics import load_topics
from services.router.episodes import Refusal
from tests.unit.api.builders import NOON, action, classified, plan, received

NOBODY = Names(None)
OPENED = datetime(2026, 9, 28, 9, tzinfo=UTC)
FIXED = datetime(2026, 10, 26, 9, tzinfo=UTC)
FIRST = (OPENED - timedelta(days=56)).date().toordinal()


def fixed(**over: Any) -> e.Action:
    """An action that was put right four weeks after it opened, with a promise of three a week."""
    expectation = e.Expectation(
        since=FIXED, days=14, baseline_per_week=1.0, target_per_week=3.0, peak_per_week=14.0, baseline_weeks=4.0
    )
    facts = {"state": "resolved", "resolved_at": FIXED, "expectation": expectation}
    return action(at=OPENED, **(facts | over))


def weekly(before: int, during: int, after: int, *, last_week: int | None = None) -> dict[int, int]:
    """So many a week before it broke, while it was open and after it was fixed."""
    broke = (OPENED - timedelta(days=7)).date().toordinal()
    done = FIXED.date().toordinal()
    days: dict[int, int] = {}
    for start, end, number in ((FIRST, broke, before), (broke, done + 1, during), (done + 1, done + 15, after)):
        for back in range(end - start):
            days[start + back] = (back + 1) * number // 7 - back * number // 7
    if last_week is not None:
        for day in range(done - 6, done + 1):
            days.pop(day, None)
        days[done - 3] = last_week
    return days


EVERYTHING_ELSE = weekly(80, 80, 80)


@pytest.mark.parametrize(
    ("counts", "control", "verdict"),
    [
        (weekly(1, 12, 2), EVERYTHING_ELSE, "back_to_normal"),
        (weekly(6, 14, 0), EVERYTHING_ELSE, "better_than_before"),
        (weekly(1, 6, 6), EVERYTHING_ELSE, "no_effect"),
        (weekly(1, 14, 8), EVERYTHING_ELSE, "no_effect"),
        (weekly(1, 14, 2, last_week=1), EVERYTHING_ELSE, "cause_unproven"),
        (weekly(1, 12, 2), weekly(80, 80, 12), "cause_unproven"),
        ({}, EVERYTHING_ELSE, "too_early"),
    ],
)
def test_a_verdict_follows_from_before_during_after_and_everything_else(
    counts: Mapping[int, int], control: Mapping[int, int], verdict: str
) -> None:
    proof = judge(fixed(), counts, control, first_day=FIRST)
    assert proof.verdict == verdict
    assert proof.reason.endswith(".")


def test_the_sentence_of_a_verdict_says_the_rates_as_a_person_would() -> None:
    proof = judge(fixed(), weekly(1, 12, 2), EVERYTHING_ELSE, first_day=FIRST)
    assert proof.reason == (
        "From about a dozen a week while it was open to two a week since; one a week was usual before it broke, "
        "while everything else stayed as it was."
    )


def test_a_verdict_is_due_when_its_time_is_over_and_is_the_same_command_each_time() -> None:
    due = FIXED + timedelta(days=14)
    assert not is_over(fixed(), now=due - timedelta(seconds=1))
    assert is_over(fixed(), now=due)
    assert not is_over(fixed(state="open"), now=due)
    proof = judge(fixed(), weekly(1, 12, 2), EVERYTHING_ELSE, first_day=FIRST)
    once, twice = (verdict_command(fixed(), proof, at=due + timedelta(hours=h)) for h in (0, 5))
    assert (once.id, once.by, once.verdict) == (twice.id, "palette", "back_to_normal")


@pytest.mark.parametrize(
    ("kind", "value", "top", "expected"),
    [
        ("nps", 9, 10, (9_000, True, False)),
        ("nps", 6, 10, (6_000, False, True)),
        ("csat", 4, 7, (3_000, False, False)),
        ("csat", 7, 7, (5_000, True, False)),
        ("ces", 5, None, (5_000, True, False)),
        ("stars", 2, None, (2_000, False, True)),
        ("thumbs", 1, None, (1_000, True, False)),
    ],
)
def test_a_rating_counts_on_its_kinds_usual_scale(kind: Any, value: float, top: float | None, expected: Any) -> None:
    assert on_scale(e.Rating(kind=kind, value=value, max=top)) == expected


def test_a_score_has_its_n_and_its_interval_and_too_few_are_too_few() -> None:
    nps = score("nps", (20, 0, 0, 10, 5))
    assert (round(nps.value), nps.n, nps.enough) == (25, 20, True)
    assert nps.low < 25 < nps.high
    assert score("nps", (12, 0, 0, 0, 11)).low == -100
    assert not score("csat", (9, 36_000, 144_000_000, 9, 0)).enough
    assert standing(score("csat", (10, 30_000, 90_000_000, 0, 0))) == 0


def test_deltas_cancel_to_nothing_and_come_in_order() -> None:
    event = received()
    narrow, _, _ = contribution(classified(event))
    other, _, _ = contribution(classified(event, stage="use"))
    deltas = Deltas()
    deltas.add(narrow)
    deltas.add(narrow, sign=-1)
    deltas.add(other)
    assert [key for key, _ in deltas.rows()] == [(NOON.date().toordinal(), "use", "fulfilment")]


def test_weeks_end_today_and_the_oldest_comes_first() -> None:
    assert weeks_of({100: 1, 94: 2, 93: 3, 80: 9}, last=100, weeks=2) == [3, 3]


def test_a_difference_that_chance_explains_is_not_told() -> None:
    names = Names(None)
    calm = dict.fromkeys(range(60, 101, 3), 1)
    assert moved(names, {"calm": calm}, last=100) == []
    (worse,) = moved(names, {"spike": dict.fromkeys(range(92, 101), 3) | {70: 1}}, last=100)
    assert (worse.worse, worse.last) == (True, 27)
    assert chance(0, 1, 0, 1) == 1.0
    assert chance(900, 1, 600, 1) < 0.001


def test_what_is_new_was_never_heard_before_and_there_was_time_to_hear_it() -> None:
    fresh = {"queue": {95: 2, 99: 1}}
    assert [said.n for said in new_themes(NOBODY, fresh, last=100, known_since=20)] == [3]
    assert new_themes(NOBODY, fresh, last=100, known_since=90) == []
    assert new_themes(NOBODY, {"queue": {50: 1, 99: 5}}, last=100, known_since=20) == []


def test_a_place_is_named_when_most_of_it_comes_from_there() -> None:
    assert concentrated([Plural("region", "north", 8), Plural("region", "", 2)], 10) == Plural("region", "north", 8)
    assert concentrated([Plural("region", "north", 5)], 10) is None
    assert concentrated([Plural("region", "", 9)], 9) is None


@pytest.mark.parametrize(
    ("value", "said"),
    [(0, "none"), (0.4, "less than one"), (2.1, "two"), (11.6, "about a dozen"), (23, "about 25"), (412, "about 410")],
)
def test_numbers_are_said_as_a_person_would(value: float, said: str) -> None:
    assert wording.about(value) == said


@pytest.mark.parametrize(
    ("back", "said"),
    [
        (timedelta(seconds=10), "just now"),
        (timedelta(minutes=5), "5 min ago"),
        (timedelta(hours=1), "1 hour ago"),
        (timedelta(days=1), "yesterday"),
        (timedelta(days=3), "3 days ago"),
        (timedelta(days=40), "7 Oct"),
        (timedelta(days=400), "12 Oct 2025"),
        (timedelta(days=-2), "in 2 days"),
    ],
)
def test_times_are_told_from_now(back: timedelta, said: str) -> None:
    assert wording.ago(NOON - back, now=NOON) == said


def test_changes_and_signs_use_a_real_minus() -> None:
    assert wording.change(6, 10) == "−40 %"
    assert wording.change(10, 10.2) == "about the same"
    assert wording.change(5, 0) == ""
    assert (wording.signed(-12.4), wording.signed(0.2), wording.signed(47)) == ("−12", "0", "+47")
    assert wording.due(NOON - timedelta(days=2), now=NOON) == "2 days late"


def test_places_are_put_into_words() -> None:
    assert where({"region": "north"}) == "in the north"
    assert where({"region": "Leeds", "site": "leeds-2"}) == "in Leeds, at leeds-2"
    assert title(action(), NOBODY) == "marked delivered, in the north"
    assert title(action(plan=plan(theme=None)), NOBODY) == "fulfilment while receive, in the north"
    assert title(action(plan=plan(action="recovery")), NOBODY).startswith("put right for one customer")


def test_an_open_problem_is_told_as_open_and_the_greater_story_comes_first() -> None:
    last = NOON.date().toordinal()
    small = tell(action(severity=1), NOBODY, {last: 3}, last=last)
    great = tell(action(id="b", severity=2, customers=9), NOBODY, {last - 1: 12}, last=last)
    found = headline([small, great], today=NOON.date())
    assert found is not None
    assert found.story is great
    assert "has not looked yet" in found.who
    assert found.moved == ""
    assert headline([], today=date(2026, 11, 16)) is None


def test_evidence_and_masks_cut_a_text_into_runs_that_are_the_text() -> None:
    text = "My card [card] was charged twice and nobody answers."
    masks = [e.Mask(start=8, end=14, kind="card_number")]
    evidence = [
        e.Evidence(head="theme", label="charged-twice", start=19, end=32),
        e.Evidence(head="stage", label="pay", start=10, end=22),
        e.Evidence(head="area", label="service", start=37, end=51),
        e.Evidence(head="area", label="price", start=900, end=901),
        e.Evidence(head="sentiment", label="negative", start=-3, end=2),
    ]
    cut = runs(text, evidence, masks)
    assert "".join(run.text for run in cut) == text
    assert [(run.label, run.mask) for run in cut if run.label or run.mask] == [
        ("", "card number"),
        ("charged-twice", ""),
        ("service", ""),
    ]


def test_a_list_shows_the_words_of_what_can_be_mended_before_those_of_step_and_part() -> None:
    theme, stage, mood = (
        e.Evidence(head=head, label="x", start=n, end=n + 1) for n, head in enumerate(("theme", "stage", "sentiment"))
    )
    assert telling([stage, mood, theme]) == [theme]
    assert telling([mood, stage]) == [stage]
    assert telling([mood]) == []


def test_words_behind_a_tag_that_is_not_sure_or_mild_are_not_underlined() -> None:
    stage, mild, danger = (
        e.Evidence(head=head, label=label, start=n, end=n + 1)
        for n, (head, label) in enumerate((("stage", "use"), ("severity", "1"), ("severity", "3")))
    )
    assert telling([stage, mild]) == [stage]
    assert telling([stage, mild], {"stage"}) == []
    assert telling([stage, mild, danger]) == [danger]


def test_a_reason_is_said_once() -> None:
    entries = [e.Unsure(head=head, reason="low_confidence") for head in ("stage", "areas")]
    assert phrases.unsure(entries) == "which step and which part: not sure enough"
    foreign = [e.Unsure(head=head, reason="language") for head in ("stage", "areas", "intent")]
    assert phrases.unsure(foreign) == "not in a language that it reads"


def test_every_refusal_of_the_router_has_a_sentence() -> None:
    for reason in Refusal.__args__:  # type: ignore[attr-defined]
        assert not phrases.refusal(reason).startswith("Not possible:")


def test_a_cursor_survives_a_link_and_a_stranger_is_refused() -> None:
    cursor = Cursor(1_760_000_000_000_000, "0b6c-é".encode("ascii", "replace").decode())
    assert cursor_of(cursor.text()) == cursor
    for stranger in ("!!", "", "AAAA", "é"):
        with pytest.raises(BadQuery):
            cursor_of(stranger)


def test_a_group_that_never_committed_is_behind_by_everything() -> None:
    place = ("notifications", 0)
    (lag,) = [found for found in lags({}, {place: 5}, {place: 9}) if found.group == "notify"]
    assert (lag.messages, lag.next) == (4, 5)
    written = {place: {5: NOON - timedelta(seconds=90)}}
    assert oldest_ages([lag], written, now=NOON) == {("notify", "notifications"): 90.0}
    (done,) = [f for f in lags({"notify": {place: 9}}, {place: 5}, {place: 9}) if f.group == "notify"]
    assert oldest_ages([done], written, now=NOON) == {("notify", "notifications"): 0.0}


def test_the_groups_that_are_watched_read_topics_that_exist() -> None:
    assert {name for names in GROUPS.values() for name in names} <= set(load_topics())


def test_the_audit_waits_until_the_store_has_read_what_the_classifier_said() -> None:
    passed = Passed({0: 10}, {0: 20, 1: 5})
    assert not passed.store_has_caught_up({0: 19, 1: 5})
    assert passed.store_has_caught_up({0: 20, 1: 5})


def test_the_health_page_says_what_is_wrong_in_words() -> None:
    assert phrases.missing({"web": 0}) == (True, "Nothing is missing: all that was stored has been read or put aside.")
    assert phrases.missing({"web": 2}) == (False, "Missing: 2 from web.")
    assert phrases.letters({"api-dlq": 1})[1] == "1 message could not be read and was put aside."
    assert phrases.workings([("classify", 3, 70.0)])[0][0] is False
