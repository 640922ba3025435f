"""Learning on the real Kafka: labels given over the API change later tags, workers switch once, and can go back."""

import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from kafka import KafkaConsumer, TopicPartition
from prometheus_client import CollectorRegistry

from services.api.app import Parts, build
from services.api.io.actions import active_policy
from services.classify import commands
from services.classify.io.craft import digest_of
from services.classify.io.versions import CARD, Card
from services.classify.loading import load_tagger
from services.classify.model.artefact import FOLDER, load, save
from services.classify.tagging.tagger import Tagger, TagInput
from services.contracts import ids
from services.contracts.codec import Outbound, RawMessage, decode, encode
from services.contracts.events import FeedbackClassified, FeedbackReceived, ModelActivated
from services.contracts.policyfiles import load_policy, read_folder
from services.contracts.topics import FEEDBACK_CLASSIFIED
from services.kit.kafka import create_topics, producer
from services.kit.logs import Log
from services.kit.process import Process
from services.kit.server import ThreadedServer
from services.kit.settings import Settings
from services.launcher.kafka import EmbeddedKafka
from tests.kafka.plots import LABELLED, LATER, Text
from tests.ports import free_port
from tests.waiting import until

CHECKOUT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 3, 9, tzinfo=UTC)

pytestmark = pytest.mark.timeout(400)


class Product:
    """A broker, classify as processes, the API in this one, and everything that classify ever said."""

    def __init__(self, broker: EmbeddedKafka, folder: Path, policy: Path) -> None:
        self.settings = Settings(
            data_dir=folder / "api",
            policy_dir=policy,
            api_port=free_port(),
            classify_metrics_port=free_port(),
            KAFKA_BOOTSTRAP_SERVERS=broker.bootstrap_servers,
        )
        self.folder = folder
        self.sender = producer(self.settings)
        create_topics(self.settings)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._ports: dict[str, int] = {}
        self._consumer = KafkaConsumer(bootstrap_servers=broker.bootstrap_servers, enable_auto_commit=False)
        self.parts: Parts = build(Process("api", self.settings, Log("api"), CollectorRegistry()))
        self._server = ThreadedServer(self.parts.app, host="127.0.0.1", port=self.settings.api_port).start()
        self.parts.start()
        self.api = httpx2.Client(base_url=f"http://127.0.0.1:{self.settings.api_port}", timeout=120, trust_env=False)

    # ---- workers ----------------------------------------------------------------------------------------------------

    def start(self, worker: str = "0") -> None:
        """Starts a worker on the shared data folder; the first one has the port that the API asks."""
        port = self.settings.classify_metrics_port if worker == "0" else free_port()
        self._ports[worker] = port
        environment = {
            "PATH": os.environ["PATH"],
            "PALETTE_DATA_DIR": str(self.folder / "classify"),
            "PALETTE_POLICY_DIR": str(self.settings.policy_dir),
            "PALETTE_CLASSIFY_METRICS_PORT": str(port),
            "PALETTE_WORKER": worker,
            "KAFKA_BOOTSTRAP_SERVERS": self.settings.bootstrap_servers,
        }
        with (self.folder / f"output-{worker}").open("ab") as output:
            self._processes[worker] = subprocess.Popen(
                [sys.executable, "-m", "services.classify"], cwd=CHECKOUT, env=environment, stdout=output, stderr=output
            )
        until(lambda: self._answers(worker, "/health/ready"), seconds=90, what=f"worker {worker} to be ready")

    def kill(self, worker: str = "0") -> None:
        process = self._processes.pop(worker, None)
        if process is not None:
            process.kill()
            process.wait()

    def _answers(self, worker: str, path: str) -> bool:
        try:
            return httpx2.get(f"http://127.0.0.1:{self._ports[worker]}{path}", timeout=2).status_code == 200
        except httpx2.TransportError:
            return False

    def metrics(self, worker: str = "0") -> str:
        return httpx2.get(f"http://127.0.0.1:{self._ports[worker]}/metrics", timeout=10).text

    # ---- topics -----------------------------------------------------------------------------------------------------

    def send(self, *messages: Outbound) -> None:
        for sent in [self.sender.send(m.topic, m.value, key=m.key, headers=list(m.headers)) for m in messages]:
            sent.get(timeout=20)

    def say(self, texts: Sequence[Text], *, prefix: str) -> list[str]:
        """Sends texts as events of their own customers; answers their ids."""
        events = [received(f"{prefix}-{n}", text) for n, (text, *_) in enumerate(texts)]
        self.send(*map(encode, events))
        return [event.id for event in events]

    def revisions(self) -> list[tuple[int, FeedbackClassified]]:
        """Everything that classify ever said, with its partition, in the order of each partition."""
        found = until(lambda: self._consumer.partitions_for_topic(FEEDBACK_CLASSIFIED), what="the partitions")
        places = [TopicPartition(FEEDBACK_CLASSIFIED, number) for number in sorted(found)]
        self._consumer.assign(places)
        self._consumer.seek_to_beginning(*places)
        ends = self._consumer.end_offsets(places)
        said = []
        while any(self._consumer.position(place) < end for place, end in ends.items()):
            for records in self._consumer.poll(timeout_ms=500).values():
                said += [
                    (
                        r.partition,
                        decode(RawMessage(r.topic, r.partition, r.offset, r.key, r.value), FeedbackClassified),
                    )
                    for r in records
                ]
        return said

    def first_tags(self, names: Sequence[str]) -> dict[str, FeedbackClassified]:
        """The first revisions of these events, once all are there."""

        def all_there() -> dict[str, FeedbackClassified] | None:
            found: dict[str, FeedbackClassified] = {}
            for _, event in self.revisions():
                if event.revision == 1:
                    found.setdefault(event.id, event)
            return {name: found[name] for name in names} if all(name in found for name in names) else None

        return until(all_there, seconds=60, every=0.3, what="the tags")

    def stored(self, names: Sequence[str]) -> None:
        """Waits until the API has these events with tags."""

        def tagged(name: str) -> bool:
            answer = self.api.get(f"/v1/feedback/{name}")
            return answer.status_code == 200 and answer.json()["status"] != "received"

        for name in names:
            until(lambda name=name: tagged(name), what="an event with tags in the store")

    def close(self) -> None:
        for worker in list(self._processes):
            self.kill(worker)
        self.api.close()
        self._server.stop()
        self.parts.stop()
        self.sender.close()
        self._consumer.close()


def received(name: str, text: str) -> FeedbackReceived:
    return FeedbackReceived(
        id=ids.event_id("plots", name),
        source="plots",
        source_id=name,
        channel="survey",
        occurred_at=NOW,
        received_at=datetime.now(UTC),
        text=text,
    )


def right_stages(texts: Sequence[Text], names: Sequence[str], tags: dict[str, FeedbackClassified]) -> int:
    return sum(tags[name].tags.stage == stage for name, (_, stage, _) in zip(names, texts, strict=True))


@pytest.fixture
def product(tmp_path_factory: pytest.TempPathFactory, kafka_cache: Path) -> Iterator[Product]:
    with EmbeddedKafka(tmp_path_factory.mktemp("learning kafka"), kafka_cache, free_port()) as broker:
        running = Product(broker, tmp_path_factory.mktemp("learning"), CHECKOUT / "deploy" / "policy")
        try:
            running.start()
            until(lambda: _policy_in_force(running), what="a policy in force")
            yield running
        finally:
            running.close()


def _policy_in_force(product: Product) -> bool:
    with product.parts.store.reading() as connection:
        return active_policy(connection) is not None


def member(by_text: dict[str, Text]) -> Callable[[dict[str, Any]], str]:
    """A person at the terminal who knows what is right, and answers with a letter and digits."""

    taxonomy = load_policy(read_folder(CHECKOUT / "deploy" / "policy")).taxonomy
    letters = dict(zip(taxonomy.stages, commands._LETTERS, strict=False))
    digits = dict(zip(taxonomy.areas, commands._DIGITS, strict=False))

    def answer(item: dict[str, Any]) -> str:
        _, stage, areas = by_text[item["text"]]
        return letters[stage] + "".join(digits[area] for area in areas)

    return answer


def at_the_terminal(product: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands of this process talk to this product."""
    monkeypatch.setenv("PALETTE_API_PORT", str(product.settings.api_port))
    monkeypatch.setenv("PALETTE_DATA_DIR", str(product.settings.data_dir))


def models(product: Product) -> dict[str, Any]:
    answer = product.api.get("/v1/models")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


# ---- the first labels -----------------------------------------------------------------------------------------------


def test_thirty_labels_at_the_terminal_lift_a_source_that_nobody_has_seen(
    product: Product, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    at_the_terminal(product, monkeypatch)
    shipped = models(product)["in_force"]
    before = product.say(LATER[:1], prefix="before")
    product.stored(product.say(LABELLED, prefix="label"))
    asked: list[str] = []
    person = member({text[0]: text for text in (*LABELLED, *LATER)})

    def half_way(item: dict[str, Any]) -> str:
        asked.append(item["id"])
        return person(item) if len(asked) <= 12 else "q"

    assert commands.onboard("Ana", ask=half_way) == 0
    assert models(product)["in_force"] == shipped
    assert commands.onboard("Ana", ask=person) == 0  # taken up again

    told = capsys.readouterr().out
    ours = models(product)["in_force"]
    assert ours.startswith("local-")
    assert f"In force now: {ours}" in told
    card = models(product)["items"][0]
    assert (card["by"], card["parent"], card["labels"] >= 30) == ("Ana", shipped, True)
    assert card["judged"][-1]["verdict"]["reason"] == "onboarding"

    early, later = product.first_tags(before), product.say(LATER, prefix="after")
    tags = product.first_tags(later)
    assert {event.tags.versions.model for event in early.values()} == {shipped}
    assert {event.tags.versions.model for event in tags.values()} == {ours}
    right = right_stages(LATER, later, tags)
    plain = sum(_plain_stage(text) == stage for text, stage, _ in LATER)
    assert right >= plain + len(LATER) // 4, f"{plain} -> {right} of {len(LATER)}"


@cache
def shipped_tagger() -> Tagger:
    """The classifier of this checkout, without labels."""
    return load_tagger(CHECKOUT / "deploy" / "policy")


def _plain_stage(text: str) -> str:
    return shipped_tagger().tag([TagInput(text)])[0].stage


# ---- later corrections, and back ------------------------------------------------------------------------------------


def test_corrections_change_a_later_tag_after_promotion_and_a_rollback_takes_that_back(
    product: Product, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    at_the_terminal(product, monkeypatch)
    shipped = models(product)["in_force"]
    names = product.say(LABELLED, prefix="label")
    product.stored(names)
    for name, (_, stage, areas) in zip(names, LABELLED, strict=True):
        answer = product.api.post(
            f"/v1/feedback/{name}/corrections", json={"by": "Ana", "stage": stage, "areas": areas}
        )
        assert answer.status_code in {200, 202}
    until(lambda: _corrected(product) == len(names), what="all corrections in the store")
    text = ("The tithe for a half row is more than we grow on it", "pay", ("price",))

    first = product.first_tags(product.say([text], prefix="first"))
    assert commands.learn("Ana") == 0
    ours = models(product)["in_force"]
    second = product.first_tags(product.say([text], prefix="second"))
    assert commands.learn("Ana") == 0  # nothing is new
    assert models(product)["in_force"] == ours
    assert commands.model_rollback(by="Bo") == 0
    third = product.first_tags(product.say([text], prefix="third"))

    stages = [next(iter(tags.values())).tags for tags in (first, second, third)]
    assert [tags.versions.model for tags in stages] == [shipped, ours, shipped]
    assert stages[0].stage != "pay"
    assert (stages[1].stage, stages[2].stage) == ("pay", stages[0].stage)
    assert commands.model_list() == 0
    assert f"in force: {shipped}" in capsys.readouterr().out
    assert models(product)["items"][0]["version"] == ours  # kept, to be promoted again
    assert commands.learn("Ana") == 0 or models(product)["in_force"] == shipped
    assert models(product)["in_force"] == shipped  # what people went back from does not return by itself
    assert commands.model_promote(ours, by="Bo") == 0
    assert models(product)["in_force"] == ours


def _corrected(product: Product) -> int:
    events: int = product.api.get("/v1/review/agreement").json()["events"]
    return events


# ---- switching ------------------------------------------------------------------------------------------------------


def keep_twin(product: Product, name: str) -> str:
    """Puts the shipped model into the models folder under another name; answers its digest."""
    model = msgspec.structs.replace(load(FOLDER), version=name)
    folder = product.folder / "classify" / "models" / name
    digest = save(model, folder)
    card = Card(version=name, digest=digest, by="test", at=NOW, parent="cascade")
    (folder / CARD).write_bytes(msgspec.json.encode(card))
    return digest


def test_kill_9_while_workers_switch_loses_and_doubles_nothing_and_no_partition_goes_back(product: Product) -> None:
    product.start("1")
    keep_twin(product, "local-twin")
    events = [received(f"n-{n}", f"{LATER[n % len(LATER)][0]}, row {n}") for n in range(3_000)]
    product.send(*map(encode, events))
    until(lambda: len(product.revisions()) > 200, every=0.2, what="the first tags")
    activated = product.api.post("/v1/models/local-twin/activate", json={"by": "Ana"})
    assert activated.json()["state"] == "in_force"
    product.kill("1")
    more = [received(f"m-{n}", f"{LATER[n % len(LATER)][0]}, plot {n}") for n in range(1_000)]
    product.send(*map(encode, more))
    product.start("1")

    wanted = {event.id for event in (*events, *more)}
    until(lambda: {e.id for _, e in product.revisions()} >= wanted, seconds=120, every=1, what="every event")
    versions: dict[int, list[str]] = defaultdict(list)
    first: dict[str, FeedbackClassified] = {}
    for partition, event in product.revisions():
        assert event.revision == 1
        first.setdefault(event.id, event)
        seen = versions[partition]
        if not seen or seen[-1] != event.tags.versions.model:
            seen.append(event.tags.versions.model)
    assert set(first) == wanted
    assert all(len(seen) <= 2 and seen[-1] == "local-twin" for seen in versions.values()), dict(versions)
    assert sum(len(seen) == 2 for seen in versions.values()) >= 1  # the switch was in mid-stream


def test_a_version_that_is_missing_or_another_file_is_refused_loudly_and_a_restart_takes_the_newest_good_one(
    product: Product,
) -> None:
    digest = keep_twin(product, "local-good")
    keep_twin(product, "local-other")
    shipped = models(product)["in_force"]

    def activate(version: str, digest: str) -> None:
        event = ModelActivated(version=version, digest=digest, at=NOW, by="Ana", reason="chosen")
        product.send(encode(event))

    def failures(number: int) -> bool:
        return f"palette_model_activation_failures_total {number}.0" in product.metrics()

    activate("local-nowhere", "0" * 64)
    until(lambda: failures(1), what="the first refusal")
    activate("local-other", "0" * 64)
    until(lambda: failures(2), what="the second refusal")
    assert models(product)["in_force"] == shipped

    activate("local-good", digest)
    until(lambda: models(product)["in_force"] == "local-good", what="the good one")
    until(lambda: 'palette_model_info{model="local-good"' in product.metrics(), what="its name in the metrics")
    assert f'palette_model_info{{model="{shipped}"' not in product.metrics()
    (product.folder / "classify" / "models" / "local-other" / "model.skops").write_bytes(b"changed")
    activate("local-other", load_digest(product, "local-other"))
    until(lambda: failures(3), what="the third refusal")
    product.kill()
    product.start()

    assert models(product)["in_force"] == "local-good"
    assert "model refused" in (product.folder / "output-0").read_text(encoding="utf-8")


def load_digest(product: Product, version: str) -> str:
    return digest_of(product.folder / "classify" / "models" / version)
