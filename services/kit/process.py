"""How any process of Palette begins and ends: settings, log, registry, health; and which exit code means what."""

import ctypes
import fcntl
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path

from prometheus_client import CollectorRegistry

from services import VERSION
from services.contracts.errors import EXIT_DEPENDENCY_AWAY, EXIT_MISCONFIGURED, Misconfigured, Unavailable
from services.kit.health import Health
from services.kit.logs import Log, start_logging
from services.kit.metrics import new_registry
from services.kit.settings import Settings

EXIT_BUG = 70
"""Exit code after an exception that nobody foresaw (EX_SOFTWARE)."""


@dataclass(frozen=True)
class Process:
    """What every process has in its hands when it starts."""

    name: str
    settings: Settings
    log: Log
    registry: CollectorRegistry
    health: Health = field(default_factory=Health)
    version: str = VERSION

    def end(self, code: int) -> None:
        """Ends this process now, without any clean-up that might acknowledge what is not done."""
        sys.stderr.flush()
        os._exit(code)

    def crash(self, event: str, error: BaseException) -> None:
        """Ends this process because of a bug, or because a dependency went away."""
        if isinstance(error, Unavailable):
            self.log.warning("a dependency is away", detail=str(error))
            self.end(EXIT_DEPENDENCY_AWAY)
        self.log.bug(event, error)
        self.end(EXIT_BUG)


def run(name: str, main: Callable[[Process], None]) -> None:
    """Runs a service's `main` and exits: 0 in order, 75 a dependency is away, 78 misconfigured, 70 a bug."""
    try:
        settings = Settings.load()
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        log = start_logging(name, settings.data_dir, settings.log_level)
    except Misconfigured as error:
        _say(name, error.problems)
        sys.exit(EXIT_MISCONFIGURED)
    except OSError as error:
        _say(name, [f"the data folder cannot be written ({error.strerror}); see PALETTE_DATA_DIR."])
        sys.exit(EXIT_MISCONFIGURED)
    process = Process(name, settings, log, new_registry(version=VERSION, data_dir=settings.data_dir))
    log.info("starting", version=VERSION, settings=settings.shown())
    try:
        main(process)
    except Misconfigured as error:
        for sentence in error.problems:
            log.error("cannot start", problem=sentence)
        sys.exit(EXIT_MISCONFIGURED)
    except Unavailable as error:
        log.warning("a dependency is away", detail=str(error))
        sys.exit(EXIT_DEPENDENCY_AWAY)
    except Exception as error:
        log.bug("ended by a bug", error)
        sys.exit(EXIT_BUG)
    log.info("ended")


def _say(name: str, problems: tuple[str, ...] | list[str]) -> None:
    for sentence in problems:
        sys.stderr.write(f"{name}: {sentence}\n")


class WorkerLock:
    """Holds the name of a worker against a second one on the same data folder: two static members with one name would
    throw each other out of the group for ever."""

    def __init__(self, data_dir: Path, name: str, worker: str) -> None:
        folder = data_dir / "worker"
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{name}-{worker}.lock"
        self._file: TextIOWrapper = self.path.open("a")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise Misconfigured(
                [f"Another {name} named {worker!r} runs on this data folder; give this one its own PALETTE_WORKER."]
            ) from None

    def release(self) -> None:
        self._file.close()


def return_freed_memory() -> None:
    """Hands memory that a start-up needed and freed back to the system, where libc can."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):
        return
