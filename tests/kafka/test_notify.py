"""The notify process on a real Kafka and a real receiver: told at least once, always with the same id, never lost."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

import httpx2
import pytest
import yaml
from kafka import KafkaConsumer, KafkaProducer
from standardwebhooks import Webhook

from deploy.first_start import main as first_start
from services.contracts import topics as t
from services.contracts.codec import encode
from services.contracts.events import Notification
from services.kit.kafka import create_topics
from services.kit.settings import Settings
from services.launcher.kafka import EmbeddedKafka
from tests.ports import free_port
from tests.unit.notify.builders import action, notification
from tests.unit.notify.receiver import Received, Receiver
from tests.waiting import until

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, kafka_cache: Path) -> Iterator[EmbeddedKafka]:
    """A broker of this file's own: the names of topics and group are the product's."""
    with EmbeddedKafka(tmp_path_factory.mktemp("kafka"), kafka_cache, free_port()) as broker:
        create_topics(Settings(kafka_bootstrap_servers=broker.bootstrap_servers))
        yield broker


class Notify:
    """`python -m services.notify`, as a process that tests kill."""

    def __init__(self, broker: EmbeddedKafka, folder: Path, receiver: Receiver) -> None:
        self.port = free_port()
        self.data_dir = folder / "data"
        self._log = folder / "notify.out"
        policy = folder / "policy"
        policy.mkdir()
        shutil.copy(CHECKOUT / "deploy" / "policy" / "taxonomy.yaml", policy)
        (policy / "targets.yaml").write_text(
            "targets:\n"
            "  - {name: actions, kind: jsonlines}\n"
            "  - {name: crm, kind: webhook, secret: {env: CRM_SECRET}, allow_private: true,\n"
            f"     url: '{receiver.url}'}}\n",
            encoding="utf-8",
        )
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PALETTE_")},
            "KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap_servers,
            "PALETTE_DATA_DIR": str(self.data_dir),
            "PALETTE_POLICY_DIR": str(policy),
            "PALETTE_NOTIFY_METRICS_PORT": str(self.port),
            "PALETTE_API_URL": "http://127.0.0.1:1",
            "CRM_SECRET": SECRET,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        with self._log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "services.notify"],
                cwd=CHECKOUT,
                env=self.environment,
                stdout=output,
                stderr=output,
            )
        return self

    def ready(self) -> Self:
        until(lambda: self._get("/health/ready") == 200, seconds=30, what="notify to be ready")
        return self

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def metric(self, series: str) -> float:
        text = httpx2.get(f"http://127.0.0.1:{self.port}/metrics", trust_env=False).text
        return next((float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(series)), 0.0)

    def resume(self) -> str:
        return str(httpx2.post(f"http://127.0.0.1:{self.port}/control/resume", trust_env=False).json()["done"])

    def is_ready(self) -> bool:
        return self._get("/health/ready") == 200

    def is_live(self) -> bool:
        return self._get("/health/live") == 200

    def _get(self, path: str) -> int:
        try:
            return httpx2.get(f"http://127.0.0.1:{self.port}{path}", trust_env=False).status_code
        except httpx2.HTTPError:
            return 0

    def end(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        yield server


@pytest.fixture
def notify(broker: EmbeddedKafka, tmp_path: Path, receiver: Receiver) -> Iterator[Notify]:
    notify = Notify(broker, tmp_path, receiver)
    yield notify
    notify.end()


@pytest.fixture
def outcomes(broker: EmbeddedKafka) -> Iterator["Outcomes"]:
    reader = Outcomes(broker)
    yield reader
    reader.close()


class Outcomes:
    """What `notification-outcomes` says, by notification id."""

    def __init__(self, broker: EmbeddedKafka) -> None:
        self._consumer = KafkaConsumer(
            t.NOTIFICATION_OUTCOMES, bootstrap_servers=broker.bootstrap_servers, auto_offset_reset="earliest"
        )
        self.found: dict[str, str] = {}

    def of(self, told: Iterable[Notification]) -> set[str | None]:
        for records in self._consumer.poll(timeout_ms=100).values():
            for record in records:
                headers = dict(record.headers)
                self.found[headers["ce_id"].decode()] = record.value.decode()
        return {_outcome(self.found.get(n.id)) for n in told}

    def close(self) -> None:
        self._consumer.close()


def _outcome(value: str | None) -> str | None:
    return None if value is None else value.split('"outcome":"', 1)[1].split('"', 1)[0]


def send(broker: EmbeddedKafka, *values: Notification | bytes) -> None:
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap_servers, acks="all")
    for value in values:
        if isinstance(value, Notification):
            out = encode(value)
            producer.send(out.topic, key=out.key, value=out.value, headers=list(out.headers))
        else:
            producer.send(t.NOTIFICATIONS, key=b"crm", value=value)
    producer.flush()
    producer.close()


def fresh(count: int) -> list[Notification]:
    """Notifications that no other test of this file has sent."""
    salt = time.monotonic_ns()
    return [notification(target="crm", of=action(id=f"{salt}-{n}")) for n in range(count)]


def test_a_notification_is_posted_signed_and_its_outcome_is_on_the_topic(
    broker: EmbeddedKafka, notify: Notify, receiver: Receiver, outcomes: Outcomes
) -> None:
    [told] = fresh(1)
    on_file = notification(target="actions", of=told.action)
    notify.start().ready()
    send(broker, told, on_file, told)
    until(lambda: outcomes.of([told, on_file]) == {"delivered"})
    assert receiver.ids == [told.id]
    body = Webhook(SECRET).verify(receiver.requests[0].body, dict(receiver.requests[0].headers))
    assert body["data"]["text"].startswith("Driver marked it delivered (region north): 5 messages from 4 customers")
    lines = (notify.data_dir / "notify" / "actions.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1
    assert on_file.id in lines[0]
    assert notify.metric('palette_deliveries_total{channel="webhook",outcome="delivered"}') == 1
    assert notify.metric('palette_messages_processed_total{outcome="ok",topic="notifications"}') == 2
    until(lambda: notify.metric('palette_messages_processed_total{outcome="repeat",topic="notifications"}') == 1)
    assert notify.stop() == 0


def test_killed_between_delivery_and_its_mark_it_tells_again_with_the_same_id(
    broker: EmbeddedKafka, notify: Notify, receiver: Receiver, outcomes: Outcomes
) -> None:
    arrived, dead = threading.Event(), threading.Event()

    def hold(_: Received) -> tuple[int, dict[str, str]]:
        arrived.set()
        dead.wait(30)
        return 204, {}

    receiver.reply = hold
    [told] = fresh(1)
    notify.start().ready()
    send(broker, told)
    assert arrived.wait(30)
    notify.kill()
    dead.set()
    assert outcomes.of([told]) == {None}
    receiver.reply = lambda _: (204, {})
    notify.start()
    until(lambda: outcomes.of([told]) == {"delivered"})
    assert receiver.ids == [told.id, told.id]


def test_killed_again_and_again_in_mid_stream_it_loses_nothing(
    broker: EmbeddedKafka, notify: Notify, receiver: Receiver, outcomes: Outcomes
) -> None:
    told = fresh(150)
    notify.start().ready()
    for part in range(3):
        send(broker, *told[part * 50 : (part + 1) * 50])
        until(lambda part=part: len(set(receiver.ids)) > part * 50 + 5)
        notify.kill()
        notify.start()
    until(lambda: outcomes.of(told) == {"delivered"}, seconds=60)
    assert set(receiver.ids) == {n.id for n in told}
    assert len(receiver.ids) <= len(told) + 3, "one in flight may be told again per kill"


def test_a_receiver_that_fails_is_tried_again_until_it_answers(
    broker: EmbeddedKafka, notify: Notify, receiver: Receiver, outcomes: Outcomes
) -> None:
    answers = iter([503])
    receiver.reply = lambda _: (next(answers, 204), {})
    [told] = fresh(1)
    notify.start().ready()
    send(broker, told)
    until(lambda: outcomes.of([told]) == {"delivered"}, seconds=60)
    assert receiver.ids == [told.id, told.id]
    assert notify.metric('palette_deliveries_total{channel="webhook",outcome="retry"}') == 1


def test_poison_between_good_ones_is_put_aside_with_its_bytes(
    broker: EmbeddedKafka, notify: Notify, receiver: Receiver, outcomes: Outcomes
) -> None:
    before, after = fresh(2)
    notify.start().ready()
    send(broker, before, b'{"id": "who is this"}', after)
    until(lambda: outcomes.of([before, after]) == {"delivered"})
    letters = KafkaConsumer(
        t.NOTIFY_DLQ,
        bootstrap_servers=broker.bootstrap_servers,
        auto_offset_reset="earliest",
        consumer_timeout_ms=5_000,
    )
    letter = next(record for record in letters if record.value == b'{"id": "who is this"}')
    letters.close()
    assert dict(letter.headers)["dl_code"] == b"schema"
    assert notify.metric('palette_dead_letters_total{code="schema",topic="notifications"}') == 1
    assert notify.is_ready()


def test_what_a_transaction_took_back_is_not_told(
    broker: EmbeddedKafka, notify: Notify, receiver: Receiver, outcomes: Outcomes
) -> None:
    taken_back, kept = fresh(2)
    writer = KafkaProducer(bootstrap_servers=broker.bootstrap_servers, transactional_id="test-router")
    writer.init_transactions()
    for told, end in ((taken_back, writer.abort_transaction), (kept, writer.commit_transaction)):
        writer.begin_transaction()
        out = encode(told)
        writer.send(out.topic, key=out.key, value=out.value, headers=list(out.headers))
        writer.flush()
        end()
    writer.close()
    notify.start().ready()
    until(lambda: outcomes.of([kept]) == {"delivered"})
    assert receiver.ids == [kept.id]


def test_too_many_dead_letters_halt_it_until_it_is_resumed(
    broker: EmbeddedKafka, notify: Notify, receiver: Receiver, outcomes: Outcomes
) -> None:
    [told] = fresh(1)
    notify.start().ready()
    assert notify.resume() == "notify was not halted"
    send(broker, *[b"nonsense %d" % n for n in range(60)])
    until(lambda: notify.metric('palette_consumer_halted{topic="notifications"}') == 1)
    assert not notify.is_ready()
    assert notify.is_live()
    send(broker, told)
    assert outcomes.of([told]) == {None}
    assert notify.resume() == "notify goes on"
    until(lambda: outcomes.of([told]) == {"delivered"})
    assert notify.is_ready()


def test_while_kafka_is_away_it_goes_on_telling_and_reports_afterwards(
    broker: EmbeddedKafka, notify: Notify, receiver: Receiver
) -> None:
    let_go = threading.Event()

    def hold(_: Received) -> tuple[int, dict[str, str]]:
        let_go.wait(30)
        return 204, {}

    receiver.reply = hold
    told, later = fresh(3), fresh(1)
    notify.start().ready()
    send(broker, *told)
    until(lambda: notify.metric('palette_messages_processed_total{outcome="ok",topic="notifications"}') == 3)
    broker.kill()
    let_go.set()
    until(lambda: set(receiver.ids) == {n.id for n in told})
    assert notify.is_live()
    broker.start()
    outcomes = Outcomes(broker)  # only now: kafka-python leaves a socket behind for each attempt to reach a dead broker
    until(lambda: outcomes.of(told) == {"delivered"}, seconds=60)
    send(broker, *later)
    until(lambda: outcomes.of(later) == {"delivered"}, seconds=60)
    outcomes.close()
    assert notify.process is not None
    assert notify.process.poll() is None, "the same process all the time"


def test_set_up_as_docker_compose_does_health_is_open_and_controls_ask_for_a_key(
    broker: EmbeddedKafka, notify: Notify, tmp_path: Path
) -> None:
    keys, database = tmp_path / "keys", tmp_path / "database"
    keys.mkdir()
    database.mkdir()
    first_start(keys, database)
    compose = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text(encoding="utf-8"))
    for name, value in compose["services"]["notify"]["environment"].items():
        if name not in {"KAFKA_BOOTSTRAP_SERVERS", "PALETTE_DATA_DIR", "PALETTE_POLICY_DIR"}:
            notify.environment[name] = str(value).replace("/run/palette/keys", str(keys))
    notify.start().ready()
    assert notify.metric("palette_build_info") == 1
    url = f"http://127.0.0.1:{notify.port}/control/resume"
    assert httpx2.post(url, trust_env=False).status_code == 401
    key = (keys / "operator.key").read_text(encoding="ascii").strip()
    assert httpx2.post(url, headers={"Authorization": f"Bearer {key}"}, trust_env=False).status_code == 200


def test_a_second_one_on_the_same_data_folder_is_refused_in_a_sentence(notify: Notify) -> None:
    notify.start().ready()
    first = notify.process
    second = notify.start().process
    assert second is not None
    assert second.wait(30) == 78
    notify.process = first
    assert first is not None
    assert first.poll() is None
