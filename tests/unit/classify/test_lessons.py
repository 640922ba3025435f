"""What a model learns from: texts and their clauses, each counted as much as its stage is worth."""

import numpy as np
import pytest

from services.classify.model.probabilities import Head
from services.classify.training.corpus import Clause, Example
from services.classify.training.lessons import MOST_COUNTED, USE_SHARE, Lesson, lessons_of, truth_of, weights_of


def example(text: str = "It broke", stage: str = "use", **changes: object) -> Example:
    """An example with valid defaults."""
    fields: dict[str, object] = {"areas": ("product",), "sentiment": "negative", "intent": "complaint", "severity": 1}
    return Example(text=text, stage=stage, **{**fields, **changes})  # type: ignore[arg-type]  # tests name fields


def test_a_text_teaches_every_head_and_a_clause_only_what_it_is_labelled_with() -> None:
    clauses = (
        Clause("The fitter was late.", "receive", ("fulfilment",), "negative"),
        Clause("Lovely kitchen though.", "use", ("product",), "positive"),
    )
    whole, late, lovely = lessons_of([example("The fitter was late. Lovely kitchen though.", clauses=clauses)])
    assert set(whole.labels) == {"stage", "areas", "sentiment", "intent", "severity", "severity_kind"}
    assert whole.labels["severity_kind"] == ("none",)
    assert (late.text, late.labels["stage"]) == ("The fitter was late.", ("receive",))
    assert set(lovely.labels) == {"stage", "areas", "sentiment"}


def test_a_clause_of_one_word_teaches_nothing() -> None:
    clauses = (
        Clause("Hello.", "unknown", ("unknown",), "neutral"),
        Clause("It broke.", "use", ("product",), "negative"),
    )
    assert [lesson.text for lesson in lessons_of([example("Hello. It broke.", clauses=clauses)])] == [
        "Hello. It broke.",
        "It broke.",
    ]


@pytest.mark.parametrize(("used", "others"), [(20, 80), (90, 10), (40, 60)])
def test_use_counts_for_its_share_whatever_the_mix(used: int, others: int) -> None:
    lessons = lessons_of([example() for _ in range(used)] + [example(stage="pay") for _ in range(others)])
    weights = weights_of(lessons)
    assert weights.mean() == pytest.approx(1)
    assert weights[:used].sum() / weights.sum() == pytest.approx(USE_SHARE)


def test_where_use_is_rare_no_lesson_counts_for_more_than_a_few() -> None:
    weights = weights_of(lessons_of([example(), *[example(stage="pay") for _ in range(999)]]))
    assert weights[0] / weights[1] == pytest.approx(MOST_COUNTED)


@pytest.mark.parametrize("stage", ["use", "pay"])
def test_a_mix_of_one_stage_counts_evenly(stage: str) -> None:
    assert weights_of(lessons_of([example(stage=stage)] * 5)) == pytest.approx(1)


def test_a_head_that_a_lesson_is_silent_on_gets_a_row_of_zeros() -> None:
    areas = Head("areas", ("product", "price"), 0, True)
    lessons = [Lesson("a", {"areas": ("price", "product")}), Lesson("b", {"stage": ("use",)})]
    assert truth_of(areas, lessons).tolist() == [[1, 1], [0, 0]]
    assert truth_of(areas, []).shape == np.zeros((0, 2)).shape
