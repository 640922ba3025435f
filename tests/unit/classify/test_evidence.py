"""Evidence is faithful: without it the label is less probable, more so than without other words of the same length."""

import random

import numpy as np

from services.classify.model import probabilities
from services.classify.tagger import Tagger, TagInput
from services.classify.training.corpus import read_corpus

SEED = 7
HEADS = ("stage", "areas", "sentiment")


def test_removing_evidence_costs_more_than_removing_random_words_of_the_same_length(tagger: Tagger) -> None:
    rng = random.Random(SEED)
    texts = [example.text for example in read_corpus() if len(example.text) > 40][:400]
    tags = tagger.tag([TagInput(text=text) for text in texts])
    for head in HEADS:
        cut, label, original = [], [], []
        for text, tag in zip(texts, tags, strict=True):
            spans = [(span.start, span.end, span.label) for span in tag.evidence if span.head == head]
            if not spans:
                continue
            first = spans[0][2]
            own = [(start, end) for start, end, name in spans if name == first]
            moved = [(at := rng.randrange(0, len(text) - (end - start) + 1), at + end - start) for start, end in own]
            original.append(text)
            cut.append((_without(text, own), _without(text, moved)))
            label.append(first)
        names = tagger.model.head(head).labels

        def chance(
            given: list[str], names: tuple[str, ...] = names, label: list[str] = label, head: str = head
        ) -> np.ndarray:
            rows = probabilities(tagger.model, tagger.read(given).features)[head]
            return rows[np.arange(len(given)), [names.index(name) for name in label]]

        before = chance(original)
        by_evidence = float(np.mean(before - chance([kept for kept, _ in cut])))
        by_chance = float(np.mean(before - chance([kept for _, kept in cut])))
        assert len(label) > 200
        assert by_evidence > 1.5 * by_chance, (head, by_evidence, by_chance)


def test_evidence_reads_as_words_of_the_text(tagger: Tagger) -> None:
    text = "Ordered on Monday, still not here, and nobody answers the phone."
    spans = {text[span.start : span.end] for span in tagger.tag([TagInput(text=text)])[0].evidence}
    assert "still not here" in spans
    assert not spans & {"on", "and", "the", "and nobody"}


def test_each_head_shows_at_most_three_spans(tagger: Tagger) -> None:
    texts = [example.text for example in read_corpus()][:300]
    for tags in tagger.tag([TagInput(text=text) for text in texts]):
        for head in (*HEADS, "intent", "severity"):
            assert sum(span.head == head for span in tags.evidence) <= 3


def test_evidence_of_a_mended_text_points_into_the_stored_one(tagger: Tagger) -> None:
    stored = "<p>It&#39;s the courier: marked it delivered, donâ€™t lie, nobody answers the phone</p>"
    tags = tagger.tag([TagInput(text=stored)])[0]
    shown = {stored[span.start : span.end] for span in tags.evidence}
    assert "marked it delivered" in shown
    assert "nobody answers" in shown


def _without(text: str, spans: list[tuple[int, int]]) -> str:
    kept = list(text)
    for start, end in spans:
        kept[start:end] = " " * (end - start)
    return "".join(kept)
