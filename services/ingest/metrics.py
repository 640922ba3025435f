"""Every metric of ingest, declared once, each series at 0 from the start."""

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.ingest.intake import CHANNELS, Reason
from services.ingest.sources import OTHER, Sources
from services.kit.metrics import REQUEST_BUCKETS

_OUTCOMES = ("accepted", "duplicate", "conflict", "refused", "unavailable")
PUBLISH_ERRORS = ("away", "refused", "denied", "unexpected")


class IngestMetrics:
    """What ops see of the intake."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.events = Counter(
            "palette_intake_events", "Events by what became of them.", ["channel", "outcome"], registry=registry
        )
        self.refused = Counter("palette_intake_refused", "Inputs refused, by reason.", ["reason"], registry=registry)
        self.last_received = Gauge(
            "palette_source_last_received_timestamp_seconds",
            "When a source last sent an event that was accepted; the start of this process until then.",
            ["source"],
            registry=registry,
        )
        self.expected_interval = Gauge(
            "palette_source_expected_interval_seconds",
            "The longest usual silence of a source, as policy declares it.",
            ["source"],
            registry=registry,
        )
        self.publish_duration = Histogram(
            "palette_publish_duration_seconds",
            "From the journal until Kafka acknowledged, for the oldest event of each run.",
            buckets=REQUEST_BUCKETS,
            registry=registry,
        )
        self.publish_failures = Counter(
            "palette_publish_failures",
            "Times that sending failed or went unanswered, by why.",
            ["error"],
            registry=registry,
        )
        self.journal_events = Gauge("palette_journal_events", "Safe here, not yet in Kafka.", registry=registry)
        self.journal_bytes = Gauge("palette_journal_bytes", "Their size.", registry=registry)
        self.journal_capacity = Gauge("palette_journal_capacity_bytes", "Bound of that size.", registry=registry)
        self.journal_oldest_age = Gauge(
            "palette_journal_oldest_age_seconds", "Age of the oldest of them, 0 when there is none.", registry=registry
        )
        self._started = time.time()
        self._sources: set[str] = set()
        for channel in (*CHANNELS, "unknown"):
            for outcome in _OUTCOMES:
                self.events.labels(channel, outcome)
        for reason in Reason:
            self.refused.labels(reason.value)
        for error in PUBLISH_ERRORS:
            self.publish_failures.labels(error)
        self.last_received.labels(OTHER).set(self._started)

    def declare(self, sources: Sources) -> None:
        """Series for the sources in force; those of removed ones end."""
        for name in self._sources - set(sources.declared):
            self.last_received.remove(name)
            self.expected_interval.remove(name)
        for source in sources.declared.values():
            if source.name not in self._sources:
                self.last_received.labels(source.name).set(self._started)
            if source.expected_interval_seconds is not None:
                self.expected_interval.labels(source.name).set(source.expected_interval_seconds)
        self._sources = set(sources.declared)

    def watch_journal(
        self,
        *,
        events: Callable[[], float],
        size: Callable[[], float],
        oldest_age: Callable[[], float],
        capacity: int,
    ) -> None:
        """Reads the journal's state at each scrape."""
        self.journal_events.set_function(events)
        self.journal_bytes.set_function(size)
        self.journal_oldest_age.set_function(oldest_age)
        self.journal_capacity.set(capacity)
