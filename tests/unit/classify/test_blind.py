"""The blind check of themes: readers see no model's word, controls are told apart, and no text is kept."""

from pathlib import Path

import pytest

from services.classify.taxonomy.labels import read_taxonomy
from services.classify.training.blind import (
    VERDICTS,
    checked,
    drawn,
    read_answers,
    read_verdicts,
    verdicts_of,
)
from services.classify.training.digest import digest
from services.contracts.events import AreaTag, Tags, Versions

TEXTS = [f"The sofa came {days} days late" for days in range(40)]
THEMES = ("delivery-late", "staff-rude", "wrong-bill")


def _tags(*themes: str) -> Tags:
    return Tags(
        stage="receive",
        stage_confidence=0.9,
        areas=(AreaTag(area="fulfilment", confidence=0.9),),
        themes=themes,
        sentiment="negative",
        sentiment_confidence=0.9,
        intent="complaint",
        intent_confidence=0.9,
        severity=1,
        severity_confidence=0.9,
        status="tagged",
        versions=Versions(model="m", taxonomy="t", lexicon="l"),
    )


def test_what_nobody_has_judged_is_drawn_with_controls_in_no_order() -> None:
    known = {(digest(TEXTS[0]), "delivery-late"): 1.0}
    items = drawn(TEXTS, [_tags("delivery-late")] * len(TEXTS), THEMES, known)
    told = [item.text for item in items if not item.control]
    assert sorted(told) == sorted(TEXTS[1:])
    assert told != TEXTS[1:]
    assert sum(item.control for item in items) == 2
    assert items == drawn(TEXTS, [_tags("delivery-late")] * len(TEXTS), THEMES, known)


def test_verdicts_are_the_share_of_readers_and_hold_no_words() -> None:
    items = drawn(TEXTS, [_tags("delivery-late")] * len(TEXTS), THEMES, {})
    first, second = [True] * len(items), [not item.control and item.text != TEXTS[3] for item in items]
    verdicts = verdicts_of(items, [first, second])
    assert len(verdicts) == len(TEXTS)
    assert {verdict.right for verdict in verdicts} == {0.5, 1.0}
    assert [verdict.right for verdict in verdicts if verdict.text == digest(TEXTS[3])] == [0.5]
    assert not any("sofa" in verdict.text for verdict in verdicts)


def test_later_tags_are_judged_by_the_verdicts_there_are() -> None:
    known = {(digest(TEXTS[0]), "delivery-late"): 1.0, (digest(TEXTS[1]), "delivery-late"): 0.0}
    found = checked(TEXTS[:3], [_tags("delivery-late", "staff-rude"), _tags("delivery-late"), _tags()], known)
    assert (found.said, found.judged, found.right) == (3, 2, 0.5)


@pytest.mark.parametrize(
    ("lines", "problem"), [("0 r\n2 w\n", r"no answer to \[1\]"), ("0 r\n1 yes\n", "neither r nor w")]
)
def test_a_reader_who_left_something_out_is_told(tmp_path: Path, lines: str, problem: str) -> None:
    path = tmp_path / "reader-1.txt"
    path.write_text(lines)
    with pytest.raises(ValueError, match=problem):
        read_answers(path, 3)


def test_the_verdicts_kept_are_digests_and_themes_of_the_taxonomy(policy: Path) -> None:
    known = read_verdicts(VERDICTS)
    assert len(known) >= 300
    assert {theme for _, theme in known} <= read_taxonomy(policy).theme.keys()
    assert all(len(text) == 16 and int(text, 16) >= 0 for text, _ in known)
