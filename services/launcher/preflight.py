"""What can be seen to be wrong before anything is started: who may reach the ports, whether they are free, file limits.

Knows settings and the machine; starts nothing. Every refusal is one sentence that says what to do.
"""

import resource
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from services.kit.keys import Keys
from services.kit.settings import LOOPBACK, Settings
from services.launcher.ports import holder_of, is_free
from services.launcher.refusal import CannotStart

ENOUGH_OPEN_FILES = 16_384


@dataclass(frozen=True)
class Port:
    """A port that something of ours will listen on, and the variable that moves it."""

    number: int
    host: str
    variable: str
    purpose: str


def ports_of(settings: Settings) -> tuple[Port, ...]:
    """All ports that this run will listen on."""
    kafka = Port(settings.kafka_port, "127.0.0.1", "PALETTE_KAFKA_PORT", "the embedded Kafka")
    return (
        *(() if settings.kafka_bootstrap_servers else (kafka,)),
        Port(settings.api_port, settings.bind, "PALETTE_API_PORT", "the page"),
        Port(settings.ingest_port, settings.bind, "PALETTE_INGEST_PORT", "the intake"),
        Port(settings.classify_metrics_port, settings.bind, "PALETTE_CLASSIFY_METRICS_PORT", "classify's health"),
        Port(settings.router_metrics_port, settings.bind, "PALETTE_ROUTER_METRICS_PORT", "router's health"),
        Port(settings.notify_metrics_port, settings.bind, "PALETTE_NOTIFY_METRICS_PORT", "notify's health"),
    )


def check_bind(settings: Settings) -> None:
    """Refuse to be reachable from other machines while nobody has to show a key. Raises CannotStart, Misconfigured."""
    if settings.bind in LOOPBACK:
        return
    if settings.api_keys_file is None:
        raise CannotStart(
            f"PALETTE_BIND={settings.bind} would let other machines in without a key: "
            "set PALETTE_API_KEYS_FILE to a file of API keys first, or leave PALETTE_BIND at 127.0.0.1."
        )
    Keys.read(settings.api_keys_file)


def check_ports(
    ports: tuple[Port, ...],
    *,
    free: Callable[[int, str], bool] = is_free,
    holder: Callable[[int], str | None] = holder_of,
) -> None:
    """Refuse ports that are taken or given twice. Raises CannotStart with a sentence, and a line, for each."""
    problems = [*_given_twice(ports), *_taken(ports, free, holder)]
    if problems:
        raise CannotStart("\n".join(problems))


def raise_file_limit(wanted: int = ENOUGH_OPEN_FILES) -> int:
    """Lift the soft limit of open files as far as needed and allowed; children inherit it. Answers the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    target = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < target:
        resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
        return target
    return soft


def _given_twice(ports: tuple[Port, ...]) -> Iterator[str]:
    seen: dict[int, Port] = {}
    for port in ports:
        other = seen.setdefault(port.number, port)
        if other is not port:
            yield f"{other.variable} and {port.variable} are both {port.number}: set one of them to another port."


def _taken(
    ports: tuple[Port, ...], free: Callable[[int, str], bool], holder: Callable[[int], str | None]
) -> Iterator[str]:
    for port in ports:
        try:
            if free(port.number, port.host):
                continue
        except OSError as error:
            yield (
                f"Port {port.number} ({port.variable}) cannot be listened on at {port.host} ({error.strerror}): "
                f"set {port.variable} or PALETTE_BIND to something that can."
            )
            continue
        by = holder(port.number) or "another program"
        yield (
            f"Port {port.number} for {port.purpose} is in use by {by}: "
            f"stop that, or set {port.variable} to another port."
        )
