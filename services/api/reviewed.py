"""Corrections -> what people hold to be true of each event, and which events belong together. Knows no store, no model.

A correction says what it names; what it leaves, the person looked at and left standing. Of several people's answers the
latest counts for the label; all of them are kept.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from services.api.near_duplicates import clusters, root
from services.api.shapes import Voice
from services.contracts.events import FeedbackCorrected, Intent, Sentiment, Tags


class Opinion(msgspec.Struct, frozen=True):
    """What one person holds to be true of one event, and what the model had said. None: nothing was said of it."""

    event: str
    by: str
    at: datetime
    stage: str
    areas: tuple[str, ...]
    sentiment: Sentiment | None
    intent: Intent | None
    severity: int | None
    said: Tags
    asked: str

    @property
    def main_area(self) -> str:
        return self.areas[0] if self.areas else "unknown"


def opinion(corrected: FeedbackCorrected) -> Opinion:
    """What a correction says, with what it left standing of stage and areas."""
    asked, of = corrected.correction, corrected.of
    return Opinion(
        event=of.id,
        by=asked.by,
        at=asked.at,
        stage=asked.stage or of.tags.stage,
        areas=asked.areas or tuple(tag.area for tag in of.tags.areas),
        sentiment=asked.sentiment,
        intent=asked.intent,
        severity=asked.severity,
        said=of.tags,
        asked=asked.asked or "page",
    )


def latest(opinions: Iterable[Opinion]) -> dict[str, Opinion]:
    """The label of each event: the latest opinion, with older ones for what it says nothing of. `said` are
    the model's own tags, to which the first was given."""
    found: dict[str, Opinion] = {}
    for item in sorted(opinions, key=lambda one: (one.at, one.by)):
        before = found.get(item.event)
        found[item.event] = item if before is None else _filled(item, before)
    return found


def _filled(item: Opinion, before: Opinion) -> Opinion:
    return msgspec.structs.replace(
        item,
        sentiment=item.sentiment if item.sentiment is not None else before.sentiment,
        intent=item.intent if item.intent is not None else before.intent,
        severity=item.severity if item.severity is not None else before.severity,
        said=before.said,
    )


def by_person(opinions: Iterable[Opinion]) -> dict[str, dict[str, Opinion]]:
    """Of each event the latest opinion of each person."""
    found: dict[str, dict[str, Opinion]] = {}
    for item in sorted(opinions, key=lambda one: (one.at, one.by)):
        found.setdefault(item.event, {})[item.by] = item
    return found


def groups_of(voices: Sequence[Voice]) -> list[str]:
    """A name for each event, the same for those that belong together: one customer, case or conversation of a source,
    and near-duplicates."""
    parents = list(range(len(voices)))
    first: dict[tuple[str, ...], int] = {}
    near = clusters([voice.event.text or "" for voice in voices])
    for place, voice in enumerate(voices):
        event = voice.event
        keys: list[tuple[str, ...]] = [("near", str(near[place]))]
        if event.customer:
            keys.append(("customer", event.customer))
        if event.case is not None:
            keys.append(("case", event.source, event.case.id))
        if event.conversation_id:
            keys.append(("conversation", event.source, event.conversation_id))
        for key in keys:
            a, b = root(parents, first.setdefault(key, place)), root(parents, place)
            parents[max(a, b)] = min(a, b)
    return [voices[root(parents, place)].event.id for place in range(len(voices))]


def lines(labels: Mapping[str, Opinion], voices: Mapping[str, Voice]) -> list[bytes]:
    """The labelled texts as the classifier takes them, one JSON line each. Events without a text teach nothing."""
    known = [voices[name] for name in sorted(labels) if name in voices and (voices[name].event.text or "").strip()]
    groups = groups_of(known)
    return [
        msgspec.json.encode(_line(labels[voice.event.id], voice, group))
        for voice, group in zip(known, groups, strict=True)
    ]


def _line(label: Opinion, voice: Voice, group: str) -> dict[str, Any]:
    event = voice.event
    return {
        "id": event.id,
        "source": event.source,
        "group": group,
        "text": event.text,
        "stage": label.stage,
        "areas": label.areas or ("unknown",),
        "sentiment": label.sentiment,
        "intent": label.intent,
        "severity": label.severity,
        "by": label.by,
        "at": label.at,
        "model": label.said.versions.model,
        "author": event.author,
        "language": event.language,
        "rating": event.rating,
        "turns": event.turns,
    }
