"""How right the tags are where people were asked: which answers count, the error without chance, and what is shown."""

from datetime import timedelta
from typing import Any

import msgspec
import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from services.api.calibration import calibrations, checks, debiased_error
from services.api.io.oversight import Oversight
from services.api.io.store import Store
from services.api.metrics import ReviewMetrics
from services.api.reviewed import opinion
from services.contracts import events as e
from services.kit.logs import Log
from services.kit.process import Process
from services.kit.settings import Settings
from tests.unit.api.builders import NOON, Topics, classified, project, received


def answered(number: int = 1, *, minute: int = 0, by: str = "Ana", **said: Any) -> e.FeedbackCorrected:
    """An answer to an event that the model takes for `receive` and `fulfilment`."""
    tags = said.pop("tags", {})
    of = classified(received(f"r-{number}"), **tags)
    at = NOON + timedelta(minutes=minute)
    over = {"id": f"c-{number}-{by}", "by": by, "at": at, "asked": "review"} | said
    return e.FeedbackCorrected(correction=e.Correction(**over), of=of)


def figures(*answers: e.FeedbackCorrected) -> dict[str, tuple[int, float]]:
    return {found.head: (found.items, round(found.right, 3)) for found in calibrations(map(opinion, answers))}


def test_each_head_is_judged_by_what_people_said_of_it() -> None:
    found = figures(
        answered(1, stage="use", areas=("price", "fulfilment"), sentiment="negative"),
        answered(2, stage="receive", areas=("price",), sentiment="positive"),
        answered(3, stage="receive"),
    )
    assert found["stage"] == (3, 0.667)
    assert found["areas"] == (3, 0.667), "the first area is right when it is among the true ones"
    assert found["sentiment"] == (2, 0.5)
    assert found["intent"] == (0, 0.0)


def test_the_confidence_is_the_models_own_even_when_a_second_person_answers() -> None:
    first = answered(1, stage="use")
    second_look = msgspec.structs.replace(
        first,
        correction=e.Correction(id="c-2", by="Ben", at=NOON + timedelta(hours=1), stage="pay", asked="review"),
        of=msgspec.structs.replace(
            first.of, revision=2, tags=msgspec.structs.replace(first.of.tags, stage="use", stage_confidence=1.0)
        ),
    )
    (found,) = checks(map(opinion, (second_look, first)))
    assert (found.stage, found.said.stage, found.said.stage_confidence) == ("pay", "receive", 0.93)


@pytest.mark.parametrize("place", ["page", "not_ours", None])
def test_what_somebody_noticed_says_nothing_about_how_often_tags_are_right(place: str | None) -> None:
    assert checks([opinion(answered(1, stage="use", asked=place))]) == []


def test_bare_marks_are_no_test_of_a_reader() -> None:
    wordless = {"unsure": (e.Unsure(head="stage", reason="rating_only"),)}
    assert checks([opinion(answered(1, stage="unknown", tags=wordless))]) == []


def test_only_the_model_that_was_asked_about_last_is_judged() -> None:
    older = {"versions": e.Versions(model="m-0", taxonomy="t")}
    found = figures(
        answered(1, stage="use", tags=older),
        answered(2, stage="use", tags=older),
        answered(3, minute=5, stage="receive"),
    )
    assert found["stage"] == (1, 1.0)


# ---- the error ------------------------------------------------------------------------------------------------------


def drawn(rng: np.random.Generator, number: int, *, boast: float) -> list[tuple[float, bool]]:
    confidence = rng.uniform(0.3, 1.0, number)
    right = rng.random(number) < np.clip(confidence - boast, 0, 1)
    return list(zip(confidence.tolist(), right.tolist(), strict=True))


def test_a_calibrated_model_has_no_error_but_for_chance() -> None:
    found = [debiased_error(drawn(np.random.default_rng(seed), 400, boast=0.0)) for seed in range(40)]
    assert float(np.mean(found)) < 0.03


@pytest.mark.parametrize("boast", [0.1, 0.2])
def test_a_model_that_boasts_is_found_out_by_how_much(boast: float) -> None:
    found = [debiased_error(drawn(np.random.default_rng(seed), 400, boast=boast)) for seed in range(40)]
    assert float(np.mean(found)) == pytest.approx(boast, abs=0.02)


def test_one_item_has_no_error() -> None:
    assert debiased_error([]) == debiased_error([(0.4, True)]) == 0.0


# ---- what is shown --------------------------------------------------------------------------------------------------


def test_prometheus_sees_what_people_said_and_how_far_they_agree(store: Store, tmp_path: Any) -> None:
    registry = CollectorRegistry()
    metrics = ReviewMetrics(registry)
    assert registry.get_sample_value("palette_reviewed_items", {"head": "intent"}) == 0
    assert registry.get_sample_value("palette_reviewers_agreement_kappa", {"head": "severity"}) == 0
    topics = Topics()
    for number in range(1, 5):
        stage = "receive" if number < 4 else "pay"
        project(store, topics.put(answered(number, stage=stage), answered(number, by="Ben", minute=1, stage=stage)))
    process = Process("api", Settings(data_dir=tmp_path), Log("api"), registry)
    Oversight(process, store, metrics).look()

    def value(name: str) -> float | None:
        return registry.get_sample_value(name, {"head": "stage"})

    assert value("palette_reviewed_items") == 4
    assert value("palette_reviewed_right_ratio") == 0.75
    assert value("palette_reviewed_expected_ratio") == pytest.approx(0.93)
    assert value("palette_reviewers_pairs") == 4
    assert value("palette_reviewers_agreement_kappa") == 1
