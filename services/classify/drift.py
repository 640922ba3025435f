"""Whether what comes in is still like what the model knows: the mix of labels against another mix, and a mean that
moves. Constant memory, whatever comes in. Knows labels and numbers; knows no texts and no metrics.

- `Mix`: labels of the last events of a head, held against a reference by the population stability index (PSI), and
  against the events before them. Usual reading: below 0.1 the same, above 0.25 another mix.
- `Adwin`: a stream of numbers between 0 and 1 whose window shrinks when its older and newer parts have different means
  (Bifet and Gavaldà 2007, with their bound for small variances and their exponential histogram).
"""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from math import log, sqrt

import msgspec

RECENT = 1_000
ENOUGH = 200
"""Fewer events than this have no mix: chance alone would move the index by K / n, for K labels and n events."""
_HALF = 0.5


def stability_index(counts: Mapping[str, float], reference: Mapping[str, float]) -> float:
    """PSI of two mixes given as counts or shares, over the labels of both. Every label has half an event more in each,
    so that one that is missing in either costs much and not everything. Shares count as of a thousand events."""
    labels = counts.keys() | reference.keys()
    here, there = _shares(counts, labels), _shares(reference, labels)
    return sum((here[label] - there[label]) * log(here[label] / there[label]) for label in labels)


def _shares(counts: Mapping[str, float], labels: Sequence[str] | set[str]) -> dict[str, float]:
    total = sum(counts.values())
    scale = 1_000 / total if 0 < total <= 2 else 1.0
    whole = total * scale + _HALF * len(labels)
    return {label: (counts.get(label, 0.0) * scale + _HALF) / whole for label in labels}


class Mix:
    """Labels of the last `size` events, and of the `size` before them. An event may have several labels."""

    def __init__(self, size: int = RECENT) -> None:
        self._size = size
        self._recent: deque[tuple[str, ...]] = deque()
        self._before: deque[tuple[str, ...]] = deque()
        self._counts: tuple[Counter[str], Counter[str]] = (Counter(), Counter())

    def __len__(self) -> int:
        return len(self._recent)

    def add(self, labels: tuple[str, ...]) -> None:
        """One event's labels."""
        recent, before = self._counts
        self._recent.append(labels)
        recent.update(labels)
        if len(self._recent) <= self._size:
            return
        oldest = self._recent.popleft()
        recent.subtract(oldest)
        self._before.append(oldest)
        before.update(oldest)
        if len(self._before) > self._size:
            before.subtract(self._before.popleft())

    def against(self, reference: Mapping[str, float]) -> float | None:
        """The index against a reference; None while too few events were seen."""
        return stability_index(self._counts[0], reference) if reference and len(self._recent) >= ENOUGH else None

    def against_before(self) -> float | None:
        """The index against the events before; None while there are too few of those."""
        return stability_index(*self._counts) if len(self._before) >= ENOUGH else None


class Shift(msgspec.Struct, frozen=True):
    """A mean that has moved: what it was in the part that was dropped, what it is now, over how many values."""

    before: float
    now: float
    width: int


class Adwin:
    """An adaptive window. `delta` bounds how often a stream that does not move is said to have moved, per look."""

    _ROW = 5
    _LOOK_EVERY = 32
    _LEAST = 64

    def __init__(self, delta: float = 2e-4) -> None:
        self._delta = delta
        self._rows: list[deque[tuple[float, float]]] = [deque()]  # row k: sum and squares about the mean of 2**k values
        self._total = 0.0
        self._squares = 0.0
        self._seen = 0
        self.width = 0

    @property
    def mean(self) -> float:
        """Of the window, which holds what came since the last shift."""
        return self._total / self.width if self.width else 0.0

    @property
    def buckets(self) -> int:
        """How much is remembered: it grows with the logarithm of the window."""
        return sum(len(row) for row in self._rows)

    def add(self, value: float) -> Shift | None:
        """One value; answers the shift that it brought to light, if one."""
        if self.width:
            self._squares += (value - self.mean) ** 2 * self.width / (self.width + 1)
        self._total += value
        self.width += 1
        self._rows[0].append((value, 0.0))
        self._merge()
        self._seen += 1
        if self._seen % self._LOOK_EVERY or self.width < self._LEAST:
            return None
        return self._look()

    def _merge(self) -> None:
        level = 0
        while len(self._rows[level]) > self._ROW:
            if level + 1 == len(self._rows):
                self._rows.append(deque())
            (first, first_squares), (second, second_squares) = self._rows[level].popleft(), self._rows[level].popleft()
            apart = (first - second) / 2**level
            self._rows[level + 1].append((first + second, first_squares + second_squares + apart**2 * 2**level / 2))
            level += 1

    def _look(self) -> Shift | None:
        """Drops the oldest buckets as long as any cut parts the window into two different means."""
        dropped_total, dropped = 0.0, 0
        while self._is_parted():
            total, size = self._drop()
            dropped_total += total
            dropped += size
        return Shift(dropped_total / dropped, self.mean, self.width) if dropped else None

    def _is_parted(self) -> bool:
        old_total, old = 0.0, 0
        variance = self._squares / self.width
        doubt = log(2 * log(self.width) / self._delta)
        for level in range(len(self._rows) - 1, -1, -1):
            for total, _ in self._rows[level]:
                old_total, old = old_total + total, old + 2**level
                new = self.width - old
                if new < self._LOOK_EVERY:
                    return False
                if old < self._LOOK_EVERY:
                    continue
                weight = 1 / old + 1 / new
                bound = sqrt(2 * weight * variance * doubt) + 2 / 3 * weight * doubt
                if abs(old_total / old - (self._total - old_total) / new) > bound:
                    return True
        return False

    def _drop(self) -> tuple[float, int]:
        level = len(self._rows) - 1
        total, squares = self._rows[level].popleft()
        size = 2**level
        rest = self.width - size
        apart = total / size - (self._total - total) / rest
        self._squares = max(0.0, self._squares - squares - apart**2 * size * rest / self.width)
        self._total -= total
        self.width = rest
        while len(self._rows) > 1 and not self._rows[-1]:
            self._rows.pop()
        return total, size
