"""Phrases -> where they occur: compiled into one automaton, walked over spaCy's tokens.

Knows which label a phrase speaks for and whether it was negated; knows no files and nothing of the model.
"""

from collections.abc import Iterator, Mapping, Sequence

import msgspec
import numpy as np

from services.classify.reading.phrases import GAP, Phrase, Step, sequences_of
from services.classify.reading.tokens import MARK, NEGATORS, STOPS, Stems, TokenBatch

_MAX_GAP = 3
_SCOPE = 3


class Hit(msgspec.Struct, frozen=True):
    """A label's phrase found in tokens `first` to `last` (inclusive) of a batch. `words` that it matched."""

    label: int
    doc: int
    first: int
    last: int
    negated: bool
    words: int


class _Node:
    """A place in a phrase: what may follow at once, and what may follow after a gap."""

    __slots__ = ("gap", "labels", "next")

    def __init__(self) -> None:
        self.next: dict[int, list[_Node]] = {}
        self.gap: list[_Node] = []
        self.labels: list[int] = []


class _State:
    """Where a match that began at one token can stand: nodes, those after a gap with how much of it is left.

    `then` holds successors by stem as they are met; `otherwise` is the successor for stems that no node asks for.
    """

    __slots__ = ("asked", "items", "labels", "otherwise", "then")

    def __init__(self, items: frozenset[tuple[_Node, int]], labels: tuple[int, ...]) -> None:
        self.items = items
        self.labels = labels
        self.asked = frozenset(stem_id for node, _ in items for stem_id in node.next)
        self.then: dict[int, _State] = {}
        self.otherwise: _State | None = None


class Lexicon:
    """Compiled phrases. Labels are numbered in the order of `labels`: (head, label, strength)."""

    _MOST_STATES = 60_000

    def __init__(self, phrases: Sequence[Phrase], stems: Stems) -> None:
        self.labels: list[tuple[str, str, int]] = sorted({(p.head, p.label, p.strength) for p in phrases})
        numbers = {label: number for number, label in enumerate(self.labels)}
        self._root = _Node()
        for phrase in phrases:
            number = numbers[phrase.head, phrase.label, phrase.strength]
            for sequence in sequences_of(phrase):
                self._insert(sequence, number, stems)
        self._starts = np.zeros(len(stems), dtype=bool)
        self._starts[list(self._root.next)] = True
        self._stems = stems
        self._negators = frozenset(stems.of(*NEGATORS))
        self._stops = frozenset(stems.of(*STOPS))
        self._barrier = self._stops | self._negators
        self._clause_ends = self._stops | frozenset(stems.of("and"))
        self._not_only = frozenset(stems.of("only"))
        self._forget()

    def _forget(self) -> None:
        self._states: dict[tuple[frozenset[tuple[_Node, int]], tuple[int, ...]], _State] = {}
        self._dead = _State(frozenset(), ())
        self._begin = _State(frozenset([(self._root, -1)]), ())

    def _insert(self, sequence: tuple[Step, ...], label: int, stems: Stems) -> None:
        ends = [self._root]
        for step in sequence:
            if step == GAP:
                gap = _Node()
                for end in ends:
                    end.gap.append(gap)
                ends = [gap]
                continue
            joined = _Node()
            for alternative in step:
                nodes = ends
                for position, name in enumerate(alternative):
                    last = position == len(alternative) - 1
                    following = joined if last else _Node()
                    for node in nodes:
                        node.next.setdefault(stems.ids[name], []).append(following)
                    nodes = [following]
            ends = [joined]
        for end in ends:
            if label not in end.labels:
                end.labels.append(label)

    def find(self, batch: TokenBatch) -> list[Hit]:
        """Every hit; of hits of one label that overlap, the first, and of those the longest."""
        if len(self._states) > self._MOST_STATES:
            self._forget()
        hits: list[Hit] = []
        kept = np.flatnonzero((batch.stem >= 0) & ~self._stems.skipped[np.maximum(batch.stem, 0)])
        sequences = batch.stem[kept]
        begins = np.searchsorted(kept, batch.first).tolist()
        candidates = np.flatnonzero(self._starts[sequences])
        splits = np.searchsorted(candidates, begins).tolist()
        marks = np.cumsum(batch.stem == MARK).tolist()
        for doc in range(len(batch.first) - 1):
            begin, end = begins[doc], begins[doc + 1]
            if splits[doc] == splits[doc + 1]:
                continue
            sequence = sequences[begin:end].tolist()
            found = self._walk(sequence, (candidates[splits[doc] : splits[doc + 1]] - begin).tolist())
            if found:
                hits.extend(self._best(found, doc, kept[begin:end].tolist(), sequence, marks))
        return hits

    def _walk(self, sequence: list[int], candidates: list[int]) -> dict[tuple[int, int], int]:
        """(first, label) -> last, the longest."""
        found: dict[tuple[int, int], int] = {}
        size, begin, dead = len(sequence), self._begin, self._dead
        for first in candidates:
            state, at = begin, first
            while at < size:
                current = sequence[at]
                following = state.then.get(current)
                if following is None:
                    following = self._successor(state, current)
                if following is dead:
                    break
                for label in following.labels:
                    found[first, label] = at
                state, at = following, at + 1
        return found

    def _successor(self, state: _State, current: int) -> _State:
        asked = current in state.asked or current in self._barrier
        if not asked and state.otherwise is not None:
            return state.otherwise
        items: set[tuple[_Node, int]] = set()
        labels: set[int] = set()
        for node, left in state.items:
            for target in node.next.get(current, ()):
                labels.update(target.labels)
                if target.next:
                    items.add((target, -1))
                items.update((gap, _MAX_GAP) for gap in target.gap)
            if left > 0 and current not in self._barrier:
                items.add((node, left - 1))
        if not items and not labels:
            following = self._dead
        else:
            key = (frozenset(items), tuple(sorted(labels)))
            following = self._states.get(key) or self._states.setdefault(key, _State(*key))
        if asked:
            state.then[current] = following
        else:
            state.otherwise = following
        return following

    def _best(
        self, found: Mapping[tuple[int, int], int], doc: int, places: list[int], sequence: list[int], marks: list[int]
    ) -> Iterator[Hit]:
        taken: dict[int, int] = {}
        for (first, label), last in sorted(found.items()):
            if taken.get(label, -1) >= first:
                continue
            taken[label] = last
            negated = self._negated(sequence, first, places, marks)
            yield Hit(label, doc, places[first], places[last], negated, last - first + 1)

    def _negated(self, sequence: list[int], first: int, places: list[int], marks: list[int]) -> bool:
        """Whether a negator stands in the three words before, in its clause. "nobody answers" denies for itself.
        `marks` counts the marks up to and with each token."""
        if sequence[first] in self._negators:
            return False
        for place in range(first - 1, max(-1, first - 1 - _SCOPE), -1):
            current = sequence[place]
            if current in self._clause_ends or marks[places[place + 1] - 1] > marks[places[place]]:
                return False
            if current in self._negators:
                return sequence[place + 1] not in self._not_only
        return False
