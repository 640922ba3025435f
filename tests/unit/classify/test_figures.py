"""The figures themselves: right on data whose truth is known."""

import math
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest

from services.classify.training import figures
from services.classify.training.figures import (
    BINS,
    Judged,
    by_source,
    calibration_error,
    figures_of,
    intervals,
    judged,
    stage_table,
    table,
)
from services.contracts.events import AreaTag, Tags, Versions

VERSIONS = Versions(model="m", taxonomy="t", lexicon="l")


class Label(msgspec.Struct, frozen=True):
    """A labelled text as figures see it."""

    stage: str = "use"
    areas: tuple[str, ...] = ("product",)
    sentiment: str = "negative"
    intent: str = "complaint"
    severity: int = 1
    industry: str = "hotel"
    themes: tuple[str, ...] | None = None


def tags(stage: str = "use", *areas: str, sure: float = 0.8, **changes: object) -> Tags:
    """Tags with valid defaults."""
    named = areas or ("product",)
    given = Tags(
        stage=stage,
        stage_confidence=sure,
        areas=tuple(AreaTag(area=area, confidence=sure) for area in named),
        sentiment="negative",
        sentiment_confidence=sure,
        intent="complaint",
        intent_confidence=sure,
        severity=1,
        severity_confidence=sure,
        status="tagged",
        versions=VERSIONS,
    )
    return msgspec.structs.replace(given, **changes)


def of_stages(said: Sequence[str], true: Sequence[str], sources: Sequence[str] | None = None) -> Judged:
    """Judged tags that differ in their stage alone."""
    places = sources or ["hotel"] * len(said)
    return judged(
        [tags(stage) for stage in said],
        [Label(stage, industry=place) for stage, place in zip(true, places, strict=True)],
    )


def test_right_answers_are_counted_per_head() -> None:
    found = figures_of(
        judged(
            [tags("use", "product", "price"), tags("pay", "people", intent="praise", severity=3)],
            [Label("use", ("product", "place")), Label("receive", ("price",))],
        )
    )
    assert (found.stage_accuracy, found.top_area, found.cell) == (0.5, 0.5, 0.5)
    assert found.areas_micro_f1 == pytest.approx(2 * 1 / (3 + 3))
    assert (found.sentiment_accuracy, found.intent_accuracy, found.severity_error) == (1.0, 0.5, 1.0)


def test_a_cell_is_right_only_where_stage_and_area_are() -> None:
    found = figures_of(judged([tags("use", "price"), tags("pay", "product")], [Label(), Label()]))
    assert (found.stage_accuracy, found.top_area, found.cell) == (0.5, 0.5, 0.0)


def test_rare_stages_stay_out_of_the_macro_f1() -> None:
    true = ["use"] * 40 + ["pay"] * 40 + ["leave"] * 3
    said = ["use"] * 40 + ["pay"] * 40 + ["use"] * 3
    assert figures_of(of_stages(said, true)).stage_macro_f1 == pytest.approx((80 / 83 + 1) / 2)


def test_themes_are_held_against_those_that_a_reader_wrote_down_where_one_did() -> None:
    said = [tags(themes=("a", "b")), tags(themes=("c",)), tags(themes=("d",))]
    labels = [Label(themes=("a",)), Label(themes=("c", "e")), Label()]
    found = figures_of(judged(said, labels))

    assert found.theme_precision == pytest.approx(2 / 3)
    assert found.theme_recall == pytest.approx(2 / 3)
    assert math.isnan(figures_of(judged(said[2:], labels[2:])).theme_precision)


def test_alarms_of_finance_are_left_out() -> None:
    alarm = tags(severity=3)
    labels = [Label(severity=3), Label(severity=3), Label(), Label(severity=3, industry="finance-complaints"), Label()]
    found = figures_of(judged([alarm, tags(), alarm, tags(), tags()], labels))
    assert found.critical_recall == 0.5
    assert found.critical_false_alarms == 0.5


def test_coverage_is_the_largest_share_that_is_right_nine_times_in_ten() -> None:
    sure = np.linspace(0.99, 0.01, 100)
    answers = [tags("use" if n < 45 else "pay", sure=float(s)) for n, s in enumerate(sure)]
    assert figures_of(judged(answers, [Label()] * 100)).coverage_90_stage == 0.5


def test_what_is_said_surely_and_wrongly_covers_nothing() -> None:
    assert figures_of(judged([tags("pay")] * 20, [Label()] * 20)).coverage_90_stage == 0.0


@pytest.mark.parametrize("size", [300, 3_000])
def test_confidence_that_comes_true_has_hardly_an_error(size: int) -> None:
    random = np.random.default_rng(size)
    errors, plain = [], []
    for _ in range(30):
        confidence = random.uniform(0.2, 1, size)
        right = random.uniform(size=size) < confidence
        errors.append(calibration_error(confidence, right))
        bins = np.array_split(np.argsort(confidence), BINS)
        plain.append(np.mean([abs(confidence[rows].mean() - right[rows].mean()) for rows in bins]))
    # the plain error never is zero, because ten bins of right and wrong answers never are; this one mostly is
    assert np.mean(errors) < 0.6 * np.mean(plain)


@pytest.mark.parametrize("off", [0.05, 0.1, 0.3])
def test_confidence_that_is_off_is_off_by_as_much(off: float) -> None:
    random = np.random.default_rng(1)
    confidence = random.uniform(0.35, 0.95, 20_000)
    right = random.uniform(size=20_000) < confidence - off
    assert calibration_error(confidence, right) == pytest.approx(off, abs=0.015)


def test_one_or_two_answers_can_be_judged() -> None:
    assert calibration_error(np.array([0.7]), np.array([True])) == pytest.approx(0.3)
    assert calibration_error(np.array([0.5, 0.5]), np.array([True, False])) == 0.0


def test_every_source_counts_once_in_the_mean_and_as_it_is_in_the_pool() -> None:
    both = of_stages(["use"] * 90 + ["pay"] * 10, ["use"] * 100, ["hotel"] * 90 + ["airline"] * 10)
    sources = by_source(both)
    assert {name: found.stage_accuracy for name, found in sources.items()} == {"hotel": 1.0, "airline": 0.0}
    assert figures_of(both).stage_accuracy == 0.9


def test_intervals_hold_the_true_accuracy_of_sources_that_err_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "RESAMPLED", 100)
    random = np.random.default_rng(3)
    held, widths, naive = 0, [], 1.96 * np.sqrt(0.7 * 0.3 / 400)
    for _ in range(15):
        accuracy = np.clip(random.normal(0.7, 0.12, 20), 0, 1).repeat(20)
        right = random.uniform(size=400) < accuracy
        found = of_stages(
            np.where(right, "use", "pay").tolist(), ["use"] * 400, [f"source-{n // 20}" for n in range(400)]
        )
        low, high = intervals(found)["stage_accuracy"]
        held += low <= 0.7 <= high
        widths.append((high - low) / 2)
    assert held >= 12
    assert np.mean(widths) > 1.1 * naive


def test_tables_name_every_figure_and_every_stage() -> None:
    columns = {"fast path": of_stages(["use", "pay"], ["use", "use"]), "full path": of_stages(["use"] * 2, ["use"] * 2)}
    shown = table(columns)
    assert "| stage accuracy | 0.500 (" in shown
    assert "| 1.000 (1.00–1.00) |" in shown
    assert len({line.count("|") for line in shown.splitlines()}) == 1
    assert stage_table(columns).splitlines()[-1] == "| use | 2 | 0.67 | 1.00 |"
