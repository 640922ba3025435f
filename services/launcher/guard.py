"""Outlives the launcher for a moment, to end what it left behind. Also the pipe that tells it who is there.

Linux kills tethered children itself; this is for the systems that do not, and for what those children started. The
guard reads `+pid` (from the tether, before it becomes the child) and `-pid` (from the launcher, once the child is
buried) on its stdin. The pipe ends with the last process that holds it, however the launcher died, and then every group
still listed is killed. As a script it is run by path with a bare interpreter, so it knows the standard library only.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path


class Guard:
    """The launcher's end of the pipe; `fd` is for tethers to inherit."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__))],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        if self._process.stdin is None:
            raise RuntimeError("a pipe was asked for")
        self._pipe = self._process.stdin
        self.fd = self._pipe.fileno()
        self.pid = self._process.pid

    def forget(self, pid: int) -> None:
        """The child is buried: its number may be given to a stranger from now on."""
        # A guard that was itself killed guards nothing, and takes nothing down with it.
        with contextlib.suppress(BrokenPipeError):
            os.write(self.fd, b"-%d\n" % pid)

    def close(self) -> None:
        """Let the guard see the end of the pipe, and wait until it has gone."""
        with contextlib.suppress(BrokenPipeError):
            self._pipe.close()
        self._process.wait()


def main(lines: Iterable[bytes]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in lines:
        pid = int(line[1:])
        (groups.add if line.startswith(b"+") else groups.discard)(pid)
    for pid in groups:
        with contextlib.suppress(OSError):
            os.killpg(pid, signal.SIGKILL)


if __name__ == "__main__":
    main(sys.stdin.buffer)
