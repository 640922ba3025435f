"""Ids are remembered across processes, and one process holds them at a time."""

from pathlib import Path

import pytest

from services.contracts.errors import Misconfigured
from services.ingest.io.ids import SeenIds

A, B = bytes(16), b"\x01" * 16


def test_what_was_added_is_known_after_a_restart(tmp_path: Path) -> None:
    first = SeenIds(tmp_path / "ids")
    assert first.known([A, B]) == [None, None]
    first.add([(A, B)])
    first.add(())
    assert first.known([A, B]) == [B, None]
    first.sync()
    first.close()
    again = SeenIds(tmp_path / "ids")
    assert again.known([A]) == [B]
    again.close()


def test_a_second_process_is_refused_in_plain_words(tmp_path: Path) -> None:
    first = SeenIds(tmp_path / "ids")
    with pytest.raises(Misconfigured, match="Another ingest"):
        SeenIds(tmp_path / "ids")
    first.close()


def test_after_a_failed_write_nothing_is_forgotten(tmp_path: Path) -> None:
    ids = SeenIds(tmp_path / "ids")
    ids._db.close()  # what a full disk leaves: a database that refuses
    with pytest.raises(OSError, match="cannot be written"):
        ids.add([(A, B)])
    assert ids.known([A, B]) == [B, None]
    ids.add(())
    ids.close()
    again = SeenIds(tmp_path / "ids")
    assert again.known([A]) == [B]
    again.close()
