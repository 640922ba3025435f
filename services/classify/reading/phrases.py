"""The phrase files and their notation: words in any inflection; (a|b) one of; (a|) may be absent; ~ up to three words.

Knows files, endings and which label a phrase speaks for; finds nothing in texts.
"""

import hashlib
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from services.classify.reading.tokens import SKIPPED, stem
from services.contracts.yamlfile import FileProblem, PolicyRefused, did_you_mean, load_marked, schema_problems

OWN = Path(__file__).parent / "lexicon"
"""The phrases that are features of the model."""

GAP = "~"
_WORD = re.compile(r"[^\W_]+(?:[-&][^\W_]+)*|n't|'\w+|[^\w\s]")

Step = str | tuple[tuple[str, ...], ...]
"""The gap sign, or alternatives, each a sequence of stems."""


class Phrase(msgspec.Struct, frozen=True):
    """A phrase as a file states it. `strength` is 2 for strong words, else 1."""

    head: str
    label: str
    pattern: str
    strength: int = 1


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
    a lone word seldom says what there is to mend; where a phrase is one choice, its lone words were written as such."""
    sequences = compile_pattern(phrase.pattern)
    if phrase.head != "theme" or len(list(_glued(phrase.pattern))) == 1:
        return sequences
    longer = [sequence for sequence in sequences if len(sequence) > 1]
    several = [tuple(a for a in s[0] if len(a) > 1) for s in sequences if len(s) == 1 and not isinstance(s[0], str)]
    return [*longer, *((step,) for step in several if step)]


def compile_pattern(pattern: str) -> list[tuple[Step, ...]]:
    """The sequences of steps that a pattern stands for; optional parts make several. Raises ValueError."""
    if pattern.count("(") != pattern.count(")"):
        raise ValueError("a bracket is missing")
    slots: list[list[Step | None]] = []
    for raw in _glued(pattern):
        choices = _choices(raw)
        if choices == [(GAP,)]:
            slots.append([GAP])
            continue
        filled = tuple(sorted({choice for choice in choices if choice}))
        options: list[Step | None] = [filled] if filled else []
        if len(filled) < len(set(choices)):
            options.append(None)
        slots.append(options)
    sequences = []
    for chosen in itertools.product(*slots):
        steps = [step for step in chosen if step is not None]
        while steps and steps[0] == GAP:
            steps.pop(0)
        while steps and steps[-1] == GAP:
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
    if raw == GAP:
        return [(GAP,)]
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
