"""Whether a challenger may take the champion's place: two answers to each reviewed text in, a verdict with reasons out.

Both have answered for texts that neither had learnt from. Resampling is by groups, because what one customer wrote
twice is one witness. Knows numbers and bounds; knows no model and no text.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum

import msgspec
import numpy as np
from numpy.typing import NDArray

from services.contracts.learning import Onboarding, Promotion

_RESAMPLINGS = 2_000
_SEED = 20_261_120


class Reason(StrEnum):
    """Why a challenger is taken or left."""

    BETTER = "better"
    ONBOARDING = "onboarding"
    TOO_FEW = "too_few_labels"
    NOTHING_NEW = "nothing_new"
    NOT_BETTER = "not_better"
    NOT_SURE = "not_sure"
    CLASS_WORSE = "class_worse"
    WORSE = "worse"


class Answer(msgspec.Struct, frozen=True):
    """What a model, or the person, says a text is about."""

    stage: str
    areas: tuple[str, ...]


class Case(msgspec.Struct, frozen=True):
    """One reviewed text with both answers."""

    group: str
    source: str
    truth: Answer
    champion: Answer
    challenger: Answer


class Compared(msgspec.Struct, frozen=True):
    """Champion and challenger on one part of the texts, in points."""

    name: str
    items: int
    champion: float
    challenger: float

    @property
    def gain(self) -> float:
        """Points that the challenger is better by."""
        return round(self.challenger - self.champion, 2)


class Verdict(msgspec.Struct, frozen=True):
    """Whether the challenger comes into force, the first reason and all of it in sentences, and the figures."""

    promote: bool
    reason: Reason
    because: tuple[str, ...]
    figures: dict[str, float] = {}
    stages: tuple[Compared, ...] = ()
    areas: tuple[Compared, ...] = ()
    sources: tuple[Compared, ...] = ()


def score(truth: Answer, said: Answer) -> float:
    """Half for the stage, half for the areas (F1 of the two sets)."""
    return (float(truth.stage == said.stage) + _overlap(truth.areas, said.areas)) / 2


def judge(cases: Sequence[Case], bounds: Promotion) -> Verdict:
    """Whether the challenger is better by the margin, surely enough, and worse in no class beyond the bound."""
    if len(cases) < bounds.least_reviewed or len({case.group for case in cases}) < 2:
        return too_few(len(cases), wanted=bounds.least_reviewed)
    measured = _measured(cases)
    gain, better_in = measured.figures["gain"], measured.figures["better_in"]
    fallen = [
        row
        for row in (*measured.stages, *measured.areas)
        if row.items >= bounds.class_items and row.gain < -bounds.class_worse_by
    ]
    because = [
        f"{gain:+.1f} points over {len(cases)} labels, at least {bounds.least_gain:g} wanted",
        f"better in {better_in:.0f} % of resamplings, at least {bounds.better_in:g} % wanted",
        *(f"{row.name} falls by {-row.gain:.1f} points over {row.items} labels" for row in fallen),
    ]
    if gain < bounds.least_gain:
        reason = Reason.NOT_BETTER
    elif better_in < bounds.better_in:
        reason = Reason.NOT_SURE
    else:
        reason = Reason.CLASS_WORSE if fallen else Reason.BETTER
    return msgspec.structs.replace(measured, promote=reason is Reason.BETTER, reason=reason, because=tuple(because))


def welcome(cases: Sequence[Case], bounds: Onboarding) -> Verdict:
    """The same for the first labels at a new company: taken unless it looks worse. So few labels can show no more, and
    what they teach counts most on the first day."""
    if len(cases) < min(bounds.labels) or len({case.group for case in cases}) < 2:
        return too_few(len(cases), wanted=min(bounds.labels))
    measured = _measured(cases)
    gain = measured.figures["gain"]
    taken = gain >= -bounds.worse_by
    return msgspec.structs.replace(
        measured,
        promote=taken,
        reason=Reason.ONBOARDING if taken else Reason.WORSE,
        because=(f"{gain:+.1f} points over the first {len(cases)} labels, at worst {-bounds.worse_by:g} allowed",),
    )


def nothing_new() -> Verdict:
    """The same labels as the champion learnt from."""
    return Verdict(False, Reason.NOTHING_NEW, ("no label is new since the model in force was made",))


def too_few(number: int, *, wanted: int) -> Verdict:
    """Not enough to judge by."""
    because = f"{number} labels; at least {wanted} are needed, from two or more customers"
    return Verdict(False, Reason.TOO_FEW, (because,), {"reviewed": float(number)})


def _measured(cases: Sequence[Case]) -> Verdict:
    """All figures, and no decision yet."""
    before = np.array([score(case.truth, case.champion) for case in cases])
    after = np.array([score(case.truth, case.challenger) for case in cases])
    figures = {
        "reviewed": float(len(cases)),
        "groups": float(len({case.group for case in cases})),
        "sources": float(len({case.source for case in cases})),
        "champion": _points(before.mean()),
        "challenger": _points(after.mean()),
        "gain": _points((after - before).mean()),
        "better_in": round(_better_in([case.group for case in cases], after - before), 1),
        "stage_champion": _points(_share(cases, lambda c: c.truth.stage == c.champion.stage)),
        "stage_challenger": _points(_share(cases, lambda c: c.truth.stage == c.challenger.stage)),
        "areas_champion": _points(float(np.mean([_overlap(c.truth.areas, c.champion.areas) for c in cases]))),
        "areas_challenger": _points(float(np.mean([_overlap(c.truth.areas, c.challenger.areas) for c in cases]))),
    }
    return Verdict(
        False,
        Reason.NOT_BETTER,
        (),
        figures,
        tuple(_per_class(cases, lambda answer: (answer.stage,))),
        tuple(_per_class(cases, lambda answer: answer.areas)),
        tuple(_per_source(cases, before, after)),
    )


def _better_in(groups: Sequence[str], gains: NDArray[np.float64]) -> float:
    """Percent of resamplings of whole groups in which the mean gain is above zero."""
    names = {name: number for number, name in enumerate(dict.fromkeys(groups))}
    places = np.array([names[name] for name in groups])
    sums = np.bincount(places, weights=gains, minlength=len(names))
    drawn = np.random.default_rng(_SEED).integers(0, len(names), size=(_RESAMPLINGS, len(names)))
    return float((sums[drawn].sum(axis=1) > 1e-9).mean() * 100)


def _per_class(cases: Sequence[Case], labels_of: Callable[[Answer], tuple[str, ...]]) -> Iterable[Compared]:
    """F1 of each label that a person gave, most frequent first."""
    given: dict[str, int] = defaultdict(int)
    for case in cases:
        for label in labels_of(case.truth):
            given[label] += 1
    for label in sorted(given, key=lambda name: (-given[name], name)):
        pairs = {
            "champion": _f1([(label in labels_of(c.truth), label in labels_of(c.champion)) for c in cases]),
            "challenger": _f1([(label in labels_of(c.truth), label in labels_of(c.challenger)) for c in cases]),
        }
        yield Compared(label, given[label], _points(pairs["champion"]), _points(pairs["challenger"]))


def _per_source(cases: Sequence[Case], before: NDArray[np.float64], after: NDArray[np.float64]) -> Iterable[Compared]:
    places: dict[str, list[int]] = defaultdict(list)
    for place, case in enumerate(cases):
        places[case.source].append(place)
    for source in sorted(places):
        at = places[source]
        yield Compared(source, len(at), _points(before[at].mean()), _points(after[at].mean()))


def _overlap(truth: Sequence[str], said: Sequence[str]) -> float:
    """F1 of two sets of labels."""
    return 2 * len(set(truth) & set(said)) / max(1, len(set(truth)) + len(set(said)))


def _f1(pairs: Iterable[tuple[bool, bool]]) -> float:
    right = wrong = 0
    for true, said in pairs:
        right += true and said
        wrong += true != said
    return 2 * right / max(1, 2 * right + wrong)


def _share(cases: Sequence[Case], holds: Callable[[Case], bool]) -> float:
    return sum(map(holds, cases)) / len(cases)


def _points(share: float) -> float:
    return round(float(share) * 100, 2)
