"""The classifier watches itself: what Prometheus sees of a stream that changes, and of one that does not."""

from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from services.classify.drift import ENOUGH, RECENT
from services.classify.metrics import ClassifyMetrics
from services.classify.oversight import BEFORE, HEADS, ONE_IN, TRAINING, Looked, Oversight, looked_at
from services.classify.tagging.tagger import Tagger
from services.contracts import topics
from services.contracts.codec import RawMessage, encode
from services.contracts.events import (
    AreaTag,
    Conversation,
    FeedbackClassified,
    FeedbackReceived,
    Tags,
    Unsure,
    Versions,
)
from services.kit.metrics import ConsumerMetrics

NOW = datetime(2026, 11, 3, 9, tzinfo=UTC)
TEXT = "Your driver marked it delivered, nothing is here"


def classified(number: int = 1, *, stage: str = "use", confidence: float = 0.7, **over: object) -> FeedbackClassified:
    tags = Tags(
        stage=stage,
        stage_confidence=confidence,
        areas=(AreaTag(area="product", confidence=0.8), AreaTag(area="price", confidence=0.4)),
        sentiment="mixed",
        sentiment_confidence=0.6,
        intent="complaint",
        intent_confidence=0.7,
        severity=1,
        severity_confidence=0.6,
        status="unsure",
        unsure=(Unsure(head="stage", reason="low_confidence"), Unsure(head="intent", reason="low_confidence")),
        versions=Versions(model="m", taxonomy="t"),
        path="full",
    )
    event = FeedbackClassified(
        id=f"e-{number}",
        revision=1,
        tags=tags,
        source="s",
        channel="chat",
        occurred_at=NOW,
        received_at=NOW,
        tagged_at=NOW,
    )
    return msgspec.structs.replace(event, **over)


def received(text: str | None, *, offset: int = 0, **over: object) -> RawMessage:
    event = FeedbackReceived(
        id=f"e-{offset}",
        source="s",
        source_id=f"r-{offset}",
        channel="chat",
        occurred_at=NOW,
        received_at=NOW,
        text=text,
    )
    out = encode(msgspec.structs.replace(event, **over))
    return RawMessage(out.topic, 0, offset, out.key, out.value, out.headers)


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry, tagger: Tagger) -> ClassifyMetrics:
    return ClassifyMetrics(registry, ConsumerMetrics(registry, [topics.FEEDBACK_RECEIVED]), tagger)


def test_the_model_brings_the_mix_that_it_was_taught_for_every_head_that_is_watched(tagger: Tagger) -> None:
    for head in HEADS:
        assert sum(tagger.model.mix[head].values()) == pytest.approx(1, abs=0.01)


def test_every_series_is_there_before_anything_has_come_in(
    registry: CollectorRegistry, metrics: ClassifyMetrics
) -> None:
    assert metrics is not None
    for name, labels in (
        ("palette_drift_index", {"head": "stage", "against": "training"}),
        ("palette_drift_index", {"head": "severity", "against": "before"}),
        ("palette_unsure_total", {"head": "areas", "reason": "language"}),
        ("palette_tag_paths_total", {"path": "full"}),
        ("palette_tag_sentiments_total", {"sentiment": "mixed"}),
        ("palette_words_total", {"known": "no"}),
        ("palette_languages_total", {"language": "de"}),
        ("palette_stage_confidence_shifts_total", {"direction": "down"}),
    ):
        assert registry.get_sample_value(name, labels) == 0, name


def test_heads_reasons_paths_and_feelings_are_counted_apart(
    registry: CollectorRegistry, metrics: ClassifyMetrics
) -> None:
    metrics.saw([classified(1), classified(2)])
    for name, labels in (
        ("palette_unsure_total", {"head": "stage", "reason": "low_confidence"}),
        ("palette_unsure_total", {"head": "intent", "reason": "low_confidence"}),
        ("palette_tag_paths_total", {"path": "full"}),
        ("palette_tag_sentiments_total", {"sentiment": "mixed"}),
    ):
        assert registry.get_sample_value(name, labels) == 2, name
    assert registry.get_sample_value("palette_unsure_total", {"head": "areas", "reason": "low_confidence"}) == 0


def test_another_mix_shows_as_drift_and_a_new_model_begins_anew(
    registry: CollectorRegistry, metrics: ClassifyMetrics, tagger: Tagger
) -> None:
    def index(head: str, against: str) -> float | None:
        return registry.get_sample_value("palette_drift_index", {"head": head, "against": against})

    mix = tagger.model.mix["stage"]
    rng = np.random.default_rng(1)
    usual = rng.choice(list(mix), 2 * RECENT, p=np.array(list(mix.values())) / sum(mix.values()))
    metrics.saw([classified(stage=str(stage)) for stage in usual[: ENOUGH - 1]])
    assert index("stage", TRAINING) == 0
    metrics.saw([classified(stage=str(stage)) for stage in usual])
    assert 0 < (index("stage", TRAINING) or 0) < 0.1
    assert (index("stage", BEFORE) or 0) < 0.1
    metrics.saw([classified(stage="leave")] * (RECENT // 2))
    assert (index("stage", TRAINING) or 0) > 0.25
    assert (index("stage", BEFORE) or 0) > 0.25
    assert registry.get_sample_value("palette_drift_events") == RECENT
    metrics.activated(tagger)
    assert index("stage", BEFORE) == 0
    assert registry.get_sample_value("palette_drift_events") == 0


def test_a_fall_of_confidence_is_counted_as_one_or_more_steps_down(
    registry: CollectorRegistry, metrics: ClassifyMetrics
) -> None:
    rng = np.random.default_rng(2)
    for mean in (0.75, 0.5):
        metrics.saw([classified(confidence=float(c)) for c in rng.beta(4 * mean, 4 * (1 - mean), 2_000)])
    assert (registry.get_sample_value("palette_stage_confidence_shifts_total", {"direction": "down"}) or 0) >= 1
    assert registry.get_sample_value("palette_stage_confidence_shifts_total", {"direction": "up"}) == 0
    assert registry.get_sample_value("palette_stage_confidence_mean") == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(
    "over", [{"mode": "backfill"}, {"revision": 2}, {"conversation": Conversation(id="t", head="another")}]
)
def test_imports_corrections_and_parts_of_conversations_move_nothing(over: dict[str, object]) -> None:
    oversight = Oversight({})
    assert oversight.saw([classified(1, **over)]) == []
    assert oversight.events == 0


# ---- words ----------------------------------------------------------------------------------------------------------


def test_one_live_text_in_sixteen_is_looked_at(tagger: Tagger) -> None:
    messages = [received(TEXT, offset=offset) for offset in range(4 * ONE_IN)]
    found = looked_at(messages, tagger)
    assert len(found) == 4
    assert found[0].language == "en"
    assert found[0].words == 8
    assert found[0].unknown <= 1


@pytest.mark.parametrize(
    "message",
    [
        received(None),
        received("  \n"),
        received(TEXT, mode="backfill"),
        RawMessage(topics.FEEDBACK_RECEIVED, 0, 0, b"k", b"{not json", ()),
        RawMessage(topics.FEEDBACK_CORRECTIONS, 0, 0, b"k", b"{}", ()),
    ],
)
def test_what_has_no_words_of_now_is_not_looked_at(tagger: Tagger, message: RawMessage) -> None:
    assert looked_at([message], tagger) == []


def test_words_that_nobody_taught_are_unknown_and_those_of_another_language_are_told_as_that(tagger: Tagger) -> None:
    jargon, german = looked_at(
        [
            received("The frobnicator of my zylkometer has quuxed and is wobbulating", offset=0),
            received("Das Paket kam drei Wochen zu spät und niemand am Telefon konnte mir helfen", offset=ONE_IN),
        ],
        tagger,
    )
    assert jargon.unknown >= 4
    assert german == Looked("de", 0, 0)


def test_a_language_that_no_series_has_counts_as_other(registry: CollectorRegistry, metrics: ClassifyMetrics) -> None:
    metrics.looked([Looked("en", 9, 2), Looked("xx", 0, 0)])
    assert registry.get_sample_value("palette_languages_total", {"language": "other"}) == 1
    assert registry.get_sample_value("palette_words_total", {"known": "yes"}) == 7
    assert registry.get_sample_value("palette_words_total", {"known": "no"}) == 2
