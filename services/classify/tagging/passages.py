"""Where a text tells of a theme that no phrase found: its sentence, or the part of a long one, that speaks most for it.

Reads with the fast path's weights for themes, whichever path found the theme. Decides nothing about themes.
"""

import re
from collections.abc import Callable, Iterator, Sequence

import msgspec
import numpy as np

from services.classify.model.theme_chances import ThemeModel
from services.classify.reading.features import Floats
from services.classify.tagging.likeness import sentences

_LONG_WORDS = 14
_FEWEST_WORDS = 3
_JOINT = re.compile(r"[,;:–—]\s+|\s+(?=(?:and|but|because|so|which|when|while|then|although|though)\b)", re.IGNORECASE)


class Passage(msgspec.Struct, frozen=True):
    """Characters `start` to `end` of a text, which tell of a theme."""

    theme: str
    start: int
    end: int


class Passages:
    """Finds passages for the themes of one model. `encode` makes static vectors of length 1."""

    def __init__(self, themes: ThemeModel, encode: Callable[[Sequence[str]], Floats]) -> None:
        self._encode = encode
        self._columns = {theme: number for number, theme in enumerate(themes.ids)}
        self._weights = themes.fast.dense_weights if themes.fast is not None else None

    def find(self, texts: Sequence[str], wanted: Sequence[Sequence[str]]) -> list[tuple[Passage, ...]]:
        """For each text a passage per theme that is wanted of it."""
        spans = [(doc, *span) for doc, text in enumerate(texts) if wanted[doc] for span in _parts(text)]
        found: list[list[Passage]] = [[] for _ in texts]
        if not spans or self._weights is None:
            return [tuple(passages) for passages in found]
        scores = self._encode([texts[doc][start:end] for doc, start, end in spans]) @ self._weights
        docs = np.array([doc for doc, _, _ in spans])
        for doc in np.unique(docs).tolist():
            rows = np.flatnonzero(docs == doc)
            for theme in wanted[doc]:
                _, start, end = spans[rows[int(scores[rows, self._columns[theme]].argmax())]]
                found[doc].append(Passage(theme, start, end))
        return [tuple(passages) for passages in found]


def _parts(text: str) -> Iterator[tuple[int, int]]:
    """Spans of sentences, long ones in parts; the whole of a text that has none."""
    whole = sentences(text) or [(0, len(text))]
    for start, end in whole:
        if len(text[start:end].split()) <= _LONG_WORDS:
            yield start, end
            continue
        begin = start
        for joint in _JOINT.finditer(text, start, end):
            enough = all(
                len(part.split()) >= _FEWEST_WORDS for part in (text[begin : joint.start()], text[joint.end() : end])
            )
            if enough:
                yield begin, joint.start()
                begin = joint.end()
        yield begin, end
