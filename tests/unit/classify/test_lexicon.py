"""The phrases that ship: enough of them, none twice, each found in its own words; negation and scope by rule."""

import re
from collections import Counter
from pathlib import Path

import pytest

from services.classify.reading.lexicon import Lexicon
from services.classify.reading.phrases import OWN, Phrase, read_phrases
from services.classify.reading.tokens import Tokenizer
from services.classify.tagging.tagger import Tagger, stems_of

FEWEST_PHRASES = 2_000
SILENT = 20
"""Phrases that may be silent in their own words: a word that spaCy splits (it reads "id" as "I'd"), a theme of which
only one word is left without articles. Not many, and each is a phrase less."""

_ONE_OF = re.compile(r"\(([^()|]*)(?:\|[^()]*)?\)")


@pytest.fixture(scope="module")
def phrases(policy: Path) -> list[Phrase]:
    """All phrases: the model's own and those of the themes."""
    return [*read_phrases(OWN), *read_phrases(policy / "lexicon")]


def in_words(pattern: str) -> str:
    """A text that a phrase was written for: the first of each choice, nothing in the gaps."""
    while "(" in pattern:
        pattern = _ONE_OF.sub(r"\1", pattern)
    return " ".join(pattern.replace("~", " ").split())


def test_there_are_thousands_of_phrases_for_every_head(phrases: list[Phrase]) -> None:
    heads = Counter(phrase.head for phrase in phrases)
    assert len(phrases) >= FEWEST_PHRASES
    assert {head for head, count in heads.items() if count >= 150} == {
        "stage", "area", "sentiment", "intent", "severity", "severity_kind", "theme",
    }  # fmt: skip


def test_feelings_have_a_polarity_and_a_strength(phrases: list[Phrase]) -> None:
    feelings = Counter((phrase.label, phrase.strength) for phrase in phrases if phrase.head == "sentiment")
    assert {label for label, _ in feelings} >= {"negative", "positive", "mixed"}
    assert min(feelings["negative", 1], feelings["negative", 2], feelings["positive", 1], feelings["positive", 2]) >= 20


def test_no_phrase_stands_twice_for_a_label(phrases: list[Phrase]) -> None:
    given = Counter((phrase.head, phrase.label, phrase.pattern) for phrase in phrases)
    assert [found for found, count in given.items() if count > 1] == []


def test_every_phrase_is_found_in_itself(phrases: list[Phrase]) -> None:
    stems = stems_of(phrases, ())
    lexicon = Lexicon(phrases, stems)
    found: set[tuple[int, str, str]] = set()
    for hit in lexicon.find(Tokenizer(stems).read([in_words(phrase.pattern) for phrase in phrases])):
        head, label, _ = lexicon.labels[hit.label]
        found.add((hit.doc, head, label))
    silent = [p.pattern for number, p in enumerate(phrases) if (number, p.head, p.label) not in found]
    assert len(silent) <= SILENT, silent


@pytest.mark.parametrize(
    ("text", "label", "negated"),
    [
        ("The staff were rude", "negative", False),
        ("The staff were not rude at all", "negative", True),
        ("Nobody was rude", "negative", True),
        ("I never found anyone rude", "negative", True),
        ("Not only rude but late", "negative", False),
        ("It did not come. Rude staff", "negative", False),
        ("It did not come and rude staff", "negative", False),
        ("It did not come, rude staff", "negative", False),
        ("Not a very big thing to most but rude", "negative", False),
    ],
)
def test_a_negation_reaches_three_words_of_its_clause(
    phrases: list[Phrase], text: str, label: str, negated: bool
) -> None:
    stems = stems_of(phrases, ())
    lexicon = Lexicon(phrases, stems)
    batch = Tokenizer(stems).read([text])
    at = text.lower().index("rude")
    hits = [
        hit
        for hit in lexicon.find(batch)
        if lexicon.labels[hit.label][:2] == ("sentiment", label) and batch.start[hit.first] <= at < batch.end[hit.last]
    ]
    assert [hit.negated for hit in hits] == [negated]


@pytest.mark.parametrize(
    ("plain", "denied"),
    [
        ("The staff were rude to us", "The staff were not rude to us"),
        ("The food was disgusting", "The food was never disgusting"),
        ("It was a waste of money", "It was not a waste of money"),
    ],
)
def test_what_is_denied_speaks_for_the_opposite_feeling(tagger: Tagger, plain: str, denied: str) -> None:
    said, refused = tagger.read([plain, denied]).features.lexicon
    columns = tagger.model.vocabulary.labels
    negative, positive = columns.index("sentiment:negative"), columns.index("sentiment:positive")
    assert said[negative] > refused[negative]
    assert refused[positive] > said[positive]
