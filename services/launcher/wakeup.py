"""Signals as something to wait for, and what the person who sends them asks for.

SIGTERM, SIGHUP and the first Ctrl-C ask for an end in order; asking again changes nothing, except that a second Ctrl-C
means now. SIGCHLD only wakes. Main thread only.
"""

import contextlib
import os
import select
import signal
from types import FrameType, TracebackType
from typing import Any, Self

_ASKING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class Wakeup:
    """A context manager that holds the process's signals while it is open."""

    def __init__(self) -> None:
        self.asked_to_end = False
        self.forced = False
        self._interrupts = 0
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._reader, self._writer = os.pipe()
        for fd in (self._reader, self._writer):
            os.set_blocking(fd, False)
        self._fd_before = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for number in (*_ASKING, signal.SIGCHLD):
            self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._fd_before)
        os.close(self._reader)
        os.close(self._writer)

    def wait(self, timeout_s: float) -> None:
        """Return at a signal or after the time."""
        select.select([self._reader], [], [], timeout_s)
        with contextlib.suppress(BlockingIOError):
            os.read(self._reader, 4096)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGCHLD:
            return
        self.asked_to_end = True
        if number == signal.SIGINT:
            self._interrupts += 1
            self.forced = self._interrupts > 1
