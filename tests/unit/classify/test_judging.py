"""A challenger takes the champion's place only if it is better, surely, and worse nowhere that counts."""

from datetime import UTC, datetime

import pytest

from services.classify.learning.challenger import Champion, challenge
from services.classify.learning.judging import Answer, Case, Reason, Verdict, judge, score, welcome
from services.classify.learning.reviewed import Reviewed, fingerprint, folds_of, read_reviewed
from services.contracts.errors import BadMessage
from services.contracts.learning import Learning, Onboarding, Promotion

NOW = datetime(2026, 11, 20, tzinfo=UTC)
RIGHT = Answer("receive", ("fulfilment",))
WRONG = Answer("use", ("product",))
BOUNDS = Promotion()


def case(number: int, *, truth: Answer = RIGHT, champion: Answer, challenger: Answer, group: str = "") -> Case:
    return Case(group or f"g-{number}", f"s-{number % 3}", truth, champion, challenger)


def cases(*kinds: tuple[int, Answer, Answer], truth: Answer = RIGHT, start: int = 0) -> list[Case]:
    """So many cases of each kind: (number, what the champion says, what the challenger says)."""
    flat = [kind[1:] for kind in kinds for _ in range(kind[0])]
    return [case(n, truth=truth, champion=old, challenger=new) for n, (old, new) in enumerate(flat, start)]


def test_half_of_a_score_is_the_stage_and_half_the_overlap_of_the_areas() -> None:
    assert score(RIGHT, RIGHT) == 1
    assert score(RIGHT, Answer("receive", ("product",))) == 0.5
    assert score(RIGHT, Answer("use", ("fulfilment", "service"))) == pytest.approx(1 / 3)


def test_one_that_is_clearly_better_is_promoted_with_its_figures_by_source() -> None:
    verdict = judge(cases((20, RIGHT, RIGHT), (10, WRONG, RIGHT)), BOUNDS)

    assert (verdict.promote, verdict.reason) == (True, Reason.BETTER)
    assert verdict.figures["gain"] == pytest.approx(33.33)
    assert verdict.figures["better_in"] > 99
    assert {row.name for row in verdict.sources} == {"s-0", "s-1", "s-2"}
    assert sum(row.items for row in verdict.sources) == 30


def test_one_that_is_the_same_is_not_promoted() -> None:
    verdict = judge(cases((25, RIGHT, RIGHT), (5, WRONG, WRONG)), BOUNDS)

    assert (verdict.promote, verdict.reason) == (False, Reason.NOT_BETTER)


def test_a_gain_that_two_customers_made_is_not_sure() -> None:
    # one lively customer was always wrong before and is right now; four others lost one label each
    lively = [case(n, champion=WRONG, challenger=RIGHT, group="lively") for n in range(6)]
    lost = cases((4, RIGHT, WRONG), (30, RIGHT, RIGHT), start=10)
    verdict = judge(lively + lost, BOUNDS)

    assert verdict.figures["gain"] > BOUNDS.least_gain
    assert (verdict.promote, verdict.reason) == (False, Reason.NOT_SURE)


def test_a_class_that_falls_vetoes_a_gain_elsewhere() -> None:
    pay = Answer("pay", ("price",))
    fallen = cases((3, pay, WRONG), (6, pay, pay), truth=pay, start=100)
    verdict = judge([*cases((40, WRONG, RIGHT)), *fallen], BOUNDS)

    assert (verdict.promote, verdict.reason) == (False, Reason.CLASS_WORSE)
    assert any("pay falls" in sentence for sentence in verdict.because)


def test_a_class_with_too_few_labels_vetoes_nothing() -> None:
    pay = Answer("pay", ("price",))
    fallen = cases((1, pay, WRONG), (6, pay, pay), truth=pay, start=100)

    assert judge([*cases((40, WRONG, RIGHT)), *fallen], BOUNDS).promote


def test_few_labels_or_one_customer_alone_judge_nothing() -> None:
    alone = [case(n, champion=WRONG, challenger=RIGHT, group="one") for n in range(40)]

    assert judge(cases((10, WRONG, RIGHT)), BOUNDS).reason is Reason.TOO_FEW
    assert judge(alone, BOUNDS).reason is Reason.TOO_FEW


def test_the_first_labels_are_taken_unless_they_look_worse() -> None:
    bounds = Onboarding()
    same = welcome(cases((30, RIGHT, RIGHT)), bounds)
    worse = welcome(cases((28, RIGHT, RIGHT), (2, RIGHT, WRONG)), bounds)

    assert (same.promote, same.reason) == (True, Reason.ONBOARDING)
    assert (worse.promote, worse.reason) == (False, Reason.WORSE)


# ---- parts and labels -----------------------------------------------------------------------------------------------


def reviewed(number: int, *, group: str = "", stage: str = "receive") -> Reviewed:
    return Reviewed(
        id=f"e-{number:03d}",
        source="s",
        group=group or f"g-{number}",
        text=f"text {number}",
        stage=stage,
        areas=("fulfilment",),
        by="ana",
        at=NOW,
    )


def test_a_group_is_whole_in_one_part_and_parts_are_about_as_large() -> None:
    items = [reviewed(n, group=f"g-{n // 4}") for n in range(80)]
    parts = folds_of(items, folds=5)
    by_group = {item.group: {p for i, p in zip(items, parts, strict=True) if i.group == item.group} for item in items}

    assert all(len(found) == 1 for found in by_group.values())
    assert sorted(parts.count(p) for p in set(parts)) == [16] * 5
    assert folds_of(items, folds=5) == parts


def test_the_same_labels_have_the_same_fingerprint_and_another_label_another_one() -> None:
    items = [reviewed(n) for n in range(3)]

    assert fingerprint(items, base="b") == fingerprint(items, base="b")
    assert len({fingerprint([*items[:2], reviewed(2, stage=s)], base=b) for s in ("pay", "use") for b in "ab"}) == 4


def test_a_line_that_cannot_be_read_is_named_without_its_text() -> None:
    with pytest.raises(BadMessage) as error:
        read_reviewed(b'{"id": "a", "text": "secret words"}\n')

    assert "line 1" in error.value.message
    assert "secret" not in error.value.message


# ---- the challenge --------------------------------------------------------------------------------------------------


class Learner:
    """A model that knows the texts it was taught by heart, and says `use` of all others."""

    def __init__(self, items: list[Reviewed], *, generalises: bool) -> None:
        self.taught = {item.id for item in items}
        self.generalises = generalises and bool(items)

    def says(self, item: Reviewed) -> Answer:
        return Answer(item.stage, item.areas) if self.generalises or item.id in self.taught else WRONG


def challenged(
    champion: Champion[Learner], items: list[Reviewed], *, generalises: bool, first: bool = False
) -> Verdict:
    return challenge(
        items,
        champion=champion,
        adapt=lambda labels: Learner(list(labels), generalises=generalises),
        tag=lambda model, asked: [model.says(item) for item in asked],
        bounds=Learning(),
        first=first,
    )


def test_one_that_learns_beats_the_shipped_one_and_one_that_only_remembers_does_not() -> None:
    items = [reviewed(n) for n in range(40)]
    shipped = Champion(Learner([], generalises=False), frozenset())

    assert challenged(shipped, items, generalises=True).reason is Reason.BETTER
    assert challenged(shipped, items, generalises=False).reason is Reason.NOT_BETTER


def test_a_champion_is_asked_without_the_labels_that_it_knows_by_heart() -> None:
    items = [reviewed(n) for n in range(40)]
    by_heart = Champion(Learner(items, generalises=False), frozenset(item.id for item in items))
    stranger = Champion(Learner(items, generalises=False), frozenset())

    assert challenged(by_heart, items, generalises=False).figures["stage_champion"] == 0
    assert challenged(stranger, items, generalises=False).figures["stage_champion"] == 100


def test_below_the_first_bound_nothing_is_built() -> None:
    items = [reviewed(n) for n in range(29)]
    shipped = Champion(Learner([], generalises=False), frozenset())

    assert challenged(shipped, items, generalises=True, first=True).reason is Reason.TOO_FEW
    assert challenged(shipped, [*items, reviewed(29)], generalises=True, first=True).reason is Reason.ONBOARDING
