"""Tokens and lexicon hits -> numbers: TF-IDF of words and word pairs, and how much the lexicon says for each label.

One tokenisation for everything, no Python loop per n-gram. Remembers where each n-gram stood, for evidence.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from services.classify.reading.lexicon import Hit, Lexicon
from services.classify.reading.tokens import Array, Stems, TokenBatch
from services.classify.taxonomy.labels import Taxonomy

Floats = NDArray[np.float32]

SENTIMENT_OF_KIND = {"problem": "negative", "strength": "positive", "wish": ""}
_OPPOSITE = {"negative": "positive", "positive": "negative"}


class Vocabulary(msgspec.Struct, frozen=True):
    """N-grams that are features, in the order of their columns: `stem` or `stem stem`, with inverse document frequency.

    `labels` are the columns of the lexicon's voice: `head:label`; `themes` those of the themes that were learnt.
    """

    ngrams: tuple[str, ...]
    idf: Floats
    labels: tuple[str, ...]
    themes: tuple[str, ...] = ()


class Occurrences(msgspec.Struct, frozen=True):
    """Where each n-gram stood: column, text, first and last token."""

    column: Array
    doc: Array
    first: Array
    last: Array


class Features(msgspec.Struct, frozen=True):
    """Numbers of a batch: `ngrams` (texts × n-grams, rows of length 1), `lexicon` (texts × labels, logarithmic),
    `themes` (texts × themes: how often phrases of each stand there, not negated)."""

    ngrams: sp.csr_matrix
    lexicon: Floats
    themes: Floats
    occurrences: Occurrences

    def of(self, places: Sequence[int]) -> "Features":
        """The numbers of some of the texts; where n-grams stood is left out."""
        none = np.zeros(0, dtype=np.int64)
        nowhere = Occurrences(none, none, none, none)
        return Features(self.ngrams[places], self.lexicon[places], self.themes[places], nowhere)


class Featuriser:
    """Makes features for one vocabulary. Stateless after construction."""

    def __init__(self, vocabulary: Vocabulary, stems: Stems, lexicon: Lexicon, taxonomy: Taxonomy) -> None:
        self.vocabulary = vocabulary
        self._size = len(stems)
        self._single = np.full(self._size, -1, dtype=np.int64)
        pairs = []
        for column, name in enumerate(vocabulary.ngrams):
            first, _, second = name.partition(" ")
            if second:
                pairs.append((stems.ids[first] * self._size + stems.ids[second], column))
            else:
                self._single[stems.ids[first]] = column
        pairs.sort()
        self._pair_keys = np.array([key for key, _ in pairs] or [-1], dtype=np.int64)
        self._pair_columns = np.array([column for _, column in pairs] or [-1], dtype=np.int64)
        columns = {label: number for number, label in enumerate(vocabulary.labels)}
        self._plain, self._negated = voices(lexicon, taxonomy, columns)
        themes = {theme: number for number, theme in enumerate(vocabulary.themes)}
        columns_of = [themes.get(label, -1) if head == "theme" else -1 for head, label, _ in lexicon.labels]
        self._theme = np.array(columns_of, dtype=np.int64)

    def __call__(self, batch: TokenBatch, hits: Sequence[Hit]) -> Features:
        found = self._occurrences(batch)
        texts = len(batch.first) - 1
        return Features(self._weigh(found, texts), self._voices(hits, texts), self._themes(hits, texts), found)

    def _occurrences(self, batch: TokenBatch) -> Occurrences:
        kept = np.flatnonzero(batch.stem > 0)
        stem_ids, doc = batch.stem[kept], batch.doc[kept]
        single = self._single[stem_ids]
        has = single >= 0
        keys = stem_ids[:-1] * self._size + stem_ids[1:]
        place = np.minimum(np.searchsorted(self._pair_keys, keys), len(self._pair_keys) - 1)
        paired = (self._pair_keys[place] == keys) & (doc[:-1] == doc[1:])
        return Occurrences(
            np.concatenate([single[has], self._pair_columns[place[paired]]]),
            np.concatenate([doc[has], doc[:-1][paired]]),
            np.concatenate([kept[has], kept[:-1][paired]]),
            np.concatenate([kept[has], kept[1:][paired]]),
        )

    def _weigh(self, found: Occurrences, texts: int) -> sp.csr_matrix:
        ones = np.ones(len(found.column), dtype=np.float32)
        matrix = sp.csr_matrix((ones, (found.doc, found.column)), shape=(texts, len(self.vocabulary.ngrams)))
        matrix.sum_duplicates()
        matrix.data = (1 + np.log(matrix.data)) * self.vocabulary.idf[matrix.indices]
        squares = np.add.reduceat(np.append(matrix.data**2, 0), matrix.indptr[:-1]) * (np.diff(matrix.indptr) > 0)
        matrix.data /= np.repeat(np.sqrt(np.maximum(squares, 1e-12)), np.diff(matrix.indptr))
        return matrix

    def _voices(self, hits: Sequence[Hit], texts: int) -> Floats:
        total = np.zeros((texts, len(self.vocabulary.labels)), dtype=np.float32)
        if hits:
            labels = np.array([hit.label for hit in hits])
            negated = np.array([hit.negated for hit in hits])
            docs = np.array([hit.doc for hit in hits])
            np.add.at(total, docs, np.where(negated[:, None], self._negated[labels], self._plain[labels]))
        return np.log1p(total)

    def _themes(self, hits: Sequence[Hit], texts: int) -> Floats:
        total = np.zeros((texts, len(self.vocabulary.themes)), dtype=np.float32)
        plain = [hit for hit in hits if not hit.negated]
        if plain:
            columns = self._theme[[hit.label for hit in plain]]
            docs = np.array([hit.doc for hit in plain])
            np.add.at(total, (docs[columns >= 0], columns[columns >= 0]), 1)
        return total


def voices(lexicon: Lexicon, taxonomy: Taxonomy, columns: dict[str, int]) -> tuple[Floats, Floats]:
    """How much each lexicon label speaks for each column, plain and negated. A theme speaks for its stage, its area
    and, by its kind, a sentiment; "not rude" speaks for the opposite sentiment; a negated theme is silent."""
    plain = np.zeros((len(lexicon.labels), len(columns)), dtype=np.float32)
    negated = np.zeros_like(plain)
    for number, (head, label, strength) in enumerate(lexicon.labels):
        if head == "theme":
            theme = taxonomy.theme.get(label)
            if theme is None:
                continue
            said = [f"stage:{theme.stage}", f"area:{theme.area}", f"sentiment:{SENTIMENT_OF_KIND[theme.kind]}"]
            for name in said:
                if name in columns:
                    plain[number, columns[name]] += 1
            continue
        name = f"{head}:{label}"
        if name not in columns:
            continue
        plain[number, columns[name]] = strength
        if head in {"stage", "area"}:
            negated[number, columns[name]] = strength
        elif label in _OPPOSITE:
            negated[number, columns[f"{head}:{_OPPOSITE[label]}"]] = 1
    return plain, negated


def label_columns(lexicon: Lexicon) -> tuple[str, ...]:
    """The columns of the lexicon's voice: every label of every head but the themes."""
    return tuple(sorted({f"{head}:{label}" for head, label, _ in lexicon.labels if head != "theme"}))
