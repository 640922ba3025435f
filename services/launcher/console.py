"""What the person at the terminal sees: the launcher's own lines, and the children's warnings with a service column.

A child's stderr goes to a file (it never blocks on a terminal that was paused); this module reads what the files
gained. On a terminal long steps have a bar, elsewhere plain lines. Knows nothing of what the lines mean.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from rich.console import Console as Terminal
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

COLUMN = 9
TRUNCATE_BYTES = 20_000_000
_READ_BYTES = 256_000


class Tail:
    """Reads the lines that a growing file gained since the last look. The file may be emptied or not exist yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._at = 0
        self._rest = b""

    def lines(self) -> list[str]:
        """New whole lines; the file is emptied when it has grown too large."""
        try:
            with self.path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size < self._at:
                    self._at, self._rest = 0, b""
                file.seek(self._at)
                chunk = file.read(_READ_BYTES)
        except FileNotFoundError:
            return []
        self._at += len(chunk)
        *whole, self._rest = (self._rest + chunk).split(b"\n")
        if self._at > TRUNCATE_BYTES:
            os.truncate(self.path, 0)  # its writer appends, so it goes on at the start
            self._at = 0
        return [line.decode("utf-8", "replace") for line in whole]


class Console:
    """Lines with a service column, to stdout."""

    def __init__(self, terminal: Terminal | None = None) -> None:
        self._terminal = terminal or Terminal(file=sys.stdout)
        self._tails: dict[str, Tail] = {}

    def say(self, text: str) -> None:
        """A line of the launcher's own, as it stands."""
        self._print(text)

    def note(self, service: str, text: str) -> None:
        """A line about a service."""
        at = datetime.now().astimezone().strftime("%H:%M:%S")
        self._print(f"{at} {service:<{COLUMN}} {text}")

    def follow(self, service: str, path: Path) -> None:
        """From now on show what the file gains; what it held before is dropped."""
        path.write_bytes(b"")
        self._tails[service] = Tail(path)

    def pump(self) -> None:
        """Show what the followed files gained."""
        for service, tail in self._tails.items():
            for line in tail.lines():
                if line.strip():
                    self.note(service, line)

    def _print(self, text: str) -> None:
        # Nobody reads any more (a closed terminal, a pipe into `head`): Palette goes on without a word.
        with contextlib.suppress(OSError, SystemExit):
            self._terminal.print(text, markup=False, highlight=False, soft_wrap=True)

    @contextlib.contextmanager
    def progress(self, label: str, unit: str) -> Iterator[Callable[[int, int], None]]:
        """A bar on a terminal, else a line at each fifth; it shows nothing before it is told of work."""
        if self._terminal.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn(unit))
            with Progress(*columns, TimeElapsedColumn(), console=self._terminal, transient=True) as bar:
                task = bar.add_task(label, total=None, visible=False)
                yield lambda done, total: bar.update(task, completed=done, total=total, visible=True)
        else:
            shown = -1

            def tell(done: int, total: int) -> None:
                nonlocal shown
                fifth = done * 5 // max(total, 1)
                if fifth != shown:
                    shown = fifth
                    self.say(f"{label} {done}/{total} {unit}")

            yield tell


def last_words(path: Path, *, lines: int = 8) -> list[str]:
    """The end of what a child printed."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - 8_000))
        return [line for line in file.read().decode("utf-8", "replace").splitlines() if line.strip()][-lines:]
    return []
