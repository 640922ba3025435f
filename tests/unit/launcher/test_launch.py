"""The order of a launch, and the words for what does not come up; the supervisor is a script of answers."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console as Terminal

from services.contracts.errors import Unavailable
from services.kit.logs import Log
from services.kit.settings import Settings
from services.launcher import launch as launch_module
from services.launcher.cluster import ExternalKafka
from services.launcher.console import Console
from services.launcher.folder import DataFolder, open_folder
from services.launcher.launch import Launch
from services.launcher.readiness import Readiness
from services.launcher.refusal import CannotStart
from services.launcher.wakeup import Wakeup


class ScriptedSupervisor:
    """Notes what it is asked; its engine answers, or never does. Somebody asks for the end after `ticks`."""

    def __init__(self, wakeup: Wakeup, *, answers: bool = True, ticks: int = 5) -> None:
        self.asked: list[str] = []
        self._wakeup, self._answers, self._ticks = wakeup, answers, ticks

    def start_engine(self) -> None:
        self.asked.append("start engine")

    def engine_answers(self) -> bool:
        return self._answers

    def start_children(self) -> None:
        self.asked.append("start children")

    def tick(self) -> None:
        self._ticks -= 1
        if self._ticks <= 0:
            self._wakeup.asked_to_end = True

    def stop(self) -> bool:
        self.asked.append("stop")
        return True


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[DataFolder]:
    opened = open_folder(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


def launch(folder: DataFolder, out: io.StringIO, *, ticks: int = 5, answers: bool = True, **settings: Any) -> Launch:
    wakeup = Wakeup()
    return Launch(
        settings=Settings.model_construct(data_dir=folder.path, **settings),
        supervisor=ScriptedSupervisor(wakeup, answers=answers, ticks=ticks),  # type: ignore[arg-type] - a script of it
        folder=folder,
        console=Console(Terminal(file=out, width=300)),
        wakeup=wakeup,
        log=Log("test"),
        began=0.0,
    )


@pytest.fixture(autouse=True)
def everything_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch_module, "create_topics", lambda _settings: [])
    monkeypatch.setattr(launch_module, "ask", lambda _bind, _port: Readiness(True, ""))


def test_kafka_comes_before_the_services_and_the_ready_line_after_them(folder: DataFolder, out: io.StringIO) -> None:
    launched = launch(folder, out)
    assert launched.run() is True
    assert launched.supervisor.asked == ["start engine", "start children", "stop"]
    words = [line.split()[0] for line in out.getvalue().splitlines()]
    assert words == ["Starting", "Starting", "Palette", "Post", "curl", "Stopping;", "Stopped."]


def test_an_end_that_is_asked_for_while_it_starts_starts_nothing_more(folder: DataFolder, out: io.StringIO) -> None:
    launched = launch(folder, out, answers=False, ticks=3)
    assert launched.run() is True
    assert launched.supervisor.asked == ["start engine", "stop"]
    assert "is ready" not in out.getvalue()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, "The embedded Kafka does not answer; .*kafka.log says why"),
        ({"kafka_bootstrap_servers": "kafka:9092"}, "No server of KAFKA_BOOTSTRAP_SERVERS=kafka:9092 can be used"),
    ],
)
def test_a_kafka_that_never_answers_is_named_and_everything_is_stopped(
    folder: DataFolder, out: io.StringIO, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], sentence: str
) -> None:
    monkeypatch.setattr(launch_module, "KAFKA_TIMEOUT_S", 0.0)
    launched = launch(folder, out, answers=False, **settings)
    with pytest.raises(CannotStart, match=sentence):
        launched.run()
    assert launched.supervisor.asked == ["start engine", "stop"]


def test_a_cluster_that_refuses_us_is_named_with_its_variable(
    folder: DataFolder, out: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_settings: Settings) -> list[str]:
        raise Unavailable("Kafka does not answer (NoBrokersAvailable)")

    monkeypatch.setattr(launch_module, "create_topics", refuse)
    with pytest.raises(CannotStart, match="correct it, or unset it to run the embedded Kafka"):
        launch(folder, out, kafka_bootstrap_servers="kafka:9092").run()


def test_services_that_do_not_become_ready_are_named_with_what_they_wait_for(
    folder: DataFolder, out: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch_module, "READY_TIMEOUT_S", 0.0)
    monkeypatch.setattr(
        launch_module, "ask", lambda _bind, port: Readiness(port != 9101, "model: loading" if port == 9101 else "")
    )
    with pytest.raises(CannotStart, match=r"Not ready within 0 s: classify \(model: loading\);"):
        launch(folder, out).run()


@pytest.mark.parametrize(
    ("servers", "addresses"),
    [
        ("a:1,b:2", [("a", 1), ("b", 2)]),
        ("kafka", [("kafka", 9092)]),
        ("[::1]:9094, c:3", [("::1", 9094), ("c", 3)]),
    ],
)
def test_a_clusters_servers_are_read_as_kafka_clients_do(servers: str, addresses: list[tuple[str, int]]) -> None:
    assert ExternalKafka(servers).addresses == addresses
