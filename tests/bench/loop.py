"""The classify loop with a model that costs nothing: Kafka, decoding, tags, encoding, acknowledgements. And the process
that is measured: `python -m tests.bench.loop` is a real worker around the real step."""

import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import psutil
from kafka import KafkaConsumer, TopicPartition

from services.classify.loading import load_tagger
from services.classify.step import INPUTS, SERVICE, classify
from services.classify.tagging.tagger import Tagger, TagInput
from services.contracts import ids, topics
from services.contracts.codec import Outbound, RawMessage, encode
from services.contracts.events import FeedbackReceived, Pseudonym, Tags
from services.kit.kafka import create_topics, producer
from services.kit.metrics import ConsumerMetrics
from services.kit.process import Process, run
from services.kit.settings import Settings
from services.kit.worker import Worker, run_worker
from services.launcher.kafka import EmbeddedKafka
from tests.bench.end_to_end import texts
from tests.bench.figures import Figure
from tests.ports import free_port
from tests.system.product import ROOT
from tests.waiting import until

_EVENTS = 40_000


def measure(folder: Path, cache: Path) -> list[Figure]:
    """Events per second between the first and the last output, by the broker's own time stamps."""
    with EmbeddedKafka(folder / "kafka", cache, free_port()) as broker:
        settings = Settings(data_dir=folder, kafka_bootstrap_servers=broker.bootstrap_servers)
        create_topics(settings)
        _fill(settings)
        environment = {**os.environ, "PALETTE_DATA_DIR": str(folder), "PYTHONPATH": str(ROOT)}
        environment["KAFKA_BOOTSTRAP_SERVERS"] = broker.bootstrap_servers
        worker = subprocess.Popen([sys.executable, "-m", "tests.bench.loop"], cwd=ROOT, env=environment)
        try:
            rate = _rate(broker.bootstrap_servers)
            cpu = sum(psutil.Process(worker.pid).cpu_times()[:2]) / _EVENTS
        finally:
            worker.terminate()
            worker.wait(30)
    return [
        Figure("the classify loop with a free model", rate, "events/s", "at least 8,000", rate >= 8_000),
        Figure("CPU of the loop, its start included", cpu * 1e6, "µs/event"),
    ]


def _fill(settings: Settings) -> None:
    now = datetime.now(UTC)
    sender = producer(settings, linger_ms=50)
    for number, text in enumerate(texts(_EVENTS)):
        event = FeedbackReceived(
            id=ids.event_id("bench", str(number)),
            source="bench",
            source_id=str(number),
            channel="complaint",
            occurred_at=now,
            received_at=now,
            text=text,
            customer=Pseudonym(f"c-{number % 1000}"),
            attributes={"region": "north", "product": "beds"},
        )
        out = encode(event)
        sender.send(out.topic, key=out.key, value=out.value, headers=list(out.headers))
    sender.flush()
    sender.close()


def _rate(bootstrap_servers: str) -> float:
    consumer = KafkaConsumer(bootstrap_servers=bootstrap_servers, group_id=None, auto_offset_reset="earliest")
    consumer.assign([TopicPartition(topics.FEEDBACK_CLASSIFIED, number) for number in range(4)])
    stamps: list[int] = []

    def all_there() -> bool:
        for records in consumer.poll(timeout_ms=500, max_records=5_000).values():
            stamps.extend(record.timestamp for record in records)
        return len(stamps) >= _EVENTS

    until(all_there, seconds=120, every=0.0, what="every output of the loop")
    consumer.close()
    return _EVENTS / ((max(stamps) - min(stamps)) / 1000)


class _FreeTagger:
    """Answers the same tags for every text, at no cost."""

    def __init__(self, tagger: Tagger) -> None:
        self.taxonomy = tagger.taxonomy
        self._tags = tagger.tag([TagInput(text="The driver marked it delivered but nothing is here.")])[0]

    def tag(self, batch: Sequence[TagInput]) -> list[Tags]:
        return [self._tags] * len(batch)


def _main(process: Process) -> None:
    tagger = cast(Tagger, _FreeTagger(load_tagger(process.settings.policy_dir)))

    def step(messages: Sequence[RawMessage], now: datetime) -> Sequence[Outbound]:
        return classify(messages, tagger=tagger, now=now, version=process.version).outbound

    run_worker(Worker(process, INPUTS, step, ConsumerMetrics(process.registry, INPUTS), SERVICE))


if __name__ == "__main__":
    run(SERVICE, _main)
