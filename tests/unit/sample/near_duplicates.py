"""Finds texts that say almost the same in almost the same words: MinHash proposes pairs, exact Jaccard decides."""

import re
from collections.abc import Iterator, Sequence

from datasketch import MinHash, MinHashLSH

SHINGLE = 3
TOO_NEAR = 0.6
_PERMUTATIONS = 128
# Well below TOO_NEAR: MinHash only has to propose, and a pair at 0.6 slips through it less than once in ten thousand.
_PROPOSE_FROM = 0.3


def shingles(text: str) -> frozenset[str]:
    """The runs of three words in a text; a shorter text is one run."""
    words = re.findall(r"\w+", text.lower())
    runs = [" ".join(words[at : at + SHINGLE]) for at in range(max(1, len(words) - SHINGLE + 1))]
    return frozenset(run for run in runs if run)


def near_duplicates(texts: Sequence[str], others: Sequence[str] = ()) -> Iterator[tuple[str, str]]:
    """Pairs among `texts`, and of a text with one of `others`, whose shingles overlap by TOO_NEAR or more.

    Bare verdicts of fewer than SHINGLE words are nobody's invention and are left out of the comparison with others.
    """
    index = MinHashLSH(threshold=_PROPOSE_FROM, num_perm=_PERMUTATIONS)
    pool = [*texts, *others]
    sets = [shingles(text) for text in pool]
    for place, found in enumerate(sets):
        if not found:
            continue
        mine = place < len(texts)
        signature = MinHash(num_perm=_PERMUTATIONS)
        signature.update_batch([run.encode() for run in found])
        if mine or len(pool[place].split()) >= SHINGLE:
            for known in index.query(signature):
                if _overlap(sets[known], found) >= TOO_NEAR:
                    yield pool[known], pool[place]
        if mine:
            index.insert(place, signature)


def _overlap(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other)
