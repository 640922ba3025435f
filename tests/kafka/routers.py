"""Real router processes on a real broker, and what the topics say about them afterwards."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from kafka import KafkaConsumer, TopicPartition

from services.contracts.codec import Outbound, RawMessage, encode
from services.contracts.events import Action, ActionChanged, Event, PolicyActivated
from services.contracts.policyfiles import read_folder, version_of
from services.contracts.topics import ACTION_CHANGES, ACTIONS, ROUTER_STATE, ROUTING_SIGNALS
from services.kit.kafka import create_topics, producer
from services.kit.settings import Settings
from services.router.partition import GroupsOfPartition
from tests.ports import free_port
from tests.waiting import until

CHECKOUT = Path(__file__).parents[2]


class Bench:
    """One broker's worth of router: its topics, its workers, its input."""

    def __init__(self, bootstrap_servers: str, folder: Path) -> None:
        self.bootstrap_servers = bootstrap_servers
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.settings = Settings(data_dir=folder, kafka_bootstrap_servers=bootstrap_servers)
        self.workers: list[RouterWorker] = []
        create_topics(self.settings)
        self._producer = producer(self.settings)

    def activate_policy(self, **changed: str) -> None:
        """Publishes the shipped policy, or one with other contents of some files (`rules="…"`)."""
        files = read_folder(CHECKOUT / "deploy" / "policy") | {f"{name}.yaml": text for name, text in changed.items()}
        self.send([PolicyActivated(version=version_of(files), at=datetime.now(UTC), by="test", files=files)])

    def send(self, events: Iterable[Event | Outbound]) -> None:
        """Sends and waits for the acknowledgements."""
        for event in events:
            message = event if isinstance(event, Outbound) else encode(event)
            self._producer.send(message.topic, key=message.key, value=message.value, headers=list(message.headers))
        self._producer.flush()

    def worker(self, name: str = "0", *, command: list[str] | None = None, **environment: str) -> "RouterWorker":
        """Starts a router process."""
        worker = RouterWorker(self, name, command or [sys.executable, "-m", "services.router"], environment)
        self.workers.append(worker)
        return worker

    def read(self, topic: str) -> list[RawMessage]:
        """Every committed message of a topic, partition by partition."""
        consumer = KafkaConsumer(
            bootstrap_servers=self.bootstrap_servers, isolation_level="read_committed", enable_auto_commit=False
        )
        try:
            places = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
            consumer.assign(places)
            consumer.seek_to_beginning(*places)
            ends = consumer.end_offsets(places)
            found: list[RawMessage] = []
            while any(consumer.position(place) < ends[place] for place in places):
                for records in consumer.poll(timeout_ms=200).values():
                    found += [
                        RawMessage(r.topic, r.partition, r.offset, r.key, r.value, tuple(r.headers)) for r in records
                    ]
            return sorted(found, key=lambda message: (message.partition, message.offset))
        finally:
            consumer.close()

    def actions(self) -> dict[str, Action]:
        """The newest state of each action."""
        found = {}
        for message in self.read(ACTIONS):
            action = msgspec.json.decode(message.value or b"", type=Action)
            found[action.id] = action
        return found

    def changes(self) -> list[ActionChanged]:
        return [msgspec.json.decode(m.value or b"", type=ActionChanged) for m in self.read(ACTION_CHANGES)]

    def signals_by_group(self) -> dict[str, int]:
        """What every group's actions count together."""
        found: dict[str, int] = {}
        for action in self.actions().values():
            found[action.group] = found.get(action.group, 0) + action.signals
        return found

    def refolded(self) -> tuple[dict[str, Action], list[str]]:
        """Actions and ids of changes that folding `routing-signals` again from its beginning gives."""
        actions: dict[str, Action] = {}
        changes: list[str] = []
        partitions: dict[int, list[RawMessage]] = {}
        for message in self.read(ROUTING_SIGNALS):
            partitions.setdefault(message.partition, []).append(message)
        for number, messages in partitions.items():
            for out in GroupsOfPartition(number, version="test").fold(messages, datetime.now(UTC)):
                if out.topic == ACTIONS:
                    action = msgspec.json.decode(out.value or b"", type=Action)
                    actions[action.id] = action
                elif out.topic == ACTION_CHANGES:
                    changes.append(msgspec.json.decode(out.value or b"", type=ActionChanged).id)
                assert out.topic != ROUTER_STATE or out.partition == number
        return actions, changes

    def close(self) -> None:
        for worker in self.workers:
            worker.kill()
        self._producer.close()


class RouterWorker:
    """One process, its health and its end."""

    def __init__(self, bench: Bench, name: str, command: list[str], environment: dict[str, str]) -> None:
        self.port = free_port()
        self._output = (bench.folder / f"worker-{name}.out").open("ab")
        self.process = subprocess.Popen(
            command,
            cwd=CHECKOUT,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            env={name: value for name, value in os.environ.items() if not name.startswith("PALETTE_")}
            | {
                "PALETTE_DATA_DIR": str(bench.folder),
                "PALETTE_WORKER": name,
                "PALETTE_ROUTER_METRICS_PORT": str(self.port),
                "KAFKA_BOOTSTRAP_SERVERS": bench.bootstrap_servers,
                "PYTHONPATH": str(CHECKOUT),
            }
            | environment,
        )

    def get(self, path: str) -> tuple[int, str]:
        """Status and body, (0, "") while nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def ready(self) -> "RouterWorker":
        """Waits until it is ready."""
        until(lambda: self.get("/health/ready")[0] == 200, seconds=60, what="the router to be ready")
        return self

    def checks(self) -> dict[str, dict[str, Any]]:
        body = self.get("/health/ready")[1]
        return {check["name"]: check for check in json.loads(body)["checks"]} if body else {}

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        """kill -9, and nothing left of it."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(timeout=20)
        self._output.close()

    def ended(self, *, seconds: float = 40) -> int:
        """Waits for its end and gives the exit code."""
        code = self.process.wait(timeout=seconds)
        self._output.close()
        return code
