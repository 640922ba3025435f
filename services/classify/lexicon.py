"""Phrases -> where they occur. Reads the phrase files, compiles them into one automaton, walks it over spaCy's tokens.

Notation: words in any inflection; (a|b) one of; (a|) may be absent; ~ up to three further words of the same clause.
Knows which label a phrase speaks for and whether it was negated; knows nothing of the model.
"""

import hashlib
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from services.classify.tokens import NEGATORS, SKIPPED, STOPS, Stems, TokenBatch, stem
from services.contracts.yamlfile import FileProblem, PolicyRefused, did_you_mean, load_marked, schema_problems

OWN = Path(__file__).parent / "lexicon"
"""The phrases that are features of the model."""

_GAP = "~"
_MAX_GAP = 3
_SCOPE = 3
_WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)*|n't|'\w+|[^\w\s]")


Step = str | tuple[tuple[str, ...], ...]
"""The gap sign, or alternatives, each a sequence of stems."""


class Phrase(msgspec.Struct, frozen=True):
    """A phrase as a file states it. `strength` is 2 for strong words, else 1."""

    head: str
    label: str
    pattern: str
    strength: int = 1


class Hit(msgspec.Struct, frozen=True):
    """A label's phrase found in tokens `first` to `last` (inclusive) of a batch. `words` that it matched."""

    label: int
    doc: int
    first: int
    last: int
    negated: bool
    words: int


# ---- files ----------------------------------------------------------------------------------------------------------


def read_phrases(folder: Path, *, themes: Iterable[str] | None = None) -> tuple[Phrase, ...]:
    """All phrases of a folder's YAML files. Raises PolicyRefused with every problem, each with file and line.

    `themes` are the ids that theme phrases may name.
    """
    known = None if themes is None else frozenset(themes)
    phrases: list[Phrase] = []
    problems: list[FileProblem] = []
    for path in sorted(folder.glob("*.yaml")):
        marked = load_marked(path.read_text(encoding="utf-8"), file=path.name)
        found = schema_problems(marked, "lexicon.json")
        problems += found
        if found:
            continue
        head = marked.data["head"]
        if head == "theme" and known is not None:
            for label in sorted(marked.data["phrases"].keys() - known):
                suggestion = did_you_mean(label, known)
                message = f"`{label}` is not a theme of the taxonomy."
                problems.append(marked.problem(["phrases", label], message, suggestion=suggestion))
        for pointer, label, pattern, strength in _entries(marked.data["phrases"]):
            try:
                if not all(compile_pattern(pattern)):
                    raise ValueError("nothing is left of it without articles and auxiliaries")
            except ValueError as error:
                problems.append(marked.problem(pointer, f"`{pattern}` cannot be read: {error}."))
                continue
            phrases.append(Phrase(head, str(label), pattern, strength))
    if problems:
        raise PolicyRefused(problems)
    return tuple(phrases)


def digest_of(phrases: Iterable[Phrase]) -> str:
    """A short digest of phrases, which names their version."""
    return hashlib.sha256(msgspec.json.encode(sorted(phrases, key=msgspec.json.encode))).hexdigest()[:12]


def _entries(data: Mapping[str, Any]) -> Iterator[tuple[list[str | int], str, str, int]]:
    for label, given in data.items():
        groups = given if isinstance(given, dict) else {"plain": given}
        for strength, patterns in groups.items():
            for index, pattern in enumerate(patterns):
                where: list[str | int] = (
                    ["phrases", label, strength, index] if isinstance(given, dict) else ["phrases", label, index]
                )
                yield where, label, str(pattern), 2 if strength == "strong" else 1


def sequences_of(phrase: Phrase) -> list[tuple[Step, ...]]:
    """The sequences of steps of a phrase. A theme's phrase of several words is never shortened to a single one, because
    a lone word seldom says what there is to mend."""
    sequences = compile_pattern(phrase.pattern)
    if phrase.head != "theme" or " " not in phrase.pattern.replace(" | ", "|").strip():
        return sequences
    longer = [sequence for sequence in sequences if len(sequence) > 1]
    several = [tuple(a for a in s[0] if len(a) > 1) for s in sequences if len(s) == 1 and not isinstance(s[0], str)]
    return [*longer, *((step,) for step in several if step)]


# ---- patterns -------------------------------------------------------------------------------------------------------


def compile_pattern(pattern: str) -> list[tuple[Step, ...]]:
    """The sequences of steps that a pattern stands for; optional parts make several. Raises ValueError."""
    if pattern.count("(") != pattern.count(")"):
        raise ValueError("a bracket is missing")
    slots: list[list[Step | None]] = []
    for raw in _glued(pattern):
        choices = _choices(raw)
        if choices == [(_GAP,)]:
            slots.append([_GAP])
            continue
        filled = tuple(sorted({choice for choice in choices if choice}))
        options: list[Step | None] = [filled] if filled else []
        if len(filled) < len(set(choices)):
            options.append(None)
        slots.append(options)
    sequences = []
    for chosen in itertools.product(*slots):
        steps = [step for step in chosen if step is not None]
        while steps and steps[0] == _GAP:
            steps.pop(0)
        while steps and steps[-1] == _GAP:
            steps.pop()
        sequences.append(tuple(steps))
    return list(dict.fromkeys(sequences))


def _glued(pattern: str) -> Iterator[str]:
    """The pattern's words and groups; what touches a bracket belongs to it."""
    depth, current = 0, ""
    for character in pattern:
        depth += (character == "(") - (character == ")")
        if depth < 0:
            raise ValueError("a bracket closes that never opened")
        if character.isspace() and depth == 0:
            if current:
                yield current
            current = ""
        else:
            current += character
    if current:
        yield current


def _choices(raw: str) -> list[tuple[str, ...]]:
    if raw == _GAP:
        return [(_GAP,)]
    return [_stems(words) for words in _expanded(raw)]


def _expanded(raw: str) -> list[str]:
    """All that brackets in a word or group stand for."""
    opened = raw.find("(")
    if opened < 0:
        return [raw]
    depth, bars = 0, [opened]
    for place in range(opened, len(raw)):
        depth += (raw[place] == "(") - (raw[place] == ")")
        if raw[place] == "|" and depth == 1:
            bars.append(place)
        if depth == 0:
            break
    inner = [raw[begin + 1 : end] for begin, end in itertools.pairwise([*bars, place])]
    found = [raw[:opened] + choice for part in inner for choice in _expanded(part)]
    return [begin + end for begin in found for end in _expanded(raw[place + 1 :])]


_SPLIT = {"cannot": ("can", "not"), "dont": ("not",), "wont": ("will", "not"), "cant": ("can", "not")}


def _stems(words: str) -> tuple[str, ...]:
    """The stems that spaCy's tokens of these words have, without skipped ones."""
    found: list[str] = []
    for word in _WORD.findall(words.lower().replace("n't", " n't").replace("-", " ")):
        if word in _SPLIT:
            found.extend(_SPLIT[word])
            continue
        name = stem(word)
        if name and name not in SKIPPED:
            found.append(name)
    return tuple(found)


# ---- the automaton --------------------------------------------------------------------------------------------------


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
            if step == _GAP:
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
        for doc in range(len(batch.first) - 1):
            begin, end = begins[doc], begins[doc + 1]
            if splits[doc] == splits[doc + 1]:
                continue
            sequence = sequences[begin:end].tolist()
            found = self._walk(sequence, (candidates[splits[doc] : splits[doc + 1]] - begin).tolist())
            if found:
                hits.extend(self._best(found, doc, kept[begin:end].tolist(), sequence))
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
        self, found: Mapping[tuple[int, int], int], doc: int, places: list[int], sequence: list[int]
    ) -> Iterator[Hit]:
        taken: dict[int, int] = {}
        for (first, label), last in sorted(found.items()):
            if taken.get(label, -1) >= first:
                continue
            taken[label] = last
            negated = self._negated(sequence, first)
            yield Hit(label, doc, places[first], places[last], negated, last - first + 1)

    def _negated(self, sequence: list[int], first: int) -> bool:
        """Whether a negator stands in the three words before, in its clause. "nobody answers" denies for itself."""
        if sequence[first] in self._negators:
            return False
        for place in range(first - 1, max(-1, first - 1 - _SCOPE), -1):
            current = sequence[place]
            if current in self._clause_ends:
                return False
            if current in self._negators:
                return sequence[place + 1] not in self._not_only
        return False
