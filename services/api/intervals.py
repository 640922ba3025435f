"""Intervals of a share from its mean and variance, by the beta distribution that has both. Knows numbers only."""

from math import exp, lgamma, log, log1p, sqrt
from statistics import NormalDist

_TINY = 1e-300
_STEPS = 200
_LEAST = 1e-9


def beta_interval(mean: float, variance: float, *, level: float) -> tuple[float, float]:
    """The interval of a quantity between 0 and 1: equal tails, but from the end of the scale where it is densest there.
    No wider a variance is taken than a mean allows."""
    mean = min(1 - _LEAST, max(_LEAST, mean))
    size = max(mean * (1 - mean) / max(variance, _TINY) - 1, 1e-3)
    a, b = mean * size, (1 - mean) * size
    # where hardly anything is known, all but the tail lies at the end, which no interval may be so sure of
    far = NormalDist().inv_cdf(level) * sqrt(min(variance, mean * (1 - mean)))
    if a <= 1 < b:
        return 0.0, min(1.0, max(beta_quantile(level, a, b), mean + far))
    if b <= 1 < a:
        return max(0.0, min(beta_quantile(1 - level, a, b), mean - far)), 1.0
    tail = (1 - level) / 2
    return beta_quantile(tail, a, b), beta_quantile(1 - tail, a, b)


def beta_quantile(probability: float, a: float, b: float) -> float:
    """Where the beta distribution function reaches a probability, by halving: sure, and fine to 1e-6."""
    low, high = 0.0, 1.0
    for _ in range(22):
        middle = (low + high) / 2
        if beta_cdf(middle, a, b) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def beta_cdf(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function, by its continued fraction (Lentz; Numerical Recipes 6.4)."""
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x))
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(x, a, b) / a
    return 1 - front * _fraction(1 - x, b, a) / b


def _fraction(x: float, a: float, b: float) -> float:
    c, d = 1.0, 1 / _away(1 - (a + b) * x / (a + 1))
    found = d
    for m in range(1, _STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d, c = 1 / _away(1 + even * d), _away(1 + even / c)
        found *= d * c
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d, c = 1 / _away(1 + odd * d), _away(1 + odd / c)
        found *= d * c
        if abs(d * c - 1) < 1e-10:
            break
    return found


def _away(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
