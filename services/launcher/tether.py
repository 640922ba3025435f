"""Ties a process to the life of its starter, then becomes the command it was given.

Run by path with a bare interpreter (`python -I -S tether.py PARENT GUARD_FD COMMAND…`), so it knows the standard
library and nothing of Palette. First it tells the guard its process id (which survives the exec), then it asks Linux to
be killed with its parent, then it looks whether the parent is still there: whichever moment the parent dies at, one of
the three sees it. GUARD_FD is -1 where there is no guard.
"""

import contextlib
import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, guard_fd: int, command: list[str]) -> None:
    if guard_fd >= 0:
        # A guard that was itself killed guards nothing; the child runs all the same.
        with contextlib.suppress(BrokenPipeError):
            os.write(guard_fd, b"+%d\n" % os.getpid())
        os.close(guard_fd)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)
    for ignored_by_python in (signal.SIGPIPE, signal.SIGXFSZ):  # which an exec would pass on
        signal.signal(ignored_by_python, signal.SIG_DFL)
    os.execvp(command[0], command)  # noqa: S606 - to become the command, not to run a shell, is the point


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
