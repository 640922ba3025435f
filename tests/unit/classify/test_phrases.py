"""The notation of phrases, what they find, and the files that ship."""

from collections import Counter
from pathlib import Path

import pytest

from services.classify.reading.lexicon import Lexicon
from services.classify.reading.phrases import OWN, Phrase, compile_pattern, read_phrases, sequences_of
from services.classify.reading.tokens import Tokenizer, stem
from services.classify.tagging.tagger import stems_of
from services.classify.taxonomy.labels import read_taxonomy
from services.contracts.yamlfile import PolicyRefused


def found(pattern: str, text: str, *, head: str = "theme") -> list[tuple[str, bool]]:
    """The words that a phrase finds in a text, and whether they are negated."""
    phrases = [Phrase(head, "x", pattern)]
    stems = stems_of(phrases, ())
    batch = Tokenizer(stems).read([text])
    return [
        (text[batch.start[hit.first] : batch.end[hit.last]], hit.negated) for hit in Lexicon(phrases, stems).find(batch)
    ]


@pytest.mark.parametrize(
    ("pattern", "text", "words"),
    [
        ("driver rude", "The drivers were really rude", "drivers were really rude"),
        ("charge twice", "I was charged twice", "charged twice"),
        ("not work", "It doesn't work any more", "n't work"),
        ("not work", "It isn't working", "n't working"),
        ("app ~ crash", "your app always just crashes", "app always just crashes"),
        ("(parcel|package) late", "the package is late", "package is late"),
        ("too (expensive|dear)", "far too dear", "too dear"),
        ("call (me|) back", "they never called back", "called back"),
        ("call (me|) back", "they never called me back", "called me back"),
        ("still not here", "Ordered on Monday, still not here", "still not here"),
        ("hours in a&e", "Six hours in A&E with mum", "hours in A&E"),
    ],
)
def test_a_phrase_finds_its_words_in_any_inflection(pattern: str, text: str, words: str) -> None:
    assert [hit for hit, _ in found(pattern, text)] == [words]


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("app ~ crash", "the app is great. I saw a crash"),
        ("app ~ crash", "the app did never crash"),
        ("app ~ crash", "the app I use on my old phone may crash"),
        ("driver rude", "rude driver"),
    ],
)
def test_a_gap_ends_with_the_clause_a_negation_or_three_words(pattern: str, text: str) -> None:
    assert found(pattern, text) == []


@pytest.mark.parametrize(
    ("text", "negated"),
    [
        ("the staff were not at all rude to me", True),
        ("nobody was rude to me", True),
        ("not only rude to me but late", False),
        ("it did not come and he was rude to me", False),
        ("I did not order that. Rude to me", False),
        ("rude to me", False),
    ],
)
def test_negation_reaches_three_words_within_its_clause(text: str, negated: bool) -> None:
    assert [was for _, was in found("rude to me", text)] == [negated]


def test_a_phrase_that_begins_with_a_negation_is_not_negated() -> None:
    assert found("nobody answers", "still not here, and nobody answers") == [("nobody answers", False)]


def test_a_theme_is_never_shortened_to_a_lone_word() -> None:
    assert found("(very|) hard (bed|)", "life is hard") == []
    assert found("flimsy", "so flimsy") == [("flimsy", False)]


@pytest.mark.parametrize("pattern", ["(a|b", "a|b)", "b) (a"])
def test_brackets_that_do_not_match_are_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="bracket"):
        compile_pattern(pattern)


def test_problems_of_a_file_name_file_line_and_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("head: theme\nphrases:\n  late-delivry:\n    - is the\n    - (a late\n", "utf-8")
    with pytest.raises(PolicyRefused) as refused:
        read_phrases(tmp_path, themes=["late-delivery"])
    problems = [str(problem) for problem in refused.value.problems]
    assert problems[0].startswith("own.yaml:3: `late-delivry` is not a theme")
    assert "Did you mean late-delivery?" in problems[0]
    assert problems[1].startswith("own.yaml:4: `is the` cannot be read")
    assert problems[2].startswith("own.yaml:5: `(a late` cannot be read")


def test_every_theme_has_at_least_six_phrases(policy: Path) -> None:
    taxonomy = read_taxonomy(policy)
    counts: Counter[str] = Counter()
    for phrase in read_phrases(policy / "lexicon", themes=(theme.id for theme in taxonomy.themes)):
        for sequence in sequences_of(phrase):
            ways = 1
            for step in sequence:
                ways *= 1 if isinstance(step, str) else len(step)
            counts[phrase.label] += ways
    assert {theme.id: counts[theme.id] for theme in taxonomy.themes if counts[theme.id] < 6} == {}


def test_the_models_own_phrases_name_labels_of_the_taxonomy(policy: Path) -> None:
    taxonomy = read_taxonomy(policy)
    known = {
        "stage": taxonomy.stages,
        "area": taxonomy.areas,
        "sentiment": taxonomy.sentiments,
        "intent": taxonomy.intents,
        "severity": taxonomy.severities,
        "severity_kind": taxonomy.severity_kinds,
    }
    for phrase in read_phrases(OWN):
        assert phrase.label in {entry.id for entry in known[phrase.head]}, phrase


@pytest.mark.parametrize(
    ("words", "same"),
    [
        ("deliver delivers delivered delivering", "deliver"),
        ("charge charges charged charging", "charg"),
        ("cancel cancelled canceled cancelling", "cancel"),
        ("delivery deliveries", "delivery"),
        ("here", "here"),
        ("were", "were"),
        ("12.50 3 £9", "#"),
        ("note notes noted noting", "note"),
        ("hope hoped hoping", "hope"),
        ("stop stops stopped stopping", "stop"),
    ],
)
def test_inflections_share_a_stem(words: str, same: str) -> None:
    assert {stem(word) for word in words.split()} == {same}


@pytest.mark.parametrize(
    "words", ["note not", "care car", "site sit", "fare far", "plane plan", "hope hop", "rate rat"]
)
def test_another_word_has_another_stem(words: str) -> None:
    first, second = words.split()
    assert stem(first) != stem(second)
