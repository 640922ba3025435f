"""What a rating says about the feeling: alone, and as a prior beside a text. Knows scales; knows no text."""

from collections.abc import Sequence

import numpy as np

from services.classify.reading.features import Floats
from services.contracts.events import Rating, Sentiment

_LOWEST = {"nps": 0.0, "csat": 1.0, "ces": 1.0, "stars": 1.0, "thumbs": 0.0}
_HIGHEST = {"nps": 10.0, "csat": 5.0, "ces": 7.0, "stars": 5.0, "thumbs": 1.0}
_NPS_PASSIVE, _NPS_PROMOTER = 7, 9
_LOW, _MIDDLE, _HIGH = 0.3, 0.55, 0.75

_PRIOR: dict[str, dict[str, float]] = {
    "lowest": {"negative": 6.0, "neutral": 0.6, "positive": 0.1, "mixed": 1.0},
    "low": {"negative": 2.5, "neutral": 0.8, "positive": 0.4, "mixed": 2.0},
    "middle": {"negative": 1.0, "neutral": 1.2, "positive": 1.0, "mixed": 2.0},
    "high": {"negative": 0.3, "neutral": 0.8, "positive": 4.0, "mixed": 1.2},
}


def share_of_scale(rating: Rating) -> float:
    """0 (worst) to 1 (best). NPS by its own bands; CES as ease, so that high is good."""
    if rating.kind == "nps":
        if rating.value >= _NPS_PROMOTER:
            return 1.0
        return 0.6 if rating.value >= _NPS_PASSIVE else 0.4 * rating.value / (_NPS_PASSIVE - 1)
    lowest, highest = _LOWEST[rating.kind], rating.max or _HIGHEST[rating.kind]
    return min(1.0, max(0.0, (rating.value - lowest) / max(highest - lowest, 1e-9)))


def sentiment_of(rating: Rating) -> Sentiment:
    """The feeling of a bare rating."""
    band = _band(rating)
    return "negative" if band in {"lowest", "low"} else "positive" if band == "high" else "neutral"


def favour(chances: Floats, ratings: Sequence[Rating | None], labels: Sequence[str]) -> Floats:
    """Sentiment probabilities (texts × labels) after the ratings, where there are any."""
    prior = np.ones_like(chances)
    for row, rating in zip(prior, ratings, strict=True):
        if rating is not None:
            row[:] = [_PRIOR[_band(rating)][label] for label in labels]
    joint = chances * prior
    return np.asarray(joint / joint.sum(axis=1, keepdims=True), dtype=np.float32)


def _band(rating: Rating) -> str:
    share = share_of_scale(rating)
    if share >= _HIGH:
        return "high"
    if share >= _MIDDLE or (rating.kind != "nps" and share >= _MIDDLE - 0.06):
        return "middle"
    return "low" if share > _LOW else "lowest"
