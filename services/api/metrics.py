"""The API's own metrics, declared once. Names and meaning: the list in the runbook."""

from prometheus_client import CollectorRegistry, Gauge

from services.api import agreement, calibration


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


class ReviewMetrics:
    """What people say of tags."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._items = Gauge(
            "palette_reviewed_items",
            "Events that people were asked about, of the model that was asked about last.",
            ["head"],
            registry=registry,
        )
        self._right = Gauge(
            "palette_reviewed_right_ratio", "Share of right tags among those.", ["head"], registry=registry
        )
        self._expected = Gauge(
            "palette_reviewed_expected_ratio",
            "Mean confidence of the same tags: the share that should be right.",
            ["head"],
            registry=registry,
        )
        self._error = Gauge(
            "palette_reviewed_calibration_error",
            "Calibration error on those, without the part that chance makes.",
            ["head"],
            registry=registry,
        )
        self._pairs = Gauge(
            "palette_reviewers_pairs",
            "Events that two people answered, by pairs of people.",
            ["head"],
            registry=registry,
        )
        self._kappa = Gauge(
            "palette_reviewers_agreement_kappa",
            "Cohen's kappa of people who answered the same events; 0 where there are none.",
            ["head"],
            registry=registry,
        )
        for head in calibration.HEADS:
            self.calibrated(calibration.Calibration(head, 0, 0.0, 0.0, 0.0))
        for head in agreement.HEADS:
            self.agreed(head, 0, None)

    def calibrated(self, found: calibration.Calibration) -> None:
        """Shows one head's calibration."""
        self._items.labels(found.head).set(found.items)
        self._right.labels(found.head).set(found.right)
        self._expected.labels(found.head).set(found.expected)
        self._error.labels(found.head).set(found.error)

    def agreed(self, head: str, pairs: int, kappa: float | None) -> None:
        """Shows how far people agree in one head."""
        self._pairs.labels(head).set(pairs)
        self._kappa.labels(head).set(kappa or 0.0)
