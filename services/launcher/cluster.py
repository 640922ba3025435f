"""A Kafka that somebody else runs: nothing to start or stop, only to ask whether it is there."""

import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path


class ExternalKafka:
    """The cluster that KAFKA_BOOTSTRAP_SERVERS names. It answers while one of its servers takes connections.

    More cannot be asked without its credentials; the services find out the rest and say so in their readiness.
    """

    process: subprocess.Popen[bytes] | None = None
    command: Sequence[str] = ()
    output = Path("/dev/null")

    def __init__(self, bootstrap_servers: str) -> None:
        self.addresses = [_address(server) for server in bootstrap_servers.split(",") if server.strip()]

    def launch(self) -> None:
        """It runs or it does not; nothing here can change that."""

    def answers(self) -> bool:
        """Whether one of the servers takes a connection."""
        return any(_takes_connections(address) for address in self.addresses)

    def stop(self) -> None:
        """Left running: it is not ours."""

    def kill(self) -> None:
        """Left running: it is not ours."""


def _address(server: str) -> tuple[str, int]:
    host, _, port = server.strip().rpartition(":")
    return (host.strip("[]") or server.strip(), int(port) if host and port.isdecimal() else 9092)


def _takes_connections(address: tuple[str, int]) -> bool:
    try:
        with socket.create_connection(address, timeout=1.0):
            return True
    except OSError:
        return False
