"""A batch of hostile texts does not keep others waiting; an honest one is not held up by politeness."""

from services.ingest.pace import Pace


class Slow:
    """A clock that moves only when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def sizes(seconds_for_each: float) -> list[int]:
    clock = Slow()
    pace = Pace(clock)
    found = []
    for _ in range(4):
        found.append(pace.at_once)
        with pace:
            clock.now += seconds_for_each * pace.at_once
    return found


def test_quick_candidates_are_soon_judged_fifty_at_once() -> None:
    assert sizes(0.00005) == [4, 16, 50, 50]


def test_slow_candidates_are_judged_one_at_a_time() -> None:
    assert sizes(0.2) == [4, 1, 1, 1]
