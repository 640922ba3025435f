"""Features -> calibrated probabilities of every head, by two paths: linear heads averaged with nearest neighbours.

The fast path reads n-grams, the lexicon's voice and static vectors; the full path reads MiniLM's vectors in place of
the static ones. Knows arrays; knows nothing of files, of Kafka or of what is done with a probability.
"""

from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from services.classify.model.theme_chances import ThemeModel, theme_chances
from services.classify.reading.features import Features, Floats, Vocabulary

PathName = Literal["fast", "full"]
PATHS: tuple[PathName, ...] = ("fast", "full")
HEADS = ("stage", "areas", "sentiment", "intent", "severity", "severity_kind")
NO_KIND = "none"
"""Label of `severity_kind` for a text in which nothing critical is told."""

_TINY = 1e-7
_NO_VOTE = 1e-6


class Head(msgspec.Struct, frozen=True):
    """One thing to predict: its labels, and which columns of the weights are its own. `many`: labels are independent
    (areas), else one of them."""

    name: str
    labels: tuple[str, ...]
    begin: int
    many: bool

    @property
    def columns(self) -> slice:
        """Its columns of the weights."""
        return slice(self.begin, self.begin + len(self.labels))


class Calibration(msgspec.Struct, frozen=True):
    """What makes a head's numbers probabilities: logits over `temperature`, plus `shift`, plus a `prior` per label
    where an organisation's own labels showed that some are more frequent there (learning/adapting.py)."""

    temperature: float = 1.0
    shift: float = 0.0
    prior: tuple[float, ...] = ()


class Path(msgspec.Struct, frozen=True):
    """One way of reading. Weights are (features × labels of all heads); `near` holds the dense vectors of the examples;
    `dense_scale` and `lexicon_near` weigh dense features and the lexicon's part in likeness. `own` is what an
    organisation's labels add to the calibrated logits (dense features × labels of all heads)."""

    ngram_weights: Floats
    lexicon_weights: Floats
    dense_weights: Floats
    bias: Floats
    near: Floats
    calibrations: dict[str, Calibration]
    dense_scale: float
    lexicon_near: float
    own: Floats | None = None


class Examples(msgspec.Struct, frozen=True):
    """What neighbours are made of: the lexicon's voice in each training text, its labels (one column per label of all
    heads; a head that a text has no labels for is all zeros) and how much it counts."""

    lexicon: Floats
    labels: Floats
    weight: Floats


class Model(msgspec.Struct, frozen=True):
    """Everything that was learnt. `mix` is the training mix, head -> label -> share, as it counted."""

    version: str
    taxonomy: str
    lexicon: str
    vocabulary: Vocabulary
    heads: tuple[Head, ...]
    fast: Path
    full: Path
    examples: Examples
    neighbours_read: int
    neighbours_share: float
    lexicon_scale: float
    area_from: float
    critical_from: float
    mix: dict[str, dict[str, float]]
    themes: ThemeModel = ThemeModel()

    def head(self, name: str) -> Head:
        """A head by name."""
        return next(head for head in self.heads if head.name == name)

    def path(self, name: PathName) -> Path:
        """A path by name."""
        return self.fast if name == "fast" else self.full


def probabilities(model: Model, features: Features, dense: Floats, path: PathName) -> dict[str, Floats]:
    """Calibrated probabilities per head: texts × labels, and of `themes`. Rows of single-label heads sum to 1. `dense`
    are the texts' vectors of that path."""
    raw = uncalibrated(model, features, dense, path)
    by = model.path(path)
    favour = np.zeros((len(dense), 1), dtype=np.float32) if by.own is None else dense @ by.own
    found = {
        head.name: calibrated(
            head, by.calibrations[head.name], raw[head.name], favour if by.own is None else favour[:, head.columns]
        )
        for head in model.heads
    }
    labels = {head.name: head.labels for head in model.heads}
    themes = theme_chances(model.themes, path, features.themes, dense, labels=labels, chances=found)
    return found | {"themes": themes}


def uncalibrated(model: Model, features: Features, dense: Floats, path: PathName) -> dict[str, Floats]:
    """The average of linear heads and neighbours, before calibration."""
    by = model.path(path)
    scores = features.ngrams @ by.ngram_weights
    scores += (features.lexicon * model.lexicon_scale) @ by.lexicon_weights + by.bias
    scores += (dense * by.dense_scale) @ by.dense_weights
    voted = votes(model, features.lexicon, dense, path)
    share = model.neighbours_share
    found = {}
    for head in model.heads:
        part = scores[:, head.columns]
        linear = 1 / (1 + np.exp(-part)) if head.many else softmax(part)
        near = voted[:, head.columns]
        if not head.many:
            # where no neighbour has a label of this head, the linear head stands alone
            total = near.sum(axis=1, keepdims=True)
            near = np.where(total > 0.2, near / np.maximum(total, _TINY), linear)
        found[head.name] = (1 - share) * linear + share * near
    return found


def votes(model: Model, lexicon: Floats, dense: Floats, path: PathName) -> Floats:
    """What the nearest examples say: labels weighted by likeness (cubed) and by how much each counts."""
    by, examples = model.path(path), model.examples
    likeness = dense @ by.near.T
    likeness += by.lexicon_near * (unit(lexicon) @ unit(examples.lexicon).T)
    read = min(model.neighbours_read, likeness.shape[1])
    nearest = np.argpartition(-likeness, read - 1, axis=1)[:, :read]
    weights = np.maximum(np.take_along_axis(likeness, nearest, axis=1), 0) ** 3 + _NO_VOTE
    weights *= examples.weight[nearest]
    weights /= weights.sum(axis=1, keepdims=True)
    result: Floats = np.einsum("nk,nkl->nl", weights, examples.labels[nearest], optimize=True)
    return result


def calibrated(head: Head, calibration: Calibration, given: Floats, favour: Floats | float = 0.0) -> Floats:
    """Probabilities after temperature and shift, and with what an organisation's own labels favour."""
    given = np.clip(given, _TINY, 1 - _TINY)
    prior = np.array(calibration.prior or [0.0], dtype=np.float32) + favour
    if head.many:
        logits = np.log(given / (1 - given)) / calibration.temperature + calibration.shift + prior
        return np.asarray(1 / (1 + np.exp(-logits)), dtype=np.float32)
    return softmax(np.log(given) / calibration.temperature + prior)


def softmax(scores: NDArray[np.floating[Any]]) -> Floats:
    """Along the last axis."""
    exponents = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(exponents / exponents.sum(axis=-1, keepdims=True), dtype=np.float32)


def unit(matrix: Floats) -> Floats:
    """Rows of length 1; zeros stay zeros."""
    norms = np.linalg.norm(matrix, axis=1, keepdims=True)
    return np.asarray(matrix / np.maximum(norms, 1e-9), dtype=np.float32)
