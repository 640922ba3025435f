"""Themes that have examples but few phrases: found where a sentence is as like an example as the examples are alike.

How like is enough follows from the examples themselves (each held against the others) and from texts at large, of which
hardly any may be that like. Knows vectors of sentences; knows no model. A reason for every find: the example.
"""

import re
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from services.classify.reading.features import Floats
from services.classify.taxonomy.labels import Taxonomy, Theme

FEWEST_EXAMPLES = 8
OWN_SHARE = 0.25
"""Share of its own examples that a theme may miss, each held against the others."""
AT_LARGE_SHARE = 0.001
"""Share of texts at large that may be like a theme's examples, each likely about something else."""
LEAST = 0.4
"""Below this likeness sentences share no subject, whatever a theme's examples say."""
_SENTENCE = re.compile(r"(?:[^.!?\n]|\.(?=\d))+[.!?]*")
_FEWEST_WORDS = 3


class Alike(msgspec.Struct, frozen=True):
    """A sentence of a text (characters `start` to `end`) that is like example number `example` (from 1) of a theme."""

    theme: str
    start: int
    end: int
    example: int
    likeness: float


class Bar(msgspec.Struct, frozen=True):
    """How like is enough for a theme: what its own examples ask, what texts at large ask; the higher one counts."""

    own: float
    at_large: float

    @property
    def least(self) -> float:
        return max(self.own, self.at_large, LEAST)


class ThemeExamples:
    """Themes of one taxonomy by their examples. `encode` makes vectors of length 1, `at_large` are such vectors of
    texts about all sorts of things. Without themes that have examples it finds nothing and costs nothing."""

    def __init__(self, taxonomy: Taxonomy, encode: Callable[[Sequence[str]], Floats], at_large: Floats) -> None:
        self._encode = encode
        self._themes = [theme for theme in taxonomy.theme.values() if taught(theme)]
        if not self._themes:
            return
        self._vectors = [encode(list(dict.fromkeys(theme.examples))) for theme in self._themes]
        self._matrix = np.concatenate(self._vectors)
        self._begins = np.cumsum([0, *(len(vectors) for vectors in self._vectors[:-1])])
        nearest = np.maximum.reduceat(at_large @ self._matrix.T, self._begins, axis=1)
        self.bars = {
            theme.id: Bar(_own(vectors), float(np.quantile(nearest[:, number], 1 - AT_LARGE_SHARE)))
            for number, (theme, vectors) in enumerate(zip(self._themes, self._vectors, strict=True))
        }
        self._least = np.array([self.bars[theme.id].least for theme in self._themes])

    def recognised(self, theme: str) -> int:
        """How many of a theme's examples the others would find."""
        vectors = self._vectors[[known.id for known in self._themes].index(theme)]
        return int((_nearest(vectors) >= self.bars[theme].least).sum())

    def find(self, texts: Sequence[str]) -> list[tuple[Alike, ...]]:
        """For each text the themes that a sentence of it is like, each once, the most alike first."""
        if not self._themes:
            return [()] * len(texts)
        spans = [(doc, *span) for doc, text in enumerate(texts) for span in sentences(text)]
        best: list[dict[str, Alike]] = [{} for _ in texts]
        if spans:
            likeness = self._encode([texts[doc][start:end] for doc, start, end in spans]) @ self._matrix.T
            by_theme = np.maximum.reduceat(likeness, self._begins, axis=1)
            for place, number in zip(*np.nonzero(by_theme >= self._least), strict=True):
                doc, start, end = spans[place]
                found = self._alike(likeness[place], int(number), start, end)
                known = best[doc].get(found.theme)
                if known is None or found.likeness > known.likeness:
                    best[doc][found.theme] = found
        return [tuple(sorted(found.values(), key=lambda a: (-a.likeness, a.theme))) for found in best]

    def _alike(self, row: Floats, number: int, start: int, end: int) -> Alike:
        begin = int(self._begins[number])
        own = row[begin : begin + len(self._vectors[number])]
        place = int(own.argmax())
        return Alike(self._themes[number].id, start, end, place + 1, round(float(own[place]), 3))


def taught(theme: Theme) -> bool:
    """Whether a theme has examples enough to be found by likeness."""
    return len(set(theme.examples)) >= FEWEST_EXAMPLES


def sentences(text: str) -> list[tuple[int, int]]:
    """Spans of the sentences of a text that have words enough to tell something."""
    found = []
    for match in _SENTENCE.finditer(text):
        if len(match.group().split()) >= _FEWEST_WORDS:
            start = match.start() + len(match.group()) - len(match.group().lstrip())
            found.append((start, match.start() + len(match.group().rstrip())))
    return found


def _own(vectors: Floats) -> float:
    """The likeness to its nearest fellow that all examples but `OWN_SHARE` have."""
    return float(np.quantile(_nearest(vectors), OWN_SHARE))


def _nearest(vectors: Floats) -> Floats:
    """Of each vector, the likeness to the nearest other one."""
    likeness: NDArray[np.float32] = vectors @ vectors.T
    np.fill_diagonal(likeness, -1.0)
    nearest: Floats = likeness.max(axis=1)
    return nearest
