"""Supervision with real, small processes: what dies is started again, what ends with whom, in which order."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from services.launcher.supervise import child_environment
from tests.waiting import until

ROOT = Path(__file__).parents[3]
STAYS = "import signal; signal.pause()"
STUBBORN = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True)\n"
    "while True: signal.pause()"
)
TELLS_ITS_END = (
    "import signal, sys, time\n"
    "def end(*_): open('ends', 'a').write({name!r} + ' '); sys.exit()\n"
    "signal.signal(signal.SIGTERM, end); print('ready', flush=True)\n"
    "while True: signal.pause()"
)


class Parent:
    """The small launcher of `parent.py`."""

    def __init__(self, data_dir: Path, *children: str, engine: bool = True) -> None:
        self.data_dir = data_dir
        data_dir.mkdir(exist_ok=True)
        self.flag = data_dir / "engine-is-up"
        if engine:
            self.flag.touch()
        self.output = data_dir / "parent.out"
        with self.output.open("wb") as sink:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.unit.launcher.parent", str(data_dir), *children],
                cwd=ROOT,
                stdout=sink,
                stderr=sink,
                start_new_session=True,
            )

    def said(self) -> str:
        return self.output.read_text()

    def pids(self) -> dict[str, int]:
        try:
            register = json.loads((self.data_dir / "run" / "processes.json").read_bytes())
        except FileNotFoundError:
            return {}
        return {entry["name"]: entry["pid"] for entry in register}

    def running(self, *names: str) -> dict[str, int]:
        """Waits until exactly these run, as the command they were given."""

        def as_themselves() -> dict[str, int]:
            pids = self.pids()
            ok = set(pids) == set(names) and all(_command(pid)[1:2] == ["-c"] for pid in pids.values())
            return pids if ok else {}

        return until(as_themselves, seconds=20, what=f"{names} to run")

    def guard(self) -> int:
        return int(until(lambda: "guard " in self.said() and self.said().split("guard ")[1].split()[0]))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Parent]]:
    parents: list[Parent] = []

    def begin(*children: str, engine: bool = True) -> Parent:
        parents.append(Parent(tmp_path / "data folder", *children, engine=engine))
        return parents[-1]

    yield begin
    for parent in parents:
        if parent.process.poll() is None:
            parent.process.kill()
        parent.process.wait(10)


def test_a_child_that_is_killed_is_started_again_and_the_others_are_left_alone(start: Callable[..., Parent]) -> None:
    parent = start(f"one={STAYS}", f"two={STAYS}")
    before = parent.running("one", "two")
    os.kill(before["one"], signal.SIGKILL)
    until(lambda: parent.pids()["one"] != before["one"], what="another process of one")
    assert parent.running("one", "two")["two"] == before["two"]
    assert "one       was killed (SIGKILL), starts again in 0.25 s" in parent.said()


def test_a_child_that_keeps_dying_ends_everything_loudly(start: Callable[..., Parent]) -> None:
    parent = start(f"good={STAYS}", "bad=import sys; sys.exit('no such thing')")
    good = until(lambda: parent.pids().get("good"), what="the good one to run")
    assert parent.process.wait(60) == 1
    assert (
        "bad died 8 times within a minute (the last time it ended with exit code 1), so Palette stops" in parent.said()
    )
    assert "  no such thing" in parent.said()
    assert parent.pids() == {}
    assert not _is_alive(good)


def test_a_child_that_waits_for_a_dependency_never_ends_everything(start: Callable[..., Parent]) -> None:
    parent = start("away=import sys; sys.exit(75)")
    until(lambda: parent.said().count("waits for what it depends on") >= 3, what="three tries")
    assert parent.process.poll() is None


def test_a_child_that_is_configured_wrongly_ends_everything_with_its_own_words(start: Callable[..., Parent]) -> None:
    parent = start("wrong=import sys; print('rules.yaml:3: no such team'); sys.exit(78)")
    assert parent.process.wait(20) == 1
    assert "wrong cannot work as it is configured:\n  rules.yaml:3: no such team" in parent.said()


def test_nothing_is_started_or_restarted_before_the_engine_answers(start: Callable[..., Parent]) -> None:
    parent = start(f"one={STAYS}", engine=False)
    parent.guard()
    assert parent.pids() == {}
    parent.flag.touch()
    first = parent.running("one")["one"]
    parent.flag.unlink()
    os.kill(first, signal.SIGKILL)
    until(lambda: "starts again" in parent.said(), what="the death to be noticed")
    assert parent.pids()["one"] == first
    parent.flag.touch()
    until(lambda: parent.pids()["one"] != first, what="another process of one")


def test_children_are_ended_in_order_and_repeated_sigterm_changes_nothing(start: Callable[..., Parent]) -> None:
    parent = start(*(f"{name}={TELLS_ITS_END.format(name=name)}" for name in ("one", "two", "three")))
    pids = parent.running("one", "two", "three")
    for name in pids:
        until(lambda name=name: (parent.data_dir / "log" / f"{name}.out").read_text() == "ready\n")
    for _ in range(5):
        parent.process.send_signal(signal.SIGTERM)
    assert parent.process.wait(20) == 0
    assert (parent.data_dir / "ends").read_text().split() == ["one", "two", "three"]
    assert "stopped in_order=True" in parent.said()
    assert not any(map(_is_alive, pids.values()))


def test_one_ctrl_c_and_any_sigterm_wait_for_a_stubborn_child_and_a_second_ctrl_c_does_not(
    start: Callable[..., Parent],
) -> None:
    parent = start(f"deaf={STUBBORN}")
    pid = parent.running("deaf")["deaf"]
    until(lambda: "deaf" in (parent.data_dir / "log" / "deaf.out").read_text())
    parent.process.send_signal(signal.SIGINT)
    parent.process.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        parent.process.wait(1)
    assert _is_alive(pid)
    parent.process.send_signal(signal.SIGINT)
    parent.process.wait(5)
    assert "stopped in_order=False" in parent.said()
    assert not _is_alive(pid)


def test_kill_9_of_the_parent_leaves_no_child_no_grandchild_and_no_guard(start: Callable[..., Parent]) -> None:
    grandparent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {STAYS!r}])"
    parent = start(f"one={STAYS}", f"deaf={STUBBORN}", f"family={grandparent}")
    pids = parent.running("one", "deaf", "family")
    grandchild = until(lambda: psutil.Process(pids["family"]).children(), what="a grandchild")[0].pid
    guard = parent.guard()
    parent.process.kill()
    parent.process.wait(5)
    for pid in (*pids.values(), grandchild, guard):
        until(lambda pid=pid: not _is_alive(pid), seconds=5, what=f"process {pid} to be gone")


def test_kill_9_of_the_parent_and_its_guard_at_once_leaves_no_child(start: Callable[..., Parent]) -> None:
    parent = start(f"one={STAYS}")
    pid = parent.running("one")["one"]
    os.kill(parent.guard(), signal.SIGKILL)
    parent.process.kill()
    parent.process.wait(5)
    if sys.platform == "linux":
        until(lambda: not _is_alive(pid), seconds=5, what="the child to be gone")
    else:
        successor = start(f"one={STAYS}")
        until(lambda: "ended leftover one" in successor.said(), what="the leftover to be found")


def test_a_guard_that_was_killed_takes_nothing_down_with_it(start: Callable[..., Parent]) -> None:
    parent = start(f"one={STAYS}")
    first = parent.running("one")["one"]
    os.kill(parent.guard(), signal.SIGKILL)
    os.kill(first, signal.SIGKILL)
    until(lambda: parent.pids()["one"] != first, what="another process of one")
    parent.running("one")
    parent.process.send_signal(signal.SIGTERM)
    assert parent.process.wait(20) == 0


def test_children_reach_loopback_without_a_proxy_and_keep_the_rest_of_the_environment() -> None:
    given = {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "intranet,localhost", "OMP_NUM_THREADS": "4"}
    env = child_environment(given, bootstrap_servers="127.0.0.1:9092")
    assert env["NO_PROXY"] == "intranet,localhost,127.0.0.1,::1"
    assert env["no_proxy"] == "127.0.0.1,localhost,::1"
    assert env["KAFKA_BOOTSTRAP_SERVERS"] == "127.0.0.1:9092"
    assert (env["HTTPS_PROXY"], env["OMP_NUM_THREADS"]) == ("http://proxy:3128", "4")


def _command(pid: int) -> list[str]:
    try:
        return psutil.Process(pid).cmdline()
    except psutil.NoSuchProcess:
        return []


def _is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
