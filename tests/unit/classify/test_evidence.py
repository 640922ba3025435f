"""Evidence is faithful: without it the label is less probable, more so than without other words of the same length."""

import html
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from services.classify.loading import load_tagger
from services.classify.model.cascade import ALL_FULL
from services.classify.model.probabilities import PathName, probabilities
from services.classify.reading.text import clean
from services.classify.tagging.tagger import Tagger, TagInput
from services.classify.training.corpus import Example
from services.contracts.events import Evidence, Tags

SEED = 7
TEXTS = 400
FEWEST = 200
HEADS = ("stage", "areas", "sentiment")

Span = tuple[int, int]


@pytest.fixture(scope="module")
def texts(corpus: list[Example]) -> list[str]:
    """Texts of all files that are long enough to lose some words."""
    long = [example.text for example in corpus if len(example.text) > 40]
    return random.Random(SEED).sample(long, TEXTS)


@pytest.fixture(scope="module")
def taggers(policy: Path) -> dict[PathName, Tagger]:
    """Taggers of which each takes one path only."""
    return {"fast": load_tagger(policy, full=False), "full": load_tagger(policy, cascade=ALL_FULL)}


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("path", "head", "times"),
    [
        ("fast", "stage", 2.0),
        ("fast", "areas", 2.0),
        ("fast", "sentiment", 1.5),
        ("fast", "intent", 1.3),
        ("full", "stage", 2.0),
        ("full", "areas", 2.0),
    ],
)
def test_taking_the_evidence_away_costs_more_than_taking_other_words_of_the_same_length(
    taggers: dict[PathName, Tagger], texts: list[str], path: PathName, head: str, times: float
) -> None:
    tagger, rng = taggers[path], random.Random(SEED)
    if path == "full":  # MiniLM reads each text three times here, and long ones take it long
        texts = sorted(texts, key=len)[: FEWEST + 40]
    whole, without_evidence, without_others, labels = [], [], [], []
    for text, tags in zip(texts, tagger.tag([TagInput(text=text) for text in texts]), strict=True):
        assert tags.path == path
        label = _main(tags, head)
        spans = [(span.start, span.end) for span in tags.evidence if (span.head, span.label) == (head, label)]
        length = sum(end - start for start, end in spans)
        if not 0 < length <= len(text) / 2:
            continue
        whole.append(text)
        without_evidence.append(_blanked(text, spans))
        without_others.append(_blanked(text, _elsewhere(text, spans, rng)))
        labels.append(label)
    chance = _chances(tagger, head, labels, path)
    before = chance(whole)
    by_evidence, by_others = before - chance(without_evidence), before - chance(without_others)
    more = by_evidence - by_others
    assert len(more) >= FEWEST
    assert by_evidence.mean() > times * by_others.mean()
    assert more.mean() > 4 * more.std() / np.sqrt(len(more))


def test_evidence_reads_as_words_of_the_text(tagger: Tagger) -> None:
    text = "Ordered on Monday, still not here, and nobody answers the phone."
    spans = {text[span.start : span.end] for span in tagger.tag([TagInput(text=text)])[0].evidence}
    assert any("still not here" in span for span in spans)
    assert not spans & {"on", "and", "the", "and nobody"}


def test_each_head_shows_at_most_three_spans(tagger: Tagger, texts: list[str]) -> None:
    for tags in tagger.tag([TagInput(text=text) for text in texts]):
        for head in (*HEADS, "intent", "severity"):
            assert sum(span.head == head for span in tags.evidence) <= 3


def test_spans_hold_words_and_speak_for_what_was_said(tagger: Tagger, texts: list[str]) -> None:
    for text, tags in zip(texts, tagger.tag([TagInput(text=text) for text in texts]), strict=True):
        said = {
            "stage": {tags.stage},
            "areas": {area.area for area in tags.areas},
            "theme": set(tags.themes),
            "sentiment": {tags.sentiment},
            "intent": {tags.intent},
            "severity": {str(tags.severity)},
            "severity_kind": {tags.severity_kind},
        }
        for span in tags.evidence:
            assert 0 <= span.start < span.end <= len(text)
            assert not text[span.start].isspace()
            assert not text[span.end - 1].isspace()
            assert span.label in said[span.head], span


@pytest.mark.parametrize(
    "stored_as",
    [
        html.escape,
        lambda text: f"<p>{html.escape(text)}</p>",
        lambda text: f"‹e-mail› {text} ‹phone›",
        lambda text: f"{text} Itâ€™s true",
    ],
    ids=["entities", "markup", "masks", "mojibake"],
)
def test_evidence_of_a_mended_text_is_the_same_words_of_the_stored_one(
    tagger: Tagger, texts: list[str], stored_as: Callable[[str], str]
) -> None:
    quoted = [text for text in texts if "'" in text and "<" not in text and text.isascii()][:60]
    assert len(quoted) >= 40
    # the plain twin reads as the mended one does, so its spans name the words that must be found again
    stored = [stored_as(text) for text in quoted]
    plain = [clean(text).text for text in stored]
    changed = 0
    for text, twin, tags, expected in zip(stored, plain, _tagged(tagger, stored), _tagged(tagger, plain), strict=True):
        for (*label, shown), (*known, word) in zip(_words(tags, text), _words(expected, twin), strict=True):
            assert label == known
            # a word with a mended character is stored as one piece, so its marks and endings are shown with it
            assert word in shown
            assert len(shown.split()) == len(word.split())
        changed += len(text) != len(twin) or text != twin
    assert changed >= 40


def test_evidence_of_a_mended_text_points_into_the_stored_one(tagger: Tagger) -> None:
    stored = "<p>It&#39;s the courier: marked it delivered, donâ€™t lie, nobody answers the phone</p>"
    tags = tagger.tag([TagInput(text=stored)])[0]
    shown = {stored[span.start : span.end] for span in tags.evidence}
    assert any("marked it delivered" in span for span in shown)
    assert any("nobody answers" in span for span in shown)


def _tagged(tagger: Tagger, texts: Sequence[str]) -> list[Tags]:
    return tagger.tag([TagInput(text=text, hurry=True) for text in texts])


def _words(tags: Tags, text: str) -> list[tuple[str, str, str]]:
    """Head, label and the words that speak for it, as a reader would see them."""

    def shown(span: Evidence) -> str:
        return clean(text[span.start : span.end]).text

    return [(span.head, span.label, shown(span)) for span in tags.evidence]


def _main(tags: Tags, head: str) -> str:
    """The main label of a head."""
    if head == "areas":
        return tags.areas[0].area
    label: str = getattr(tags, head)
    return label


def _chances(tagger: Tagger, head: str, labels: Sequence[str], path: PathName) -> Callable[[Sequence[str]], np.ndarray]:
    """Texts -> how probable each one's label is."""
    names = tagger.model.head(head).labels
    columns = [names.index(label) for label in labels]

    def chance(given: Sequence[str]) -> np.ndarray:
        rows = probabilities(tagger.model, tagger.read(given).features, tagger.vectors(given, path), path)[head]
        return rows[np.arange(len(given)), columns]

    return chance


def _elsewhere(text: str, spans: Sequence[Span], rng: random.Random) -> list[Span]:
    """Spans of the same lengths at random places."""
    starts = [(rng.randrange(0, len(text) - (end - start) + 1), end - start) for start, end in spans]
    return [(start, start + length) for start, length in starts]


def _blanked(text: str, spans: Sequence[Span]) -> str:
    kept = list(text)
    for start, end in spans:
        kept[start:end] = " " * (end - start)
    return "".join(kept)


def test_what_names_the_harm_is_shown_as_what_makes_it_critical(tagger: Tagger) -> None:
    text = "After the new carpet was fitted I spent the night in A&E, the fumes in the bedroom made me pass out."
    (tags,) = tagger.tag([TagInput(text=text)])
    assert (tags.severity, tags.severity_kind) == (3, "safety")
    assert {text[e.start : e.end] for e in tags.evidence if e.head == "severity"} == {"in A&E", "fumes", "pass out"}
