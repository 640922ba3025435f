"""The next texts of each person, fetched some at a time, so that an answer does not wait for choosing anew.

In memory only: after a restart they are chosen again, and what was skipped may come back. Thread-safe.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import NamedTuple

AT_ONCE = 10
_PEOPLE = 200
_SKIPPED = 40


class Next(NamedTuple):
    """A text to ask about and why; `second` when somebody else has answered."""

    event: str
    reasons: tuple[str, ...]
    second: bool


class Piles:
    """One pile for each person. `fetch`: (person, how many) -> the texts that are worth most now."""

    def __init__(self, fetch: Callable[[str, int], Sequence[Next]]) -> None:
        self._fetch = fetch
        self._lock = threading.Lock()
        self._piles: OrderedDict[str, list[Next]] = OrderedDict()
        self._skipped: OrderedDict[str, list[str]] = OrderedDict()

    def top(self, by: str) -> Next | None:
        """The text that this person is asked about now; None when there is none."""
        with self._lock:
            pile = self._piles.get(by)
            skipped = list(self._skipped.get(by, ()))
        if not pile:
            fresh = [item for item in self._fetch(by, AT_ONCE + len(skipped)) if item.event not in skipped]
            with self._lock:
                pile = self._piles[by] = fresh[:AT_ONCE]
                while len(self._piles) > _PEOPLE:
                    self._piles.popitem(last=False)
        return pile[0] if pile else None

    def away(self, by: str, event: str, *, skipped: bool = False) -> None:
        """Takes a text off a person's pile."""
        with self._lock:
            self._piles[by] = [item for item in self._piles.get(by, []) if item.event != event]
            if skipped:
                self._skipped[by] = [*self._skipped.get(by, []), event][-_SKIPPED:]
                while len(self._skipped) > _PEOPLE:
                    self._skipped.popitem(last=False)
