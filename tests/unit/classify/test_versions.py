"""The models folder: whole or absent, found by digest, every verdict kept."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.classify.io.versions import Card, Files, Judged, Versions
from services.classify.learning.judging import nothing_new
from services.contracts.errors import Misconfigured

NOW = datetime(2026, 11, 20, tzinfo=UTC)
JUDGED = Judged(NOW, "ana", "shipped-1", nothing_new())


def save(model: bytes, folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    if model == b"no room":
        raise OSError("no room")
    (folder / "model").write_bytes(model)
    digest = hashlib.sha256(model).hexdigest()
    (folder / "digest").write_text(digest)
    return digest


@pytest.fixture
def versions(tmp_path: Path) -> Versions[bytes]:
    save(b"shipped", tmp_path / "shipped")
    files = Files[bytes](save=save, digest_of=lambda folder: (folder / "digest").read_text())
    return Versions(tmp_path / "models", shipped=tmp_path / "shipped", version="shipped-1", files=files)


def card(version: str, *, hour: int = 1) -> Card:
    return Card(version=version, digest="", by="ana", at=NOW.replace(hour=hour), labels=2, learnt=("e-1", "e-2"))


def test_a_kept_version_is_found_by_its_digest_and_by_no_other(versions: Versions[bytes]) -> None:
    kept = versions.keep(b"one", card("local-1"), JUDGED)

    assert (versions.folder_of("local-1", digest=kept.digest) / "model").read_bytes() == b"one"
    assert versions.card("local-1") == kept
    for name, digest in (("local-1", "0" * 64), ("local-2", kept.digest), ("../shipped", kept.digest)):
        with pytest.raises(Misconfigured):
            versions.folder_of(name, digest=digest)


def test_the_shipped_one_is_always_there_and_last_in_the_list(versions: Versions[bytes]) -> None:
    versions.keep(b"one", card("local-1"), JUDGED)
    versions.keep(b"two", card("local-2", hour=2), JUDGED)

    assert [c.version for c in versions.cards()] == ["local-2", "local-1", "shipped-1"]
    assert versions.folder_of("shipped-1", digest=hashlib.sha256(b"shipped").hexdigest()).name == "shipped"


def test_a_second_verdict_is_added_and_the_files_stay(versions: Versions[bytes]) -> None:
    versions.keep(b"one", card("local-1"), JUDGED)
    again = versions.keep(b"other bytes", card("local-1", hour=5), JUDGED)

    assert len(again.judged) == 2
    assert (versions.folder_of("local-1", digest=again.digest) / "model").read_bytes() == b"one"


def test_what_could_not_be_written_whole_is_not_there(versions: Versions[bytes], tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no room"):
        versions.keep(b"no room", card("local-3"), JUDGED)
    (tmp_path / "models" / ".building-1").mkdir()
    versions.sweep()

    assert list((tmp_path / "models").iterdir()) == []
