"""How far people agree about the same events, and what they do not agree about as questions to the taxonomy.

Cohen's κ per head over pairs of people: each pair's chance agreement follows from those two people's own habits; the
pairs are weighed by the events that both answered. Knows opinions; knows no store.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations

import msgspec

from services.api.reviewed import Opinion

_EXAMPLES = 5
_QUESTIONS = 20

HEADS: dict[str, Callable[[Opinion], str | None]] = {
    "stage": lambda opinion: opinion.stage,
    "areas": lambda opinion: opinion.main_area,
    "sentiment": lambda opinion: opinion.sentiment,
    "intent": lambda opinion: opinion.intent,
    "severity": lambda opinion: None if opinion.severity is None else str(opinion.severity),
}
"""What is compared; of the areas the main one."""


class Kappa(msgspec.Struct, frozen=True):
    """Agreement in one head: `events` answered by a pair, the share answered alike, and κ (None: chance explains all
    of it, or nobody answered twice)."""

    head: str
    events: int
    people: int
    alike: float | None
    kappa: float | None


class Question(msgspec.Struct, frozen=True):
    """Two labels that people take for one another: how often, out of how many that either gave, and where to look."""

    head: str
    labels: tuple[str, str]
    times: int
    of: int
    events: tuple[str, ...]
    people: tuple[str, ...]


def kappas(opinions: Mapping[str, Mapping[str, Opinion]]) -> list[Kappa]:
    """κ of each head. `opinions`: event -> person -> opinion."""
    return [_kappa(head, label_of, opinions) for head, label_of in HEADS.items()]


def questions(opinions: Mapping[str, Mapping[str, Opinion]]) -> list[Question]:
    """Pairs of labels on which people disagree, the most frequent first."""
    found = []
    for head, label_of in HEADS.items():
        apart: dict[tuple[str, str], list[tuple[str, str, str]]] = {}
        given: Counter[str] = Counter()
        for event, by, other, first, second in _pairs(label_of, opinions):
            given.update({first, second})
            if first != second:
                low, high = sorted((first, second))
                apart.setdefault((low, high), []).append((event, by, other))
        for labels, cases in apart.items():
            either = sum(given[label] for label in labels) - len(cases)
            events = tuple(dict.fromkeys(event for event, _, _ in cases))[:_EXAMPLES]
            people = tuple(sorted({name for _, *names in cases for name in names}))
            found.append(Question(head, labels, len(cases), either, events, people))
    return sorted(found, key=lambda q: (-q.times, q.head, q.labels))[:_QUESTIONS]


def _kappa(
    head: str, label_of: Callable[[Opinion], str | None], opinions: Mapping[str, Mapping[str, Opinion]]
) -> Kappa:
    by_pair: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for _, by, other, first, second in _pairs(label_of, opinions):
        by_pair.setdefault((by, other), []).append((first, second))
    events = sum(map(len, by_pair.values()))
    people = len({name for pair in by_pair for name in pair})
    if not events:
        return Kappa(head, 0, 0, None, None)
    alike = sum(first == second for answers in by_pair.values() for first, second in answers)
    chance = sum(_by_chance(answers) for answers in by_pair.values())
    kappa = None if events - chance < 1e-9 else round((alike - chance) / (events - chance), 4)
    return Kappa(head, events, people, round(alike / events, 4), kappa)


def _by_chance(answers: Sequence[tuple[str, str]]) -> float:
    """How many of a pair's answers would be alike if each kept their habits and chose blindly."""
    first, second = Counter(a for a, _ in answers), Counter(b for _, b in answers)
    return sum(first[label] * second[label] for label in first) / len(answers)


def _pairs(
    label_of: Callable[[Opinion], str | None], opinions: Mapping[str, Mapping[str, Opinion]]
) -> Iterable[tuple[str, str, str, str, str]]:
    for event, people in opinions.items():
        for by, other in combinations(sorted(people), 2):
            first, second = label_of(people[by]), label_of(people[other])
            if first is not None and second is not None:
                yield event, by, other, first, second
