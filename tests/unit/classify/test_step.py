"""The step over lists: tags, corrections, dead letters, order."""

from datetime import UTC, datetime

import msgspec
import pytest

from services.classify.step import classify
from services.classify.tagging.tagger import Tagger
from services.contracts import topics
from services.contracts.codec import Headers, Outbound, RawMessage, decode, encode
from services.contracts.events import (
    AreaTag,
    Correction,
    FeedbackClassified,
    FeedbackCorrected,
    FeedbackReceived,
    Rating,
)

NOW = datetime(2026, 11, 3, 9, tzinfo=UTC)
TEXT = "Your driver marked it delivered, nothing is here"


def received(number: int = 1, **changes: object) -> FeedbackReceived:
    """A received event with valid defaults."""
    event = FeedbackReceived(
        id=f"00000000-0000-5000-8000-{number:012d}",
        source="web-survey",
        source_id=f"r-{number}",
        channel="survey",
        occurred_at=NOW,
        received_at=NOW,
        text=TEXT,
        attributes={"region": "north"},
    )
    return msgspec.structs.replace(event, **changes)


def raw(outbound: Outbound, *, offset: int = 0, headers: Headers | None = None) -> RawMessage:
    """A message as the broker would hand it over."""
    return RawMessage(
        outbound.topic, 0, offset, outbound.key, outbound.value, outbound.headers if headers is None else headers
    )


def step(tagger: Tagger, *messages: RawMessage) -> list[Outbound]:
    """What goes out."""
    return list(classify(messages, tagger=tagger, now=NOW, version="1").outbound)


def read(outbound: Outbound) -> FeedbackClassified:
    """The event in an outbound message."""
    event: FeedbackClassified = decode(raw(outbound), FeedbackClassified)
    return event


def test_a_received_event_becomes_its_first_tag_revision_without_its_text(tagger: Tagger) -> None:
    message = raw(encode(received(customer="p-1", mode="backfill"), trace=b"00-aa-bb-01"))
    (outbound,) = step(tagger, message)
    event = read(outbound)
    assert (outbound.topic, outbound.key) == (topics.FEEDBACK_CLASSIFIED, b"p-1")
    assert (event.revision, event.tags.stage, event.mode) == (1, "receive", "backfill")
    assert event.attributes == {"region": "north"}
    assert event.supersedes is None
    assert dict(outbound.headers)["traceparent"] == b"00-aa-bb-01"
    assert TEXT.encode() not in (outbound.value or b"")
    assert {TEXT[e.start : e.end] for e in event.tags.evidence if e.head == "theme"} == {"driver marked it delivered"}


def test_what_cannot_be_read_is_put_aside_between_its_neighbours(tagger: Tagger) -> None:
    good = raw(encode(received(1)), offset=1)
    bad = [
        RawMessage(topics.FEEDBACK_RECEIVED, 0, 2, b"k", b"{"),
        RawMessage(topics.FEEDBACK_RECEIVED, 0, 3, b"k", b"\xff\xfe"),
        RawMessage(topics.FEEDBACK_RECEIVED, 0, 4, b"k", b'{"id": 5}'),
        RawMessage(topics.FEEDBACK_RECEIVED, 0, 5, b"k", None),
        RawMessage(topics.FEEDBACK_RECEIVED, 0, 6, b"k", b"[" * 100_000),
        RawMessage(topics.FEEDBACK_CORRECTIONS, 0, 7, b"k", b"{}"),
    ]
    out = step(tagger, good, *bad, raw(encode(received(2)), offset=8))
    assert [o.topic for o in out] == [
        topics.FEEDBACK_CLASSIFIED,
        *[topics.CLASSIFY_DLQ] * len(bad),
        topics.FEEDBACK_CLASSIFIED,
    ]
    assert [o.value for o in out[1:-1]] == [message.value for message in bad]


def test_a_bare_rating_and_an_empty_event_go_through(tagger: Tagger) -> None:
    rated = raw(encode(received(1, text=None, rating=Rating(kind="nps", value=1))))
    empty = raw(encode(received(2, text=None)))
    first, second = (read(o) for o in step(tagger, rated, empty))
    assert (first.tags.status, first.tags.sentiment) == ("tagged", "negative")
    assert second.tags.status == "unsure"


def test_a_correction_makes_the_next_revision_and_says_what_it_supersedes(tagger: Tagger) -> None:
    before = read(step(tagger, raw(encode(received())))[0])
    correction = Correction(
        id="c-1", by="ana", at=NOW, stage="use", areas=("product", "policy"), themes=("arrived-damaged",), severity=2
    )
    (outbound,) = step(tagger, raw(encode(FeedbackCorrected(correction=correction, of=before))))
    after = read(outbound)
    assert (after.revision, after.supersedes, after.correction) == (2, before.tags, correction)
    assert (after.tags.stage, after.tags.stage_confidence) == ("use", 1.0)
    assert after.tags.areas == (
        AreaTag(area="product", confidence=1.0),
        AreaTag(area="policy", confidence=1.0),
    )
    assert after.tags.themes == ("arrived-damaged",)
    assert (after.tags.severity, after.tags.severity_confidence) == (2, 1.0)
    assert (after.tags.sentiment, after.tags.intent) == (before.tags.sentiment, before.tags.intent)
    assert (after.tags.status, after.tags.unsure) == ("tagged", ())
    assert "stage" not in {e.head for e in after.tags.evidence}
    assert "sentiment" in {e.head for e in after.tags.evidence}
    assert (after.id, after.source, after.attributes) == (before.id, before.source, before.attributes)


@pytest.mark.parametrize(
    "said", [{"stage": "elsewhere"}, {"areas": ("product", "nowhere")}, {"themes": ("no-such",)}, {"severity": 9}]
)
def test_a_correction_to_a_label_that_nobody_knows_is_put_aside(tagger: Tagger, said: dict[str, object]) -> None:
    before = read(step(tagger, raw(encode(received())))[0])
    correction = Correction(id="c-1", by="ana", at=NOW, **said)  # type: ignore[arg-type]  # a table of fields
    (outbound,) = step(tagger, raw(encode(FeedbackCorrected(correction=correction, of=before))))
    assert outbound.topic == topics.CLASSIFY_DLQ
    assert dict(outbound.headers)["dl_code"] == b"unknown_label"


def test_the_same_batch_gives_the_same_messages(tagger: Tagger) -> None:
    messages = [raw(encode(received(n)), offset=n) for n in range(5)]
    assert step(tagger, *messages) == step(tagger, *messages)
