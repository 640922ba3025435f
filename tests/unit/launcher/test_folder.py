"""The data folder: one launcher at a time, no newer version, leftovers ended — and nobody else's process."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from services.launcher.folder import VERSION, Running, open_folder, running
from services.launcher.refusal import CannotStart
from tests.waiting import until

WAITING = [sys.executable, "-c", "input()"]


def test_a_second_launcher_on_the_same_folder_is_refused_until_the_first_lets_go(tmp_path: Path) -> None:
    first = open_folder(tmp_path / "data")
    with pytest.raises(CannotStart, match=rf"already running on the data folder .* \(process {os.getpid()}\)"):
        open_folder(tmp_path / "data")
    first.close()
    open_folder(tmp_path / "data").close()


def test_a_folder_is_fresh_once(tmp_path: Path) -> None:
    for fresh in (True, False, False):
        folder = open_folder(tmp_path)
        assert folder.fresh is fresh
        folder.close()


@pytest.mark.parametrize("version", [str(VERSION + 1), "2027-beta"])
def test_a_folder_of_a_newer_version_is_refused_and_left_as_it_is(tmp_path: Path, version: str) -> None:
    (tmp_path / "VERSION").write_text(version)
    with pytest.raises(CannotStart, match=f"newer Palette .version {version}"):
        open_folder(tmp_path)
    assert (tmp_path / "VERSION").read_text() == version


def test_a_folder_that_cannot_be_made_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CannotStart, match="PALETTE_DATA_DIR"):
        open_folder(tmp_path / "file" / "data")


def test_a_nearly_full_disk_is_refused_and_the_lock_is_released(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("services.launcher.folder.NEEDED_BYTES", 1 << 62)
        with pytest.raises(CannotStart, match="MB left: free"):
            open_folder(tmp_path)
    folder = open_folder(tmp_path)
    assert folder.fresh, "the start that was refused has not worked here: the sample is still due"
    folder.close()


def test_a_version_that_a_full_disk_cut_off_is_written_again(tmp_path: Path) -> None:
    (tmp_path / "VERSION").touch()
    open_folder(tmp_path).close()
    assert (tmp_path / "VERSION").read_text() == f"{VERSION}\n"


def test_the_sample_stays_due_until_it_was_played(tmp_path: Path) -> None:
    folder = open_folder(tmp_path)
    folder.await_sample()
    folder.close()
    again = open_folder(tmp_path)
    assert again.sample_pending
    again.sample_played()
    assert not again.sample_pending
    again.close()


def test_what_a_previous_run_left_running_is_ended(tmp_path: Path) -> None:
    folder = open_folder(tmp_path)
    with subprocess.Popen(WAITING, stdin=subprocess.PIPE) as leftover:
        until(lambda: psutil.Process(leftover.pid).cmdline() == WAITING, what="the process to be what it was told")
        folder.write_register([running("classify", leftover, WAITING)])
        assert folder.end_leftovers() == ["classify"]
        assert not psutil.pid_exists(leftover.pid)
    assert folder.end_leftovers() == []
    folder.close()


@pytest.mark.parametrize("difference", [{"started": 1.0}, {"command": ["something", "else"]}])
def test_a_stranger_with_the_same_process_id_is_left_alone(tmp_path: Path, difference: dict[str, object]) -> None:
    folder = open_folder(tmp_path)
    with subprocess.Popen(WAITING, stdin=subprocess.PIPE) as stranger:
        entry = running("classify", stranger, WAITING)
        facts = {"name": entry.name, "pid": entry.pid, "started": entry.started, "command": entry.command}
        folder.write_register([Running(**(facts | difference))])  # type: ignore[arg-type] - facts of mixed types
        assert folder.end_leftovers() == []
        assert stranger.poll() is None
        stranger.communicate(b"\n")
    folder.close()


def test_a_torn_register_is_no_obstacle(tmp_path: Path) -> None:
    folder = open_folder(tmp_path)
    (tmp_path / "run" / "processes.json").write_text('[{"name": "class')
    assert folder.end_leftovers() == []
    folder.close()
