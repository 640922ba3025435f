"""The transactional fold by itself: fencing in mid-batch, a message that kills, halting, a gap in the input.

Each test has topics of its own, so that one broker serves all; what the topics are called elsewhere is of no matter.
"""

import signal
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import TopicPartition
from kafka.admin import KafkaAdminClient

from services.contracts.codec import Outbound
from services.contracts.errors import EXIT_DEPENDENCY_AWAY
from services.contracts.topics import ROUTER_DLQ
from services.kit.process import EXIT_BUG
from services.launcher.kafka import EmbeddedKafka
from tests.kafka.routers import Bench, RouterWorker
from tests.ports import free_port
from tests.waiting import until


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, kafka_cache: Path) -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka(tmp_path_factory.mktemp("fold kafka"), kafka_cache, free_port()) as kafka:
        yield kafka


@pytest.fixture
def bench(broker: EmbeddedKafka, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(broker.bootstrap_servers, tmp_path)
    yield bench
    bench.close()


class Topics:
    """Where a fold of the tests reads, keeps state and writes."""

    def __init__(self, bench: Bench, source: str, state: str) -> None:
        self.bench = bench
        self.names = (source, state, "notifications")

    def worker(self, name: str = "0") -> RouterWorker:
        return self.bench.worker(name, command=[sys.executable, "-m", "tests.kafka.fold_worker", *self.names])

    def send(self, values: list[str], *, keys: int = 10) -> None:
        self.bench.send(
            Outbound(self.names[0], f"k{n % keys}".encode(), value.encode()) for n, value in enumerate(values)
        )

    def written(self, *names: str) -> list[str]:
        """What came out of the tests' own values, sorted."""
        values = ((message.value or b"").decode() for message in self.bench.read(self.names[2]))
        return sorted(value for value in values if value.partition("-")[0] in names)

    def counts(self) -> dict[str, int]:
        state: dict[str, int] = {}
        for message in self.bench.read(self.names[1]):
            if message.key and not message.key.startswith(b"\x00"):
                state[message.key.decode()] = int(message.value or b"0")
        return state


def numbered(name: str, count: int) -> list[str]:
    return [f"{name}-{n:05d}" for n in range(count)]


def test_a_worker_that_is_frozen_in_mid_batch_is_fenced_and_ends(bench: Bench) -> None:
    topics = Topics(bench, "routing-signals", "router-state")
    frozen = topics.worker("frozen").ready()
    topics.send(numbered("a", 500))
    until(lambda: len(topics.written("a", "b", "c")) == 500, what="the first messages")
    topics.send(["b-hold", *numbered("b", 200)])
    until((bench.folder / "held-frozen").exists, every=0.01, what="a batch to be under way")
    frozen.signal(signal.SIGSTOP)
    topics.worker("other").ready()
    until(lambda: len(topics.written("a", "b", "c")) == 701, what="the other worker to do it")
    topics.send(numbered("c", 100))
    frozen.signal(signal.SIGCONT)

    assert frozen.ended() == EXIT_DEPENDENCY_AWAY
    everything = sorted([*numbered("a", 500), "b-hold", *numbered("b", 200), *numbered("c", 100)])
    until(lambda: len(topics.written("a", "b", "c")) >= len(everything), what="the rest")
    assert topics.written("a", "b", "c") == everything
    assert sum(topics.counts().values()) == len(everything)


def test_a_message_that_kills_the_worker_is_put_aside_after_a_few_deaths(bench: Bench) -> None:
    topics = Topics(bench, "feedback-classified", "actions")
    good = numbered("g", 30)
    topics.send([*good[:15], "g-die", *good[15:]], keys=1)
    deaths = 0
    worker = topics.worker()
    while len(topics.written("g")) < len(good) and deaths < 12:
        if worker.process.poll() is not None:
            assert worker.ended() == 9
            deaths += 1
            worker = topics.worker()

    assert topics.written("g") == good
    assert topics.counts() == {"k0": 30}
    assert deaths <= 6
    (letter,) = [m for m in bench.read(ROUTER_DLQ) if m.header("dl_code") == b"crashed"]
    assert (letter.value, letter.header("dl_topic")) == (b"g-die", b"feedback-classified")


def test_an_exception_ends_the_process_before_anything_is_written(bench: Bench) -> None:
    topics = Topics(bench, "feedback-corrections", "notification-outcomes")
    worker = topics.worker().ready()
    topics.send([*numbered("x", 5), "x-raise"], keys=1)

    assert worker.ended() == EXIT_BUG
    assert "x-raise" not in topics.written("x")


def test_too_many_dead_letters_halt_it_until_somebody_says_go_on(bench: Bench) -> None:
    topics = Topics(bench, "action-commands", "feedback-rejected")
    worker = topics.worker().ready()
    topics.send(["y-poison"] * 60, keys=4)
    until(lambda: worker.get("/health/ready")[0] == 503, what="the fold to halt")
    assert worker.get("/health/live")[0] == 200
    assert 'palette_consumer_halted{topic="action-commands"} 1.0' in worker.get("/metrics")[1]

    topics.send(numbered("y", 50))
    request = urllib.request.Request(f"http://127.0.0.1:{worker.port}/control/resume", method="POST")
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert b"goes on" in answer.read()
    until(lambda: topics.written("y") == numbered("y", 50), what="the good ones")
    letters = Counter(m.header("dl_code") for m in bench.read(ROUTER_DLQ) if m.header("dl_topic") == b"action-commands")
    assert letters == {b"bad": 60}


def test_a_gap_in_the_input_ends_the_process(bench: Bench) -> None:
    topics = Topics(bench, "feedback-received", "action-changes")
    worker = topics.worker().ready()
    topics.send(numbered("z", 20), keys=1)
    until(lambda: len(topics.written("z")) == 20, what="the first messages")
    worker.kill()
    topics.send(numbered("lost", 5), keys=1)
    admin = KafkaAdminClient(bootstrap_servers=bench.bootstrap_servers)
    places = {m.partition for m in bench.read("feedback-received")}
    admin.delete_records({TopicPartition("feedback-received", place): 23 for place in places})
    admin.close()

    assert topics.worker().ended() == EXIT_BUG
    assert topics.written("lost") == []


def test_a_second_worker_of_the_same_name_on_one_data_folder_is_refused(bench: Bench) -> None:
    topics = Topics(bench, "routing-signals", "router-state")
    topics.worker("same").ready()
    assert topics.worker("same").ended() == 78
