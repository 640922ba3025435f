"""The Faust loop on the real broker: killed, frozen, rebalanced, poisoned, without a broker. Nothing goes missing."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient

from services.contracts.errors import EXIT_DEPENDENCY_AWAY
from services.contracts.topics import CLASSIFY_DLQ, FEEDBACK_CLASSIFIED, FEEDBACK_RECEIVED
from services.kit.kafka import create_topics, producer
from services.kit.settings import Settings
from services.launcher.kafka import EmbeddedKafka
from tests.kafka import worker_process
from tests.ports import free_port
from tests.waiting import until

CHECKOUT = Path(__file__).parents[2]
TOPICS = (FEEDBACK_RECEIVED, FEEDBACK_CLASSIFIED, CLASSIFY_DLQ)

SLOW = {worker_process.SECONDS_PER_BATCH: "0.02"}
"""Slow enough to be killed in mid-stream."""

pytestmark = [
    pytest.mark.timeout(300),
    # kafka-python leaves sockets of broken connections to the garbage collector
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, kafka_cache: Path) -> Iterator[EmbeddedKafka]:
    """A broker of this module's own, because it is killed here and its topics are emptied between tests."""
    with EmbeddedKafka(tmp_path_factory.mktemp("worker kafka"), kafka_cache, free_port()) as running:
        yield running


@pytest.fixture
def topics(broker: EmbeddedKafka) -> Iterator[EmbeddedKafka]:
    """The broker with every topic empty."""
    create_topics(settings_for(broker))
    yield broker
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap_servers)
    admin.delete_topics(list(TOPICS))
    until(lambda: not set(TOPICS) & set(admin.list_topics()), what="the topics to be gone")
    admin.close()


@pytest.fixture
def group(topics: EmbeddedKafka, tmp_path: Path) -> Iterator["Group"]:
    """Workers of one consumer group; all are gone at the end of the test."""
    group = Group(topics, tmp_path)
    yield group
    group.end()


class WorkerProcess:
    """One worker, started and ended as often as a test likes. Its data folder and its name stay the same."""

    def __init__(self, broker: EmbeddedKafka, folder: Path, name: str, group: str) -> None:
        self.port = free_port()
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._environment = {
            "PATH": os.environ["PATH"],
            "PALETTE_DATA_DIR": str(folder),
            "PALETTE_WORKER": name,
            "PALETTE_CLASSIFY_METRICS_PORT": str(self.port),
            "KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap_servers,
            worker_process.GROUP: group,
        }

    def start(self, **environment: str) -> "WorkerProcess":
        with (self.folder / "output").open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.kafka.worker_process"],
                cwd=CHECKOUT,
                env=self._environment | environment,
                stdout=output,
                stderr=output,
            )
        return self

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def exit_code(self, *, seconds: float = 30) -> int:
        return self.process.wait(seconds)

    def supervised_until(self, done: Iterable[bool], *, starts: int, **environment: str) -> int:
        """Starts it again whenever it dies, as the launcher does, until `done` yields; answers how often it died."""
        deaths = 0
        if self._process is None:
            self.start(**environment)
        for finished in done:
            if finished:
                return deaths
            if self.process.poll() is not None:
                deaths += 1
                assert deaths < starts, self.log()
                self.start(**environment)
        raise AssertionError("the condition never ends by itself")

    def end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self.kill()

    def is_ready(self) -> bool:
        try:
            return httpx2.get(self.url("/health/ready"), timeout=2).status_code == 200
        except httpx2.TransportError:
            return False

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def log(self) -> str:
        files = [self.folder / "output", *sorted((self.folder / "log").glob("*.log"))]
        return "\n".join(path.read_text(encoding="utf-8")[-4000:] for path in files if path.exists())


class Group:
    """The workers of one group on one broker, what is fed to them and what came out."""

    def __init__(self, broker: EmbeddedKafka, folder: Path) -> None:
        self.broker = broker
        self.workers: list[WorkerProcess] = []
        self._folder = folder
        self._consumer = KafkaConsumer(bootstrap_servers=broker.bootstrap_servers, enable_auto_commit=False)

    def end(self) -> None:
        for worker in self.workers:
            worker.end()
        self._consumer.close()

    def worker(self) -> WorkerProcess:
        name = str(len(self.workers))
        folder = self._folder / f"worker {name}"
        folder.mkdir()
        self.workers.append(WorkerProcess(self.broker, folder, name, "classify"))
        return self.workers[-1]

    def feed(self, numbers: Iterable[int], asked: Mapping[int, str] | None = None) -> None:
        """A message per number, spread over the partitions; `asked` says what some of them do."""
        sender = producer(settings_for(self.broker))
        for number in numbers:
            body = {"n": number} | ({"do": asked[number]} if asked and number in asked else {})
            sender.send(FEEDBACK_RECEIVED, json.dumps(body).encode(), key=b"%d" % (number % 97))
        sender.flush()
        sender.close()

    def outputs(self) -> Counter[int]:
        """How often each number came out."""
        return Counter(json.loads(value)["n"] for value in self._values(FEEDBACK_CLASSIFIED))

    def letters(self) -> Counter[tuple[int, str]]:
        """The dead letters: which number, why."""
        return Counter(
            (json.loads(message.value)["n"], dict(message.headers)["dl_code"].decode())
            for message in self._messages(CLASSIFY_DLQ)
        )

    def produced(self) -> int:
        """How many outputs there are, without reading them."""
        return sum(self._consumer.end_offsets(self._partitions(FEEDBACK_CLASSIFIED)).values())

    def are_delivered(self, numbers: Iterable[int]) -> bool:
        wanted = set(numbers)
        return self.produced() >= len(wanted) and wanted <= set(self.outputs())

    def _values(self, topic: str) -> list[bytes]:
        return [message.value for message in self._messages(topic)]

    def _messages(self, topic: str) -> list[Any]:
        partitions = self._partitions(topic)
        self._consumer.assign(partitions)
        self._consumer.seek_to_beginning(*partitions)
        ends = self._consumer.end_offsets(partitions)
        found: list[Any] = []
        while any(self._consumer.position(p) < end for p, end in ends.items()):
            for records in self._consumer.poll(timeout_ms=500).values():
                found += records
        return found

    def _partitions(self, topic: str) -> list[TopicPartition]:
        found = until(lambda: self._consumer.partitions_for_topic(topic), what=f"partitions of {topic}")
        return [TopicPartition(topic, number) for number in sorted(found)]


def settings_for(broker: EmbeddedKafka) -> Settings:
    return Settings().model_copy(update={"kafka_bootstrap_servers": broker.bootstrap_servers})


# ---- dying ----------------------------------------------------------------------------------------------------------


def test_three_times_kill_9_in_mid_stream_loses_nothing(group: Group) -> None:
    numbers = range(12_000)
    group.feed(numbers)
    worker = group.worker()
    for share in (1_000, 3_500, 7_000):
        worker.start(**SLOW)
        until(lambda share=share: group.produced() >= share, seconds=90, what=f"{share} outputs")
        worker.kill()
    worker.start()

    until(lambda: group.are_delivered(numbers), seconds=60, every=0.5, what="every message")
    doubled = sum(count - 1 for count in group.outputs().values())
    print(f"12,000 messages, three times kill -9: 0 missing, {doubled} doubled")
    assert group.letters() == Counter()


def test_sigterm_in_mid_stream_loses_nothing_and_doubles_nothing(group: Group) -> None:
    numbers = range(8_000)
    group.feed(numbers)
    worker = group.worker()
    for share in (1_000, 4_000):
        worker.start(**SLOW)
        until(lambda share=share: group.produced() >= share, seconds=90, what=f"{share} outputs")
        worker.signal(signal.SIGTERM)
        worker.signal(signal.SIGTERM)  # a second one changes nothing
        assert worker.exit_code() == 0
    worker.start()

    until(lambda: group.are_delivered(numbers), seconds=60, every=0.5, what="every message")
    assert group.outputs() == Counter(numbers)


def test_a_step_that_raises_ends_the_process_before_anything_is_acknowledged(group: Group) -> None:
    group.feed(range(300), asked={150: "bug"})
    worker = group.worker().start()

    assert worker.exit_code() == 70
    assert "RuntimeError" in worker.log()
    assert "as asked" not in worker.log(), "the words of an exception may quote a customer"
    assert "GroupCoordinator" not in worker.log()


def test_a_message_that_kills_the_worker_is_put_aside_and_its_neighbours_are_delivered(group: Group) -> None:
    group.feed(range(600), asked={251: "die"})
    worker = group.worker()

    deaths = worker.supervised_until(polls(lambda: bool(group.letters())), starts=8)

    others = set(range(600)) - {251}
    until(lambda: group.are_delivered(others), seconds=60, every=0.5, what="the neighbours")
    assert deaths == 5
    assert group.letters() == Counter({(251, "crashed"): 1})
    assert set(group.outputs()) == others


# ---- several workers ------------------------------------------------------------------------------------------------


def test_a_second_worker_that_joins_and_is_killed_in_mid_stream_loses_nothing(group: Group) -> None:
    numbers = range(16_000)
    first, second = group.worker(), group.worker()
    first.start(**SLOW)
    group.feed(numbers)
    until(lambda: group.produced() >= 1_500, seconds=90, what="the first outputs")
    second.start(**SLOW)
    until(second.is_ready, seconds=90, what="the second worker's partitions")
    until(lambda: group.produced() >= 8_000, seconds=90, what="half of the outputs")
    second.kill()

    until(lambda: group.are_delivered(numbers), seconds=80, every=0.5, what="every message")
    doubled = sum(count - 1 for count in group.outputs().values())
    print(f"16,000 messages, a join and a kill -9: 0 missing, {doubled} doubled")


def test_the_worker_that_stays_is_killed_just_after_a_rebalance(group: Group) -> None:
    numbers = range(12_000)
    first, second = group.worker(), group.worker()
    first.start(**SLOW)
    group.feed(numbers)
    until(lambda: group.produced() >= 1_500, seconds=90, what="the first outputs")
    second.start(**SLOW)
    until(second.is_ready, seconds=90, every=0.01, what="the second worker's partitions")
    first.kill()
    first.start()

    until(lambda: group.are_delivered(numbers), seconds=80, every=0.5, what="every message")


def test_a_worker_frozen_for_15_seconds_beside_a_second_one_loses_nothing(group: Group) -> None:
    numbers = range(16_000)
    first, second = group.worker(), group.worker()
    for worker in (first, second):
        worker.start(**SLOW)
    until(lambda: first.is_ready() and second.is_ready(), seconds=90, what="both workers")
    group.feed(numbers)
    until(lambda: group.produced() >= 2_000, seconds=90, what="the first outputs")
    first.signal(signal.SIGSTOP)
    frozen_at = time.monotonic()

    until(lambda: group.are_delivered(numbers), seconds=80, every=0.5, what="every message, from the second alone")
    until(lambda: time.monotonic() - frozen_at > 15, what="15 s of frost")
    first.signal(signal.SIGCONT)
    assert first.exit_code() == EXIT_DEPENDENCY_AWAY  # begun anew, as whoever supervises it does
    first.start(**SLOW)
    group.feed(range(16_000, 17_000))
    until(lambda: group.are_delivered(range(17_000)), seconds=60, every=0.5, what="what came after the frost")
    until(first.is_ready, seconds=60, what="the thawed worker to be back in the group")


def test_a_second_worker_of_the_same_name_on_the_same_folder_is_refused(group: Group) -> None:
    first = group.worker().start()
    until(first.is_ready, seconds=90, what="the worker")
    twin = WorkerProcess(group.broker, first.folder, "0", "classify")

    assert twin.start().exit_code() == 78
    assert "PALETTE_WORKER" in twin.log()


# ---- bad messages ---------------------------------------------------------------------------------------------------


def test_poison_is_put_aside_and_stops_nobody(group: Group) -> None:
    poison = dict.fromkeys(range(0, 1_000, 25), "poison")
    group.feed(range(1_000), asked=poison)
    group.worker().start()

    until(lambda: group.are_delivered(set(range(1_000)) - set(poison)), seconds=90, every=0.5, what="the good ones")
    assert group.letters() == Counter({(number, "poison"): 1 for number in poison})


def test_a_dependency_that_is_away_is_tried_again(group: Group) -> None:
    group.feed(range(200), asked={100: "away"})
    worker = group.worker().start()

    until(lambda: group.are_delivered(range(200)), seconds=90, every=0.5, what="every message")
    assert worker.process.poll() is None
    assert group.letters() == Counter()


def test_a_worker_that_understands_nothing_stands_still_until_it_is_told_to_go_on(group: Group) -> None:
    group.feed(range(4_000), asked=dict.fromkeys(range(3_000), "poison"))
    worker = group.worker().start()

    def check() -> dict[str, object]:
        answer = httpx2.get(worker.url("/health/ready"), timeout=5).json()
        return next(item for item in answer["checks"] if item["name"] == "not halted")

    def stands_still() -> bool:
        # that it was ready before may go by too fast to be seen
        try:
            return not check()["ok"]
        except (httpx2.TransportError, StopIteration):
            return False

    until(stands_still, seconds=60, what="the worker to stand still")
    assert "palette resume classify" in str(check()["message"])
    assert httpx2.get(worker.url("/health/live"), timeout=5).status_code == 200
    assert (
        'palette_consumer_halted{topic="feedback-received"} 1.0' in httpx2.get(worker.url("/metrics"), timeout=5).text
    )
    before = sum(group.letters().values())
    assert 50 <= before < 3_000

    def resume() -> bool:
        if not check()["ok"]:
            assert httpx2.post(worker.url("/control/resume"), timeout=5).json() == {"done": "classify goes on"}
        return group.are_delivered(range(3_000, 4_000))

    until(resume, seconds=60, every=0.3, what="everything, resumed as often as it stood still")
    assert set(group.letters()) == {(number, "poison") for number in range(3_000)}
    assert worker.process.poll() is None


# ---- the broker -----------------------------------------------------------------------------------------------------


def test_kill_9_of_the_broker_in_mid_stream_loses_nothing(group: Group) -> None:
    numbers = range(10_000)
    group.feed(numbers)
    worker = group.worker().start(**SLOW)
    until(lambda: group.produced() >= 1_500, seconds=90, what="the first outputs")
    group.broker.kill()
    group.broker.start()

    deaths = worker.supervised_until(polls(lambda: group.are_delivered(numbers)), starts=5)
    doubled = sum(count - 1 for count in group.outputs().values())
    print(f"10,000 messages, kill -9 of the broker: 0 missing, {doubled} doubled, the worker ended {deaths} times")


def polls(condition: Callable[[], bool]) -> Iterator[bool]:
    """The condition again and again, for up to 90 s."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        yield condition()
        time.sleep(0.2)
