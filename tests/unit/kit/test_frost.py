"""A process that stood still is told so once."""

from services.kit.frost import FROZEN_SECONDS, Frost


def test_a_long_gap_between_two_questions_is_told_once() -> None:
    now = [100.0]
    frost = Frost(lambda: now[0])
    now[0] += 0.3
    assert frost.thawed() == 0
    now[0] += FROZEN_SECONDS + 2
    assert frost.thawed() == FROZEN_SECONDS + 2
    now[0] += 0.3
    assert frost.thawed() == 0
