"""The classifier as a process on the real broker: tags, corrections, poison, kill -9, health, metrics, one sentence."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from kafka import KafkaConsumer, TopicPartition

from services.contracts.codec import Outbound, RawMessage, decode, encode
from services.contracts.events import Correction, FeedbackClassified, FeedbackCorrected, FeedbackReceived
from services.contracts.topics import CLASSIFY_DLQ, FEEDBACK_CLASSIFIED, FEEDBACK_RECEIVED
from services.kit.kafka import create_topics, producer
from services.kit.settings import Settings
from services.launcher.kafka import EmbeddedKafka
from tests.ports import free_port
from tests.waiting import until

CHECKOUT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 3, 9, tzinfo=UTC)
TEXT = "Your driver marked it delivered, nothing is here"

pytestmark = pytest.mark.timeout(180)


class Classifier:
    """The process on a broker of its own, what it is sent and what came out."""

    def __init__(self, broker: EmbeddedKafka, folder: Path) -> None:
        self.port = free_port()
        self.settings = Settings().model_copy(update={"kafka_bootstrap_servers": broker.bootstrap_servers})
        create_topics(self.settings)
        self._folder = folder
        self._environment = {
            "PATH": os.environ["PATH"],
            "PALETTE_DATA_DIR": str(folder),
            "PALETTE_CLASSIFY_METRICS_PORT": str(self.port),
            "KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap_servers,
        }
        self._consumer = KafkaConsumer(bootstrap_servers=broker.bootstrap_servers, enable_auto_commit=False)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self._folder / "output").open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "services.classify"],
                cwd=CHECKOUT,
                env=self._environment,
                stdout=output,
                stderr=output,
            )
        until(self.is_ready, seconds=60, what="the classifier to be ready")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        self.kill()
        self._consumer.close()

    def is_ready(self) -> bool:
        try:
            return httpx2.get(self.url("/health/ready"), timeout=2).status_code == 200
        except httpx2.TransportError:
            return False

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def send(self, *messages: Outbound) -> None:
        sender = producer(self.settings)
        for message in messages:
            sender.send(message.topic, message.value, key=message.key, headers=list(message.headers))
        sender.flush()
        sender.close()

    def tagged(self) -> list[FeedbackClassified]:
        return [decode(_raw(record), FeedbackClassified) for record in self._records(FEEDBACK_CLASSIFIED)]

    def produced(self) -> int:
        """How many tag revisions there are, without reading them."""
        return sum(self._consumer.end_offsets(self._partitions(FEEDBACK_CLASSIFIED)).values())

    def letters(self) -> Counter[bytes]:
        """Dead letters by code."""
        return Counter(dict(record.headers)["dl_code"] for record in self._records(CLASSIFY_DLQ))

    def _records(self, topic: str) -> list[Any]:
        partitions = self._partitions(topic)
        self._consumer.assign(partitions)
        self._consumer.seek_to_beginning(*partitions)
        ends = self._consumer.end_offsets(partitions)
        records: list[Any] = []
        while any(self._consumer.position(p) < end for p, end in ends.items()):
            for part in self._consumer.poll(timeout_ms=500).values():
                records += part
        return records

    def _partitions(self, topic: str) -> list[TopicPartition]:
        found = until(lambda: self._consumer.partitions_for_topic(topic), what=f"partitions of {topic}")
        return [TopicPartition(topic, number) for number in sorted(found)]


def _raw(record: Any) -> RawMessage:
    return RawMessage(record.topic, record.partition, record.offset, record.key, record.value, tuple(record.headers))


def received(number: int, text: str = TEXT) -> FeedbackReceived:
    return FeedbackReceived(
        id=f"00000000-0000-5000-8000-{number:012d}",
        source="web-survey",
        source_id=f"r-{number}",
        channel="survey",
        occurred_at=NOW,
        received_at=NOW,
        text=text,
    )


@pytest.fixture
def classifier(tmp_path_factory: pytest.TempPathFactory, kafka_cache: Path) -> Iterator[Classifier]:
    with EmbeddedKafka(tmp_path_factory.mktemp("classify kafka"), kafka_cache, free_port()) as broker:
        running = Classifier(broker, tmp_path_factory.mktemp("classify data"))
        try:
            yield running
        finally:
            running.close()


def test_events_are_tagged_corrected_and_put_aside_and_the_page_may_ask(classifier: Classifier) -> None:
    classifier.send(
        encode(received(1)),
        Outbound(FEEDBACK_RECEIVED, b"k", b"{not json"),
        encode(received(2, "The room was dirty and there were stains on the sheets")),
    )
    classifier.start()
    until(lambda: len(classifier.tagged()) == 2, what="both events")
    assert {event.tags.stage for event in classifier.tagged()} == {"receive", "use"}
    assert classifier.letters() == Counter([b"not_json"])

    before = next(event for event in classifier.tagged() if event.tags.stage == "use")
    correction = Correction(id="c-1", by="ana", at=NOW, stage="stay")
    classifier.send(encode(FeedbackCorrected(correction=correction, of=before)))
    until(lambda: any(event.revision == 2 for event in classifier.tagged()), what="the next revision")
    after = next(event for event in classifier.tagged() if event.revision == 2)
    assert (after.id, after.tags.stage, after.supersedes) == (before.id, "stay", before.tags)

    asked = httpx2.post(classifier.url("/internal/tag"), json={"text": TEXT, "channel": "complaint", "attributes": {}})
    assert asked.status_code == 200
    assert asked.json()["stage"] == "receive"
    shown = httpx2.get(classifier.url("/metrics")).text
    assert 'palette_tags_total{stage="receive",status="tagged"} 1.0' in shown
    assert 'palette_unsure_total{head="stage",reason="language"} 0.0' in shown
    assert "palette_model_info{" in shown


def test_kill_9_in_mid_stream_leaves_no_event_untagged(classifier: Classifier) -> None:
    numbers = range(1, 2_501)
    classifier.send(*(encode(received(number)) for number in numbers))
    classifier.start()
    until(lambda: classifier.produced() > 300, every=0.01, what="the first tags")
    classifier.kill()
    classifier.start()

    wanted = {received(number).id for number in numbers}
    until(lambda: classifier.produced() >= len(wanted), seconds=60, what="as many tags as events")
    until(lambda: {event.id for event in classifier.tagged()} == wanted, seconds=60, every=1, what="every event")
    revisions = {(event.id, event.revision): event.tags for event in classifier.tagged()}
    assert len(revisions) == len(wanted)
