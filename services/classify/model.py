"""Features -> calibrated probabilities of every head: linear heads averaged with nearest neighbours.

Knows arrays; knows nothing of files, of Kafka or of what is done with a probability.
"""

from typing import Any

import msgspec
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from services.classify.features import Features, Floats, Vocabulary

HEADS = ("stage", "areas", "sentiment", "intent", "severity")
_TINY = 1e-7


class Head(msgspec.Struct, frozen=True):
    """One thing to predict: its labels, which columns of the weights are its own, how it is calibrated.

    `many`: labels are independent (areas), else one of them. Calibration: logits over `temperature`, plus `shift`.
    `sure_from` is the confidence from which the best label may stand without a person.
    """

    name: str
    labels: tuple[str, ...]
    begin: int
    many: bool
    temperature: float
    shift: float
    sure_from: float

    @property
    def columns(self) -> slice:
        """Its columns of the weights."""
        return slice(self.begin, self.begin + len(self.labels))


class Neighbours(msgspec.Struct, frozen=True):
    """The training texts as features with their labels (one column per label of all heads)."""

    ngrams: sp.csr_matrix
    lexicon: Floats
    labels: Floats


class Model(msgspec.Struct, frozen=True):
    """Everything that was learnt. Weights are (features × labels of all heads)."""

    version: str
    taxonomy: str
    lexicon: str
    vocabulary: Vocabulary
    heads: tuple[Head, ...]
    ngram_weights: Floats
    lexicon_weights: Floats
    bias: Floats
    neighbours: Neighbours
    neighbours_read: int
    neighbours_share: float
    lexicon_scale: float
    area_from: float

    def head(self, name: str) -> Head:
        """A head by name."""
        return next(head for head in self.heads if head.name == name)


def probabilities(model: Model, features: Features) -> dict[str, Floats]:
    """Calibrated probabilities per head: texts × labels. Rows of single-label heads sum to 1."""
    raw = uncalibrated(model, features)
    return {head.name: calibrated(head, raw[head.name]) for head in model.heads}


def uncalibrated(model: Model, features: Features) -> dict[str, Floats]:
    """The average of linear heads and neighbours, before calibration."""
    scores = features.ngrams @ model.ngram_weights
    scores += (features.lexicon * model.lexicon_scale) @ model.lexicon_weights + model.bias
    voted = votes(model.neighbours, features, model.neighbours_read)
    share = model.neighbours_share
    found = {}
    for head in model.heads:
        part = scores[:, head.columns]
        linear = 1 / (1 + np.exp(-part)) if head.many else softmax(part)
        found[head.name] = (1 - share) * linear + share * voted[:, head.columns]
    return found


def votes(neighbours: Neighbours, features: Features, read: int) -> Floats:
    """What the nearest training texts say: similarity (cubed) weighted labels. Half n-grams, half lexicon."""
    near = (features.ngrams @ neighbours.ngrams.T).toarray()
    near += _unit(features.lexicon) @ _unit(neighbours.lexicon).T
    read = min(read, near.shape[1])
    nearest = np.argpartition(-near, read - 1, axis=1)[:, :read]
    weights = np.take_along_axis(near, nearest, axis=1) ** 3 + 1e-6
    weights /= weights.sum(axis=1, keepdims=True)
    rows = np.repeat(np.arange(len(near)), read)
    spread = sp.csr_matrix((weights.ravel(), (rows, nearest.ravel())), shape=near.shape)
    result: Floats = np.asarray(spread @ neighbours.labels, dtype=np.float32)
    return result


def calibrated(head: Head, given: Floats) -> Floats:
    """Probabilities after temperature and shift."""
    given = np.clip(given, _TINY, 1 - _TINY)
    if head.many:
        logits = np.log(given / (1 - given)) / head.temperature + head.shift
        return np.asarray(1 / (1 + np.exp(-logits)), dtype=np.float32)
    return softmax(np.log(given) / head.temperature)


def softmax(scores: NDArray[np.floating[Any]]) -> Floats:
    """Along the last axis."""
    exponents = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(exponents / exponents.sum(axis=-1, keepdims=True), dtype=np.float32)


def _unit(matrix: Floats) -> Floats:
    norms = np.linalg.norm(matrix, axis=1, keepdims=True)
    return np.asarray(matrix / np.maximum(norms, 1e-9), dtype=np.float32)
