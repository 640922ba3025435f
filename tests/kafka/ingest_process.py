"""A real ingest process on a data folder of its own, and what a broker then holds. For tests and the bench."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
from kafka import KafkaConsumer, TopicPartition

from services.kit.kafka import create_topics
from services.kit.settings import Settings
from tests.ports import free_port
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[2]


class IngestProcess:
    """`start` waits until it is ready. It may be killed and started again on the same folder."""

    def __init__(self, data_dir: Path, bootstrap_servers: str, **environment: str) -> None:
        self.data_dir = data_dir
        self.bootstrap_servers = bootstrap_servers
        self.port = free_port()
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PALETTE_", "KAFKA_"))}
        self.environment = kept | {
            "PALETTE_DATA_DIR": str(data_dir),
            "PALETTE_INGEST_PORT": str(self.port),
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers,
            "PYTHONPATH": str(ROOT),
            **environment,
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.http = httpx2.Client(base_url=f"http://127.0.0.1:{self.port}", trust_env=False, timeout=60.0)

    def start(self) -> "IngestProcess":
        self.process = subprocess.Popen([sys.executable, "-m", "services.ingest"], cwd=ROOT, env=self.environment)
        until(self._ready, seconds=30, what="ingest to be ready")
        return self

    def _ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, "ingest ended at its start"
        try:
            return self.http.get("/health/ready").status_code == 200
        except httpx2.TransportError:
            return False

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            os.kill(self.pid, signal.SIGTERM)
            self.wait()

    def end(self) -> None:
        """Whatever state it is in."""
        if self.process is not None and self.process.poll() is None:
            self.kill()
        self.http.close()

    def wait(self) -> int:
        assert self.process is not None
        return self.process.wait(timeout=30)

    def post(self, event: dict[str, Any], **headers: str) -> httpx2.Response:
        return self.http.post("/v1/feedback", json=event, headers=headers)

    def post_batch(self, events: list[Any], **headers: str) -> httpx2.Response:
        return self.http.post("/v1/feedback/batch", json=events, headers=headers)

    def metric(self, name: str) -> float:
        """The sum over all series of a metric."""
        lines = self.http.get("/metrics").text.splitlines()
        found = [float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((f"{name} ", f"{name}{{"))]
        assert found, f"{name} is not exposed"
        return sum(found)

    def settled(self) -> None:
        """Waits until Kafka has everything that was accepted."""
        until(lambda: self.metric("palette_journal_events") == 0, seconds=60, what="the journal to be empty")


def prepare_topics(bootstrap_servers: str, tmp_path: Path) -> None:
    create_topics(Settings(data_dir=tmp_path, kafka_bootstrap_servers=bootstrap_servers))


def read_topic(bootstrap_servers: str, topic: str) -> list[dict[str, Any]]:
    """Every message of a topic, partition by partition in offset order; `_partition` says which."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap_servers, enable_auto_commit=False)
    try:
        partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        ends = consumer.end_offsets(partitions)
        found: list[dict[str, Any]] = []
        while any(consumer.position(one) < ends[one] for one in partitions):
            for one, messages in consumer.poll(timeout_ms=500).items():
                found += [json.loads(m.value) | {"_partition": one.partition, "_offset": m.offset} for m in messages]
        return sorted(found, key=lambda m: (m["_partition"], m["_offset"]))
    finally:
        consumer.close()
