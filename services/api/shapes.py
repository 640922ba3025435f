"""What programs get to see: stored things as the JSON of the interface. The only place that fixes its field names."""

from collections.abc import Iterable
from typing import Any

import msgspec

from services.contracts.events import Action, ActionChanged, FeedbackClassified, FeedbackReceived, Tags


class Voice(msgspec.Struct, frozen=True):
    """One event as it is stored: what came in, and its newest tags once there are any."""

    event: FeedbackReceived
    tagged: FeedbackClassified | None = None

    @property
    def status(self) -> str:
        return self.tagged.tags.status if self.tagged is not None else "received"

    @property
    def is_part(self) -> bool:
        """Whether it is told with a conversation that another event stands for."""
        return self.tagged is not None and not self.tagged.counts

    @property
    def parts(self) -> tuple[str, ...]:
        """Where it stands for a conversation of several events: their ids, its own among them."""
        told = self.tagged.conversation if self.tagged is not None else None
        if told is None or self.is_part or len(told.parts) < 2:
            return ()
        return tuple(part.id for part in told.parts)


def feedback_item(voice: Voice) -> dict[str, Any]:
    """One event in a list: exactly these fields, always all of them."""
    event, tags = voice.event, voice.tagged.tags if voice.tagged is not None else None
    return {
        "id": event.id,
        "source": event.source,
        "source_id": event.source_id,
        "channel": event.channel,
        "occurred_at": event.occurred_at,
        "received_at": event.received_at,
        "text": event.text,
        "status": voice.status,
        "stage": tags.stage if tags else None,
        "stage_confidence": tags.stage_confidence if tags else None,
        "areas": [{"area": a.area, "confidence": a.confidence} for a in tags.areas] if tags else [],
        "sentiment": tags.sentiment if tags else None,
        "intent": tags.intent if tags else None,
        "severity": tags.severity if tags else None,
        "evidence": [_plain(span) for span in tags.evidence] if tags else [],
        "versions": _plain(tags.versions) if tags else None,
    }


def guess(tags: Tags) -> dict[str, Any]:
    """What a model made of a text, for whoever is to say whether it is right."""
    return {
        "stage": tags.stage,
        "stage_confidence": tags.stage_confidence,
        "secondary": list(tags.secondary),
        "areas": [{"area": a.area, "confidence": a.confidence} for a in tags.areas],
        "themes": list(tags.themes),
        "sentiment": tags.sentiment,
        "intent": tags.intent,
        "severity": tags.severity,
        "unsure": [_plain(item) for item in tags.unsure],
        "evidence": [_plain(span) for span in tags.evidence],
        "model": tags.versions.model,
    }


def feedback_detail(voice: Voice, *, actions: Iterable[str], head: str | None = None) -> dict[str, Any]:
    """One event whole: the list's fields and everything else that is known. `head` stands for its conversation, where
    that is another event."""
    event, tagged = voice.event, voice.tagged
    tags = tagged.tags if tagged is not None else None
    return feedback_item(voice) | {
        "revision": tagged.revision if tagged else None,
        "tagged_at": tagged.tagged_at if tagged else None,
        "secondary": list(tags.secondary) if tags else [],
        "themes": list(tags.themes) if tags else [],
        "sentiment_confidence": tags.sentiment_confidence if tags else None,
        "intent_confidence": tags.intent_confidence if tags else None,
        "severity_confidence": tags.severity_confidence if tags else None,
        "severity_kind": tags.severity_kind if tags else None,
        "unsure": [_plain(item) for item in tags.unsure] if tags else [],
        "correction": _plain(tagged.correction) if tagged and tagged.correction else None,
        "rating": _plain(event.rating) if event.rating else None,
        "answers": [_plain(answer) for answer in event.answers],
        "customer": event.customer,
        "language": event.language,
        "attributes": event.attributes,
        "case": _plain(event.case) if event.case else None,
        "may_contact": event.may_contact,
        "segment": event.segment,
        "solicited": event.solicited,
        "author": event.author,
        "conversation_id": event.conversation_id,
        "conversation": _conversation(tagged, head),
        "turns": [_plain(turn) for turn in event.turns],
        "mode": event.mode,
        "masks": [_plain(mask) for mask in event.masks],
        "actions": list(actions),
    }


def _conversation(tagged: FeedbackClassified | None, head: str | None) -> dict[str, Any] | None:
    """The event that stands for the conversation, and, where this is it, the parts that its tags tell of."""
    if tagged is None or tagged.conversation is None:
        return None
    return {"head": head or tagged.conversation.head, "parts": [part.id for part in tagged.conversation.parts]}


def action_item(action: Action) -> dict[str, Any]:
    """One action in a list."""
    plan = action.plan
    return {
        "id": action.id,
        "group": action.group,
        "revision": action.revision,
        "state": action.state,
        "kind": plan.action,
        "part": plan.part,
        "team": plan.team,
        "owner": action.owner,
        "theme": plan.theme,
        "stage": plan.stage,
        "area": plan.area,
        "attributes": plan.attributes,
        "severity": action.severity,
        "priority": action.priority,
        "reason": action.reason,
        "rule": plan.rule,
        "policy": plan.policy,
        "ask": plan.ask,
        "signals": action.signals,
        "customers": action.customers,
        "opened_at": action.opened_at,
        "updated_at": action.updated_at,
        "first_occurred_at": action.first_occurred_at,
        "last_occurred_at": action.last_occurred_at,
        "acknowledge_due_at": action.acknowledge_due_at,
        "resolve_due_at": action.resolve_due_at,
        "acknowledged_at": action.acknowledged_at,
        "resolved_at": action.resolved_at,
        "verified_at": action.verified_at,
        "reopened": action.reopened,
        "breached": list(action.breached),
        "mode": action.mode,
        "expectation": _plain(action.expectation) if action.expectation else None,
    }


def change_item(change: ActionChanged) -> dict[str, Any]:
    """One line of an action's history, refused commands included."""
    return _plain(change)


def _plain(struct: msgspec.Struct) -> dict[str, Any]:
    return msgspec.structs.asdict(struct)
