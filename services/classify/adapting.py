"""An organisation's own labels -> a model that has learnt from them, within a second and without forgetting.

Two things change. The labelled texts join the neighbours and count more than the shipped ones. And labels that are more
frequent here than the model expects are favoured, guardedly: as if some more texts had been as expected, and never by
more than a bound. Weights stay as they are. Pure; the same labels give the same model.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from services.classify.features import Floats
from services.classify.model import PATHS, Examples, Head, Model, PathName, calibrated, uncalibrated
from services.classify.tagger import Tagger

LOCAL_WEIGHT = 6.0
"""How many shipped texts of the same likeness one of the organisation's own counts for."""
EXPECTED_TEXTS = 40.0
LARGEST_FAVOUR = 0.8
"""In logits: a label's odds change by a factor of 2.2 at most."""
_PRIOR_HEADS = ("stage", "areas")


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
    """The tagger's model with the labels taken in. Labels that the model does not have are left out."""
    model = tagger.model
    if not labelled:
        return msgspec.structs.replace(model, version=version)
    texts = [item.text for item in labelled]
    features = tagger.read(texts).features
    labels = np.concatenate([_truth(head, labelled) for head in model.heads], axis=1)
    paths = {}
    for name in PATHS:
        dense = tagger.vectors(texts, name)
        path = model.path(name)
        given = uncalibrated(model, features, dense, name)
        paths[name] = msgspec.structs.replace(
            path,
            near=np.concatenate([path.near, dense]),
            calibrations={
                head.name: msgspec.structs.replace(
                    path.calibrations[head.name], prior=_prior(model, head, name, given[head.name], labels)
                )
                for head in model.heads
            },
        )
    examples = model.examples
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


def _prior(model: Model, head: Head, path: PathName, given: Floats, labels: Floats) -> tuple[float, ...]:
    """Per label, the logarithm of how much more often it was given than expected."""
    before = model.path(path).calibrations[head.name]
    truth: NDArray[np.float32] = labels[:, head.columns]
    told = truth.sum(axis=1) > 0
    if head.name not in _PRIOR_HEADS or not told.any():
        return before.prior
    expected = calibrated(head, before, given[told]).mean(axis=0)
    count = truth[told].sum(axis=0)
    favour = np.log((count + EXPECTED_TEXTS * expected + 0.5) / ((told.sum() + EXPECTED_TEXTS) * expected + 0.5))
    held = np.array(before.prior or [0.0] * len(head.labels))
    return tuple(np.round(np.clip(held + favour, -LARGEST_FAVOUR, LARGEST_FAVOUR), 4).tolist())
