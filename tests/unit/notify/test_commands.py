"""`targets.yaml` checked from the command line."""

from pathlib import Path

import pytest

from services.notify.commands import check_targets


def test_the_file_that_ships_is_right(capsys: pytest.CaptureFixture[str]) -> None:
    assert check_targets(Path(__file__).parents[3] / "deploy" / "policy") == 0
    assert capsys.readouterr().out == "targets.yaml is right: actions.\n"


def test_a_mistake_is_printed_with_its_line_and_ends_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "targets.yaml").write_text("targets:\n  - {name: a, kind: jsonlnes}\n", encoding="utf-8")
    assert check_targets(tmp_path) == 1
    assert capsys.readouterr().err == (
        "targets.yaml:2: `jsonlnes` is not allowed for targets[1].kind. Did you mean jsonlines?\n"
    )


def test_a_folder_without_the_file_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check_targets(tmp_path) == 1
    assert "cannot be read (FileNotFoundError)" in capsys.readouterr().err
