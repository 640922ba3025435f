"""Static vectors: the mean of one trained vector per word piece, made to imitate MiniLM (training/distil.py).

A sentence vector for the price of a look-up. The table is committed small: bytes with a scale per row, verified by its
digest before use. Knows nothing of labels.
"""

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from services.classify.reading.minilm import package_folder, word_pieces
from services.contracts.errors import Misconfigured

Floats = NDArray[np.float32]

FOLDER = Path(__file__).parent / "static_table"
TABLE = "table.npz"
DIGEST = "table.npz.sha256"
LARGEST_BYTES = 8_000_000
_MOST_BYTE = 127
_TINY = 1e-9


class StaticTable:
    """Vectors of texts, of length 1. Stateless after construction; 30 MB."""

    def __init__(self, rows: Floats) -> None:
        """`rows`: one vector per word piece, zeros for pieces without."""
        self._rows = rows
        self._pieces = word_pieces(package_folder())

    @property
    def width(self) -> int:
        """Numbers per vector."""
        return int(self._rows.shape[1])

    def encode(self, texts: Sequence[str]) -> Floats:
        """Vectors: texts × width; zeros for a text without a known piece."""
        vectors: Floats = self.bags(texts) @ self._rows
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), _TINY)
        return vectors

    def bags(self, texts: Sequence[str]) -> sp.csr_matrix:
        """How often each piece stands in each text: texts × pieces."""
        found = [encoding.ids for encoding in self._pieces.encode_batch_fast(list(texts), add_special_tokens=False)]
        ends = np.cumsum([0, *(len(ids) for ids in found)])
        ids = np.fromiter((number for ids in found for number in ids), dtype=np.int32, count=int(ends[-1]))
        counts = np.ones(len(ids), dtype=np.float32)
        return sp.csr_matrix((counts, ids, ends), shape=(len(found), len(self._rows)))


def load_table(folder: Path = FOLDER) -> StaticTable:
    """The committed table. Raises Misconfigured when it is missing or was changed."""
    try:
        data = (folder / TABLE).read_bytes()
        stated = (folder / DIGEST).read_text(encoding="ascii").split()[0]
    except (OSError, IndexError):
        raise Misconfigured(
            [f"The static vectors in {folder.name}/ are not complete; `make distil` builds them."]
        ) from None
    if hashlib.sha256(data).hexdigest() != stated:
        raise Misconfigured([f"{TABLE} is not the file that {DIGEST} names; take both from one version."])
    with np.load(io.BytesIO(data), allow_pickle=False) as stored:
        rows = np.zeros((int(stored["pieces"]), stored["bytes"].shape[1]), dtype=np.float32)
        rows[stored["ids"]] = stored["bytes"] * stored["scale"].astype(np.float32)[:, None]
    return StaticTable(rows)


def save_table(rows: Floats, folder: Path = FOLDER) -> str:
    """Writes rows as bytes, with their digest. Answers the digest."""
    folder.mkdir(parents=True, exist_ok=True)
    ids = np.flatnonzero(np.abs(rows).max(axis=1) > 0)
    scale = (np.abs(rows[ids]).max(axis=1) / _MOST_BYTE).astype(np.float16)
    whole = np.clip(np.round(rows[ids] / scale[:, None].astype(np.float32)), -_MOST_BYTE, _MOST_BYTE).astype(np.int8)
    packed = io.BytesIO()
    np.savez_compressed(packed, bytes=whole, scale=scale, ids=ids.astype(np.int32), pieces=np.int64(len(rows)))
    (folder / TABLE).write_bytes(packed.getvalue())
    digest = hashlib.sha256(packed.getvalue()).hexdigest()
    (folder / DIGEST).write_text(f"{digest}  {TABLE}\n", encoding="ascii")
    return digest
