"""How much of a batch is judged before others get their turn in the loop."""

import time
from collections.abc import Callable

_MOST = 50
_SECONDS = 0.005


class Pace:
    """`at_once` candidates take about five milliseconds: few where they take long, as texts full of digits do. Judge
    that many inside of `with`."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.at_once = 4
        self._clock = clock
        self._began = 0.0

    def __enter__(self) -> None:
        self._began = self._clock()

    def __exit__(self, *_: object) -> None:
        took = max(self._clock() - self._began, 1e-9)
        self.at_once = max(1, min(_MOST, self.at_once * 4, int(self.at_once * _SECONDS / took)))
