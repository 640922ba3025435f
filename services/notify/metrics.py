"""What notify counts, declared once."""

from collections.abc import Callable
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge

CHANNELS = ("webhook", "jsonlines", "unknown")
"""How a target is reached; `unknown` is a target that the file does not have."""
OUTCOMES = ("delivered", "retry", "gave_up", "covered")


class NotifyMetrics:
    """Deliveries by what became of them, and how long the oldest has been waiting."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.deliveries = Counter(
            "palette_deliveries",
            "Messages to teams: delivered, covered (no longer needed), gave_up, and attempts that failed (retry).",
            ["channel", "outcome"],
            registry=registry,
        )
        self.oldest_pending = Gauge(
            "palette_delivery_oldest_pending_age_seconds",
            "Age of the oldest message that is still to be delivered, 0 when there is none.",
            ["channel"],
            registry=registry,
        )
        for channel in CHANNELS:
            self.oldest_pending.labels(channel).set(0)
            for outcome in OUTCOMES:
                self.deliveries.labels(channel, outcome)

    def watch_pending(self, age_of: Callable[[str], float]) -> None:
        """From now on the ages are asked for at each scrape."""
        for channel in CHANNELS:
            self.oldest_pending.labels(channel).set_function(partial(age_of, channel))
