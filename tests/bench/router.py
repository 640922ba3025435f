"""The router alone: rules to signals, and the fold, in memory and on Kafka."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from prometheus_client import CollectorRegistry

from services.contracts.codec import Outbound, RawMessage, encode
from services.contracts.events import Join, Plan
from services.contracts.topics import ROUTER_STATE, ROUTING_SIGNALS
from services.kit.fold import Fold, run_fold
from services.kit.kafka import create_topics, partition_of, producer
from services.kit.logs import Log
from services.kit.metrics import ConsumerMetrics
from services.kit.process import Process
from services.kit.settings import Settings
from services.kit.worker import Halt
from services.launcher.kafka import EmbeddedKafka
from services.router.partition import GroupsOfPartition
from services.router.signals import Policies, route
from tests.bench.figures import Figure
from tests.ports import free_port
from tests.unit.router.builders import classified, messages, shipped_policy

_START = datetime(2026, 11, 2, tzinfo=UTC)


def signals(count: int, *, groups: int) -> list[Outbound]:
    """Joins of distinct events spread over so many groups, an action opening in each."""
    plan = Plan(
        rule="whoever-owns-it",
        policy="4fc6ed80020a",
        action="cause",
        part="improvement",
        team="delivery",
        threshold=3,
        window_hours=168.0,
        acknowledge_hours=24.0,
        resolve_hours=240.0,
        theme="driver-marked-delivered",
        stage="receive",
        area="fulfilment",
        attributes={"region": "north"},
        targets=("actions",),
        ask="Find out what is behind “driver marked it delivered” (region north) and stop it from happening again.",
    )
    out = []
    for number in range(count):
        at = _START + timedelta(seconds=number)
        out.append(
            encode(
                Join(
                    id=f"00000000-0000-5000-8000-{number:012d}",
                    group=f"cause.improvement/theme:driver-marked-delivered/region:{number % groups}",
                    at=at,
                    event=f"10000000-0000-5000-8000-{number:012d}",
                    revision=1,
                    occurred_at=at,
                    severity=number % 3,
                    plan=plan,
                    customer=None if number % 5 == 0 else f"p{number:030d}",  # type: ignore[arg-type]
                )
            )
        )
    return out


def measure(folder: Path, cache: Path) -> list[Figure]:
    """Starts a broker of its own in `folder`; `cache` holds Kafka's jars."""
    memory, step_one = fold_in_memory(), decide_in_memory()
    with EmbeddedKafka(folder / "kafka", cache, free_port()) as broker:
        kafka = fold_on_kafka(broker.bootstrap_servers, folder / "data")
    return [
        Figure("router, rules to signals, in memory", step_one, "events/s"),
        Figure("router, fold in memory, 1,000 groups", memory, "signals/s", "at least 20,000", memory >= 20_000),
        Figure("router, fold on Kafka, 1,000 groups", kafka, "signals/s", "at least 8,000", kafka >= 8_000),
    ]


def fold_in_memory(count: int = 40_000, *, groups: int = 1_000, partitions: int = 4, batch: int = 500) -> float:
    """Signals a second through the folds of a topic, bytes in and bytes out."""
    placed: list[list[RawMessage]] = [[] for _ in range(partitions)]
    for signal in signals(count, groups=groups):
        number = partition_of(signal.key or b"", partitions)
        place = placed[number]
        place.append(RawMessage(signal.topic, number, len(place), signal.key, signal.value, signal.headers))
    folds = [GroupsOfPartition(number, version="bench") for number in range(partitions)]
    started = time.perf_counter()
    for first in range(0, max(map(len, placed)), batch):
        for number, fold in enumerate(folds):
            fold.fold(placed[number][first : first + batch], _START)
    return count / (time.perf_counter() - started)


def decide_in_memory(count: int = 10_000) -> float:
    """Classified events a second through the shipped rules into signals, bytes in and bytes out."""
    policies = Policies([(_START, shipped_policy())])
    given = messages([classified(id=f"e{n}", attributes={"region": f"r{n % 50}"}) for n in range(count)])
    started = time.perf_counter()
    for first in range(0, count, 256):
        route(given[first : first + 256], _START, policies=policies, version="bench")
    return count / (time.perf_counter() - started)


def fold_on_kafka(bootstrap_servers: str, data_dir: Path, count: int = 40_000, *, groups: int = 1_000) -> float:
    """Signals a second through the transactional fold, from the first batch of a filled topic to the last."""
    settings = Settings(data_dir=data_dir, kafka_bootstrap_servers=bootstrap_servers)
    create_topics(settings)
    sender = producer(settings, linger_ms=50)
    for signal in signals(count, groups=groups):
        sender.send(signal.topic, key=signal.key, value=signal.value, headers=list(signal.headers))
    sender.flush()
    sender.close()
    done = 0
    begun, finished = asyncio.Event(), asyncio.Event()

    class Counting(GroupsOfPartition):
        def fold(self, messages: Sequence[RawMessage], now: datetime) -> list[Outbound]:
            nonlocal done
            done += len(messages)
            begun.set()
            if done >= count:
                finished.set()
            return super().fold(messages, now)

    async def measure() -> float:
        process = Process("router", settings, Log("bench"), CollectorRegistry())
        metrics = ConsumerMetrics(process.registry, [ROUTING_SIGNALS])
        fold = Fold(
            process=process,
            group="bench-router-fold",
            topic=ROUTING_SIGNALS,
            state_topic=ROUTER_STATE,
            make=lambda partition: Counting(partition, version="bench"),
            metrics=metrics,
        )
        running = asyncio.create_task(run_fold(fold, Halt(fold)))
        await begun.wait()
        started, already = time.perf_counter(), done
        await finished.wait()
        elapsed = time.perf_counter() - started
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return (count - already) / elapsed

    return asyncio.run(measure())
