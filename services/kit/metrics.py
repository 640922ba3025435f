"""Metrics that every process has, and how a service declares its own: once, with help text, every series at 0.

Registries are passed in; nothing registers itself globally. Labels come from enums or loaded policy, `other` for the
rest, so that no sender can grow the number of series.
"""

import shutil
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, platform_collector, process_collector

from services.contracts.topics import load_topics

LATENCY_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)
REQUEST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


def new_registry(*, version: str, data_dir: Path) -> CollectorRegistry:
    """A registry with process metrics, build info and the free space of the data folder."""
    registry = CollectorRegistry(auto_describe=True)
    process_collector.ProcessCollector(registry=registry)
    platform_collector.PlatformCollector(registry=registry)
    Gauge("palette_build_info", "Version of this process, value 1.", ["version"], registry=registry).labels(
        version
    ).set(1)
    free = Gauge("palette_data_disk_free_bytes", "Free space where the data folder is.", registry=registry)
    free.set_function(lambda: shutil.disk_usage(data_dir).free)
    return registry


class PolicyMetrics:
    """Whether the policy files that this process reads could be loaded."""

    def __init__(self, registry: CollectorRegistry, files: Iterable[str]) -> None:
        self.successful = Gauge(
            "palette_policy_last_reload_successful",
            "1 when the file's newest version is in force.",
            ["file"],
            registry=registry,
        )
        self.timestamp = Gauge(
            "palette_policy_last_reload_success_timestamp_seconds",
            "When the file was last loaded without error.",
            ["file"],
            registry=registry,
        )
        for file in files:
            self.successful.labels(file).set(0)
            self.timestamp.labels(file).set(0)

    def loaded(self, file: str, at: float) -> None:
        self.successful.labels(file).set(1)
        self.timestamp.labels(file).set(at)

    def refused(self, file: str) -> None:
        self.successful.labels(file).set(0)


class ConsumerMetrics:
    """What every process that reads topics counts."""

    def __init__(self, registry: CollectorRegistry, topics: Iterable[str]) -> None:
        self.processed = Counter(
            "palette_messages_processed",
            "Messages done, by what became of them: ok, repeat, dead_letter.",
            ["topic", "outcome"],
            registry=registry,
        )
        self.duration = Histogram(
            "palette_step_duration_seconds",
            "Time of one batch in the step, without Kafka.",
            ["topic"],
            buckets=REQUEST_BUCKETS,
            registry=registry,
        )
        self.halted = Gauge(
            "palette_consumer_halted",
            "1 while the consumer stands still after too many dead letters.",
            ["topic"],
            registry=registry,
        )
        self.dead_letters = Counter(
            "palette_dead_letters", "Messages put aside, by code.", ["topic", "code"], registry=registry
        )
        self.latency = Histogram(
            "palette_event_latency_seconds",
            "From received_at until tagged, readable or action. Live traffic only.",
            ["to"],
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        for topic in topics:
            if topic not in load_topics():
                raise ValueError(f"{topic} is not a declared topic")
            for outcome in ("ok", "repeat", "dead_letter"):
                self.processed.labels(topic, outcome)
            self.duration.labels(topic)
            self.halted.labels(topic).set(0)
