"""What classify counts, declared once. Labels come from the loaded taxonomy and from enums, `other` for the rest."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.classify.model import HEADS
from services.classify.tagger import Reason, Tagger
from services.contracts.events import FeedbackClassified
from services.kit.metrics import ConsumerMetrics

_OTHER = "other"
_STATUSES = ("tagged", "unsure")
_CONFIDENCES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


class ClassifyMetrics:
    """Tags by stage, area and reason of doubt; confidence by head; time from received to tagged."""

    def __init__(self, registry: CollectorRegistry, consumer: ConsumerMetrics, tagger: Tagger) -> None:
        self._latency = consumer.latency.labels("tagged")
        self._stages = frozenset(entry.id for entry in tagger.taxonomy.stages)
        self._areas = frozenset(entry.id for entry in tagger.taxonomy.areas)
        self._tags = Counter(
            "palette_tags", "Tag revisions, by stage and status.", ["stage", "status"], registry=registry
        )
        self._named = Counter("palette_tag_areas", "Areas named by tag revisions.", ["area"], registry=registry)
        self._unsure = Counter("palette_unsure", "Heads that would rather not say.", ["reason"], registry=registry)
        self._confidence = Histogram(
            "palette_tag_confidence",
            "Confidence of the answer given, by head.",
            ["head"],
            buckets=_CONFIDENCES,
            registry=registry,
        )
        self._info = Gauge(
            "palette_model_info", "Versions in force, value 1.", ["model", "taxonomy"], registry=registry
        )
        self.activation_failures = Counter(
            "palette_model_activation_failures",
            "Activated model versions that this worker refused; the one before stays.",
            registry=registry,
        )
        self.activated(tagger)
        for stage in [*sorted(self._stages), _OTHER]:
            for status in _STATUSES:
                self._tags.labels(stage, status)
        for area in [*sorted(self._areas), _OTHER]:
            self._named.labels(area)
        for reason in Reason:
            self._unsure.labels(reason)
        for head in HEADS:
            self._confidence.labels(head)

    def activated(self, tagger: Tagger) -> None:
        """Another model is in force."""
        self._info.clear()
        self._info.labels(tagger.versions.model, tagger.versions.taxonomy).set(1)

    def saw(self, classified: Sequence[FeedbackClassified]) -> None:
        """Counts a batch of tag revisions."""
        for event in classified:
            tags = event.tags
            self._tags.labels(tags.stage if tags.stage in self._stages else _OTHER, tags.status).inc()
            for tag in tags.areas:
                self._named.labels(tag.area if tag.area in self._areas else _OTHER).inc()
            for doubt in tags.unsure:
                self._unsure.labels(doubt.reason).inc()
            if event.correction is not None:
                continue
            self._confidence.labels("stage").observe(tags.stage_confidence)
            self._confidence.labels("areas").observe(tags.areas[0].confidence)
            self._confidence.labels("sentiment").observe(tags.sentiment_confidence)
            self._confidence.labels("intent").observe(tags.intent_confidence)
            self._confidence.labels("severity").observe(tags.severity_confidence)
            if event.mode == "live":
                self._latency.observe(max(0.0, (event.tagged_at - event.received_at).total_seconds()))
