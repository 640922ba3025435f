"""What classify counts, declared once. Labels come from the loaded taxonomy and from enums, `other` for the rest."""

from collections.abc import Sequence
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.classify.model.probabilities import HEADS
from services.classify.oversight import BEFORE, TRAINING, Looked, Oversight
from services.classify.oversight import HEADS as WATCHED
from services.classify.reading.language import CANDIDATES
from services.classify.reading.language import UNKNOWN as NO_LANGUAGE
from services.classify.tagging.doubt import Reason
from services.classify.tagging.tagger import Tagger
from services.contracts.events import FeedbackClassified, Sentiment
from services.kit.metrics import ConsumerMetrics

_OTHER = "other"
_STATUSES = ("tagged", "unsure")
_PATHS = ("fast", "full")
_KNOWN_LANGUAGES = frozenset({*CANDIDATES, NO_LANGUAGE})
_CONFIDENCES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


class ClassifyMetrics:
    """Tags by stage, area, sentiment and reason of doubt; confidence by head; drift; time from received to tagged."""

    def __init__(self, registry: CollectorRegistry, consumer: ConsumerMetrics, tagger: Tagger) -> None:
        self._latency = consumer.latency.labels("tagged")
        self._stages = frozenset(entry.id for entry in tagger.taxonomy.stages)
        self._areas = frozenset(entry.id for entry in tagger.taxonomy.areas)
        self._tags = Counter(
            "palette_tags", "Tag revisions, by stage and status.", ["stage", "status"], registry=registry
        )
        self._named = Counter("palette_tag_areas", "Areas named by tag revisions.", ["area"], registry=registry)
        self._unsure = Counter(
            "palette_unsure", "Heads that would rather not say.", ["head", "reason"], registry=registry
        )
        self._sentiments = Counter(
            "palette_tag_sentiments", "Sentiment of tag revisions.", ["sentiment"], registry=registry
        )
        self._paths = Counter(
            "palette_tag_paths", "First tags, by the path that made them.", ["path"], registry=registry
        )
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
        self._drift = Gauge(
            "palette_drift_index",
            "Stability index of the last live events' labels, against the training mix or the events before; "
            "0 while there are too few.",
            ["head", "against"],
            registry=registry,
        )
        self._drift_events = Gauge(
            "palette_drift_events", "Live events that the stability index is of.", registry=registry
        )
        self._mean = Gauge(
            "palette_stage_confidence_mean", "Mean confidence of the stage since it moved last.", registry=registry
        )
        self._shifts = Counter(
            "palette_stage_confidence_shifts",
            "How often the mean confidence of the stage has moved, by direction.",
            ["direction"],
            registry=registry,
        )
        self._words = Counter(
            "palette_words",
            "Words of sampled live texts, by whether the model knows them.",
            ["known"],
            registry=registry,
        )
        self._languages = Counter(
            "palette_languages", "Language of sampled live texts.", ["language"], registry=registry
        )
        for direction in ("up", "down"):
            self._shifts.labels(direction)
        for known in ("yes", "no"):
            self._words.labels(known)
        for language in (*CANDIDATES, NO_LANGUAGE, _OTHER):
            self._languages.labels(language)
        self.activated(tagger)
        for stage in [*sorted(self._stages), _OTHER]:
            for status in _STATUSES:
                self._tags.labels(stage, status)
        for area in [*sorted(self._areas), _OTHER]:
            self._named.labels(area)
        for sentiment in get_args(Sentiment):
            self._sentiments.labels(sentiment)
        for path in _PATHS:
            self._paths.labels(path)
        for head in HEADS:
            self._confidence.labels(head)
            for reason in Reason:
                self._unsure.labels(head, reason)

    def activated(self, tagger: Tagger) -> None:
        """Another model is in force."""
        self._info.clear()
        self._info.labels(tagger.versions.model, tagger.versions.taxonomy).set(1)
        self._oversight = Oversight(tagger.model.mix)
        for head in WATCHED:
            for against in (TRAINING, BEFORE):
                self._drift.labels(head, against).set(0)
        self._drift_events.set(0)

    def saw(self, classified: Sequence[FeedbackClassified]) -> None:
        """Counts a batch of tag revisions."""
        for event in classified:
            tags = event.tags
            self._tags.labels(tags.stage if tags.stage in self._stages else _OTHER, tags.status).inc()
            for tag in tags.areas:
                self._named.labels(tag.area if tag.area in self._areas else _OTHER).inc()
            for doubt in tags.unsure:
                self._unsure.labels(doubt.head, doubt.reason).inc()
            self._sentiments.labels(tags.sentiment).inc()
            if event.revision > 1:  # a correction, or a conversation that grew: it says nothing about how fast we are
                continue
            self._paths.labels(tags.path).inc()
            self._confidence.labels("stage").observe(tags.stage_confidence)
            self._confidence.labels("areas").observe(tags.areas[0].confidence)
            self._confidence.labels("sentiment").observe(tags.sentiment_confidence)
            self._confidence.labels("intent").observe(tags.intent_confidence)
            self._confidence.labels("severity").observe(tags.severity_confidence)
            if event.mode == "live":
                self._latency.observe(max(0.0, (event.tagged_at - event.received_at).total_seconds()))
        self._watched(classified)

    def looked(self, sample: Sequence[Looked]) -> None:
        """Counts words and languages of sampled texts."""
        for look in sample:
            self._languages.labels(look.language if look.language in _KNOWN_LANGUAGES else _OTHER).inc()
            self._words.labels("no").inc(look.unknown)
            self._words.labels("yes").inc(look.words - look.unknown)

    def _watched(self, classified: Sequence[FeedbackClassified]) -> None:
        for shift in self._oversight.saw(classified):
            self._shifts.labels("up" if shift.now > shift.before else "down").inc()
        for (head, against), index in self._oversight.indices().items():
            self._drift.labels(head, against).set(index or 0.0)
        self._drift_events.set(self._oversight.events)
        self._mean.set(self._oversight.mean_confidence)
