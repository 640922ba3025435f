"""Events with valid defaults, and topics as lists: what the API's tests put into its store."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from services.api.io.projection import Projection
from services.api.io.store import Store
from services.api.project import read
from services.contracts import events as e
from services.contracts import ids
from services.contracts.codec import RawMessage, encode
from services.kit.kafka import partition_of

NOON = datetime(2026, 11, 16, 12, tzinfo=UTC)
PARTITIONS = 4


def received(source_id: str = "r-1", **over: Any) -> e.FeedbackReceived:
    """An accepted complaint."""
    source = over.get("source", "web-survey")
    at = over.pop("at", NOON)
    defaults: dict[str, Any] = {
        "id": ids.event_id(source, source_id),
        "source": source,
        "source_id": source_id,
        "channel": "complaint",
        "occurred_at": at,
        "received_at": at + timedelta(seconds=3),
        "text": "The driver marked it delivered but nothing came.",
        "customer": f"p-{source_id}",
        "attributes": {"region": "north"},
    }
    return e.FeedbackReceived(**(defaults | over))


def tags(**over: Any) -> e.Tags:
    """Tags of a late parcel."""
    defaults: dict[str, Any] = {
        "stage": "receive",
        "stage_confidence": 0.93,
        "areas": (e.AreaTag(area="fulfilment", confidence=0.9),),
        "sentiment": "negative",
        "sentiment_confidence": 0.97,
        "intent": "complaint",
        "intent_confidence": 0.9,
        "severity": 1,
        "severity_confidence": 0.8,
        "status": "tagged",
        "versions": e.Versions(model="m-1", taxonomy="2026.1", lexicon="l-1"),
        "themes": ("marked-delivered",),
        "evidence": (e.Evidence(head="theme", label="marked-delivered", start=4, end=30),),
    }
    return e.Tags(**(defaults | over))


def classified(event: e.FeedbackReceived, *, revision: int = 1, **over: Any) -> e.FeedbackClassified:
    """The event's tags, with the facts that travel along."""
    extra = {name: over.pop(name) for name in ("supersedes", "correction", "conversation") if name in over}
    return e.FeedbackClassified(
        id=event.id,
        revision=revision,
        tags=tags(**over),
        source=event.source,
        channel=event.channel,
        occurred_at=event.occurred_at,
        received_at=event.received_at,
        tagged_at=event.received_at + timedelta(seconds=1),
        customer=event.customer,
        rating=event.rating,
        attributes=event.attributes,
        segment=event.segment,
        solicited=event.solicited,
        author=event.author,
        mode=event.mode,
        **extra,
    )


def plan(**over: Any) -> e.Plan:
    defaults: dict[str, Any] = {
        "rule": "late-parcels",
        "policy": "p-1",
        "action": "cause",
        "part": "improvement",
        "team": "delivery",
        "threshold": 3,
        "window_hours": 168.0,
        "acknowledge_hours": 24.0,
        "resolve_hours": 240.0,
        "theme": "marked-delivered",
        "stage": "receive",
        "area": "fulfilment",
        "attributes": {"region": "north"},
        "ask": "Find out why drivers mark parcels delivered that were not.",
    }
    return e.Plan(**(defaults | over))


def action(**over: Any) -> e.Action:
    at = over.pop("at", NOON)
    group = over.get("group", "theme/marked-delivered/region=north")
    defaults: dict[str, Any] = {
        "id": ids.action_id(group, "opening"),
        "group": group,
        "revision": 1,
        "state": "open",
        "plan": over.pop("plan", None) or plan(),
        "severity": 2,
        "priority": 40,
        "reason": "3 customers within 7 days",
        "opened_at": at,
        "updated_at": at,
        "first_occurred_at": at - timedelta(days=6),
        "last_occurred_at": at,
        "signals": 3,
        "customers": 3,
        "acknowledge_due_at": at + timedelta(days=1),
        "resolve_due_at": at + timedelta(days=10),
    }
    return e.Action(**(defaults | over))


def changed(of: e.Action, change: str, **over: Any) -> e.ActionChanged:
    cause = over.pop("cause", change)
    defaults: dict[str, Any] = {
        "id": ids.change_id(of.id, cause),
        "group": of.group,
        "at": of.updated_at,
        "change": change,
        "by": "palette",
        "reason": "threshold",
        "action": of.id,
        "revision": of.revision,
        "state": of.state,
    }
    return e.ActionChanged(**(defaults | over))


class Topics:
    """Topics as lists: gives each event the place it would have on a broker."""

    def __init__(self) -> None:
        self._ends: dict[tuple[str, int], int] = {}
        self.messages: list[RawMessage] = []

    def put(self, *events: Any, topic: str | None = None) -> list[RawMessage]:
        """Writes events and answers the messages as a reader gets them."""
        placed = [self.place(event, topic=topic) for event in events]
        self.messages += placed
        return placed

    def place(self, event: Any, *, topic: str | None = None) -> RawMessage:
        out = encode(event)
        name = topic or out.topic
        single = name in {"policy-activations", "model-activations"} or name.endswith("-dlq")
        number = 0 if single else partition_of(out.key or b"", PARTITIONS)
        offset = self._ends.get((name, number), 0)
        self._ends[(name, number)] = offset + 1
        return RawMessage(name, number, offset, out.key, out.value, out.headers)

    def raw(self, topic: str, value: bytes | None, **over: Any) -> RawMessage:
        """A message with bytes of its own."""
        offset = self._ends.get((topic, 0), 0)
        self._ends[(topic, 0)] = offset + 1
        message = RawMessage(topic, 0, offset, over.get("key"), value, over.get("headers", ()))
        self.messages.append(message)
        return message


def project(store: Store, messages: Iterable[RawMessage], *, owner: str = "me", batch: int = 500) -> None:
    """Writes messages into a store as its owner would."""
    listed = list(messages)
    projection = Projection(store, owner=owner)
    projection.claim({(m.topic, m.partition) for m in listed})
    for start in range(0, len(listed), batch):
        projection.write(read(listed[start : start + batch]))
