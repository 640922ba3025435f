"""Rates of the router: the fold in memory and on Kafka, and step one. Functions that return figures; no assertions."""

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
from services.kit.kafka import create_topics, producer
from services.kit.logs import Log
from services.kit.metrics import ConsumerMetrics
from services.kit.process import Process
from services.kit.settings import Settings
from services.kit.worker import Halt
from services.router.partition import GroupsOfPartition

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


def fold_in_memory(count: int = 40_000, *, groups: int = 1_000, batch: int = 500) -> float:
    """Signals a second through one partition's fold, bytes in and bytes out."""
    messages = [
        RawMessage(s.topic, 0, n, s.key, s.value, s.headers) for n, s in enumerate(signals(count, groups=groups))
    ]
    fold = GroupsOfPartition(0, version="bench")
    started = time.perf_counter()
    for first in range(0, count, batch):
        fold.fold(messages[first : first + batch], _START)
    return count / (time.perf_counter() - started)


def fold_on_kafka(bootstrap_servers: str, data_dir: Path, count: int = 40_000, *, groups: int = 1_000) -> float:
    """Signals a second through the transactional fold, from a filled topic to the last committed position."""
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
