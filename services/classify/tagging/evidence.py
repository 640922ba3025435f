"""The words that earned a label: lexicon phrases where there are any, else the n-grams that weighed most.

Spans point into the stored text. Knows what was decided; decides nothing. At most three spans per head, merged where
they touch.
"""

from collections import defaultdict
from collections.abc import Sequence

import msgspec
import numpy as np

from services.classify.model.probabilities import HEADS, PATHS, Model, PathName
from services.classify.reading.features import SENTIMENT_OF_KIND, Features
from services.classify.reading.lexicon import Hit, Lexicon
from services.classify.reading.text import Clean
from services.classify.reading.tokens import Array, Stems, TokenBatch
from services.classify.tagging.severity import CRITICAL
from services.classify.tagging.themes import Told
from services.classify.taxonomy.labels import UNKNOWN, Taxonomy
from services.contracts.events import Evidence

MOST_SPANS = 3
_LEAST_WEIGHT = 0.25
_PHRASE_FIRST = 100.0
_SHORT_OF = {"area": "areas"}
_EMPTY = frozenset([
    "?", "!", ".", "#", "i", "you", "he", "she", "it", "we", "they", "me", "us", "him", "them", "and", "or", "but",
    "if", "as", "at", "by", "for", "from", "in", "into", "of", "on", "off", "onto", "out", "over", "to", "up",
    "down", "with", "about", "after", "before", "again", "then", "than", "when", "while", "what", "which", "who",
    "whom", "whose", "how", "why", "where", "there", "here", "can", "could", "would", "will", "should", "may",
    "might", "must", "shall", "not", "no", "nor", "too", "also", "only", "even", "ever", "still", "yet", "now",
    "just", "all", "any", "both", "each", "few", "more", "most", "other", "some", "such", "own", "same", "myself",
    "yourself", "because", "until", "during", "between", "through", "above", "below", "under", "mine", "yours",
    "one", "two", "first", "last", "get", "go", "come", "make", "let", "say", "tell", "thing", "way",
])  # fmt: skip
"""Stems that weigh in the model but show a reader nothing."""


class Decided(msgspec.Struct, frozen=True):
    """What was decided for one text, as far as it needs evidence: labels by head, and its themes with their phrases."""

    labels: dict[str, tuple[str, ...]]
    themes: tuple[Told, ...] = ()
    path: PathName = "fast"


class Reading(msgspec.Struct, frozen=True):
    """A batch as it was read: clean texts, tokens, hits and features."""

    texts: Sequence[Clean]
    tokens: TokenBatch
    hits: Sequence[Hit]
    features: Features


Candidate = tuple[float, int, int]
"""Weight, first and last token."""


class Evidencer:
    """Finds evidence for one model."""

    def __init__(self, model: Model, lexicon: Lexicon, stems: Stems, taxonomy: Taxonomy) -> None:
        self._model = model
        self._lexicon = lexicon
        self._says = _what_labels_say(lexicon, taxonomy)
        idf = model.vocabulary.idf[:, None]
        self._weights = np.stack([model.path(path).ngram_weights * idf for path in PATHS])
        for name in ("stage", "areas"):
            head = model.head(name)
            for old, new in taxonomy.retired[name].items():
                if old in head.labels and new in head.labels:
                    kept, gone = (head.begin + head.labels.index(label) for label in (new, old))
                    self._weights[..., kept] = self._weights[..., [kept, gone]].max(axis=-1)
        self._empty = stems.skipped.copy()
        self._empty[[stems.ids[word] for word in _EMPTY if word in stems.ids]] = True

    def __call__(self, reading: Reading, decided: Sequence[Decided]) -> list[tuple[Evidence, ...]]:
        wanted: list[dict[tuple[str, str], list[Candidate]]] = [
            {(head, label): [] for head, labels in d.labels.items() for label in labels if label != UNKNOWN}
            for d in decided
        ]
        self._from_hits(reading.hits, wanted)
        self._from_ngrams(reading, wanted, np.array([PATHS.index(d.path) for d in decided], dtype=np.int64))
        return [self._spans(reading, doc, wanted[doc], decided[doc].themes) for doc in range(len(decided))]

    def _from_hits(self, hits: Sequence[Hit], wanted: Sequence[dict[tuple[str, str], list[Candidate]]]) -> None:
        for hit in hits:
            for said in self._says[hit.label][hit.negated]:
                candidates = wanted[hit.doc].get(said[0])
                if candidates is not None:
                    candidates.append((_PHRASE_FIRST + said[1] + hit.words, hit.first, hit.last))

    def _from_ngrams(
        self, reading: Reading, wanted: Sequence[dict[tuple[str, str], list[Candidate]]], path: Array
    ) -> None:
        found = reading.features.occurrences
        # an n-gram is shown without the empty words at its ends, and not at all if nothing is left of it
        stem_ids = reading.tokens.stem
        first = np.where(self._empty[stem_ids[found.first]], found.last, found.first)
        last = np.where(self._empty[stem_ids[found.last]], found.first, found.last)
        telling = first <= last
        telling &= ~self._empty[stem_ids[np.minimum(first, last)]]
        column, doc, first, last = found.column[telling], found.doc[telling], first[telling], last[telling]
        columns = {
            (head.name, label): head.begin + n for head in self._model.heads for n, label in enumerate(head.labels)
        }
        # where a phrase earned the label, the phrase is shown
        keys = [[key for key, earned in w.items() if not earned and key in columns] for w in wanted]
        ranks = max((len(names) for names in keys), default=0)
        chosen = np.full((len(wanted), ranks), -1, dtype=np.int64)
        for number, names in enumerate(keys):
            chosen[number, : len(names)] = [columns[key] for key in names]
        for rank in range(ranks):
            asked = np.flatnonzero(chosen[doc, rank] >= 0)
            weight = self._weights[path[doc[asked]], column[asked], chosen[doc[asked], rank]]
            heavy = weight > _LEAST_WEIGHT
            for place, weighs in zip(asked[heavy].tolist(), weight[heavy].tolist(), strict=True):
                number = int(doc[place])
                wanted[number][keys[number][rank]].append((weighs, int(first[place]), int(last[place])))

    def _spans(
        self, reading: Reading, doc: int, wanted: dict[tuple[str, str], list[Candidate]], themes: Sequence[Told]
    ) -> tuple[Evidence, ...]:
        clean, tokens = reading.texts[doc], reading.tokens
        per_head: dict[str, list[tuple[str, list[Candidate]]]] = defaultdict(list)
        for (head, label), candidates in wanted.items():
            if candidates:
                per_head[head].append((label, sorted(candidates, reverse=True)))
        found: list[Evidence] = []
        for head in HEADS:
            for label, first, last in _allotted(per_head.get(head, ())):
                start, end = clean.stored(int(tokens.start[first]), int(tokens.end[last]))
                found.append(Evidence(head=head, label=label, start=start, end=end))
        for told in themes:
            if told.hit is not None:
                start, end = clean.stored(int(tokens.start[told.hit.first]), int(tokens.end[told.hit.last]))
                found.append(Evidence(head="theme", label=told.theme, start=start, end=end))
        return tuple(found)


def _allotted(labels: Sequence[tuple[str, list[Candidate]]]) -> list[tuple[str, int, int]]:
    """Three spans over the labels of a head: the best of each first, then the next best; merged, in reading order."""
    taken: dict[str, list[tuple[int, int]]] = {label: [] for label, _ in labels}
    left = MOST_SPANS
    for rank in range(max((len(candidates) for _, candidates in labels), default=0)):
        for label, candidates in labels:
            if rank < len(candidates) and left > 0:
                _, first, last = candidates[rank]
                before = len(taken[label])
                taken[label] = _merged([*taken[label], (first, last)])
                left -= len(taken[label]) - before
        if left <= 0:
            break
    return [(label, first, last) for label, spans in taken.items() for first, last in spans]


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans in order, those that overlap or touch made one."""
    result: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if result and first <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(last, result[-1][1]))
        else:
            result.append((first, last))
    return result


Said = tuple[tuple[tuple[str, str], float], ...]


def _what_labels_say(lexicon: Lexicon, taxonomy: Taxonomy) -> list[tuple[Said, Said]]:
    """For each lexicon label, which (head, label) its phrases are evidence for, plain and negated, with a weight."""
    found: list[tuple[Said, Said]] = []
    for head, label, strength in lexicon.labels:
        plain: list[tuple[tuple[str, str], float]] = []
        negated: list[tuple[tuple[str, str], float]] = []
        theme = taxonomy.theme.get(label) if head == "theme" else None
        if theme is not None:
            plain = [(("stage", theme.stage), 2.0), (("areas", theme.area), 2.0)]
            if SENTIMENT_OF_KIND[theme.kind]:
                plain.append((("sentiment", SENTIMENT_OF_KIND[theme.kind]), 0.0))
        elif head != "theme":
            name = _SHORT_OF.get(head, head)
            # what is known of a retired label is evidence for the one that took its place
            successor = taxonomy.retired.get(name, {}).get(label) or label
            plain = [((name, successor), float(strength))]
            if head in {"stage", "area"}:
                negated = plain
            elif head == "severity_kind":
                # what names the harm is what makes it critical
                plain.append((("severity", str(CRITICAL)), float(strength)))
            elif head == "sentiment" and label in {"positive", "negative"}:
                negated = [(("sentiment", "negative" if label == "positive" else "positive"), float(strength))]
        found.append((tuple(plain), tuple(negated)))
    return found
