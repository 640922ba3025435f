"""What is said of labels, gains and agreement: as it was measured, with how sure it is, and no more."""

import pytest

from services.api.agreement import Kappa, Question
from services.api.io.pages.piles import Next, Piles
from services.api.learning_words import agreement, ahead, confirms, gain, question_facts, told, why
from services.api.names import Names
from services.api.teaching import Progress, area_choices, feeling_choices, stage_choices
from services.api.versions import Verdict, Version, Versions, Way, way_to
from services.contracts import events as e
from tests.unit.api.builders import NOON, classified, received, tags
from tests.unit.api.workshop import FIGURES

RESERVED = {"y", "s", "x", "u", "/", "?"}


@pytest.mark.parametrize(
    ("better_in", "words"), [(97.0, "hardly chance"), (88.0, "probably not chance"), (61.0, "may well be chance")]
)
def test_a_gain_is_told_with_how_sure_it_is(better_in: float, words: str) -> None:
    assert words in gain(Verdict(True, "better", figures=FIGURES | {"better_in": better_in}))


def test_a_loss_is_called_worse_and_half_a_point_nothing() -> None:
    assert "3 worse" in gain(Verdict(False, "worse", figures=FIGURES | {"gain": -3.1}))
    assert "the same" in gain(Verdict(False, "not_better", figures=FIGURES | {"gain": 0.4}))
    assert gain(Verdict(False, "too_few_labels", figures={"reviewed": 3.0})) == ""


def test_agreement_has_a_number_always_and_a_judgement_only_over_enough_texts() -> None:
    assert "too few to judge by (κ 0.70)" in agreement(Kappa("stage", 19, 2, 0.8, 0.7))
    assert "they agree well (κ 0.70)" in agreement(Kappa("stage", 40, 2, 0.8, 0.7))
    assert "the same answer for 32 of 40 texts" in agreement(Kappa("stage", 40, 2, 0.8, 0.7))
    assert "no more than by chance" in agreement(Kappa("areas", 40, 2, 0.3, -0.1))
    assert "nobody has answered the same text twice" in agreement(Kappa("areas", 0, 0, None, None))


def test_a_disagreement_names_people_times_and_texts() -> None:
    asked = Question("stage", ("use", "get_help"), 3, 9, ("e-1",), ("Ana", "Bo"))

    assert question_facts(asked) == "Ana and Bo chose differently 3 times, in 9 texts that got either label."


def test_a_doubt_is_told_with_the_steps_between_which_it_hangs() -> None:
    doubtful = tags(stage="use", secondary=("get_help",))

    assert why(("unsure", "costly", "frequent"), doubtful, Names(None)) == (
        "not sure between “use” and “get help”; a mistake here would be costly"
    )
    assert why(("unsure",), tags(), Names(None)) == "not sure of it"


def test_nothing_of_an_address_is_told() -> None:
    assert told("<b>") == told("no-<b>") == told("") == ""
    assert told("no-not_sure").endswith("it may be chance.")


def test_a_step_is_due_until_a_model_has_learnt_from_as_many_labels() -> None:
    assert Progress(29, (30, 60)).due(learnt=0) is None
    assert Progress(41, (30, 60)).due(learnt=0) == 30
    assert Progress(41, (30, 60)).due(learnt=30) is None
    assert Progress(60, (30, 60)).due(learnt=30) == 60
    assert Progress(60, (30, 60)).next is None
    assert ahead(Progress(29, (30, 60))) == "1 label more, and Palette learns from them."


def test_no_two_labels_share_a_key_and_none_takes_the_key_of_an_answer() -> None:
    many = {f"l-{n}": f"l-{n}" for n in range(40)}
    keys = [o.key for o in (*stage_choices(many), *area_choices(many), *feeling_choices()) if o.key]

    assert len(keys) == len(set(keys)) > 30
    assert not RESERVED & set(keys)


def test_who_says_what_the_tags_say_confirms_them() -> None:
    event = received()
    same = e.Correction(id="c", by="Ana", at=NOON, stage="receive", areas=("fulfilment",), sentiment="negative")
    other = e.Correction(id="c", by="Ana", at=NOON, stage="receive", areas=("people", "fulfilment"))

    assert confirms(e.FeedbackCorrected(correction=same, of=classified(event)), tags())
    assert not confirms(e.FeedbackCorrected(correction=other, of=classified(event)), tags())


def test_what_shipped_and_what_was_before_may_always_return_and_what_nobody_judged_may_not() -> None:
    shipped, before, new = Version(version="s", shipped=True), Version(version="b"), Version(version="n")
    known = Versions("f", (new, before, shipped, Version(version="f", in_force=True)), before="b")

    assert [way_to(version, known) for version in known.items] == [Way.NOT_JUDGED, Way.BACK, Way.BACK, Way.IN_FORCE]


def test_a_pile_is_fetched_when_it_is_empty_and_leaves_out_what_was_skipped() -> None:
    asked: list[int] = []

    def fetch(_by: str, number: int) -> list[Next]:
        asked.append(number)
        return [Next(f"e-{n}", (), False) for n in range(number)]

    piles = Piles(fetch)
    first = piles.top("Ana")
    assert first is not None
    assert piles.top("Ana") == first
    assert len(asked) == 1
    piles.away("Ana", first.event, skipped=True)
    for _ in range(9):
        item = piles.top("Ana")
        assert item is not None
        piles.away("Ana", item.event)
    again = piles.top("Ana")

    assert again is not None
    assert again.event != first.event
    assert asked == [10, 11]
    assert piles.top("Bo") == first
