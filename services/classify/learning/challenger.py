"""A challenger from reviewed texts, held against the champion on texts that neither learnt from.

Each part of the texts judges models that learnt from the other parts: the challenger from all of their labels, the
champion from those of them that it had. Knows how learning and answering are called, not how they are done.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Generic, TypeVar

import msgspec

from services.classify.learning.judging import Answer, Case, Verdict, judge, too_few, welcome
from services.classify.learning.reviewed import Reviewed, folds_of
from services.contracts.learning import Learning

M = TypeVar("M")
Adapt = Callable[[Sequence[Reviewed]], M]
"""A model of one's own from labels, always on the shipped base. Deterministic."""
Tag = Callable[[M, Sequence[Reviewed]], Sequence[Answer]]
"""What a model says of texts, in their order."""


class Champion(msgspec.Struct, Generic[M], frozen=True):
    """The model in force and the ids of the events that it learnt from; none for the shipped one."""

    model: M
    learnt: frozenset[str]


def challenge(
    reviewed: Sequence[Reviewed],
    *,
    champion: Champion[M],
    adapt: Adapt[M],
    tag: Tag[M],
    bounds: Learning,
    first: bool,
) -> Verdict:
    """The verdict on what these labels would make. `first`: the first labels at a new company."""
    wanted = min(bounds.onboarding.labels) if first else bounds.promotion.least_reviewed
    if len(reviewed) < wanted:
        return too_few(len(reviewed), wanted=wanted)
    cases = _cases(reviewed, champion=champion, adapt=adapt, tag=tag, folds=bounds.promotion.folds)
    return welcome(cases, bounds.onboarding) if first else judge(cases, bounds.promotion)


def _cases(
    reviewed: Sequence[Reviewed], *, champion: Champion[M], adapt: Adapt[M], tag: Tag[M], folds: int
) -> list[Case]:
    parts = folds_of(reviewed, folds=folds)
    before: dict[str, Answer] = {}
    after: dict[str, Answer] = {}
    for part in sorted(set(parts)):
        asked = [item for item, place in zip(reviewed, parts, strict=True) if place == part]
        others = [item for item, place in zip(reviewed, parts, strict=True) if place != part]
        after |= _answers(tag, adapt(others), asked)
        before |= _answers(tag, _without(champion, asked, others, adapt), asked)
    return [
        Case(item.group, item.source, Answer(item.stage, item.areas), before[item.id], after[item.id])
        for item in reviewed
    ]


def _without(champion: Champion[M], asked: Sequence[Reviewed], others: Sequence[Reviewed], adapt: Adapt[M]) -> M:
    """The champion as it would be had it not learnt from what is asked."""
    if not any(item.id in champion.learnt for item in asked):
        return champion.model
    return adapt(_learnt(champion.learnt, others))


def _learnt(names: Collection[str], items: Sequence[Reviewed]) -> list[Reviewed]:
    return [item for item in items if item.id in names]


def _answers(tag: Tag[M], model: M, asked: Sequence[Reviewed]) -> dict[str, Answer]:
    return {item.id: answer for item, answer in zip(asked, tag(model, asked), strict=True)}
