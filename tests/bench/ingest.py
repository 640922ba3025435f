"""Ingest alone, from HTTP to Kafka's acknowledgement: batches of 100, and single events at a steady rate."""

import http.client
import itertools
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from services.launcher.kafka import EmbeddedKafka
from tests.bench.figures import Figure, percentile
from tests.builders import COMPLAINTS, feedback
from tests.kafka.ingest_process import IngestProcess, prepare_topics
from tests.ports import free_port

_BATCHES = 150
_ASIDES = (
    "I rang on Monday and again on Tuesday, order 10023456, and still nothing.",
    "Write to me at jo.bloggs@mail.example or ring 07700 900123 after six.",
    "It was 24.99 and now you say 31.50, which is not what the site said on 3 March.",
)


def measure(folder: Path, cache: Path) -> list[Figure]:
    """Starts a broker and an ingest of its own in `folder`; `cache` holds Kafka's jars."""
    with EmbeddedKafka(folder / "kafka", cache, free_port()) as broker:
        prepare_topics(broker.bootstrap_servers, folder)
        ingest = IngestProcess(folder / "data", broker.bootstrap_servers).start()
        try:
            _in_batches(ingest, 10)
            rate, cpu = _in_batches(ingest, _BATCHES)
            latencies = _single_posts(ingest, rate=200, seconds=10)
        finally:
            ingest.stop()
            ingest.end()
    p99 = percentile(latencies, 0.99) * 1000
    return [
        Figure("ingest, batches of 100, masked, in Kafka", rate, "events/s", "at least 3,000", rate >= 3_000),
        Figure("ingest, CPU of its process", cpu * 1e6, "µs/event"),
        Figure("single POST at 200/s, p50", percentile(latencies, 0.5) * 1000, "ms"),
        Figure("single POST at 200/s, p99", p99, "ms", "under 50", p99 < 50),
    ]


def _events(count: int) -> Iterator[dict[str, object]]:
    """Texts of about 200 characters; one in three holds digits or personal data."""
    for number in itertools.islice(itertools.count(), count):
        aside = _ASIDES[number % 9] if number % 9 < len(_ASIDES) else COMPLAINTS[number % 5]
        text = f"{COMPLAINTS[number % len(COMPLAINTS)]} {aside} {COMPLAINTS[(number + 3) % len(COMPLAINTS)]}"
        yield feedback(text=text)


def _in_batches(ingest: IngestProcess, batches: int) -> tuple[float, float]:
    """Events per second until Kafka has all of them, and CPU seconds of the process per event."""
    bodies = [json.dumps(list(_events(100))).encode() for _ in range(batches)]
    process = psutil.Process(ingest.pid)
    cpu, began = sum(process.cpu_times()[:2]), time.perf_counter()
    todo = iter(bodies)
    lock = threading.Lock()

    def sender() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", ingest.port)
        while True:
            with lock:
                body = next(todo, None)
            if body is None:
                return
            connection.request("POST", "/v1/feedback/batch", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 202

    senders = [threading.Thread(target=sender) for _ in range(4)]
    for thread in senders:
        thread.start()
    for thread in senders:
        thread.join()
    ingest.settled()
    count = batches * 100
    return count / (time.perf_counter() - began), (sum(process.cpu_times()[:2]) - cpu) / count


def _single_posts(ingest: IngestProcess, *, rate: int, seconds: int) -> list[float]:
    """Seconds that each answer took, sent at a steady rate whatever the answers do."""
    latencies: list[float] = []
    lock = threading.Lock()
    count = rate * seconds
    bodies = [json.dumps(event).encode() for event in _events(count)]
    due = itertools.count()
    began = time.perf_counter() + 0.2

    def sender() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", ingest.port)
        while True:
            with lock:
                number = next(due)
            if number >= count:
                return
            at = began + number / rate
            time.sleep(max(0.0, at - time.perf_counter()))
            connection.request("POST", "/v1/feedback", bodies[number], {"Content-Type": "application/json"})
            connection.getresponse().read()
            with lock:
                latencies.append(time.perf_counter() - at)

    senders = [threading.Thread(target=sender) for _ in range(16)]
    for thread in senders:
        thread.start()
    for thread in senders:
        thread.join()
    return latencies
