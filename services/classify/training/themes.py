"""Themes that readers found in the corpus -> what tells them. Pure, with fixed seeds."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from services.classify.model.probabilities import PATHS, Model, PathName, calibrated, unit
from services.classify.model.theme_chances import (
    FEWEST_TEXTS,
    MOST_HITS,
    Judge,
    ThemeModel,
    ThemePath,
    chance_of,
    facts,
    places_of,
    widened,
)
from services.classify.reading.features import Floats
from services.classify.taxonomy.labels import Taxonomy
from services.classify.training.corpus import Example
from services.classify.training.folds import Fold

STRENGTH = 4.0
JUDGE_STRENGTH = 0.3
DENSE_SCALE = 2.5
PRECISION = 0.80
"""Share of the themes said, in texts of industries left out, that readers wrote down or confirmed."""
_IMPROBABLE = -12.0


def truth_of(ids: Sequence[str], examples: Sequence[Example]) -> NDArray[np.int8]:
    """Examples × themes."""
    places = {theme: number for number, theme in enumerate(ids)}
    truth = np.zeros((len(examples), len(ids)), dtype=np.int8)
    for row, example in zip(truth, examples, strict=True):
        row[[places[theme] for theme in example.themes]] = 1
    return truth


def guessing(
    taxonomy: Taxonomy,
    ids: Sequence[str],
    examples: Sequence[Example],
    hits: Floats,
    dense: Mapping[PathName, Floats],
) -> ThemeModel:
    """Themes with their linear guesses on the paths that have vectors, and no judge yet."""
    truth = truth_of(ids, examples)
    themes = [taxonomy.theme[theme] for theme in ids]
    paths = {name: _guessing(hits, vectors, truth) for name, vectors in dense.items()}
    return ThemeModel(
        ids=tuple(ids),
        stages=tuple(theme.stage for theme in themes),
        areas=tuple(theme.area for theme in themes),
        strengths=tuple(theme.kind == "strength" for theme in themes),
        texts=tuple(int(count) for count in truth.sum(axis=0)),
        fast=paths.get("fast"),
        full=paths.get("full"),
    )


def judged(model: Model, examples: Sequence[Example], folds: Sequence[Fold], weight: NDArray[np.float64]) -> ThemeModel:
    """The model's themes with a judge per path that learnt from the folds' guesses for texts they were not learnt from,
    and with the chance from which on a theme is said. `weight`: of each example."""
    themes = model.themes
    places = places_of(themes, {head.name: head.labels for head in model.heads})
    truth = truth_of(themes.ids, examples)
    learnt: dict[PathName, ThemePath] = {}
    least: dict[PathName, float] = {}
    for name in PATHS:
        path = themes.path(name)
        assert path is not None, "a model is judged with both paths"
        rows, columns, told = [], [], []
        for fold in folds:
            chances = {
                head.name: calibrated(head, model.path(name).calibrations[head.name], fold.given[name][head.name])
                for head in model.heads
            }
            docs, numbers, found = facts(themes, places, fold.themes[name], fold.hits, chances)
            rows.append(np.array(fold.unseen)[docs])
            columns.append(numbers)
            told.append(found)
        row, column, fact = np.concatenate(rows), np.concatenate(columns), np.concatenate(told)
        judge = _judge(fact, truth[row, column], weight[row])
        learnt[name] = msgspec.structs.replace(path, judge=judge)
        said = np.zeros(truth.shape, dtype=np.float32)
        said[row, column] = chance_of(judge, fact)
        least[name] = _least_chance(said, truth, weight)
    return msgspec.structs.replace(themes, fast=learnt["fast"], full=learnt["full"], least=least["full"])


def _guessing(hits: Floats, dense: Floats, truth: NDArray[np.int8]) -> ThemePath:
    """The linear guesses and the centres; no judge yet."""
    inputs = sp.hstack([sp.csr_matrix(np.minimum(hits, MOST_HITS)), sp.csr_matrix(dense * DENSE_SCALE)]).tocsr()
    count = truth.shape[1]
    weights, bias = np.zeros((inputs.shape[1], count)), np.full(count, _IMPROBABLE)
    centres = np.zeros((dense.shape[1], count), dtype=np.float32)

    def learn(number: int) -> None:
        told = truth[:, number]
        learnt = LogisticRegression(C=STRENGTH, solver="liblinear", max_iter=300, random_state=0).fit(inputs, told)
        weights[:, number], bias[number] = learnt.coef_[0], learnt.intercept_[0]
        centres[:, number] = dense[told > 0].mean(axis=0)

    with ThreadPoolExecutor(os.cpu_count()) as threads:  # the solver lets go of the interpreter
        list(threads.map(learn, np.flatnonzero(truth.sum(axis=0) >= FEWEST_TEXTS).tolist()))
    return ThemePath(
        phrase_weights=weights[:count].astype(np.float32),
        dense_weights=(weights[count:] * DENSE_SCALE).astype(np.float32),
        bias=bias.astype(np.float32),
        centres=unit(centres.T).T,
    )


def _judge(told: Floats, right: NDArray[np.int8], weight: NDArray[np.float64]) -> Judge:
    """`told`: facts of candidates in texts that the guesses were not learnt from; `weight`: of each one's text."""
    mean, scale = told.mean(axis=0), told.std(axis=0) + 1e-6
    inputs = widened((told - mean) / scale)
    spread = inputs.std(axis=0) + 1e-6
    learnt = LogisticRegression(C=JUDGE_STRENGTH, max_iter=1000).fit(inputs / spread, right, sample_weight=weight)
    return Judge(mean, scale, (learnt.coef_[0] / spread).astype(np.float32), float(learnt.intercept_[0]))


def _least_chance(chances: Floats, truth: NDArray[np.int8], weight: NDArray[np.float64]) -> float:
    """The lowest chance from which on `PRECISION` of what is said stands in the truth."""
    order = np.argsort(-chances, axis=None, kind="stable")
    counted = np.repeat(weight, chances.shape[1])[order]
    right = np.cumsum((truth.ravel()[order] > 0) * counted) / np.cumsum(counted)
    enough = np.flatnonzero((right >= PRECISION) & (chances.ravel()[order] > 0))
    return float(chances.ravel()[order][enough[-1]]) if len(enough) else 1.0
