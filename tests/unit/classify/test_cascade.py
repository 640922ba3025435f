"""Who gets the slow look: the least sure, fewer the more wait, and nobody in a hurry."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from services.classify.loading import load_tagger
from services.classify.model.cascade import ALL_FULL, Cascade, together
from services.classify.model.probabilities import PATHS, probabilities
from services.classify.tagging.tagger import Tagger, TagInput
from services.classify.training.corpus import Example

RULE = Cascade(stage_below=0.8, area_below=0.7, small=4, most=3, per_text=2)


def chosen(
    stage: Sequence[float],
    area: Sequence[float] | None = None,
    hurry: Sequence[bool] | None = None,
    rule: Cascade = RULE,
) -> list[int]:
    """The places that are looked at again."""
    size = len(stage)
    return rule.least_sure(
        np.array(stage, dtype=np.float32),
        np.array([0.9] * size if area is None else area, dtype=np.float32),
        [False] * size if hurry is None else hurry,
    )


@pytest.mark.parametrize(
    ("stage", "area", "places"),
    [
        ([0.79, 0.81], [0.9, 0.9], [0]),
        ([0.9, 0.9], [0.71, 0.69], [1]),
        ([0.9, 0.8], [0.7, 0.9], []),
        ([0.1, 0.2, 0.3], [0.9, 0.9, 0.9], [0, 1, 2]),
        ([], [], []),
    ],
)
def test_a_doubtful_stage_or_area_gets_a_second_look(stage: list[float], area: list[float], places: list[int]) -> None:
    assert chosen(stage, area) == places


def test_the_least_sure_go_first_when_there_is_no_room_for_all() -> None:
    assert chosen([0.5, 0.2, 0.6, 0.1]) == [0, 1, 3]
    assert chosen([0.5, 0.5, 0.5, 0.5], [0.4, 0.3, 0.2, 0.1]) == [1, 2, 3]


@pytest.mark.parametrize(("size", "looked_at"), [(3, 3), (4, 3), (5, 3), (6, 2), (8, 1), (10, 0), (500, 0)])
def test_the_more_wait_the_fewer_are_looked_at(size: int, looked_at: int) -> None:
    assert len(chosen([0.3] * size)) == looked_at


def test_who_is_in_a_hurry_takes_no_slow_path_and_no_others_place() -> None:
    assert chosen([0.1, 0.2, 0.3, 0.4], hurry=[True, False, False, False]) == [1, 2, 3]
    assert chosen([0.1, 0.2], hurry=[True, True]) == []


def test_all_can_be_looked_at() -> None:
    assert chosen([1.0] * 2_000, rule=ALL_FULL) == list(range(2_000))


def test_a_tag_records_its_path(tagger: Tagger, corpus: list[Example]) -> None:
    texts = [example.text for example in corpus[:: len(corpus) // 24]]
    live = tagger.tag([TagInput(text=text) for text in texts])
    assert {tags.path for tags in live} == {"fast", "full"}
    imported = tagger.tag([TagInput(text=text, hurry=True) for text in texts])
    assert {tags.path for tags in imported} == {"fast"}
    for slow, fast in zip(live, imported, strict=True):
        assert slow.path == "full" or slow == fast


def test_both_readers_count_where_a_text_was_looked_at_twice() -> None:
    fast, full = np.array([[0.8, 0.2]], dtype=np.float32), np.array([[0.4, 0.6]], dtype=np.float32)
    assert together(fast, full) == pytest.approx(np.array([[0.52, 0.48]]))


def test_a_tagger_says_what_both_readers_say_together(policy: Path) -> None:
    tagger, text = load_tagger(policy, cascade=ALL_FULL), "The wardrobe arrived damaged, one door is cracked"
    features = tagger.read([text]).features
    fast, full = (probabilities(tagger.model, features, tagger.vectors([text], path), path)["stage"] for path in PATHS)
    (tags,) = tagger.tag([TagInput(text=text)])
    assert abs(fast.max() - full.max()) > 0.05
    assert tags.stage_confidence == pytest.approx(float(together(fast, full).max()), abs=0.002)
