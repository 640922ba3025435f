"""Starting and ending one child process, and all that it started.

Every child leads a session of its own, so that a Ctrl-C at the terminal reaches only the launcher, and is tethered: it
dies when the process that started it dies. Knows no Palette service.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

TETHER = Path(__file__).with_name("tether.py")


def spawn(
    command: Sequence[str | os.PathLike[str]],
    *,
    output: Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    guard_fd: int = -1,
) -> subprocess.Popen[bytes]:
    """Start the command, tethered; its stdout and stderr go to the end of the file `output`.

    Call from the main thread only: Linux ties the tether to the thread that forked.
    """
    tether = [sys.executable, "-I", "-S", str(TETHER), str(os.getpid()), str(guard_fd)]
    with output.open("ab") as sink:
        return subprocess.Popen(
            [*tether, *(os.fspath(word) for word in command)],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            cwd=cwd,
            env=env,
            start_new_session=True,
            pass_fds=() if guard_fd < 0 else (guard_fd,),
        )


def signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to the child and everything that it started; a child already gone is no error."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def end(process: subprocess.Popen[bytes], *, grace_s: float) -> int:
    """SIGTERM, wait up to `grace_s` seconds, then SIGKILL for what is left of the group; answers the exit code."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace_s)
    signal_group(process, signal.SIGKILL)
    return process.wait()
