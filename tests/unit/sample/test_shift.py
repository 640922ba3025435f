"""The sample moves once, and stays where it was put."""

from datetime import date, timedelta
from pathlib import Path

from services.launcher.sample import player


def test_the_move_is_decided_at_the_first_load(tmp_path: Path) -> None:
    first = player._shift(tmp_path / "sample.json", date(2027, 1, 1))

    assert player._shift(tmp_path / "sample.json", date(2027, 1, 1) + timedelta(days=9)) == first


def test_a_note_of_the_move_that_was_cut_off_is_written_again(tmp_path: Path) -> None:
    (tmp_path / "sample.json").touch()
    first = player._shift(tmp_path / "sample.json", date(2027, 1, 1))

    assert player._shift(tmp_path / "sample.json", date(2027, 1, 2)) == first
