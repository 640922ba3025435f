"""The data folder: who works in it, which version wrote it, and which processes a previous run left behind.

Knows files and the process table; knows nothing of what services keep in their own corners of the folder.
"""

import contextlib
import errno
import fcntl
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psutil

from services.kit.files import write_whole
from services.launcher.refusal import CannotStart

VERSION = 1
"""Of the folder's layout; raised by a change that an older Palette would stumble over."""
NEEDED_BYTES = 300_000_000
LEFTOVER_GRACE_S = 5.0
_START_TOLERANCE_S = 2.0


class Running(msgspec.Struct, frozen=True):
    """A child as the register names it; all three together make it unmistakable, a process id alone does not."""

    name: str
    pid: int
    started: float
    command: list[str]


@dataclass(frozen=True)
class DataFolder:
    """A locked folder. `fresh` says that no Palette had worked in it before."""

    path: Path
    fresh: bool
    _lock: int

    @property
    def log_dir(self) -> Path:
        return self.path / "log"

    def close(self) -> None:
        """Let go of the lock; a launcher that dies lets go of it too."""
        os.close(self._lock)

    @property
    def sample_pending(self) -> bool:
        """Whether the bundled sample still has to be played."""
        return self._sample_mark.exists()

    def await_sample(self) -> None:
        """Remember, across starts, that the sample has to be played."""
        self._sample_mark.touch()

    def sample_played(self) -> None:
        """The sample is in."""
        self._sample_mark.unlink(missing_ok=True)

    @property
    def _sample_mark(self) -> Path:
        return self.path / "run" / "sample-pending"

    def write_register(self, running: Sequence[Running]) -> None:
        """Name the children that run now, for a start that finds them orphaned."""
        path = self.path / "run" / "processes.json"
        draft = path.with_suffix(".draft")
        draft.write_bytes(msgspec.json.format(msgspec.json.encode(list(running))))
        os.replace(draft, path)

    def end_leftovers(self) -> list[str]:
        """End what a previous run left running; answers their names. Call before anything is started."""
        found = []
        for entry in self._read_register():
            process = _same_process(entry)
            if process is not None:
                _end(process)
                found.append(entry.name)
        self.write_register([])
        return found

    def _read_register(self) -> list[Running]:
        try:
            return msgspec.json.decode((self.path / "run" / "processes.json").read_bytes(), type=list[Running])
        except (OSError, msgspec.DecodeError):
            return []


def open_folder(path: Path) -> DataFolder:
    """Make the folder where needed, lock it, check its version and room. Raises CannotStart."""
    try:
        for part in (path, path / "log", path / "run"):
            part.mkdir(parents=True, exist_ok=True)
        lock = os.open(path / "run" / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _lock(lock, path)
            fresh = _check_version(path)
            _check_room(path)
            if fresh:
                write_whole(path / "VERSION", b"%d\n" % VERSION)
        except BaseException:
            os.close(lock)
            raise
    except OSError as error:
        raise CannotStart(unwritable(path, error)) from error
    return DataFolder(path, fresh, lock)


def unwritable(path: Path, error: OSError) -> str:
    """The sentence for a data folder that cannot be written."""
    advice = "free some room" if error.errno in {errno.ENOSPC, errno.EDQUOT} else "give this user the right to write it"
    return (
        f"The data folder {path} cannot be written ({error.strerror}): {advice}, "
        "or set PALETTE_DATA_DIR to another folder."
    )


def running(name: str, process: subprocess.Popen[bytes], command: Sequence[str]) -> Running:
    """The register's entry of a child that was just started."""
    try:
        started = psutil.Process(process.pid).create_time()
    except psutil.NoSuchProcess:
        started = 0.0
    return Running(name=name, pid=process.pid, started=started, command=list(command))


def _lock(lock: int, path: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(lock, 20, 0).decode("ascii", "replace").strip() or "unknown"
        raise CannotStart(
            f"Palette is already running on the data folder {path} (process {holder}): "
            "stop it first, or set PALETTE_DATA_DIR to another folder for a second one."
        ) from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, b"%d\n" % os.getpid(), 0)


def _check_version(path: Path) -> bool:
    """Whether no Palette has worked here before. An empty file is what a full disk left of it."""
    file = path / "VERSION"
    text = file.read_text(encoding="utf-8", errors="replace").strip() if file.exists() else ""
    if not text:
        return True
    if not text.isdecimal() or int(text) > VERSION:
        raise CannotStart(
            f"The data folder {path} is of a newer Palette (version {text[:20]}, this one knows {VERSION}): "
            "bring Palette up to date, or set PALETTE_DATA_DIR to another folder."
        )
    return False


def _check_room(path: Path) -> None:
    free = shutil.disk_usage(path).free
    if free < NEEDED_BYTES:
        raise CannotStart(
            f"The disk of the data folder {path} has only {free // 1_000_000} MB left: free {NEEDED_BYTES // 1_000_000}"
            " MB, or set PALETTE_DATA_DIR to a folder on another disk."
        )


def _same_process(entry: Running) -> psutil.Process | None:
    try:
        process = psutil.Process(entry.pid)
        same = abs(process.create_time() - entry.started) < _START_TOLERANCE_S and process.cmdline() == entry.command
    except psutil.Error:
        return None
    return process if same else None


def _end(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.Error):
        family = [process, *process.children(recursive=True)]
        process.terminate()
        psutil.wait_procs(family[:1], timeout=LEFTOVER_GRACE_S)
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        psutil.wait_procs(family, timeout=LEFTOVER_GRACE_S)
