"""The static vectors: verified before they are used, small, quick, and near MiniLM in what they find alike."""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from services.classify.reading.minilm import MiniLM
from services.classify.reading.static import DIGEST, FOLDER, LARGEST_BYTES, TABLE, StaticTable, load_table, save_table
from services.classify.tagging.tagger import Encoder
from services.classify.training.corpus import Example
from services.contracts.errors import Misconfigured

TIMES_FASTER = 30
LIKE_MINILM = 0.7


@pytest.fixture(scope="module")
def table() -> StaticTable:
    """The shipped table."""
    return load_table()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The shipped table, to be spoilt."""
    return Path(shutil.copytree(FOLDER, tmp_path / "static_table"))


def test_the_shipped_table_is_small() -> None:
    assert (FOLDER / TABLE).stat().st_size <= LARGEST_BYTES


def test_a_changed_table_is_refused(copy: Path) -> None:
    data = bytearray((copy / TABLE).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / TABLE).write_bytes(data)
    with pytest.raises(Misconfigured, match="is not the file that"):
        load_table(copy)


@pytest.mark.parametrize("missing", [TABLE, DIGEST])
def test_a_missing_file_is_refused(copy: Path, missing: str) -> None:
    (copy / missing).unlink()
    with pytest.raises(Misconfigured, match="make distil"):
        load_table(copy)


def test_what_was_saved_is_loaded_to_the_precision_of_a_byte(tmp_path: Path) -> None:
    rows = np.zeros((40_000, 8), dtype=np.float32)
    rows[1_000:20_000] = np.random.default_rng(5).normal(size=(19_000, 8))
    digest = save_table(rows, tmp_path)
    assert (tmp_path / DIGEST).read_text(encoding="ascii").split()[0] == digest
    texts = ["where is my parcel", "the parcel is late"]
    assert load_table(tmp_path).encode(texts) == pytest.approx(StaticTable(rows).encode(texts), abs=0.02)


def test_vectors_have_length_one_and_those_of_nothing_are_zero(table: StaticTable) -> None:
    lengths = np.linalg.norm(table.encode(["the parcel is late", "", "   ", "late"]), axis=1)
    assert lengths == pytest.approx([1, 0, 0, 1], abs=1e-5)
    assert table.encode([]).shape == (0, table.width)


def test_company_and_order_change_no_vector(table: StaticTable) -> None:
    texts = ["late again", "", "why was I charged twice?", "word " * 10_000]
    alone = np.concatenate([table.encode([text]) for text in texts])
    assert table.encode(texts[::-1])[::-1] == pytest.approx(alone, abs=1e-6)


def test_they_find_alike_what_minilm_finds_alike_in_a_fraction_of_the_time(
    table: StaticTable, corpus: list[Example]
) -> None:
    texts = [example.text for example in corpus[::60]]
    slow, slow_seconds = _timed(MiniLM(), texts)
    quick, quick_seconds = _timed(table, texts)
    pairs = np.triu_indices(len(texts), 1)
    assert np.corrcoef((slow @ slow.T)[pairs], (quick @ quick.T)[pairs])[0, 1] >= LIKE_MINILM
    assert slow_seconds >= TIMES_FASTER * quick_seconds


def _timed(encoder: Encoder, texts: Sequence[str]) -> tuple[np.ndarray, float]:
    """Vectors, and CPU seconds for them."""
    encoder.encode(texts[:2])
    started = time.process_time()
    vectors = encoder.encode(texts)
    return vectors, time.process_time() - started
