"""How large a share each label truly has, when tags are partly wrong and people have checked a few of them.

Knows counts, confidences and what people said; knows no store and no page. One slice of events at a time:

- what is known (people said so, or there was nothing to read) is counted as it is;
- every pool of the rest, a predicted label in a band of confidence, is spread over the labels it truly holds: how much
  of it is right `accuracy` says, and where the wrong part belongs a Dirichlet–multinomial row per predicted label,
  whose prior is what all rows share;
- the interval holds tag error, the luck of which items were checked, and that of a finite slice.

The review queue asks for unsure items first. That does no harm: what it chooses by, label and confidence, is in the
regression. Two things would do harm. What people correct because they *saw* that it was wrong tells nothing about tags
that nobody minded, so it is known, but is no check. And checks of another slice, with another mix of experiences, are
worse than none (decision 0065 has the figures), so there is no way to hand them in.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum

import msgspec

from services.api.accuracy import Accuracy, Seen, Sparse
from services.api.intervals import beta_interval

BANDS = (0.35, 0.5, 0.65, 0.8, 0.9, 0.95)
"""Upper ends of the bands of confidence; one more lies above."""
KNOWN = 0
"""The band of what is known for sure."""
LEVEL = 0.9
ENOUGH = 30
"""From this many checked items on, what people said weighs more than what the model believes of itself."""

_ROW = 2.0
"""What the prior of a row is worth in wrong tags. Confusions are few and systematic, so it is worth little."""
_BASE = 15.0
_ANYWHERE = 0.1
_PASSES = 3
_MISFIT = 1.25
"""The true errors follow no such simple form; by simulation this much more variance is needed to cover nine in ten."""
_LEAST = 0.005
"""A lower end below half a hundredth is none: a few dozen checks cannot tell so little from nothing."""


class Reason(StrEnum):
    """What shares rest on."""

    EMPTY = "empty"
    NOT_CHECKED = "not_checked"
    FEW_CHECKED = "few_checked"
    CHECKED = "checked"


class Pool(msgspec.Struct, frozen=True):
    """Events that nobody checked: their predicted label, how many, and their mean confidence."""

    label: str
    n: int
    confidence: float


class Check(msgspec.Struct, frozen=True):
    """An event of the slice that a person was asked about: what was predicted, how surely, and what the person said."""

    label: str
    confidence: float
    truth: str


class Share(msgspec.Struct, frozen=True):
    """Of all events of the slice: by the tags as they stand, and corrected, with the interval that holds the truth in
    nine of ten cases."""

    label: str
    raw: float
    corrected: float
    low: float
    high: float


class Shares(msgspec.Struct, frozen=True):
    """All shares of a slice of `n` events, of which people were asked about `checked`. Raw and corrected shares sum to
    1 each. Where nobody was asked, the corrected ones are the raw ones."""

    reason: Reason
    n: int
    checked: int
    shares: tuple[Share, ...]

    def of(self, label: str) -> Share | None:
        """The share of one label, if it is among them."""
        return next((share for share in self.shares if share.label == label), None)

    def widest(self, labels: Sequence[str]) -> float:
        """The upper end of the highest interval among these labels: how far a scale for all of them must reach."""
        return max((share.high for share in self.shares if share.label in labels and share.high > 0), default=1.0)


def band_of(confidence: float) -> int:
    """The number of the band that a confidence lies in, from 1."""
    return 1 + sum(confidence > end for end in BANDS)


def shares(labels: Sequence[str], pools: Sequence[Pool], known: Mapping[str, int], checks: Sequence[Check]) -> Shares:
    """Shares of `labels`, in their order, then of any others that occur. `known` counts by true label, and holds the
    checked events too."""
    checked = (label for check in checks for label in (check.label, check.truth))
    names = list(dict.fromkeys([*labels, *(pool.label for pool in pools), *known, *checked]))
    total = sum(known.values()) + sum(pool.n for pool in pools)
    if total == 0:
        return Shares(Reason.EMPTY, 0, len(checks), ())
    slice_ = _Slice(names, [pool for pool in pools if pool.n > 0], known, checks, total)
    mean, variance = slice_.spread()
    open_ = sum(slice_.weights)
    asked = len(checks)
    reason = Reason.NOT_CHECKED if asked == 0 else Reason.FEW_CHECKED if asked < ENOUGH else Reason.CHECKED
    found = []
    for number, name in enumerate(names):
        raw = slice_.sure[number] + slice_.weights[number]
        value = raw if reason is Reason.NOT_CHECKED else min(1.0, max(0.0, slice_.sure[number] + mean[number]))
        low, high = _interval(slice_.sure[number], mean[number], variance[number], open_)
        found.append(Share(name, raw, value, min(low, value), max(high, value)))
    return Shares(reason, total, asked, tuple(found))


def _interval(sure: float, mean: float, variance: float, open_: float) -> tuple[float, float]:
    """The interval of what is known plus a part of what is open."""
    if open_ <= 0.0 or variance <= 0.0:
        return sure + max(mean, 0.0), sure + max(mean, 0.0)
    low, high = (open_ * end for end in beta_interval(mean / open_, variance / open_**2, level=LEVEL))
    return sure + (low if low >= _LEAST else 0.0), min(1.0, sure + high)


class _Row(msgspec.Struct, frozen=True):
    """Where the wrong tags of one predicted label belong: mean, concentration, and which part of it is prior."""

    mean: list[float]
    size: float
    prior: float


class _Slice:
    """The arithmetic of one slice. Labels are numbers here, shares are of all events, known ones included."""

    def __init__(
        self, names: Sequence[str], pools: Sequence[Pool], known: Mapping[str, int], checks: Sequence[Check], total: int
    ) -> None:
        place = {name: number for number, name in enumerate(names)}
        count = len(names)
        self._total = total
        self._labels = range(count)
        self.sure = [known.get(name, 0) / total for name in names]
        self.weights = [0.0] * count
        for pool in pools:
            self.weights[place[pool.label]] += pool.n / total
        self._confused = [[0] * count for _ in names]
        for check in checks:
            self._confused[place[check.label]][place[check.truth]] += check.truth != check.label
        raw = [sure + weight for sure, weight in zip(self.sure, self.weights, strict=True)]
        accuracy = Accuracy(raw, [Seen(place[c.label], c.confidence, c.truth == c.label) for c in checks])
        # the part of each predicted label that is wrong, of all events, and how two such parts vary together
        self._wrong = [0.0] * count
        slopes = [[0.0] * accuracy.width for _ in names]
        for pool in pools:
            label, weight = place[pool.label], pool.n / total
            right, slope = accuracy.of(label, pool.confidence)
            self._wrong[label] += weight * (1 - right)
            _subtract(slopes[label], weight, slope)
        moved = [accuracy.times_covariance(slope) for slope in slopes]
        self._together = [[sum(a * b for a, b in zip(s, m, strict=True)) for m in moved] for s in slopes]

    def spread(self) -> tuple[list[float], list[float]]:
        """Mean and variance of what the open events give to each label."""
        mean = list(self.weights)
        for _ in range(_PASSES):  # wrong tags belong where events truly are, which is better known each time
            base, size = self._base([sure + m for sure, m in zip(self.sure, mean, strict=True)])
            rows = self._rows(base)
            mean = [
                self.weights[label]
                - self._wrong[label]
                + sum(self._wrong[s] * rows[s].mean[label] for s in self._labels)
                for label in self._labels
            ]
        return mean, [_MISFIT * self._variance(label, rows, base[label], size) for label in self._labels]

    def _base(self, shares_: Sequence[float]) -> tuple[list[float], float]:
        """What all rows start from, and what that is worth: where events are, and where all wrong tags belonged."""
        whole = sum(shares_) + _ANYWHERE
        base = [_BASE * (share + _ANYWHERE / len(shares_)) / whole for share in shares_]
        for row in self._confused:
            base = [b + c for b, c in zip(base, row, strict=True)]
        size = sum(base)
        return [b / size for b in base], size

    def _rows(self, base: Sequence[float]) -> list[_Row]:
        rows = []
        for label, counts in enumerate(self._confused):
            others = (1 - base[label]) or 1.0
            row = [
                c + (_ROW * b / others if n != label else 0.0)
                for n, (c, b) in enumerate(zip(counts, base, strict=True))
            ]
            if (size := sum(row)) == 0.0:  # there is no other label
                row[label] = size = 1.0
            rows.append(_Row([r / size for r in row], size, _ROW / size))
        return rows

    def _variance(self, label: int, rows: Sequence[_Row], base: float, base_size: float) -> float:
        effect = [-1.0 if source == label else rows[source].mean[label] for source in self._labels]
        found = sum(effect[a] * effect[b] * self._together[a][b] for a in self._labels for b in self._labels)
        started = sum(self._wrong[s] * rows[s].prior for s in self._labels if s != label)
        found += started**2 * base * (1 - base) / (base_size + 1)
        for source in self._labels:
            weight = self.weights[source]
            if weight == 0.0:
                continue
            wrong = self._wrong[source] / weight
            part = 1 - wrong if source == label else wrong * rows[source].mean[label]
            found += weight * part * (1 - part) / self._total
            if source != label:
                share, second = rows[source].mean[label], self._wrong[source] ** 2 + self._together[source][source]
                found += second * share * (1 - share) / (rows[source].size + 1)
        return found


def _subtract(vector: list[float], weight: float, step: Sparse) -> None:
    for at, x in step:
        vector[at] -= weight * x
