"""How likely each theme is told of: a linear guess per theme, judged in the light of the text's other labels.

A phrase alone is often said in passing, and most of what people tell of they tell in words that nobody foresaw. So
the phrases found, the text's vector and its likeness to the texts that tell of a theme make a first guess; one judge
for all themes weighs it against where the model sees the text (stage, area, feeling) and against the other guesses.
Knows arrays; knows no words.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec
import numpy as np

from services.classify.reading.features import Floats

MOST_HITS = 2
FACTS = 9
"""What the judge is told of a text and a theme, in this order: the guess; phrases found; how probable the theme's
stage, area and feeling are; likeness; how many texts the theme was learnt from; the distance to the best guess and to
the greatest likeness of any theme."""
FEWEST_TEXTS = 3
"""A theme that fewer texts of the corpus tell of is not learnt; its phrases speak for it."""
_CANDIDATE_FROM = 0.03
_TINY = 1e-4
_PAIRS = np.triu_indices(FACTS)


class Judge(msgspec.Struct, frozen=True):
    """A logistic regression on facts, brought to mean 0 and deviation 1, and on their products."""

    mean: Floats
    scale: Floats
    weights: Floats
    bias: float


class ThemePath(msgspec.Struct, frozen=True):
    """What one path reads: weights for phrases (themes × themes) and vectors (width × themes), and the mean direction
    of each theme's texts (width × themes). Without a judge nothing is likely."""

    phrase_weights: Floats
    dense_weights: Floats
    bias: Floats
    centres: Floats
    judge: Judge | None = None


class ThemeModel(msgspec.Struct, frozen=True):
    """The themes that were learnt, where each belongs, from how many texts, and from which chance on one is told."""

    ids: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    areas: tuple[str, ...] = ()
    strengths: tuple[bool, ...] = ()
    texts: tuple[int, ...] = ()
    fast: ThemePath | None = None
    full: ThemePath | None = None
    least: float = 1.0

    def path(self, name: Literal["fast", "full"]) -> ThemePath | None:
        """What a path reads, None where nothing was learnt."""
        return self.fast if name == "fast" else self.full


class Places(msgspec.Struct, frozen=True):
    """Where a model's heads have what the judge asks for: the column of each theme's stage and area (-1 where the head
    does not have it), and whether it is praise; the columns of positive, mixed and other feelings are by name."""

    stages: list[int]
    areas: list[int]
    strengths: list[bool]
    glad: list[int]
    sorry: list[int]


def places_of(themes: ThemeModel, labels: Mapping[str, tuple[str, ...]]) -> Places:
    """`labels`: of the heads stage, areas and sentiment."""
    stages = {label: number for number, label in enumerate(labels["stage"])}
    areas = {label: number for number, label in enumerate(labels["areas"])}
    feelings = labels["sentiment"]
    return Places(
        [stages.get(stage, -1) for stage in themes.stages],
        [areas.get(area, -1) for area in themes.areas],
        list(themes.strengths),
        [number for number, name in enumerate(feelings) if name in {"positive", "mixed"}],
        [number for number, name in enumerate(feelings) if name != "positive"],
    )


def guesses(path: ThemePath, hits: Floats, dense: Floats) -> tuple[Floats, Floats]:
    """The linear guess as logits, and the likeness to each theme's texts: both texts × themes."""
    logits = np.minimum(hits, MOST_HITS) @ path.phrase_weights + dense @ path.dense_weights + path.bias
    return logits, dense @ path.centres


def facts(
    themes: ThemeModel, places: Places, guessed: tuple[Floats, Floats], hits: Floats, chances: Mapping[str, Floats]
) -> tuple[np.ndarray, np.ndarray, Floats]:
    """Candidates as (texts, themes), and what the judge is told of each: candidates × FACTS."""
    logits, likeness = guessed
    docs, numbers = np.nonzero((hits > 0) | (logits > _logit(_CANDIDATE_FROM)))
    bounded = np.clip(logits, _logit(_TINY), -_logit(_TINY))
    glad, sorry = (chances["sentiment"][:, columns].sum(axis=1) for columns in (places.glad, places.sorry))
    feeling = np.where(np.array(places.strengths)[numbers], glad[docs], sorry[docs])
    columns = [
        bounded[docs, numbers],
        np.minimum(hits, MOST_HITS + 1)[docs, numbers],
        _logit(_column(chances["stage"], docs, np.array(places.stages)[numbers])),
        _logit(_column(chances["areas"], docs, np.array(places.areas)[numbers])),
        _logit(feeling),
        likeness[docs, numbers],
        np.log1p(np.array(themes.texts, dtype=np.float32))[numbers],
        bounded[docs, numbers] - bounded.max(axis=1)[docs],
        likeness[docs, numbers] - likeness.max(axis=1)[docs],
    ]
    return docs, numbers, np.stack(columns, axis=1).astype(np.float32)


def widened(told: Floats) -> Floats:
    """Facts and their products, candidates × (FACTS + pairs)."""
    return np.concatenate([told, told[:, _PAIRS[0]] * told[:, _PAIRS[1]]], axis=1)


def theme_chances(
    themes: ThemeModel,
    name: Literal["fast", "full"],
    hits: Floats,
    dense: Floats,
    *,
    labels: Mapping[str, tuple[str, ...]],
    chances: Mapping[str, Floats],
) -> Floats:
    """How likely each text tells of each theme: texts × themes. `labels` and `chances` are the other heads', for the
    same texts and path."""
    found = np.zeros((len(dense), len(themes.ids)), dtype=np.float32)
    path = themes.path(name)
    if path is None or path.judge is None:
        return found
    places = places_of(themes, labels)
    docs, numbers, told = facts(themes, places, guesses(path, hits, dense), hits, chances)
    found[docs, numbers] = chance_of(path.judge, told)
    return found


def chance_of(judge: Judge, told: Floats) -> Floats:
    """The judge's answer to facts, one per row."""
    scores: Floats = widened((told - judge.mean) / judge.scale) @ judge.weights + judge.bias
    return np.asarray(1 / (1 + np.exp(-scores)), dtype=np.float32)


def _column(chances: Floats, docs: np.ndarray, columns: np.ndarray) -> Floats:
    found: Floats = np.where(columns >= 0, chances[docs, np.maximum(columns, 0)], 0.0)
    return found


def _logit(chances: Floats | float) -> Floats:
    bounded = np.clip(chances, _TINY, 1 - _TINY)
    return np.asarray(np.log(bounded / (1 - bounded)), dtype=np.float32)
