"""The launcher from outside: what it refuses and in which words, what it leaves behind (nothing), what survives."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from kafka.admin import KafkaAdminClient

from services.contracts.topics import load_topics
from services.kit.keys import new_key
from services.launcher.kafka import broker_answers
from services.launcher.ports import is_free
from tests.ports import free_port
from tests.system.product import ROOT, Product
from tests.waiting import until


class SmallProduct(Product):
    """The launcher and Kafka as they are, with services that do nothing but be ready."""

    def start(self, *, seconds: float = 60.0) -> "SmallProduct":
        self.launch()
        until(lambda: self.is_ready() or self.process.poll() is not None, seconds=seconds, what="the ready line")
        assert self.is_ready(), "the launcher ended:\n" + "\n".join(self.lines)
        return self

    def launch(self) -> None:
        self.lines = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.system.small_services"],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        threading.Thread(target=self._read, args=(self.process,), daemon=True).start()

    def family(self) -> list[psutil.Process]:
        """The launcher and everything below it, the guard included."""
        launcher = psutil.Process(self.process.pid)
        return [launcher, *launcher.children(recursive=True)]

    def leaves_nothing(self, family: list[psutil.Process]) -> bool:
        return not any(map(_is_alive, family)) and all(map(is_free, self.ports.values()))


@pytest.fixture
def small(tmp_path: Path) -> Iterator[SmallProduct]:
    product = SmallProduct(tmp_path / "a dåta folder")
    yield product
    product.end()


@pytest.fixture
def refused(tmp_path: Path) -> Callable[..., str]:
    """Starts the launcher, expects it to end by itself, and answers the only thing it printed."""

    def run(*, code: int = 1, **environment: str) -> str:
        product = Product(tmp_path / "data", **environment)
        ended = subprocess.run(
            [sys.executable, "-m", "services.launcher"],
            cwd=ROOT,
            env=product.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode == code, ended.stderr
        assert "Traceback" not in ended.stderr
        assert len(ended.stderr.splitlines()) == 1, ended.stderr
        return ended.stderr.strip()

    return run


def test_it_starts_says_where_everything_is_and_ctrl_c_leaves_no_process_and_no_port(small: SmallProduct) -> None:
    small.start()
    ready = next(line for line in small.lines if line.startswith("Palette is ready"))
    assert f"Page {small.page}/ · intake {small.intake} · log {small.data_dir / 'log'} · stop with Ctrl-C" in ready
    admin = KafkaAdminClient(bootstrap_servers=small.bootstrap_servers)
    assert set(load_topics()) <= set(admin.list_topics())
    admin.close()
    family = small.family()
    assert small.stop() == 0
    until(lambda: small.leaves_nothing(family), seconds=5, what="everything to be gone")
    assert small.lines[-1] == "Stopped."

    began = time.monotonic()
    small.start()
    assert time.monotonic() - began < 15
    assert small.stop() == 0


def test_kill_9_of_the_launcher_leaves_nothing_and_the_next_start_works_at_once(small: SmallProduct) -> None:
    small.start()
    family = small.family()
    assert len(family) >= 8  # itself, the guard, Kafka, five services
    small.process.kill()
    small.process.wait(10)
    until(lambda: small.leaves_nothing(family), seconds=5, what="everything to be gone")
    small.start()
    assert small.stop() == 0


def test_kill_9_of_kafka_starts_it_again_on_the_same_port(small: SmallProduct) -> None:
    small.start()
    small.kill("kafka")
    until(lambda: broker_answers("127.0.0.1", small.ports["kafka"]), seconds=30, what="Kafka to answer again")
    assert any("kafka     was killed (SIGKILL)" in line for line in small.lines)
    assert small.stop() == 0


def test_sigterm_again_and_again_ends_it_in_order_even_while_it_starts(small: SmallProduct) -> None:
    small.launch()
    until(lambda: small.pid("kafka"), what="Kafka's process")
    family = small.family()
    for _ in range(10):
        small.process.send_signal(signal.SIGTERM)
    assert small.process.wait(30) == 0
    until(lambda: small.leaves_nothing(family), seconds=5, what="everything to be gone")


def test_a_cluster_can_be_used_instead_and_is_left_running(small: SmallProduct, tmp_path: Path) -> None:
    small.start()
    guest = SmallProduct(tmp_path / "guest", KAFKA_BOOTSTRAP_SERVERS=small.bootstrap_servers)
    try:
        guest.start()
        assert guest.pid("kafka") is None
        assert guest.stop() == 0
        assert broker_answers("127.0.0.1", small.ports["kafka"])
    finally:
        guest.end()
    assert small.stop() == 0


def test_a_second_launcher_on_the_same_folder_is_refused_and_the_first_goes_on(
    small: SmallProduct, refused: Callable[..., str]
) -> None:
    small.start()
    sentence = refused(PALETTE_DATA_DIR=str(small.data_dir))
    assert f"already running on the data folder {small.data_dir} (process {small.process.pid})" in sentence
    small.wait_ready(seconds=5)
    assert small.stop() == 0


def test_a_port_in_use_is_named_with_its_variable(refused: Callable[..., str]) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as server:
        port = str(server.getsockname()[1])
        sentence = refused(PALETTE_INGEST_PORT=port)
    assert f"Port {port} for the intake is in use by" in sentence
    assert f"(process {os.getpid()})" in sentence
    assert "PALETTE_INGEST_PORT" in sentence


def test_a_data_folder_of_a_newer_version_is_refused(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "VERSION").write_text("999\n")
    assert "is of a newer Palette (version 999" in refused()


def test_a_misspelt_variable_is_refused_with_the_nearest_known_one(refused: Callable[..., str]) -> None:
    assert refused(code=78, PALETTE_API_PROT="1") == (
        "PALETTE_API_PROT is not a setting of Palette. Did you mean PALETTE_API_PORT?"
    )


def test_other_machines_are_kept_out_until_there_are_keys(refused: Callable[..., str], tmp_path: Path) -> None:
    assert "set PALETTE_API_KEYS_FILE" in refused(PALETTE_BIND="0.0.0.0")
    keys = tmp_path / "keys"
    keys.write_text(new_key("ops")[1])
    with socket.create_server(("0.0.0.0", free_port())) as server:
        port = str(server.getsockname()[1])
        sentence = refused(PALETTE_BIND="0.0.0.0", PALETTE_API_KEYS_FILE=str(keys), PALETTE_API_PORT=port)
    assert f"Port {port} for the page is in use" in sentence  # the keys were accepted


def test_no_network_with_an_empty_cache_says_what_to_do(refused: Callable[..., str], tmp_path: Path) -> None:
    dead_end = f"http://127.0.0.1:{free_port()}"
    sentence = refused(PALETTE_CACHE_DIR=str(tmp_path / "cache"), HTTPS_PROXY=dead_end, https_proxy=dead_end)
    assert "could not be downloaded from Maven Central" in sentence
    assert "connect to the network" in sentence


@pytest.mark.skipif(os.geteuid() == 0 and not shutil.which("setpriv"), reason="root may write everything")
def test_a_data_folder_that_may_not_be_written_says_what_to_do(tmp_path: Path) -> None:
    folder = tmp_path / "read only"
    folder.mkdir(mode=0o555)
    product = Product(folder / "data")
    # Root passes every permission check, so it steps down first, keeping its eyes on the checkout.
    as_nobody = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override", "--"]
    command = [sys.executable, "-m", "services.launcher"]
    ended = subprocess.run(
        [*(as_nobody if os.geteuid() == 0 else []), *command],
        cwd=ROOT,
        env=product.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr == (
        f"The data folder {folder / 'data'} cannot be written (Permission denied): give this user the right to write "
        "it, or set PALETTE_DATA_DIR to another folder.\n"
    )


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
