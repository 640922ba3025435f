"""Keeps an engine (Kafka) and its children running, and ends them in order.

Knows commands as data, not what they do. One thread: it waits for signals and short ticks, and does all spawning
itself, because Linux ties a tethered child to the thread that forked it. What a death leads to is decided in `deaths`.
"""

import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from services.kit.logs import Log
from services.launcher.console import Console, last_words
from services.launcher.deaths import DeathReason, Deaths, Verdict
from services.launcher.folder import DataFolder, Running, running
from services.launcher.guard import Guard
from services.launcher.processes import signal_group, spawn
from services.launcher.refusal import CannotStart
from services.launcher.wakeup import Wakeup

TICK_S = 0.2
STOP_GRACE_S = 15.0
ENGINE = "kafka"


class Engine(Protocol):
    """What all children depend on. `launch` does not wait until it answers; `process` is None when it is not ours."""

    process: subprocess.Popen[bytes] | None
    command: Sequence[str]

    @property
    def output(self) -> Path: ...
    def launch(self) -> None: ...
    def answers(self) -> bool: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...


@dataclass(frozen=True)
class Child:
    """One process to keep running."""

    name: str
    command: tuple[str, ...]


@dataclass
class _Slot:
    child: Child
    process: subprocess.Popen[bytes] | None = None
    due: float | None = None
    """When to start it, in monotonic seconds; None while it runs or is not wanted."""


class Supervisor:
    """Call `start_engine`, `tick` until it answers, `start_children`, `tick` again and again, `stop`; in one thread."""

    def __init__(
        self,
        children: Sequence[Child],
        *,
        engine: Engine,
        folder: DataFolder,
        console: Console,
        guard: Guard,
        log: Log,
        wakeup: Wakeup,
        cwd: Path,
        env: Mapping[str, str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._slots = [_Slot(child) for child in children]
        self._engine = engine
        self._engine_due: float | None = None
        self._engine_answered = False
        self._folder, self._console, self._guard, self._wakeup = folder, console, guard, wakeup
        self._log = log
        self._cwd, self._env, self._clock = cwd, dict(env), clock
        self._deaths = Deaths()

    def start_engine(self) -> None:
        """Launch the engine; `engine_answers` says when it is up."""
        self._engine.launch()
        self._write_register()

    def engine_answers(self) -> bool:
        """Whether the engine handles requests now."""
        self._engine_answered = self._engine.answers() or self._engine_answered
        return self._engine_answered

    def start_children(self) -> None:
        """Start the children."""
        for slot in self._slots:
            self._console.follow(slot.child.name, self._output(slot))
            slot.due = self._clock()
        self._start_what_is_due()

    def tick(self) -> None:
        """Wait for a signal or a moment, bury the dead, start what is due, show what was said. Raises CannotStart."""
        self._wakeup.wait(TICK_S)
        self._bury_engine()
        for slot in self._slots:
            self._bury(slot)
        self._start_what_is_due()
        self._console.pump()

    def pids(self) -> dict[str, int]:
        """The process id of each child that runs."""
        return {slot.child.name: slot.process.pid for slot in self._slots if slot.process is not None}

    def stop(self) -> bool:
        """End the children in order, the engine last; False when it had to be forced by a second Ctrl-C."""
        for slot in self._slots:
            slot.due = None
            if slot.process is not None and slot.process.poll() is None:
                slot.process.terminate()
                self._await_end(slot.process)
            self._release(slot)
            self._console.pump()
        engine = self._engine.process
        if self._wakeup.forced:
            self._engine.kill()
        else:
            self._engine.stop()
        if engine is not None:
            self._guard.forget(engine.pid)
        self._folder.write_register([])
        return not self._wakeup.forced

    def _await_end(self, process: subprocess.Popen[bytes]) -> None:
        deadline = self._clock() + STOP_GRACE_S
        while process.poll() is None and not self._wakeup.forced and self._clock() < deadline:
            self._wakeup.wait(TICK_S)

    def _bury_engine(self) -> None:
        process = self._engine.process
        if process is None or self._engine_due is not None or process.poll() is None:
            return
        self._guard.forget(process.pid)
        if not self._engine_answered:
            said = "".join(f"\n  {line}" for line in last_words(self._engine.output))
            raise CannotStart(
                f"Kafka {_ended(process.returncode)} while it started; {self._engine.output} says why.{said}"
            )
        verdict = self._judge(ENGINE, process.returncode, self._engine.output)
        self._engine_due = self._clock() + (verdict.restart_after_s or 0.0)

    def _bury(self, slot: _Slot) -> None:
        if slot.process is None or slot.process.poll() is None:
            return
        code = slot.process.returncode
        self._release(slot)
        self._console.pump()
        verdict = self._judge(slot.child.name, code, self._output(slot))
        slot.due = self._clock() + (verdict.restart_after_s or 0.0)

    def _release(self, slot: _Slot) -> None:
        """Bury the process, and whatever it had started that outlived it."""
        if slot.process is not None:
            signal_group(slot.process, signal.SIGKILL)
            slot.process.wait()
            self._guard.forget(slot.process.pid)
            slot.process = None

    def _judge(self, name: str, exit_code: int, output: Path) -> Verdict:
        verdict = self._deaths.record(name, exit_code, now=self._clock())
        ended = _ended(exit_code)
        self._log.info("child ended", child=name, exit_code=exit_code, reason=verdict.reason, deaths=verdict.deaths)
        if verdict.restart_after_s is None:
            said = "".join(f"\n  {line}" for line in last_words(output))
            if verdict.reason is DeathReason.MISCONFIGURED:
                raise CannotStart(f"{name} cannot work as it is configured:{said or f' it {ended}.'}")
            raise CannotStart(
                f"{name} died {verdict.deaths} times within a minute (the last time it {ended}), so Palette stops; "
                f"{self._folder.log_dir / name}.log and its last words say why.{said}"
            )
        if verdict.reason is DeathReason.DEPENDENCY_AWAY:
            self._console.note(name, f"waits for what it depends on, tries again in {verdict.restart_after_s:.0f} s")
        else:
            self._console.note(name, f"{ended}, starts again in {verdict.restart_after_s:.2g} s")
        return verdict

    def _start_what_is_due(self) -> None:
        now = self._clock()
        if self._engine_due is not None and self._engine_due <= now:
            self._engine.launch()
            self._engine_due = None
            self._write_register()
        due = [slot for slot in self._slots if slot.due is not None and slot.due <= now]
        # A child that starts while Kafka is away would only die again.
        if not due or self._engine_due is not None or not self._engine.answers():
            return
        for slot in due:
            slot.process = spawn(
                slot.child.command,
                output=self._output(slot),
                cwd=self._cwd,
                env=self._env,
                guard_fd=self._guard.fd,
            )
            slot.due = None
        self._write_register()

    def _write_register(self) -> None:
        entries: list[Running] = [
            running(slot.child.name, slot.process, slot.child.command)
            for slot in self._slots
            if slot.process is not None
        ]
        if self._engine.process is not None:
            entries.append(running(ENGINE, self._engine.process, self._engine.command))
        self._folder.write_register(entries)

    def _output(self, slot: _Slot) -> Path:
        return self._folder.log_dir / f"{slot.child.name}.out"


def _ended(exit_code: int) -> str:
    if exit_code < 0:
        return f"was killed ({signal.Signals(-exit_code).name})"
    return f"ended with exit code {exit_code}"


def child_environment(environment: Mapping[str, str], *, bootstrap_servers: str) -> dict[str, str]:
    """What every child inherits: ours, where Kafka is, and that loopback is never reached through a proxy."""
    inherited = dict(environment)
    for name in ("NO_PROXY", "no_proxy"):
        hosts = [host for host in inherited.get(name, "").split(",") if host]
        inherited[name] = ",".join(dict.fromkeys([*hosts, "127.0.0.1", "localhost", "::1"]))
    # One thread each for linear algebra: workers are scaled by processes, and a few cores are shared by all of them.
    defaults = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return defaults | inherited | {"KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers, "PYTHONUNBUFFERED": "1"}
