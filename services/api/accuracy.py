"""How often a tag is right, given its label and the model's confidence, after people have checked a few.

A logistic regression of "the tag was right" with the model's own confidence as offset, so that without checks it says
what the model believes of itself, with the doubt that the priors state. Effects: the slice as a whole, the slope of the
confidence, how rare the label is among the tags (a model that was taught all labels evenly is wrong most often where it
names a rare one), and each label's own. Knows numbers only.
"""

from collections.abc import Sequence
from math import exp, log, pi, sqrt
from typing import NamedTuple

_SLICE_SD = 1.1
"""How far the accuracy on an unseen slice lies from the stated confidence, in log odds: as far as the accuracies of
stage by source lie from their mean in the lab (.49 to .97)."""
_SLOPE_SD = 0.4
_RARITY, _RARITY_SD = 0.5, 0.5
_LABEL_SD = 1.3
_ABSENT = 0.1
_SURE = 0.995
_ROUNDS = 40
_STEP = 2.0
_CLOSE = 1e-6
_SLICE, _SLOPE, _RARE, _LABELS = 0, 1, 2, 3

Vector = list[float]
Sparse = list[tuple[int, float]]


class Seen(NamedTuple):
    """A checked tag: the number of its label, its confidence, and whether it was right."""

    label: int
    confidence: float
    right: bool


class Accuracy:
    """The regression, fitted. `raw` are the shares of the predicted labels; `width` is the number of effects."""

    def __init__(self, raw: Sequence[float], seen: Sequence[Seen]) -> None:
        self.width = len(raw) + _LABELS
        self._rarity = [log(len(raw) * share + _ABSENT) for share in raw]
        self._at = [0.0] * self.width
        self._factor = self._fitted(seen)

    def of(self, label: int, confidence: float) -> tuple[float, Sparse]:
        """The mean accuracy, and how it moves with each effect."""
        parts = self._parts(label, confidence)
        direction = [0.0] * self.width
        for at, x in parts:
            direction[at] = x
        doubt = sum(d * s for d, s in zip(direction, self.times_covariance(direction), strict=True))
        # the mean of a logistic of a normal variable, by the scale of a probit
        flatter = sqrt(1 + pi * doubt / 8)
        mean = _logistic(self._log_odds(parts, confidence) / flatter)
        return mean, [(at, mean * (1 - mean) / flatter * x) for at, x in parts]

    def times_covariance(self, vector: Sequence[float]) -> Vector:
        """The covariance of the effects times a vector."""
        return _solve(self._factor, vector)

    def _fitted(self, seen: Sequence[Seen]) -> list[Vector]:
        """Finds the mode, by Newton's steps, none of them long; answers the Cholesky factor of the curvature there."""
        precision = [1 / _SLICE_SD**2, 1 / _SLOPE_SD**2, 1 / _RARITY_SD**2, *[1 / _LABEL_SD**2] * len(self._rarity)]
        for _ in range(_ROUNDS):
            slope = [-p * t for p, t in zip(precision, self._at, strict=True)]
            curve = [[p if a == b else 0.0 for b in range(self.width)] for a, p in enumerate(precision)]
            for label, confidence, right in seen:
                parts = self._parts(label, confidence)
                chance = _logistic(self._log_odds(parts, confidence))
                for a, x in parts:
                    slope[a] += (right - chance) * x
                    for b, y in parts:
                        curve[a][b] += chance * (1 - chance) * x * y
            factor = _cholesky(curve)
            step = _solve(factor, slope)
            longest = max(map(abs, step))
            held = min(1.0, _STEP / max(longest, _STEP))
            self._at = [t + held * s for t, s in zip(self._at, step, strict=True)]
            if longest < _CLOSE:
                break
        return factor

    def _parts(self, label: int, confidence: float) -> Sparse:
        return [
            (_SLICE, 1.0),
            (_SLOPE, _odds(confidence)),
            (_RARE, self._rarity[label]),
            (_LABELS + label, 1.0),
        ]

    def _log_odds(self, parts: Sparse, confidence: float) -> float:
        return _odds(confidence) + _RARITY * parts[_RARE][1] + sum(self._at[at] * x for at, x in parts)


def _odds(confidence: float) -> float:
    held = min(_SURE, max(1 - _SURE, confidence))
    return log(held / (1 - held))


def _logistic(value: float) -> float:
    return 1 / (1 + exp(-value)) if value >= 0 else exp(value) / (1 + exp(value))


def _cholesky(matrix: Sequence[Sequence[float]]) -> list[Vector]:
    size = len(matrix)
    lower = [[0.0] * size for _ in range(size)]
    for i in range(size):
        for j in range(i + 1):
            rest = matrix[i][j] - sum(lower[i][k] * lower[j][k] for k in range(j))
            lower[i][j] = sqrt(rest) if i == j else rest / lower[j][j]
    return lower


def _solve(lower: Sequence[Sequence[float]], right: Sequence[float]) -> Vector:
    size = len(lower)
    half = [0.0] * size
    for i in range(size):
        half[i] = (right[i] - sum(lower[i][k] * half[k] for k in range(i))) / lower[i][i]
    found = [0.0] * size
    for i in range(size - 1, -1, -1):
        found[i] = (half[i] - sum(lower[k][i] * found[k] for k in range(i + 1, size))) / lower[i][i]
    return found
