"""The API on the real Kafka: what is on the topics is readable, commands and corrections go out and come back."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from kafka import KafkaConsumer, KafkaProducer
from prometheus_client import CollectorRegistry
from sqlalchemy import select, update

from services.api import commands
from services.api.app import Parts, build
from services.api.io import tables as db
from services.api.io.rebuild import REBUILT, remove, take_over
from services.api.io.store import open_file, sqlite_path
from services.contracts import events as e
from services.contracts import ids
from services.contracts import topics as t
from services.contracts.codec import Outbound, encode
from services.kit.kafka import client_settings, create_topics, producer
from services.kit.logs import Log
from services.kit.process import Process
from services.kit.server import ThreadedServer
from services.kit.settings import Settings
from services.launcher.kafka import EmbeddedKafka
from tests.ports import free_port
from tests.unit.api.builders import action, changed, classified, received
from tests.waiting import until


@pytest.fixture(scope="module")
def settings(kafka: EmbeddedKafka, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    found = Settings(
        data_dir=tmp_path_factory.mktemp("api"), api_port=free_port(), KAFKA_BOOTSTRAP_SERVERS=kafka.bootstrap_servers
    )
    create_topics(found)
    return found


@pytest.fixture(scope="module")
def parts(settings: Settings) -> Iterator[Parts]:
    process = Process("api", settings, Log("api"), CollectorRegistry())
    found = build(process)
    server = ThreadedServer(found.app, host="127.0.0.1", port=settings.api_port).start()
    found.start()
    yield found
    server.stop()
    found.stop()


@pytest.fixture(scope="module")
def web(parts: Parts) -> Iterator[httpx2.Client]:
    port = parts.process.settings.api_port
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=10, trust_env=False) as client:
        until(lambda: _answers(client), what="the API to answer")
        yield client


@pytest.fixture(scope="module")
def kafka_out(settings: Settings) -> Iterator[KafkaProducer]:
    sender = producer(settings)
    yield sender
    sender.close()


def _answers(client: httpx2.Client) -> bool:
    try:
        return client.get("/health/live").status_code == 200
    except httpx2.TransportError:
        return False


def _send(to: KafkaProducer, *messages: Outbound) -> None:
    for sent in [
        to.send(m.topic, key=m.key, value=m.value, headers=list(m.headers), partition=m.partition) for m in messages
    ]:
        sent.get(timeout=10)


def _item(web: httpx2.Client, name: str) -> dict[str, Any] | None:
    answer = web.get(f"/v1/feedback/{name}")
    return answer.json() if answer.status_code == 200 else None


def test_an_event_and_its_tags_become_readable_in_any_order(web: httpx2.Client, kafka_out: KafkaProducer) -> None:
    first, second = received("k-1"), received("k-2", text="Tags came first.")
    _send(kafka_out, encode(first), encode(classified(second)), encode(classified(first)), encode(second))

    for event in (first, second):
        until(lambda event=event: (_item(web, event.id) or {}).get("status") == "tagged", what="a tagged event")
    listed = {item["id"]: item for item in web.get("/v1/feedback").json()["items"]}
    assert listed[first.id]["text"] == first.text
    assert listed[second.id]["stage"] == "receive"


def test_a_message_that_cannot_be_read_becomes_a_dead_letter_and_its_neighbours_are_stored(
    web: httpx2.Client, kafka_out: KafkaProducer, settings: Settings, parts: Parts
) -> None:
    good = received("k-3")
    poison = Outbound(
        t.FEEDBACK_RECEIVED, good.customer.encode() if good.customer else b"", b'{"id": 7, "text": "secret"}'
    )
    late = received("k-4", customer=good.customer)
    _send(kafka_out, encode(good), poison, encode(late))

    until(lambda: _item(web, late.id), what="the event after the poison message")
    reader = KafkaConsumer(
        t.API_DLQ, **client_settings(settings), auto_offset_reset="earliest", consumer_timeout_ms=3_000
    )
    letters = [dict(record.headers) | {"value": record.value} for record in reader]
    reader.close()
    ours = [letter for letter in letters if letter["value"] == poison.value]
    assert [letter["dl_code"] for letter in ours] == [b"schema"]
    assert b"secret" not in ours[0]["dl_detail"]
    until(lambda: _letters(parts), what="the letter in the store")


def _letters(parts: Parts) -> list[Any]:
    with parts.store.reading() as connection:
        return list(connection.execute(select(db.letters)))


def test_a_command_waits_for_its_outcome_and_says_what_became_of_it(
    web: httpx2.Client, kafka_out: KafkaProducer, settings: Settings
) -> None:
    opened = action(group="theme/k-command", id=ids.action_id("theme/k-command", "k"))
    _send(kafka_out, encode(opened), encode(changed(opened, "opened")))
    until(lambda: web.get(f"/v1/actions/{opened.id}").status_code == 200, what="the action")
    router = threading.Thread(target=_acknowledge_the_next_command, args=(settings, kafka_out, opened))
    router.start()

    answer = web.post(
        f"/v1/actions/{opened.id}/commands",
        json={"command": "acknowledge", "by": "Ana"},
        headers={"Idempotency-Key": "one", "If-Match": '"1"'},
    )
    router.join(timeout=20)

    assert answer.status_code in {200, 202}, answer.text
    state = until(
        lambda: (
            (found := web.get(f"/v1/actions/{opened.id}/commands/{answer.json()['id']}")).status_code == 200 and found
        )
    ).json()
    assert (state["state"], state["revision"], state["action"]["state"]) == ("done", 2, "acknowledged")
    again = web.post(
        f"/v1/actions/{opened.id}/commands",
        json={"command": "acknowledge", "by": "Ana"},
        headers={"Idempotency-Key": "one"},
    )
    assert (again.status_code, again.json()["id"]) == (200, answer.json()["id"])
    other = web.post(
        f"/v1/actions/{opened.id}/commands",
        json={"command": "resolve", "by": "Ana"},
        headers={"Idempotency-Key": "one"},
    )
    assert (other.status_code, other.json()["code"]) == (422, "key_reused")


def _acknowledge_the_next_command(settings: Settings, kafka_out: KafkaProducer, opened: e.Action) -> None:
    """What the router does, for one command."""
    reader = KafkaConsumer(
        t.ACTION_COMMANDS, **client_settings(settings), auto_offset_reset="earliest", consumer_timeout_ms=15_000
    )
    for record in reader:
        command = json.loads(record.value)
        if command["action"] == opened.id:
            assert command["expected_revision"] == 1
            seen = action(group=opened.group, id=opened.id, revision=2, state="acknowledged", owner=command["by"])
            _send(
                kafka_out,
                encode(seen),
                encode(changed(seen, "acknowledged", cause=command["id"], by=command["by"], command=command["id"])),
            )
            break
    reader.close()


def test_a_correction_goes_out_with_the_tags_it_was_made_to_and_only_once(
    web: httpx2.Client, kafka_out: KafkaProducer, settings: Settings, parts: Parts
) -> None:
    event = received("k-5")
    _send(kafka_out, encode(event), encode(classified(event)))
    until(lambda: (_item(web, event.id) or {}).get("status") == "tagged", what="the tags")
    until(lambda: parts.watcher.names().areas, what="the policy in force")

    answer = web.post(f"/v1/feedback/{event.id}/corrections", json={"by": "Ana", "stage": "use"})
    second = web.post(f"/v1/feedback/{event.id}/corrections", json={"by": "Bo", "stage": "pay"})

    assert (answer.status_code, second.status_code) == (202, 409)
    assert second.json()["code"] == "corrected"
    reader = KafkaConsumer(
        t.FEEDBACK_CORRECTIONS, **client_settings(settings), auto_offset_reset="earliest", consumer_timeout_ms=3_000
    )
    sent = [json.loads(record.value) for record in reader]
    reader.close()
    ours = [c for c in sent if c["of"]["id"] == event.id]
    assert [(c["correction"]["by"], c["correction"]["stage"], c["of"]["revision"]) for c in ours] == [("Ana", "use", 1)]


def test_lag_is_seen_from_outside_and_the_readers_own_goes_to_zero(web: httpx2.Client, parts: Parts) -> None:
    def own() -> set[int]:
        seen = parts.watch.last
        return {lag.messages for lag in seen.lags if lag.group == "api"} if seen else {-1}

    until(lambda: own() == {0}, what="the API's own lag to be 0")
    until(lambda: "web-survey" in parts.watcher.sources(), what="the declared sources")
    until(lambda: "palette_audit_missing_events{" in web.get("/metrics").text, what="the audit")
    metrics = web.get("/metrics").text
    assert 'palette_consumer_lag_messages{group="classify"' in metrics
    assert "palette_lag_last_success_timestamp_seconds" in metrics
    assert 'palette_audit_missing_events{source="web-survey"} 0.0' in metrics
    assert 'palette_audit_missing_events{source="other"} 0.0' in metrics


def test_the_policy_of_the_folder_comes_into_force_once(web: httpx2.Client, parts: Parts, settings: Settings) -> None:
    version, _ = until(parts.watcher.in_force, what="a policy in force")
    assert web.get("/v1/teams").json()["policy"] == version
    reader = KafkaConsumer(
        t.POLICY_ACTIVATIONS, **client_settings(settings), auto_offset_reset="earliest", consumer_timeout_ms=2_000
    )
    assert [json.loads(record.value)["version"] for record in reader].count(version) == 1
    reader.close()


def test_the_store_is_where_the_settings_say(settings: Settings, parts: Parts) -> None:
    assert (Path(settings.data_dir) / "api" / "palette.sqlite").exists()


@pytest.fixture
def command_line(settings: Settings, parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of the commands: the same folders and broker, but no API that would be told to start again."""
    until(lambda: parts.watch.last is not None and parts.watch.caught_up(), what="the store to have caught up")
    monkeypatch.setenv("PALETTE_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("PALETTE_API_PORT", str(free_port()))
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", settings.bootstrap_servers)


@pytest.mark.usefixtures("command_line")
def test_where_an_event_is_can_be_asked(
    capsys: pytest.CaptureFixture[str], web: httpx2.Client, kafka_out: KafkaProducer
) -> None:
    event = received("k-where")
    _send(kafka_out, encode(event), encode(classified(event)))
    until(lambda: (_item(web, event.id) or {}).get("status") == "tagged", what="the tags")

    assert commands.where("web-survey", "k-where") == 0
    told = capsys.readouterr().out
    assert "received" in told
    assert "tagged      revision 1" in told
    assert event.text is not None
    assert event.text not in told
    assert commands.where("web-survey", "never sent") == 1


@pytest.mark.usefixtures("command_line")
def test_the_audit_agrees_and_the_letter_is_listed_shown_and_replayed(
    capsys: pytest.CaptureFixture[str], web: httpx2.Client, kafka_out: KafkaProducer, parts: Parts
) -> None:
    good = received("k-audit")
    poison = Outbound(t.FEEDBACK_RECEIVED, b"key", b'{"id": 8, "text": "secret"}')
    _send(kafka_out, encode(good), poison)
    until(lambda: _item(web, good.id), what="the event")
    until(parts.watch.caught_up, what="the store to have caught up")

    assert commands.audit() == 0
    assert "0 missing" in capsys.readouterr().out
    assert commands.dead_letters_list() == 0
    listed = capsys.readouterr().out
    name = listed.split()[0]
    assert name.startswith("feedback-received-")
    assert commands.dead_letters_show(name) == 0
    assert "dl_code: schema" in capsys.readouterr().out
    assert commands.dead_letters_replay([name]) == 0
    assert commands.dead_letters_show("no-such-letter") == 1
    capsys.readouterr()

    def is_marked() -> bool:
        with parts.store.reading() as connection:
            return name in connection.execute(select(db.marks.c.id)).scalars().all()

    until(is_marked, what="the mark of the replayed letter")


@pytest.mark.usefixtures("command_line")
def test_a_store_made_again_from_the_topics_is_the_same_and_is_taken_over_at_the_next_start(
    capsys: pytest.CaptureFixture[str], settings: Settings, parts: Parts
) -> None:
    before = parts.store.digest()

    assert commands.rebuild() == 0, capsys.readouterr()
    assert "The same, byte for byte." in capsys.readouterr().out

    copy = settings.data_dir / "copy" / "api" / "palette.sqlite"
    copy.parent.mkdir(parents=True)
    (sqlite_path(settings.data_dir).with_name(REBUILT)).rename(copy.with_name(REBUILT))
    assert take_over(copy)
    store = open_file(copy)
    assert store.digest() == before
    store.close()


@pytest.mark.usefixtures("command_line")
def test_a_store_of_an_older_layout_is_made_anew(
    capsys: pytest.CaptureFixture[str], settings: Settings, parts: Parts
) -> None:
    def layout(version: int) -> None:
        with parts.store.writing() as connection:
            connection.execute(update(db.schema_version).values(version=version))

    layout(db.VERSION - 1)
    try:
        assert commands.rebuild() == 0, capsys.readouterr()
    finally:
        layout(db.VERSION)
    assert "no store of this layout to compare" in capsys.readouterr().out
    fresh = sqlite_path(settings.data_dir).with_name(REBUILT)
    store = open_file(fresh)
    assert store.digest() == parts.store.digest()
    store.close()
    remove(fresh)


def test_reading_goes_on_while_kafka_is_away_and_catches_up_by_itself(tmp_path: Path, kafka_cache: Path) -> None:
    with EmbeddedKafka(tmp_path / "kafka", kafka_cache, free_port()) as broker:
        port = free_port()
        own = Settings(data_dir=tmp_path / "data", api_port=port, KAFKA_BOOTSTRAP_SERVERS=broker.bootstrap_servers)
        create_topics(own)
        environment = os.environ | {
            "PALETTE_DATA_DIR": str(own.data_dir),
            "PALETTE_API_PORT": str(port),
            "KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap_servers,
        }
        process = subprocess.Popen([sys.executable, "-m", "services.api"], env=environment)
        try:
            with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=20, trust_env=False) as client:
                until(lambda: _answers(client), what="the API to answer")
                _read_through_an_outage(client, own, broker)
        finally:
            process.terminate()
            assert process.wait(timeout=30) == 0


def _read_through_an_outage(client: httpx2.Client, own: Settings, broker: EmbeddedKafka) -> None:
    first, second = received("away-1"), received("away-2")
    sender = producer(own)
    _send(sender, encode(first), encode(classified(first)))
    sender.close()
    until(lambda: (_item(client, first.id) or {}).get("status") == "tagged", what="the first event")

    broker.kill()

    assert client.get("/health/ready").status_code == 200
    assert client.get("/v1/feedback").json()["items"][0]["id"] == first.id
    refused = client.post(f"/v1/feedback/{first.id}/corrections", json={"by": "Ana", "stage": "use"})
    assert refused.status_code == 503
    broker.start()
    sender = producer(own)
    _send(sender, encode(second))
    sender.close()
    until(lambda: _item(client, second.id), what="the event after the outage")
