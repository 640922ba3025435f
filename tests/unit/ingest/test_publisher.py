"""The sender's decisions, on a producer that fails as kafka-python's does: dead for good after one refused record."""

import queue
import threading
from collections.abc import Callable
from typing import Any

import pytest
from kafka.errors import KafkaTimeoutError, MessageSizeTooLargeError, TopicAuthorizationFailedError
from kafka.future import Future

from services.contracts.codec import Outbound
from services.contracts.errors import Unavailable
from services.ingest.io import publisher as publisher_module
from services.ingest.io.frames import Record, scan
from services.ingest.io.publisher import Publisher
from tests.unit.ingest.builders import LOG, entry, metrics, number_of
from tests.waiting import until


class MemoryJournal:
    """Records in order; what is acknowledged."""

    def __init__(self, numbers: range) -> None:
        data = b"".join(entry(number).frame for number in numbers)
        self._records = list(scan(data, 0))
        self.durable = self._records[-1].end if self._records else 0
        self.acknowledged = 0

    def read(self, position: int) -> list[Record]:
        return [record for record in self._records if record.end > position][:100]

    def acknowledge(self, position: int) -> None:
        assert position > self.acknowledged
        self.acknowledged = position


class Broker:
    """Takes messages; refuses those whose number is in `refused`; `away` refuses to be reached at all."""

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.rejections: list[bytes | None] = []
        self.refused: set[int] = set()
        self.away = False
        self.denies = 0
        self.made = 0
        self.answers = threading.Event()
        self.answers.set()

    def connect(self) -> "Producer":
        if self.away:
            raise Unavailable("Kafka does not answer")
        self.made += 1
        return Producer(self)


class Producer:
    """Answers in a thread of its own, in batches of seven that fail or succeed as one; fatal after a refusal."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._queue: queue.Queue[tuple[bytes | None, Future] | None] = queue.Queue()
        self._fatal: Exception | None = None
        threading.Thread(target=self._work, daemon=True).start()

    def send(self, topic: str, value: bytes | None, key: bytes | None, headers: Any) -> Future:
        future = _Future()
        self._queue.put((value if topic == "feedback-received" else b"rejection:" + (value or b""), future))
        return future

    def close(self, timeout: float) -> None:
        self._queue.put(None)

    def _work(self) -> None:
        while (first := self._queue.get()) is not None:
            batch = [first]
            while len(batch) < 7 and not self._queue.empty():
                more = self._queue.get()
                if more is None:
                    return
                batch.append(more)
            self._do([(value or b"", future) for value, future in batch])

    def _do(self, batch: list[tuple[bytes, Future]]) -> None:
        self._broker.answers.wait(20)
        if self._broker.denies:
            self._broker.denies -= 1
            self._fatal = TopicAuthorizationFailedError("denied")
        if self._fatal is None and any(_number(value) in self._broker.refused for value, _ in batch):
            self._fatal = MessageSizeTooLargeError("too large")
        for value, future in batch:
            if self._fatal is not None:
                future.failure(self._fatal)
            elif value.startswith(b"rejection:"):
                self._broker.rejections.append(value)
                future.success(None)
            else:
                self._broker.taken.append(_number(value))
                future.success(None)


class _Future(Future):
    def __init__(self) -> None:
        super().__init__()
        self._done = threading.Event()
        self.add_both(lambda _: self._done.set())

    def get(self, timeout: float) -> Any:
        if not self._done.wait(timeout):
            raise KafkaTimeoutError
        if self.exception is not None:
            raise self.exception
        return self.value


def _number(value: bytes) -> int:
    return -1 if value.startswith(b"rejection:") else int(value.partition(b":")[0])


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher_module, "_BACK_OFF_SECONDS", (0.0, 0.01))


def run(journal: MemoryJournal, broker: Broker, *, until_: Callable[[], bool], begin: int = 0) -> Publisher:
    found = metrics()
    publisher = Publisher(
        journal,
        connect=broker.connect,
        reject=lambda record: Outbound("feedback-rejected", b"k", b"%d" % number_of(record)),
        acknowledged=lambda _: None,
        metrics=found,
        log=LOG,
        begin=begin,
    )
    publisher.start()
    try:
        until(until_, seconds=20, what="the sender to be done")
    finally:
        publisher.stop(timeout=0.1)
    return publisher


def test_everything_is_sent_once_and_in_order() -> None:
    journal, broker = MemoryJournal(range(500)), Broker()
    run(journal, broker, until_=lambda: journal.acknowledged == journal.durable)
    assert broker.taken == list(range(500))
    assert broker.made == 1


@pytest.mark.parametrize("refused", [{0}, {249}, {499}, {10, 11}, {3, 100, 101, 450}])
def test_refused_records_are_put_aside_and_all_others_arrive_in_order(refused: set[int]) -> None:
    journal, broker = MemoryJournal(range(500)), Broker()
    broker.refused = refused
    run(journal, broker, until_=lambda: journal.acknowledged == journal.durable)
    assert list(dict.fromkeys(broker.taken)) == [number for number in range(500) if number not in refused]
    assert broker.rejections == [b"rejection:%d" % number for number in sorted(refused)]


def test_it_begins_where_it_is_told() -> None:
    journal, broker = MemoryJournal(range(20)), Broker()
    begin = journal.read(0)[9].end
    run(journal, broker, begin=begin, until_=lambda: journal.acknowledged == journal.durable)
    assert broker.taken == list(range(10, 20))


def test_kafka_away_is_told_and_everything_is_sent_when_it_is_back() -> None:
    journal, broker = MemoryJournal(range(50)), Broker()
    broker.away = True
    told: list[str] = []

    def done() -> bool:
        told.append(publisher.trouble)
        if any("does not answer" in trouble for trouble in told):
            broker.away = False
        return journal.acknowledged == journal.durable

    found = metrics()
    publisher = Publisher(
        journal, connect=broker.connect, reject=lambda _: Outbound("feedback-rejected", b"", b""),
        acknowledged=lambda _: None, metrics=found, log=LOG,
    )  # fmt: skip
    publisher.start()
    until(done, seconds=20, what="everything to be sent")
    assert publisher.trouble == ""
    publisher.stop(timeout=0.1)
    assert broker.taken == list(range(50))
    assert found.publish_failures.labels("away")._value.get() > 0


def test_a_kafka_that_says_nothing_is_told_of_before_the_producer_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher_module, "_SILENT_SECONDS", 0.05)
    journal, broker = MemoryJournal(range(50)), Broker()
    broker.answers.clear()
    publisher = Publisher(
        journal, connect=broker.connect, reject=lambda _: Outbound("feedback-rejected", b"", b""),
        acknowledged=lambda _: None, metrics=metrics(), log=LOG,
    )  # fmt: skip
    publisher.start()
    until(lambda: "no answer" in publisher.trouble, what="the silence to be told of")
    broker.answers.set()
    until(lambda: publisher.trouble == "" and journal.acknowledged == journal.durable, what="everything to be sent")
    publisher.stop(timeout=0.1)
    assert broker.taken == list(range(50))
    assert broker.made == 1


def test_denied_access_puts_nothing_aside() -> None:
    journal, broker = MemoryJournal(range(30)), Broker()
    broker.denies = 3
    run(journal, broker, until_=lambda: journal.acknowledged == journal.durable)
    assert list(dict.fromkeys(broker.taken)) == list(range(30))
    assert broker.rejections == []


def test_a_flood_of_refusals_is_bounded() -> None:
    journal, broker = MemoryJournal(range(1)), Broker()
    publisher = Publisher(
        journal, connect=broker.connect, reject=lambda _: Outbound("feedback-rejected", b"", b""),
        acknowledged=lambda _: None, metrics=metrics(), log=LOG,
    )  # fmt: skip
    for number in range(5_000):
        publisher.offer(Outbound("feedback-rejected", b"", b"%d" % number))
    publisher.start()
    until(lambda: journal.acknowledged == journal.durable and len(broker.rejections) >= 200)
    publisher.stop(timeout=0.1)
    assert len(broker.rejections) < 400


def test_damage_in_the_journal_is_passed_over() -> None:
    journal, broker = MemoryJournal(range(3)), Broker()
    journal.durable += 100
    run(journal, broker, until_=lambda: broker.taken == [0, 1, 2])
