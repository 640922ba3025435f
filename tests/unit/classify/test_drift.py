"""Drift is told when there is some, soon; where there is none, hardly ever; and nothing is remembered for long."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.classify.drift import ENOUGH, RECENT, Adwin, Mix, stability_index

USUAL = {"use": 0.4, "pay": 0.2, "receive": 0.2, "leave": 0.1, "stay": 0.1}
OTHER = {"use": 0.15, "pay": 0.5, "receive": 0.1, "leave": 0.15, "stay": 0.1}


def drawn(mix: dict[str, float], number: int, seed: int) -> Iterator[tuple[str, ...]]:
    rng = np.random.default_rng(seed)
    for label in rng.choice(list(mix), number, p=list(mix.values())):
        yield (str(label),)


# ---- the mix --------------------------------------------------------------------------------------------------------


def test_the_index_of_a_known_case_is_the_one_by_hand() -> None:
    # (.7-.5) ln(.7/.5) + (.3-.5) ln(.3/.5), with half an event in a million
    counts, reference = {"a": 700_000, "b": 300_000}, {"a": 500_000, "b": 500_000}
    assert stability_index(counts, reference) == pytest.approx(0.16946, abs=1e-4)


def test_a_mix_like_the_reference_stays_far_below_the_alarm() -> None:
    found = []
    for seed in range(40):
        mix = Mix()
        for labels in drawn(USUAL, 3 * RECENT, seed):
            mix.add(labels)
        found.append((mix.against(USUAL) or 0.0, mix.against_before() or 0.0))
    assert max(max(pair) for pair in found) < 0.05


def test_another_mix_is_told_within_one_window() -> None:
    mix = Mix()
    for labels in drawn(USUAL, 2 * RECENT, 1):
        mix.add(labels)
    told = None
    for number, labels in enumerate(drawn(OTHER, RECENT, 2), start=1):
        mix.add(labels)
        if told is None and (mix.against(USUAL) or 0) > 0.25 and (mix.against_before() or 0) > 0.25:
            told = number
    assert told is not None
    assert told <= RECENT


def test_what_was_new_once_becomes_the_usual() -> None:
    mix = Mix()
    for labels in (*drawn(USUAL, RECENT, 1), *drawn(OTHER, 2 * RECENT, 2)):
        mix.add(labels)
    assert (mix.against_before() or 0) < 0.1
    assert (mix.against(USUAL) or 0) > 0.25


def test_too_few_events_have_no_mix() -> None:
    mix = Mix()
    for labels in drawn(USUAL, ENOUGH - 1, 1):
        mix.add(labels)
    assert mix.against(USUAL) is None
    mix.add(("use",))
    assert mix.against(USUAL) is not None
    assert mix.against({}) is None
    assert mix.against_before() is None


def test_a_label_that_the_reference_does_not_know_counts_and_stays_finite() -> None:
    assert 0.5 < stability_index({"new": 50, "use": 50}, {"use": 1.0}) < 10


def test_an_event_with_several_labels_counts_in_each() -> None:
    mix = Mix(size=ENOUGH)
    for _ in range(2 * ENOUGH):
        mix.add(("price", "service"))
    assert mix.against({"price": 0.5, "service": 0.5}) == pytest.approx(0, abs=1e-9)
    assert len(mix) == ENOUGH


# ---- the mean -------------------------------------------------------------------------------------------------------


def confidences(mean: float, number: int, rng: np.random.Generator) -> list[float]:
    """Like a model's: between 0 and 1, widely spread."""
    return [float(value) for value in rng.beta(4 * mean, 4 * (1 - mean), number)]


def test_a_stream_that_does_not_move_hardly_ever_alarms() -> None:
    alarms = 0
    for seed in range(20):
        watch = Adwin()
        rng = np.random.default_rng(seed)
        alarms += sum(watch.add(value) is not None for value in confidences(0.7, 5_000, rng))
    assert alarms <= 1, "in a hundred thousand values"


@pytest.mark.parametrize(("before", "after", "within"), [(0.75, 0.55, 250), (0.75, 0.65, 1_000), (0.5, 0.8, 160)])
def test_a_mean_that_moves_is_told_soon_with_what_it_was_and_is(before: float, after: float, within: int) -> None:
    delays = []
    for seed in range(10):
        watch, rng = Adwin(), np.random.default_rng(seed)
        for value in confidences(before, 2_000, rng):
            watch.add(value)
        for number, value in enumerate(confidences(after, 2_000, rng), start=1):
            if (shift := watch.add(value)) is not None:
                assert (shift.now < shift.before) == (after < before)
                assert shift.before == pytest.approx(before, abs=0.05)
                delays.append(number)
                break
    assert len(delays) == 10
    assert float(np.median(delays)) <= within


def test_after_a_shift_the_window_holds_what_came_since() -> None:
    watch, rng = Adwin(), np.random.default_rng(3)
    for value in (*confidences(0.8, 3_000, rng), *confidences(0.4, 3_000, rng)):
        watch.add(value)
    assert watch.mean == pytest.approx(0.4, abs=0.03)
    assert watch.width < 3_500


def test_memory_grows_with_the_logarithm_of_what_came_in() -> None:
    watch, rng = Adwin(), np.random.default_rng(3)
    sizes = []
    for _ in range(4):
        for value in confidences(0.7, 8_000, rng):
            watch.add(value)
        sizes.append(watch.buckets)
    assert sizes[-1] <= 6 * 16
    assert all(later - earlier <= 12 for earlier, later in pairwise(sizes))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=400))
def test_mean_and_spread_of_the_window_are_those_of_its_values(values: list[float]) -> None:
    watch = Adwin()
    for value in values:
        watch.add(value)
    kept = values[-watch.width :]
    assert watch.mean == pytest.approx(float(np.mean(kept)), abs=1e-9)
    assert watch._squares / watch.width == pytest.approx(float(np.var(kept)), abs=1e-6)


def test_a_stream_of_one_value_never_moves() -> None:
    watch = Adwin()
    assert not any(watch.add(1.0) for _ in range(3_000))
    assert watch.mean == 1.0
