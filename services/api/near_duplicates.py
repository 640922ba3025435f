"""Texts that say the same in nearly the same words: found by shared runs of three words. Knows texts only.

Two texts are near-duplicates when they share at least half of their runs. Only texts that share one of their lowest
hashes are compared, so that thousands of texts take a second.
"""

import re
import zlib
from collections.abc import Sequence

_WORDS = re.compile(r"\w+")
_RUN = 3
_ALIKE = 0.5
_LOWEST = 6
_MOST_WORDS = 400
_MOST_ALIKE = 200
"""Texts compared under one hash; beyond that it is a phrase that everybody uses."""


def runs_of(text: str) -> frozenset[int]:
    """The runs of three words of a text as hashes; all of it, when it is shorter."""
    words = _WORDS.findall(text.lower())[:_MOST_WORDS]
    count = max(1, len(words) - _RUN + 1)
    return frozenset(zlib.crc32(" ".join(words[n : n + _RUN]).encode()) for n in range(count))


def are_near(first: frozenset[int], second: frozenset[int]) -> bool:
    """Whether two texts are near-duplicates, by their runs."""
    return len(first & second) >= _ALIKE * len(first | second)


def clusters(texts: Sequence[str]) -> list[int]:
    """For each text the place of the first text that it is a near-duplicate of, directly or through others."""
    runs = [runs_of(text) for text in texts]
    parents = list(range(len(texts)))
    seen: dict[int, list[int]] = {}
    for place, found in enumerate(runs):
        for lowest in sorted(found)[:_LOWEST]:
            others = seen.setdefault(lowest, [])
            for other in others[:_MOST_ALIKE]:
                first, second = root(parents, other), root(parents, place)
                if first != second and are_near(runs[other], found):
                    parents[max(first, second)] = min(first, second)
            others.append(place)
    return [root(parents, place) for place in range(len(texts))]


def root(parents: list[int], place: int) -> int:
    """Where a chain of parents ends; shortens it on the way."""
    while parents[place] != place:
        parents[place] = parents[parents[place]]
        place = parents[place]
    return place
