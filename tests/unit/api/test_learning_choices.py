"""What people are asked, how their answers become labels, and how far they agree."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from services.api.agreement import kappas, questions
from services.api.choosing import Candidate, candidate, choose
from services.api.near_duplicates import are_near, clusters, runs_of
from services.api.review import is_second, queue, second_looks
from services.api.reviewed import Opinion, by_person, groups_of, latest, lines, opinion
from services.api.shapes import Voice
from services.contracts import events as e
from tests.unit.api.builders import NOON, classified, received, tags

TOPICS = ("parcel", "invoice", "battery", "adviser", "refund", "window", "garden", "ticket", "jacket", "lesson")


def a(number: int, **over: Any) -> Candidate:
    words = f"{TOPICS[number % 10]} {TOPICS[number // 10 % 10]} number{number} came out of the blue and{number} was odd"
    defaults: dict[str, Any] = {
        "id": f"e-{number:03d}",
        "text": words,
        "source": "shop",
        "stage": "use",
        "stage_confidence": 0.9,
        "area": "product",
        "area_confidence": 0.9,
    }
    return Candidate(**(defaults | over))


# ---- near-duplicates ------------------------------------------------------------------------------------------------


def test_texts_with_half_of_their_runs_in_common_are_near() -> None:
    first = runs_of("The driver marked it delivered but nothing is here, order 77 has not arrived")
    second = runs_of("The driver marked it delivered but nothing is here, order 12 has not arrived")

    assert are_near(first, second)
    assert not are_near(first, runs_of("The driver was friendly and everything is here"))


def test_near_duplicates_share_a_cluster_also_through_others() -> None:
    template = "the driver marked it delivered but nothing is here order {} has not arrived"
    texts = ["completely other words stand here for once", *(template.format(n) for n in range(5)), "short"]

    assert clusters(texts) == [0, 1, 1, 1, 1, 1, 6]


# ---- choosing -------------------------------------------------------------------------------------------------------


def test_the_uncertain_come_before_the_certain() -> None:
    items = [a(n, stage_confidence=0.95) for n in range(20)]
    items += [a(20 + n, stage_confidence=0.2) for n in range(3)]

    assert {c.candidate.id for c in choose(items, number=3)} == {"e-020", "e-021", "e-022"}
    assert all("unsure" in c.reasons for c in choose(items, number=3))


def test_the_chosen_mirror_the_mix_of_sources_and_stages() -> None:
    items = [a(n, stage_confidence=0.5) for n in range(40)]
    items += [a(40 + n, source="chat", stage="pay", stage_confidence=0.5) for n in range(10)]
    items += [a(50 + n, source="mail", stage="leave", stage_confidence=0.95) for n in range(10)]
    chosen = choose(items, number=12)
    sources = [c.candidate.source for c in chosen]

    assert [sources.count(name) for name in ("shop", "chat", "mail")] == [8, 2, 2]
    assert "first_of_its_source" in next(c for c in chosen if c.candidate.source == "mail").reasons


def test_what_is_labelled_already_counts_towards_the_mix() -> None:
    items = [a(n) for n in range(20)] + [a(20 + n, source="chat", stage="pay") for n in range(20)]
    labelled = [a(60 + n) for n in range(6)]

    assert {c.candidate.source for c in choose(items, number=5, labelled=labelled)} == {"chat"}


def test_of_near_duplicates_one_is_asked_and_none_of_one_that_is_labelled() -> None:
    text = "the driver marked it delivered but nothing is here order {} has not arrived"
    items = [a(n, text=text.format(n), stage_confidence=0.1) for n in range(9)] + [a(30), a(41)]

    assert sum("driver" in c.candidate.text for c in choose(items, number=5)) == 1
    known = [a(90, text=text.format(90))]
    assert sum("driver" in c.candidate.text for c in choose(items, number=5, labelled=known)) == 0


def test_what_employees_wrote_and_what_has_no_text_is_not_asked() -> None:
    own = received("own", author="employee", channel="employee")
    bare = received("bare", text=None)

    assert candidate(Voice(own, classified(own))) is None
    assert candidate(Voice(bare, classified(bare))) is None
    assert candidate(Voice(received("new"))) is None


# ---- the daily queue ------------------------------------------------------------------------------------------------


def test_a_critical_doubtful_frequent_one_is_worth_most() -> None:
    items = [a(n, stage_confidence=0.6) for n in range(20)]
    items.append(a(50, stage_confidence=0.4, severity=3))
    items.append(a(51, stage="leave", stage_confidence=0.6))

    asked = queue(items, by="Ana", number=22)
    assert asked[0].event == "e-050"
    assert set(asked[0].reasons) == {"unsure", "costly", "frequent"}
    assert next(x for x in asked if x.event == "e-051").value < asked[1].value


def test_two_people_are_given_other_orders_and_each_always_the_same() -> None:
    items = [a(n, stage_confidence=0.5) for n in range(40)]
    ana, bo = ([x.event for x in queue(items, by=name, number=5)] for name in ("Ana", "Bo"))

    assert ana != bo
    assert [x.event for x in queue(items, by="Ana", number=5)] == ana


def test_a_case_that_a_team_disowned_is_asked_first() -> None:
    items = [a(n, stage_confidence=0.5) for n in range(40)]

    assert queue(items, by="Ana", number=1, disowned={"e-017"})[0].reasons[0] == "not_ours"


def test_second_looks_are_spread_evenly_over_a_day() -> None:
    assert [is_second(n, percent=20) for n in range(10)] == [False] * 4 + [True] + [False] * 4 + [True]
    assert not any(is_second(n, percent=0) for n in range(50))
    assert all(x.second for x in second_looks({"e-1", "e-2"}, by="Bo", number=1))


# ---- labels ---------------------------------------------------------------------------------------------------------


def said(name: str, by: str, *, minutes: int = 0, revision: int = 1, **over: Any) -> e.FeedbackCorrected:
    event = received(name)
    correction = e.Correction(id=f"{name}-{by}-{minutes}", by=by, at=NOON + timedelta(minutes=minutes), **over)
    return e.FeedbackCorrected(correction=correction, of=classified(event, revision=revision))


def test_what_a_person_left_standing_is_their_opinion_of_stage_and_areas_but_not_of_feelings() -> None:
    found = opinion(said("r-1", "ana", areas=("service",)))

    assert (found.stage, found.areas, found.sentiment) == ("receive", ("service",), None)


def test_the_later_answer_counts_and_the_earlier_one_is_kept() -> None:
    both = [opinion(said("r-1", "ana", stage="use", severity=2)), opinion(said("r-1", "bo", minutes=5, stage="pay"))]
    name = both[0].event

    assert (latest(both)[name].stage, latest(both)[name].severity) == ("pay", 2)
    assert {by: one.stage for by, one in by_person(both)[name].items()} == {"ana": "use", "bo": "pay"}


def test_one_customer_one_conversation_and_near_duplicates_are_one_group() -> None:
    voices = [
        Voice(received("a", customer="p-1", text="The blue lamp arrived broken in two pieces")),
        Voice(received("b", customer="p-1", text="Who may I talk to about my invoice from March")),
        Voice(received("c", customer="p-2", text="Who may I talk to about my invoice from June", conversation_id="t")),
        Voice(received("d", customer=None, text="Thank you all for a lovely stay", conversation_id="t")),
        Voice(received("e", customer=None, text="Nobody answers when I ring the shop")),
    ]
    groups = groups_of(voices)

    assert len(set(groups[:4])) == 1
    assert groups[4] != groups[0]


def test_a_line_holds_what_learning_needs_and_an_event_without_text_makes_none() -> None:
    event, bare = received("r-1"), received("r-2", text=None)
    labels = latest([opinion(said("r-1", "ana", stage="use")), opinion(said("r-2", "ana", stage="use"))])
    found = lines(labels, {event.id: Voice(event), bare.id: Voice(bare)})

    assert len(found) == 1
    line = msgspec.json.decode(found[0])
    assert (line["stage"], line["areas"], line["text"], line["model"]) == ("use", ["fulfilment"], event.text, "m-1")


# ---- agreement ------------------------------------------------------------------------------------------------------


def judged(event: int, by: str, stage: str) -> Opinion:
    return Opinion(f"e-{event}", by, NOON, stage, ("product",), None, None, None, tags(), "review")


def test_kappa_is_cohens_for_one_pair() -> None:
    # the textbook's table: 20 both yes, 5 and 10 apart, 15 both no -> (0.7 - 0.5) / (1 - 0.5)
    answers = [("use", "use")] * 20 + [("use", "pay")] * 5 + [("pay", "use")] * 10 + [("pay", "pay")] * 15
    opinions = {f"e-{n}": {"ana": judged(n, "ana", x), "bo": judged(n, "bo", y)} for n, (x, y) in enumerate(answers)}
    stage = next(k for k in kappas(opinions) if k.head == "stage")

    assert (stage.events, stage.people, stage.alike) == (50, 2, 0.7)
    assert stage.kappa == pytest.approx(0.4)


def test_where_chance_explains_everything_or_nobody_answered_twice_there_is_no_kappa() -> None:
    same = {f"e-{n}": {by: judged(n, by, "use") for by in ("ana", "bo")} for n in range(5)}

    assert next(k for k in kappas(same) if k.head == "stage").kappa is None
    assert next(k for k in kappas({"e-1": {"ana": judged(1, "ana", "use")}}) if k.head == "stage").events == 0


def test_labels_that_people_take_for_one_another_become_questions() -> None:
    answers = [("use", "get_help")] * 3 + [("get_help", "use")] * 2 + [("pay", "use")] + [("use", "use")] * 4
    opinions = {f"e-{n}": {"ana": judged(n, "ana", x), "bo": judged(n, "bo", y)} for n, (x, y) in enumerate(answers)}
    first, second = questions(opinions)

    assert (first.head, first.labels, first.times) == ("stage", ("get_help", "use"), 5)
    assert first.people == ("ana", "bo")
    assert first.of == 10
    assert (second.labels, second.times) == (("pay", "use"), 1)
