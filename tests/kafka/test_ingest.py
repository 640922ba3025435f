"""Ingest as a real process on a real Kafka: what was answered with 202 arrives, in order, whatever dies in between."""

import itertools
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

from services.contracts import ids
from services.contracts.topics import FEEDBACK_RECEIVED, FEEDBACK_REJECTED
from services.launcher.kafka import EmbeddedKafka
from tests.builders import feedback
from tests.kafka.ingest_process import IngestProcess, prepare_topics, read_topic
from tests.ports import free_port
from tests.waiting import until


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, kafka_cache: Path) -> Iterator[EmbeddedKafka]:
    """A broker of this module's own, because it is frozen and killed here."""
    folder = tmp_path_factory.mktemp("ingest kafka")
    with EmbeddedKafka(folder, kafka_cache, free_port()) as started:
        prepare_topics(started.bootstrap_servers, folder)
        yield started


@pytest.fixture
def ingest(broker: EmbeddedKafka, tmp_path: Path) -> Iterator[IngestProcess]:
    process = IngestProcess(tmp_path / "data", broker.bootstrap_servers).start()
    yield process
    process.end()


class Senders:
    """Threads that post numbered events of one source and remember which were answered with 202, in order."""

    def __init__(self, ingest: IngestProcess, *, count: int, batch: int) -> None:
        self._ingest = ingest
        self._batch = batch
        self._stop = threading.Event()
        self.sources = [f"{ingest.data_dir.parent.name}-{n}" for n in range(count)]
        self.accepted: dict[str, list[str]] = {source: [] for source in self.sources}
        self._threads = [threading.Thread(target=self._send, args=(source,)) for source in self.sources]
        for thread in self._threads:
            thread.start()

    def _send(self, source: str) -> None:
        numbers = itertools.count()
        with httpx2.Client(base_url=self._ingest.http.base_url, trust_env=False, timeout=60.0) as http:
            while not self._stop.is_set():
                # one customer a source: all of its events go to one partition, so their order can be seen
                events = [
                    feedback(source=source, id=f"{number:06}", customer={"id": source})
                    for number in itertools.islice(numbers, self._batch)
                ]
                while not self._posted(http, events) and not self._stop.wait(0.02):
                    """The same again, as a sender does that got no answer."""

    def _posted(self, http: httpx2.Client, events: list[dict[str, Any]]) -> bool:
        try:
            answer = http.post("/v1/feedback/batch", json=events)
        except httpx2.TransportError:
            return False
        if answer.status_code != 202:
            return False
        assert all(result["status"] in {"accepted", "duplicate"} for result in answer.json()["results"])
        self.accepted[events[0]["source"]] += [event["id"] for event in events]
        return True

    @property
    def total(self) -> int:
        return sum(map(len, self.accepted.values()))

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=60)


def arrived(broker: EmbeddedKafka, sources: list[str]) -> dict[str, list[str]]:
    """The sender's ids by source as they stand in the topic, repeats included."""
    found: dict[str, list[str]] = {source: [] for source in sources}
    for message in read_topic(broker.bootstrap_servers, FEEDBACK_RECEIVED):
        if message["source"] in found:
            found[message["source"]].append(message["source_id"])
    return found


def assert_all_arrived_in_order(broker: EmbeddedKafka, senders: Senders) -> None:
    """Every accepted event is there, and the first appearance of each stands in the order of sending."""
    for source, there in arrived(broker, senders.sources).items():
        first_appearances = list(dict.fromkeys(there))
        assert set(senders.accepted[source]) <= set(there)
        assert first_appearances == sorted(first_appearances)


def test_an_event_arrives_masked_with_its_headers_and_key(broker: EmbeddedKafka, ingest: IngestProcess) -> None:
    event = feedback(source="one-event", text="Write to jo@mail.example, customer C-7781.", customer={"id": "C-7781"})
    answer = ingest.post(event)
    assert answer.status_code == 202
    assert answer.json() == {"id": ids.event_id("one-event", event["id"]), "status": "accepted"}
    assert ingest.post(event).json()["status"] == "duplicate"
    ingest.settled()
    found = [m for m in read_topic(broker.bootstrap_servers, FEEDBACK_RECEIVED) if m["source"] == "one-event"]
    assert [message["text"] for message in found] == ["Write to ‹e-mail address›, customer ‹customer id›."]
    assert "mode" not in found[0]  # live is the default


def test_modes_are_taken_from_the_header(broker: EmbeddedKafka, ingest: IngestProcess) -> None:
    for mode in ("backfill", "rehearsal"):
        assert ingest.post(feedback(source=f"mode-{mode}"), **{"Palette-Mode": mode}).status_code == 202
    assert ingest.post(feedback(), **{"Palette-Mode": "dream"}).status_code == 422
    ingest.settled()
    found = {m["source"]: m.get("mode") for m in read_topic(broker.bootstrap_servers, FEEDBACK_RECEIVED)}
    assert (found["mode-backfill"], found["mode-rehearsal"]) == ("backfill", "rehearsal")


def test_other_paths_and_methods_answer_with_problems(ingest: IngestProcess) -> None:
    for answer in (ingest.http.get("/v1/feedback"), ingest.http.get("/nothing")):
        assert answer.status_code in {404, 405}
        assert answer.headers["content-type"] == "application/problem+json"
    assert ingest.http.get("/openapi.json").status_code == 200


def test_refusals_are_recorded_without_their_content(broker: EmbeddedKafka, ingest: IngestProcess) -> None:
    assert ingest.post(feedback(source="refusals", colour="zanzibar")).status_code == 422

    def recorded() -> list[dict[str, Any]]:
        return [m for m in read_topic(broker.bootstrap_servers, FEEDBACK_REJECTED) if m["source"] == "refusals"]

    found = until(recorded, what="the refusal to be recorded")
    assert (found[0]["reason"], found[0]["problems"][0]["code"]) == ("invalid", "unknown_field")
    assert "zanzibar" not in json.dumps(found)


def test_kill_9_of_ingest_under_load_loses_nothing_that_was_answered(
    broker: EmbeddedKafka, ingest: IngestProcess
) -> None:
    senders = Senders(ingest, count=3, batch=20)
    try:
        for _ in range(3):
            before = senders.total
            until(lambda before=before: senders.total > before + 300, what="events to be accepted")
            ingest.kill()
            newest = max((ingest.data_dir / "ingest" / "journal").glob("*.journal"))
            with newest.open("ab") as file:
                file.write(b"\x40\x01\x00\x00half a frame")
            ingest.start()
    finally:
        senders.stop()
    ingest.settled()
    assert_all_arrived_in_order(broker, senders)


def test_kafka_frozen_in_mid_stream_delays_and_loses_nothing(broker: EmbeddedKafka, ingest: IngestProcess) -> None:
    senders = Senders(ingest, count=3, batch=5)
    try:
        until(lambda: senders.total > 100, what="events to be accepted")
        os.kill(broker_pid(broker), signal.SIGSTOP)
        try:
            before = senders.total
            until(lambda: senders.total > before + 60, what="events to be accepted while Kafka stands still")
            assert ingest.metric("palette_journal_events") > 0
            assert ingest.http.get("/health/ready").status_code == 200
            began = time.monotonic()
            assert ingest.post(feedback()).status_code == 202
            assert 0.5 <= time.monotonic() - began < 5.0
            until(lambda: "away" in ingest.http.get("/health/ready").text, what="readiness to tell of Kafka")
        finally:
            os.kill(broker_pid(broker), signal.SIGCONT)
        before = senders.total
        until(lambda: senders.total > before + 100, what="events to be accepted afterwards")
    finally:
        senders.stop()
    ingest.settled()
    assert_all_arrived_in_order(broker, senders)


def test_kafka_killed_in_mid_stream_loses_and_doubles_nothing(broker: EmbeddedKafka, ingest: IngestProcess) -> None:
    senders = Senders(ingest, count=3, batch=20)
    try:
        until(lambda: senders.total > 500, what="events to be accepted")
        broker.kill()
        before = senders.total
        until(lambda: senders.total > before + 100, what="events to be accepted while Kafka is away")
        broker.start()
        before = senders.total
        until(lambda: senders.total > before + 500, what="events to be accepted afterwards")
    finally:
        senders.stop()
    ingest.settled()
    assert_all_arrived_in_order(broker, senders)


def test_ingest_starts_and_accepts_while_kafka_is_away(broker: EmbeddedKafka, ingest: IngestProcess) -> None:
    ingest.stop()
    broker.stop()
    try:
        ingest.start()
        events = [feedback(source="while-away", customer={"id": "away"}) for _ in range(5)]
        assert [ingest.post(event).status_code for event in events] == [202] * 5
        assert ingest.post(events[0]).json()["status"] == "duplicate"
        until(lambda: "away" in ingest.http.get("/health/ready").text, what="readiness to tell of Kafka")
    finally:
        broker.start()
    ingest.settled()
    assert arrived(broker, ["while-away"])["while-away"] == [event["id"] for event in events]


def test_a_record_that_kafka_refuses_is_put_aside_and_its_neighbours_arrive_in_order(
    broker: EmbeddedKafka, ingest: IngestProcess
) -> None:
    _limit(broker, 20_000)
    try:
        events = [feedback(source="oversize", customer={"id": "big"}) for _ in range(60)]
        for number in (20, 41):
            events[number]["answers"] = [{"question": "q", "text": "x" * 15_000} for _ in range(2)]
        answer = ingest.post_batch(events)
        assert [result["status"] for result in answer.json()["results"]] == ["accepted"] * 60
        ingest.settled()
    finally:
        _limit(broker, 1_572_864)
    good = [event["id"] for number, event in enumerate(events) if number not in {20, 41}]
    assert list(dict.fromkeys(arrived(broker, ["oversize"])["oversize"])) == good
    put_aside = [m for m in read_topic(broker.bootstrap_servers, FEEDBACK_REJECTED) if m["source"] == "oversize"]
    assert [m["reason"] for m in put_aside] == ["refused_by_kafka"] * 2
    assert {m["id"] for m in put_aside} == {ids.event_id("oversize", events[number]["id"]) for number in (20, 41)}
    after = feedback(source="oversize", customer={"id": "big"})
    assert ingest.post(after).status_code == 202
    ingest.settled()
    assert arrived(broker, ["oversize"])["oversize"][-1] == after["id"]


def test_sigterm_leaves_nothing_behind_and_a_clean_start_sends_nothing_twice(
    broker: EmbeddedKafka, ingest: IngestProcess
) -> None:
    events = [feedback(source="orderly") for _ in range(200)]
    assert ingest.post_batch(events).status_code == 202
    ingest.stop()
    ingest.start()
    ingest.settled()
    ingest.stop()
    assert sorted(arrived(broker, ["orderly"])["orderly"]) == sorted(event["id"] for event in events)


def test_a_full_journal_answers_503_and_takes_again_when_kafka_is_back(broker: EmbeddedKafka, tmp_path: Path) -> None:
    broker.stop()
    ingest = IngestProcess(tmp_path / "data", broker.bootstrap_servers, PALETTE_JOURNAL_CAPACITY_BYTES=str(1 << 20))
    try:
        ingest.start()
        accepted: list[str] = []

        def refused() -> httpx2.Response | None:
            events = [feedback(source="full", text="x" * 2_000, customer={"id": "full"}) for _ in range(100)]
            answer = ingest.post_batch(events)
            if answer.status_code == 202:
                accepted.extend(event["id"] for event in events)
                return None
            return answer

        answer = until(refused, what="the journal to be full")
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) >= 1
        broker.start()
        ingest.settled()
        assert ingest.post(feedback(source="full", customer={"id": "full"})).status_code == 202
        assert arrived(broker, ["full"])["full"][: len(accepted)] == accepted
    finally:
        ingest.end()
        if not broker.answers():
            broker.start()


def test_planted_personal_data_is_nowhere_under_the_data_folder(broker: EmbeddedKafka, ingest: IngestProcess) -> None:
    card, mail, customer = "4111 1111 1111 1111", "petra.quill@mail.example", "CUST-PLANTED-77123"
    planted = f"I am {customer}, card {card}, write to {mail}."
    event = feedback(text=planted, customer={"id": customer}, attributes={"note": planted}, segment=customer)
    assert ingest.post(event).status_code == 202
    assert ingest.post(event | {"text": "x" + planted}).status_code == 409
    assert ingest.post(event | {"id": "p-2", "channel": mail, customer: 1}).status_code == 422
    assert ingest.post_batch([event | {"id": "p-3"}, {"text": planted}, planted]).status_code == 202
    ingest.settled()
    ingest.stop()
    for path in ingest.data_dir.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        for needle in (card, card.replace(" ", ""), mail, customer):
            assert needle.encode() not in content, f"{needle} stands in {path.name}"


def broker_pid(broker: EmbeddedKafka) -> int:
    assert broker.process is not None
    return broker.process.pid


def _limit(broker: EmbeddedKafka, size: int) -> None:
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap_servers)
    try:
        admin.alter_configs(
            [ConfigResource(ConfigResourceType.TOPIC, FEEDBACK_RECEIVED, {"max.message.bytes": str(size)})]
        )
    finally:
        admin.close()
