"""The whole product as its users meet it: one command, HTTP, the CLI, the topics, the page. Knows nothing inside.

Started by the launcher in a process of its own, on free ports and a data folder of its own.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import httpx2
import psutil
from kafka import KafkaConsumer, TopicPartition

from tests.ports import free_port
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[2]
ROLES = ("ingest", "classify", "router", "notify", "api")
_PORTS = {
    "PALETTE_API_PORT": "api",
    "PALETTE_INGEST_PORT": "ingest",
    "PALETTE_KAFKA_PORT": "kafka",
    "PALETTE_CLASSIFY_METRICS_PORT": "classify",
    "PALETTE_ROUTER_METRICS_PORT": "router",
    "PALETTE_NOTIFY_METRICS_PORT": "notify",
}


class Product:
    """A running Palette. `start` waits for the ready line; `stop` is Ctrl-C."""

    def __init__(self, data_dir: Path, *, sample: bool = False, **environment: str) -> None:
        self.data_dir = data_dir
        self.ports = {role: free_port() for role in _PORTS.values()}
        cache = os.environ.get("PALETTE_CACHE_DIR") or str(ROOT / ".cache")
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(("PALETTE_", "KAFKA_"))} | {
            "PALETTE_DATA_DIR": str(data_dir),
            "PALETTE_CACHE_DIR": cache,
            "PALETTE_SAMPLE": "1" if sample else "0",
            "PYTHONPATH": str(ROOT),
            **{variable: str(self.ports[role]) for variable, role in _PORTS.items()},
            **environment,
        }
        self.environment.pop("DATABASE_URL", None) if "DATABASE_URL" not in environment else None
        self.lines: list[str] = []
        self.process: subprocess.Popen[str] | None = None
        self.http = httpx2.Client(trust_env=False, timeout=30.0)

    @property
    def page(self) -> str:
        return f"http://127.0.0.1:{self.ports['api']}"

    @property
    def intake(self) -> str:
        return f"http://127.0.0.1:{self.ports['ingest']}/v1/feedback"

    @property
    def bootstrap_servers(self) -> str:
        return f"127.0.0.1:{self.ports['kafka']}"

    def ops(self, role: str) -> str:
        """Where a service answers health and metrics."""
        return f"http://127.0.0.1:{self.ports[role]}"

    # ---- living and dying ----

    def start(self, *, seconds: float = 240.0) -> "Product":
        self.lines = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "services.launcher"],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        threading.Thread(target=self._read, args=(self.process,), daemon=True).start()
        until(lambda: self.is_ready() or self.process.poll() is not None, seconds=seconds, what="the ready line")
        assert self.is_ready(), "the launcher ended:\n" + "\n".join(self.lines)
        return self

    def _read(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                self.lines.append(line.rstrip("\n"))

    def is_ready(self) -> bool:
        return any(line.startswith("Palette is ready") for line in self.lines)

    def last_words(self, lines: int = 60) -> str:
        """The end of what the launcher said, and of what each service wrote: for the report of a failed test."""
        parts = ["-- launcher", *self.lines[-lines:]]
        for log in sorted((self.data_dir / "log").glob("*.*")):
            parts += [f"-- {log.name}", *log.read_text(errors="replace").splitlines()[-lines:]]
        return "\n".join(parts)

    def stop(self) -> int:
        """Ctrl-C; answers the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)

    def end(self) -> None:
        """However it stands, nothing is left afterwards."""
        self.http.close()
        if self.process is not None and self.process.poll() is None:
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(30)

    def pid(self, role: str) -> int | None:
        """The process of a service, or of Kafka's Java, by its command line below our launcher."""
        assert self.process is not None
        wanted = "kafka.Kafka" if role == "kafka" else f"services.{role}"
        try:
            children = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return None
        for child in children:
            try:
                if wanted in child.cmdline():
                    return child.pid
            except (psutil.NoSuchProcess, psutil.ZombieProcess):
                continue
        return None

    def kill(self, role: str) -> int:
        """kill -9 of one service; answers the pid that died."""
        pid = until(lambda: self.pid(role), what=f"a process of {role}")
        os.kill(pid, signal.SIGKILL)
        until(lambda: self.pid(role) != pid, what=f"{role} to be gone")
        return pid

    def ready(self, role: str) -> bool:
        try:
            return self.http.get(f"{self.ops(role)}/health/ready", timeout=2).status_code == 200
        except httpx2.HTTPError:
            return False

    def wait_ready(self, *, seconds: float = 90.0) -> None:
        until(lambda: all(self.ready(role) for role in ROLES), seconds=seconds, what="every service to be ready")

    # ---- what people and programs do ----

    def post(self, event: dict[str, Any], **headers: str) -> httpx2.Response:
        return self.http.post(self.intake, json=event, headers=headers)

    def post_batch(self, events: list[dict[str, Any]], **headers: str) -> httpx2.Response:
        return self.http.post(f"{self.intake}/batch", json=events, headers=headers)

    def get(self, path: str, **params: Any) -> Any:
        answer = self.http.get(self.page + path, params=params)
        answer.raise_for_status()
        return answer.json()

    def feedback(self) -> list[dict[str, Any]]:
        """Every stored event, by following the links."""
        items: list[dict[str, Any]] = []
        url: str | None = f"{self.page}/v1/feedback?limit=200"
        while url:
            answer = self.http.get(url)
            answer.raise_for_status()
            items += answer.json()["items"]
            url = answer.links.get("next", {}).get("url")
        return items

    def cli(self, *arguments: str, stdin: str = "", seconds: float = 60) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "services.cli", *arguments],
            cwd=ROOT,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def topic(self, name: str, *, committed: bool = True) -> list[dict[str, Any]]:
        """Everything that stands on a topic now: key, value (parsed), headers, partition, offset."""
        consumer = KafkaConsumer(
            bootstrap_servers=self.bootstrap_servers,
            group_id=None,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            isolation_level="read_committed" if committed else "read_uncommitted",
        )
        try:
            partitions = [TopicPartition(name, p) for p in sorted(consumer.partitions_for_topic(name) or ())]
            consumer.assign(partitions)
            ends = consumer.end_offsets(partitions)
            consumer.seek_to_beginning(*partitions)
            found: list[dict[str, Any]] = []
            while any(consumer.position(p) < ends[p] for p in partitions):
                for batch in consumer.poll(500).values():
                    for m in batch:
                        found.append(
                            {
                                "key": m.key.decode() if m.key else None,
                                "value": json.loads(m.value) if m.value else None,
                                "raw": m.value,
                                "headers": dict(m.headers or ()),
                                "partition": m.partition,
                                "offset": m.offset,
                            }
                        )
            return found
        finally:
            consumer.close()
