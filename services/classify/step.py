"""The step: raw messages in, messages out. Received events become tag revision 1; a correction becomes the next one.

Knows topics and tags; knows no Kafka client, no clock. What cannot be read becomes a dead letter and stops nothing.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from services.classify.tagger import Tagger, TagInput
from services.classify.taxonomy import Taxonomy
from services.contracts import topics
from services.contracts.codec import Outbound, RawMessage, dead_letter, decode, encode, trace_of
from services.contracts.errors import BadMessage
from services.contracts.events import (
    AreaTag,
    Correction,
    FeedbackClassified,
    FeedbackCorrected,
    FeedbackReceived,
    Tags,
)

SERVICE = "classify"
INPUTS = (topics.FEEDBACK_RECEIVED, topics.FEEDBACK_CORRECTIONS)


class Outcome(msgspec.Struct, frozen=True):
    """What a batch led to: messages to send, in the order of the inputs, and the events among them, for the metrics."""

    outbound: tuple[Outbound, ...]
    classified: tuple[FeedbackClassified, ...]


def classify(messages: Sequence[RawMessage], *, tagger: Tagger, now: datetime, version: str) -> Outcome:
    """Tags a batch. Pure but for the tagger's memory of words; the same batch gives the same tags."""
    outbound: list[Outbound | None] = [None] * len(messages)
    classified: list[FeedbackClassified | None] = [None] * len(messages)
    received: dict[int, FeedbackReceived] = {}
    for place, message in enumerate(messages):
        try:
            if message.topic == topics.FEEDBACK_CORRECTIONS:
                corrected = decode(message, FeedbackCorrected)
                classified[place] = next_revision(corrected, taxonomy=tagger.taxonomy, now=now)
            else:
                received[place] = decode(message, FeedbackReceived)
        except BadMessage as error:
            outbound[place] = dead_letter(
                message, service=SERVICE, version=version, code=error.code, detail=error.message, at=now
            )
    tags = tagger.tag([_input(event) for event in received.values()])
    for (place, event), tagged in zip(received.items(), tags, strict=True):
        classified[place] = first_revision(event, tagged, now=now)
    for place, done in enumerate(classified):
        if done is not None:
            outbound[place] = encode(done, trace=trace_of(messages[place]))
    return Outcome(tuple(o for o in outbound if o is not None), tuple(c for c in classified if c is not None))


def first_revision(event: FeedbackReceived, tags: Tags, *, now: datetime) -> FeedbackClassified:
    """The event with its first tags, and the facts that routing and roll-ups need. Never its text."""
    return FeedbackClassified(
        id=event.id,
        revision=1,
        tags=tags,
        source=event.source,
        channel=event.channel,
        occurred_at=event.occurred_at,
        received_at=event.received_at,
        tagged_at=now,
        customer=event.customer,
        rating=event.rating,
        attributes=event.attributes,
        segment=event.segment,
        solicited=event.solicited,
        author=event.author,
        mode=event.mode,
    )


def next_revision(corrected: FeedbackCorrected, *, taxonomy: Taxonomy, now: datetime) -> FeedbackClassified:
    """The next tag revision that a person's correction makes. Raises BadMessage for labels that nobody knows."""
    before, correction = corrected.of, corrected.correction
    _refuse_unknown(correction, taxonomy)
    return msgspec.structs.replace(
        before,
        revision=before.revision + 1,
        tags=_corrected(before.tags, correction),
        supersedes=before.tags,
        correction=correction,
        tagged_at=now,
    )


def _corrected(tags: Tags, correction: Correction) -> Tags:
    """Tags with what the person said, at confidence 1. Nothing is unsure any more: a person has looked at it."""
    changes: dict[str, object] = {"unsure": (), "status": "tagged"}
    if correction.stage is not None:
        changes |= {
            "stage": correction.stage,
            "stage_confidence": 1.0,
            "secondary": tuple(stage for stage in tags.secondary if stage != correction.stage),
        }
    if correction.areas is not None:
        areas = dict.fromkeys(correction.areas)
        changes["areas"] = tuple(AreaTag(area=area, confidence=1.0) for area in areas) or tags.areas
    if correction.themes is not None:
        changes["themes"] = tuple(dict.fromkeys(correction.themes))
    for head in ("sentiment", "intent", "severity"):
        said = getattr(correction, head)
        if said is not None:
            changes |= {head: said, f"{head}_confidence": 1.0}
    result: Tags = msgspec.structs.replace(tags, **changes)
    held: Mapping[str, set[str]] = {
        "stage": {result.stage},
        "areas": {tag.area for tag in result.areas},
        "sentiment": {result.sentiment},
        "intent": {result.intent},
        "severity": {str(result.severity)},
        "severity_kind": {result.severity_kind} if result.severity_kind else set(),
        "theme": set(result.themes),
    }
    return msgspec.structs.replace(
        result, evidence=tuple(e for e in result.evidence if e.label in held.get(e.head, set()))
    )


def _refuse_unknown(correction: Correction, taxonomy: Taxonomy) -> None:
    known = {
        "stage": {entry.id for entry in taxonomy.stages},
        "area": {entry.id for entry in taxonomy.areas},
        "theme": {theme.id for theme in taxonomy.themes},
    }
    said = {
        "stage": [] if correction.stage is None else [correction.stage],
        "area": correction.areas or (),
        "theme": correction.themes or (),
    }
    for head, labels in said.items():
        if not known[head].issuperset(labels):
            raise BadMessage("unknown_label", f"the correction names a {head} that the taxonomy does not have")
    if correction.severity is not None and correction.severity not in range(4):
        raise BadMessage("unknown_label", "the correction names a severity that is not 0 to 3")


def _input(event: FeedbackReceived) -> TagInput:
    return TagInput(
        text=event.text,
        rating=event.rating,
        language=event.language,
        author=event.author,
        further=tuple(answer.text for answer in event.answers if answer.text),
    )
