"""A small file is whole or absent."""

import os
from pathlib import Path

import pytest

from services.kit.files import write_whole


def test_a_file_is_written_with_its_mode_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    write_whole(tmp_path / "key", b"secret", mode=0o600)
    write_whole(tmp_path / "key", b"other", mode=0o600)

    assert (tmp_path / "key").read_bytes() == b"other"
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_what_was_there_stays_when_the_disk_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "key").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(OSError, match="No space"):
        write_whole(tmp_path / "key", b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("key", b"old")]
