"""The API's own metrics, declared once. Names and meaning: the list in the runbook."""

from prometheus_client import CollectorRegistry, Gauge


class WatchMetrics:
    """What is seen from outside the consumers."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.lag = Gauge(
            "palette_consumer_lag_messages",
            "Messages that a group has not done yet.",
            ["group", "topic", "partition"],
            registry=registry,
        )
        self.oldest_age = Gauge(
            "palette_consumer_oldest_unprocessed_age_seconds",
            "Age of the oldest message that a group has not done yet; 0 when there is none.",
            ["group", "topic"],
            registry=registry,
        )
        self.letters_open = Gauge(
            "palette_dead_letters_open", "Dead letters that nobody replayed.", ["topic"], registry=registry
        )
        self.last_success = Gauge(
            "palette_lag_last_success_timestamp_seconds", "When lag could be read last.", registry=registry
        )
        self.missing = Gauge(
            "palette_audit_missing_events",
            "Events that were stored but neither tagged nor put aside, though the classifier has passed them.",
            ["source"],
            registry=registry,
        )
        self.last_success.set(0)
