"""An organisation's own labels -> a model that has learnt from them, within a second and without forgetting.

Two things change. The labelled texts join the neighbours. And a correction of the logits is learnt from the texts'
vectors: a logistic regression that begins at the model's own answer and is held near it, so that a few labels move a
little and many move much; its bias, the prior of labels, is held hardest. The shipped weights stay as they are. Pure;
the same labels give the same model.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from services.classify.model.probabilities import (
    PATHS,
    Examples,
    Head,
    Model,
    Path,
    PathName,
    calibrated,
    softmax,
    uncalibrated,
)
from services.classify.reading.features import Floats
from services.classify.tagging.tagger import Tagger

LOCAL_WEIGHT = 1.0
"""How many shipped texts of the same likeness one of the organisation's own counts for."""
HELD = 0.7
PRIOR_HELD = 20.0
"""How strongly the correction is held at nothing (L2): its weights, and its prior, which 30 labels may hardly move."""
_STEPS = 80
_TINY = 1e-6


class LabelledText(msgspec.Struct, frozen=True):
    """What a person says about a text; None where nothing was said. `group` keeps together what must not be torn
    apart when models are judged (a case, a conversation, a customer); `model` is the version that was corrected."""

    text: str
    stage: str | None = None
    areas: tuple[str, ...] | None = None
    sentiment: str | None = None
    intent: str | None = None
    severity: int | None = None
    group: str = ""
    by: str = ""
    at: str = ""
    model: str = ""


def adapt(tagger: Tagger, labelled: Sequence[LabelledText], *, version: str) -> Model:
    """The tagger's model with the labels taken in. Labels that the model does not have are left out. On a tagger
    without MiniLM the full path learns nothing."""
    model = tagger.model
    if not labelled:
        return msgspec.structs.replace(model, version=version)
    texts = [item.text for item in labelled]
    features = tagger.read(texts).features
    truth = {head.name: _truth(head, labelled) for head in model.heads}
    paths = {}
    for name in PATHS:
        path = model.path(name)
        dense = np.zeros((len(texts), path.near.shape[1]), dtype=np.float32)
        if name == "fast" or tagger.has_full:
            dense = tagger.vectors(texts, name)
            path = _corrected(model, name, dense, uncalibrated(model, features, dense, name), truth)
        paths[name] = msgspec.structs.replace(path, near=np.concatenate([path.near, dense]))
    examples = model.examples
    labels = np.concatenate([truth[head.name] for head in model.heads], axis=1)
    return msgspec.structs.replace(
        model,
        version=version,
        fast=paths["fast"],
        full=paths["full"],
        examples=Examples(
            np.concatenate([examples.lexicon, features.lexicon]),
            np.concatenate([examples.labels, labels]),
            np.concatenate([examples.weight, np.full(len(texts), LOCAL_WEIGHT, dtype=np.float32)]),
        ),
    )


def _truth(head: Head, labelled: Sequence[LabelledText]) -> Floats:
    """Texts × labels; a row of zeros where nothing was said."""
    places = {label: number for number, label in enumerate(head.labels)}
    truth = np.zeros((len(labelled), len(head.labels)), dtype=np.float32)
    for row, item in zip(truth, labelled, strict=True):
        said = item.areas if head.name == "areas" else getattr(item, head.name, None)
        for label in said if isinstance(said, tuple) else () if said is None else (str(said),):
            if label in places:
                row[places[label]] = 1
    return truth


def _corrected(model: Model, name: PathName, dense: Floats, given: dict[str, Floats], truth: dict[str, Floats]) -> Path:
    """The path with the correction that makes the labels most likely."""
    path = model.path(name)
    own = np.zeros((dense.shape[1], path.bias.shape[0]), dtype=np.float32) if path.own is None else path.own.copy()
    calibrations = dict(path.calibrations)
    for head in model.heads:
        told = truth[head.name].sum(axis=1) > 0
        if not told.any():
            continue
        before = calibrations[head.name]
        chances = calibrated(head, before, given[head.name][told], dense[told] @ own[:, head.columns])
        weights, prior = _correction(head, dense[told], chances, truth[head.name][told])
        own[:, head.columns] += weights
        held = np.array(before.prior or [0.0] * len(head.labels))
        calibrations[head.name] = msgspec.structs.replace(before, prior=tuple((held + prior).round(4).tolist()))
    return msgspec.structs.replace(path, own=own, calibrations=calibrations)


def _correction(head: Head, dense: Floats, chances: Floats, truth: Floats) -> tuple[Floats, NDArray[np.float64]]:
    """Weights (dense × labels) and a prior to add to the logits of `chances`."""
    width, labels = dense.shape[1], truth.shape[1]
    chances = np.clip(chances, _TINY, 1 - _TINY)
    begun = np.log(chances / (1 - chances)) if head.many else np.log(chances)

    def surprise(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights, prior = parameters[: width * labels].reshape(width, labels), parameters[width * labels :]
        logits = begun + dense @ weights + prior
        now = np.clip(1 / (1 + np.exp(-logits)) if head.many else softmax(logits), _TINY, 1 - _TINY)
        against = (1 - truth) * np.log(1 - now) if head.many else 0.0
        loss = -float((truth * np.log(now) + against).sum())
        loss += 0.5 * (HELD * float((weights**2).sum()) + PRIOR_HELD * float((prior**2).sum()))
        slope = now - truth
        return loss, np.concatenate(
            [(dense.T @ slope + HELD * weights).ravel(), slope.sum(axis=0) + PRIOR_HELD * prior]
        )

    best = minimize(
        surprise, np.zeros(width * labels + labels), jac=True, method="L-BFGS-B", options={"maxiter": _STEPS}
    ).x
    return best[: width * labels].reshape(width, labels).astype(np.float32), best[width * labels :]
