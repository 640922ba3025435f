"""`palette retag` on the real Kafka: a preview writes nothing, and kill -9 in the middle changes no result."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from kafka import KafkaConsumer, TopicPartition

from services.classify.loading import load_tagger
from services.classify.revisions import first_revision, next_revision
from services.classify.tagging.tagger import TagInput
from services.contracts.codec import RawMessage, decode, encode
from services.contracts.events import (
    ActionChanged,
    Conversation,
    Correction,
    Event,
    FeedbackClassified,
    FeedbackCorrected,
    FeedbackReceived,
)
from services.contracts.topics import FEEDBACK_CLASSIFIED
from services.kit.kafka import create_topics, producer
from services.kit.settings import Settings
from services.launcher.kafka import EmbeddedKafka
from tests.ports import free_port
from tests.unit.classify.own_labels import NOT_CHARGING, UNTAUGHT_CHARGING, changed_policy, charging
from tests.waiting import until

CHECKOUT = Path(__file__).parents[2]
POLICY = CHECKOUT / "deploy" / "policy"
NOW = datetime.now(UTC).replace(microsecond=0)
EVENTS = 480
CORRECTED, IN_CASE, IN_FORMER_CASE, TALKING = 7, 8, 9, 10
"""Numbers of events to which something happened."""

pytestmark = pytest.mark.timeout(300)


class Bench:
    """A history on a broker of its own, and the command."""

    def __init__(self, broker: EmbeddedKafka, folder: Path) -> None:
        self.settings = Settings().model_copy(update={"kafka_bootstrap_servers": broker.bootstrap_servers})
        create_topics(self.settings)
        self.policy = changed_policy(POLICY, folder / "policy", lambda data: data["stages"].append(charging()))
        self._folder = folder
        self._environment = {
            "PATH": os.environ["PATH"],
            "PALETTE_DATA_DIR": str(folder),
            "PALETTE_POLICY_DIR": str(self.policy),
            "KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap_servers,
        }
        self._consumer = KafkaConsumer(bootstrap_servers=broker.bootstrap_servers, enable_auto_commit=False)

    def close(self) -> None:
        self._consumer.close()

    def send(self, *events: Event) -> None:
        sender = producer(self.settings)
        for message in map(encode, events):
            sender.send(message.topic, message.value, key=message.key, headers=list(message.headers))
        sender.flush()
        sender.close()

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        since, split = ((NOW - timedelta(days=days)).date().isoformat() for days in (2, 1))
        period = ["--since", since, "--split", split]
        command = [sys.executable, "-m", "services.cli", "retag", *period, "--json", *options]
        with (self._folder / "errors").open("ab") as errors:
            return subprocess.Popen(command, cwd=CHECKOUT, env=self._environment, stdout=subprocess.PIPE, stderr=errors)

    def run(self, *options: str) -> dict[str, Any]:
        process = self.start(*options)
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0, (self._folder / "errors").read_text()
        found: dict[str, Any] = json.loads(output)
        return found

    def revisions(self) -> dict[str, dict[int, FeedbackClassified]]:
        """Every revision of every event; a revision that was written twice says the same twice."""
        partitions = [TopicPartition(FEEDBACK_CLASSIFIED, n) for n in range(4)]
        self._consumer.assign(partitions)
        self._consumer.seek_to_beginning(*partitions)
        ends = self._consumer.end_offsets(partitions)
        found: dict[str, dict[int, FeedbackClassified]] = {}
        while any(self._consumer.position(p) < end for p, end in ends.items()):
            for records in self._consumer.poll(timeout_ms=500).values():
                for r in records:
                    raw = RawMessage(r.topic, r.partition, r.offset, r.key, r.value)
                    event: FeedbackClassified = decode(raw, FeedbackClassified)
                    before = found.setdefault(event.id, {}).setdefault(event.revision, event)
                    assert before.tags == event.tags
        return found

    def written(self) -> int:
        ends = self._consumer.end_offsets([TopicPartition(FEEDBACK_CLASSIFIED, n) for n in range(4)])
        return sum(ends.values())


@pytest.fixture
def bench(tmp_path_factory: pytest.TempPathFactory, kafka_cache: Path) -> Iterator[Bench]:
    with EmbeddedKafka(tmp_path_factory.mktemp("retag kafka"), kafka_cache, free_port()) as broker:
        running = Bench(broker, tmp_path_factory.mktemp("retag data"))
        try:
            yield running
        finally:
            running.close()


def event_id(number: int) -> str:
    return f"00000000-0000-5000-8000-{number:012d}"


def received(number: int) -> FeedbackReceived:
    """Every third tells of charging."""
    texts = UNTAUGHT_CHARGING if number % 3 == 0 else NOT_CHARGING
    return FeedbackReceived(
        id=event_id(number),
        source="web-survey",
        source_id=f"r-{number}",
        channel="survey",
        occurred_at=NOW - timedelta(hours=number % 40),
        received_at=NOW,
        text=texts[number % len(texts)],
        conversation_id="talk" if number == TALKING else None,
    )


def history() -> list[Event]:
    """What was received, how it was tagged under the shipped taxonomy, and what happened since."""
    tagger = load_tagger(POLICY, full=False)
    events = [received(number) for number in range(EVENTS)]
    tags = tagger.tag([TagInput(event.text) for event in events])
    tagged = [first_revision(event, tag, now=NOW) for event, tag in zip(events, tags, strict=True)]
    talk = Conversation(id="talk", head=event_id(TALKING))
    tagged[TALKING] = msgspec.structs.replace(tagged[TALKING], conversation=talk)
    correction = Correction(id="c-1", by="ana", at=NOW - timedelta(hours=1), stage="stay")
    corrected = FeedbackCorrected(correction=correction, of=tagged[CORRECTED])
    return [*events, *tagged, corrected, next_revision(corrected, now=NOW), opened(IN_CASE), *over(IN_FORMER_CASE)]


def opened(number: int, **said: Any) -> ActionChanged:
    facts = {
        "id": f"change-{number}",
        "group": f"group-{number}",
        "at": NOW,
        "change": "opened",
        "by": "palette",
        "reason": "threshold",
        "action": f"action-{number}",
        "revision": 1,
        "state": "open",
        "event": event_id(number),
    }
    return ActionChanged(**(facts | said))


def over(number: int) -> list[Event]:
    verdict = {"id": "verdict", "change": "verdict", "revision": 2, "state": "verified", "event": None}
    return [opened(number), opened(number, **verdict)]


def test_a_preview_tells_and_writes_nothing_and_kill_9_changes_no_result(bench: Bench) -> None:
    bench.send(*history())
    before = bench.written()

    seen = bench.run()
    assert bench.written() == before
    assert (seen["written"], seen["left"]) == (0, {"open_case": 1, "conversation": 1})
    # what is said under a person's name is no relabelling; what stands in an open case is compared, too
    assert seen["report"]["compared"] == EVENTS - 1
    (new,) = [shift for shift in seen["report"]["shifts"] if (shift["head"], shift["label"]) == ("stage", "charging")]
    assert (new["before"], new["real"]) == (0, 0)
    assert new["after"] == new["relabelled"] > 0

    first = bench.start("--apply", "--rate", "60")
    until(lambda: bench.written() > before + 100, seconds=90, what="the first new tags")
    first.kill()
    first.communicate()
    assert before + 100 < bench.written() < before + EVENTS - 2  # it was in the middle

    again = bench.run("--apply", "--rate", "5000")
    left = again["left"]
    assert left["done"] > 100
    assert left["done"] + again["written"] == EVENTS - 2
    assert again["report"] == seen["report"]

    tagger = load_tagger(bench.policy, full=False)
    expected = tagger.tag([TagInput(received(number).text) for number in range(EVENTS)])
    for number, revisions in enumerate(found for _, found in sorted(bench.revisions().items())):
        newest = revisions[max(revisions)]
        if number in {IN_CASE, TALKING}:
            assert max(revisions) == 1
        elif number == CORRECTED:
            assert (max(revisions), newest.tags.stage, newest.correction) == (3, "stay", revisions[2].correction)
        else:
            assert (max(revisions), newest.mode) == (2, "backfill")
            assert newest.tags == expected[number]
            assert newest.supersedes == msgspec.structs.replace(revisions[1].tags, evidence=())
    assert sum(newest[max(newest)].tags.stage == "charging" for newest in bench.revisions().values()) > EVENTS / 4

    total = bench.written()
    third = bench.run("--apply")
    assert (third["written"], bench.written()) == (0, total)
    assert third["report"] == seen["report"]
