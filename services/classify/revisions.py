"""Tag revisions: the first of an event, the next that a correction makes, and those of a conversation that grows.

Knows tags and labels; knows no topics and remembers nothing. No revision carries text.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from services.classify.taxonomy.labels import Taxonomy
from services.contracts.errors import BadMessage
from services.contracts.events import (
    AreaTag,
    Conversation,
    Correction,
    FeedbackClassified,
    FeedbackCorrected,
    FeedbackReceived,
    Tags,
)


def first_revision(
    event: FeedbackReceived, tags: Tags, *, now: datetime, conversation: Conversation | None = None
) -> FeedbackClassified:
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
        conversation=conversation,
    )


def part_revision(
    event: FeedbackReceived, tags: Tags, *, now: datetime, conversation: Conversation
) -> FeedbackClassified:
    """A part that does not stand for its conversation: with the tags of the whole, about which nobody is asked here.
    What the company says is shown under nobody's feelings."""
    tags = msgspec.structs.replace(tags, unsure=(), status="tagged")
    if event.author == "agent":
        tags = msgspec.structs.replace(
            tags,
            sentiment="neutral",
            sentiment_confidence=0.0,
            intent="other",
            intent_confidence=0.0,
            severity=0,
            severity_confidence=0.0,
            severity_kind=None,
            themes=(),
            evidence=tuple(e for e in tags.evidence if e.head in {"stage", "areas"}),
        )
    return first_revision(event, tags, now=now, conversation=conversation)


def grown_revision(
    before: FeedbackClassified,
    tags: Tags,
    *,
    now: datetime,
    conversation: Conversation,
    by: FeedbackReceived,
    corrections: Sequence[Correction] = (),
) -> FeedbackClassified:
    """The next revision of a conversation's head, because a part came. What people corrected stays as they said."""
    for correction in corrections:
        tags = corrected_tags(tags, correction)
    return msgspec.structs.replace(
        before,
        revision=before.revision + 1,
        tags=tags,
        supersedes=before.tags,
        correction=corrections[-1] if corrections else None,
        tagged_at=now,
        customer=before.customer or by.customer,
        # what was told live is news, even where what came before it was imported
        mode="live" if by.mode == "live" and before.mode == "backfill" else before.mode,
        conversation=conversation,
    )


def next_revision(
    corrected: FeedbackCorrected, *, now: datetime, newest: FeedbackClassified | None = None
) -> FeedbackClassified:
    """The next tag revision that a person's correction makes: of the one that was looked at, or of a newer one."""
    before, correction = newest or corrected.of, corrected.correction
    return msgspec.structs.replace(
        before,
        revision=before.revision + 1,
        tags=corrected_tags(before.tags, correction),
        supersedes=before.tags,
        correction=correction,
        tagged_at=now,
    )


def corrected_tags(tags: Tags, correction: Correction) -> Tags:
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


def refuse_unknown(correction: Correction, taxonomy: Taxonomy) -> None:
    """Raises BadMessage for labels that nobody knows."""
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
