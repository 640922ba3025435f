"""Raw messages -> what the store is to hold. Knows topics and revisions; knows no SQL.

One batch in, one `Batch` out: newest revision per id, where reading goes on, and what could not be read. The order of
messages between topics does not matter, because each topic fills rows of its own.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from services.contracts import events as e
from services.contracts import topics as t
from services.contracts.codec import RawMessage, decode
from services.contracts.errors import BadMessage

TOPICS = (
    t.FEEDBACK_RECEIVED,
    t.FEEDBACK_CLASSIFIED,
    t.FEEDBACK_REJECTED,
    t.FEEDBACK_CORRECTIONS,
    t.ACTION_COMMANDS,
    t.ACTIONS,
    t.ACTION_CHANGES,
    t.NOTIFICATION_OUTCOMES,
    t.POLICY_ACTIVATIONS,
    t.MODEL_ACTIVATIONS,
    *t.DEAD_LETTERS,
)

SERVICE = "api"


class Stored(msgspec.Struct, frozen=True):
    """An event of a topic and where it stood."""

    event: Any
    partition: int
    offset: int
    raw: bytes = b""


class Letter(msgspec.Struct, frozen=True):
    """A dead letter as the store knows it: where it stood and why. Never its bytes."""

    id: str
    service: str
    topic: str
    partition: int
    offset: int
    code: str
    detail: str
    at: str
    letter_partition: int
    letter_offset: int


class Mark(msgspec.Struct, frozen=True):
    """A letter that was dealt with."""

    id: str
    at: str


class Bad(msgspec.Struct, frozen=True):
    """A message that cannot be read, and why."""

    message: RawMessage
    code: str
    detail: str


class Batch:
    """What one batch of messages asks of the store."""

    def __init__(self) -> None:
        self.received: dict[str, Stored] = {}
        self.classified: dict[str, Stored] = {}
        self.rejected: dict[str, Stored] = {}
        self.corrections: dict[str, Stored] = {}
        self.commands: dict[str, Stored] = {}
        self.actions: dict[str, Stored] = {}
        self.changes: dict[str, Stored] = {}
        self.outcomes: dict[str, Stored] = {}
        self.policies: dict[str, Stored] = {}
        self.models: dict[str, Stored] = {}
        self.letters: dict[tuple[str, str], Letter] = {}
        self.marks: dict[str, Mark] = {}
        self.bad: list[Bad] = []
        self.ends: dict[tuple[str, int], int] = {}


def read(messages: Sequence[RawMessage]) -> Batch:
    """Sorts a batch by what it holds. Never raises for a message's sake."""
    batch = Batch()
    for message in messages:
        where = (message.topic, message.partition)
        batch.ends[where] = max(batch.ends.get(where, 0), message.offset + 1)
        try:
            _HANDLERS[message.topic](batch, message)
        except BadMessage as error:
            batch.bad.append(Bad(message, error.code, error.message))
    return batch


_E = TypeVar("_E")


def _first(kind: type[_E], rows: Callable[[Batch], dict[str, Stored]], key: Callable[[Any], str]) -> Any:
    """Facts that never change: the first one with an id stays."""

    def handle(batch: Batch, message: RawMessage) -> None:
        event = decode(message, kind)
        rows(batch).setdefault(key(event), Stored(event, message.partition, message.offset, message.value or b""))

    return handle


def _newest(kind: type[_E], rows: Callable[[Batch], dict[str, Stored]]) -> Any:
    """States with a revision: a newer one replaces, an equal or older one changes nothing."""

    def handle(batch: Batch, message: RawMessage) -> None:
        event = decode(message, kind)
        found = rows(batch).get(event.id)
        if found is None or event.revision > found.event.revision:
            rows(batch)[event.id] = Stored(event, message.partition, message.offset, message.value or b"")

    return handle


def _letter(batch: Batch, message: RawMessage) -> None:
    name = _text(message, "dl_id")
    if not name:
        raise BadMessage("not_a_letter", "the message has no dead-letter headers")
    if message.value is None or message.header("dl_mark") is not None:
        batch.marks[name] = Mark(name, _text(message, "dl_at"))
        return
    service = _text(message, "dl_service") or message.topic.removesuffix("-dlq")
    batch.letters.setdefault(
        (name, service),
        Letter(
            id=name,
            service=service,
            topic=_text(message, "dl_topic"),
            partition=_number(message, "dl_partition"),
            offset=_number(message, "dl_offset"),
            code=_text(message, "dl_code"),
            detail=_text(message, "dl_detail"),
            at=_text(message, "dl_at"),
            letter_partition=message.partition,
            letter_offset=message.offset,
        ),
    )


def _text(message: RawMessage, header: str) -> str:
    return (message.header(header) or b"").decode("utf-8", "replace")


def _number(message: RawMessage, header: str) -> int:
    text = _text(message, header)
    return int(text) if text.isdecimal() and len(text) < 19 else -1


def _action(batch: Batch, message: RawMessage) -> None:
    if message.value is not None:  # compaction's tombstones say nothing to the store
        _newest_action(batch, message)


def _policy(batch: Batch, message: RawMessage) -> None:
    event = decode(message, e.PolicyActivated)  # a version may come into force again: its last time counts
    batch.policies[event.version] = Stored(event, message.partition, message.offset)


def _model(batch: Batch, message: RawMessage) -> None:
    event = decode(message, e.ModelActivated)  # one topic in one order: what comes later counts
    batch.models[event.version] = Stored(event, message.partition, message.offset, message.value or b"")


_newest_action = _newest(e.Action, lambda b: b.actions)

_HANDLERS: dict[str, Callable[[Batch, RawMessage], None]] = {
    t.FEEDBACK_RECEIVED: _first(e.FeedbackReceived, lambda b: b.received, lambda x: x.id),
    t.FEEDBACK_CLASSIFIED: _newest(e.FeedbackClassified, lambda b: b.classified),
    t.FEEDBACK_REJECTED: _first(e.FeedbackRejected, lambda b: b.rejected, lambda x: x.id),
    t.FEEDBACK_CORRECTIONS: _first(e.FeedbackCorrected, lambda b: b.corrections, lambda x: x.correction.id),
    t.ACTION_COMMANDS: _first(e.ActionCommand, lambda b: b.commands, lambda x: x.id),
    t.ACTIONS: _action,
    t.ACTION_CHANGES: _first(e.ActionChanged, lambda b: b.changes, lambda x: x.id),
    t.NOTIFICATION_OUTCOMES: _first(e.NotificationOutcome, lambda b: b.outcomes, lambda x: x.id),
    t.POLICY_ACTIVATIONS: _policy,
    t.MODEL_ACTIVATIONS: _model,
    **dict.fromkeys(t.DEAD_LETTERS, _letter),
}
