"""Bytes and headers <-> events: JSON in CloudEvents binary mode. Knows which topic and key each event has.

Written by hand where a library would do, because the headers are six constants and this runs for every message of
every hop; a test reads our messages with the CloudEvents SDK and compares.
"""

import os
import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from services.contracts import events as e
from services.contracts import topics as t
from services.contracts.errors import BadMessage
from services.contracts.ids import conversation_key

Headers = tuple[tuple[str, bytes], ...]


class RawMessage(msgspec.Struct, frozen=True):
    """A message as it came from a topic. `timestamp` is the broker's, in milliseconds."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    timestamp: int = 0

    def header(self, name: str) -> bytes | None:
        """The first header of that name."""
        for key, value in self.headers:
            if key == name:
                return value
        return None


class Outbound(msgspec.Struct, frozen=True):
    """A message to be sent. `partition` is None where the key decides (murmur2)."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    partition: int | None = None


_T = TypeVar("_T")
# msgspec names types and the path; only here it also repeats what it was given, which may be anything
_ECHO = re.compile(r"^(Invalid (?:enum )?value) .*(?= - at `)|^(Invalid (?:enum )?value) .*", re.DOTALL)
_encoder = msgspec.json.Encoder()
_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}


class _Route(msgspec.Struct, frozen=True):
    topic: str
    type: bytes
    source: bytes
    key: Callable[[Any], str]
    id: Callable[[Any], str]


def feedback_key(event: e.FeedbackReceived | e.FeedbackClassified) -> str:
    """Partition key of everything about one event: its conversation, so that one worker sees all of it in order; else
    its customer, else itself."""
    if isinstance(event, e.FeedbackReceived):
        conversation = event.conversation_id
    else:
        conversation = None if event.conversation is None else event.conversation.id
    if conversation is not None:
        return conversation_key(event.source, conversation)
    return event.customer or event.id


def _by_id(event: Any) -> str:
    return str(event.id)


_ROUTES: dict[Any, _Route] = {
    e.FeedbackReceived: _Route(
        t.FEEDBACK_RECEIVED, b"palette.feedback.received.v1", b"palette/ingest", feedback_key, _by_id
    ),
    e.FeedbackRejected: _Route(
        t.FEEDBACK_REJECTED, b"palette.feedback.rejected.v1", b"palette/ingest", lambda x: x.source, _by_id
    ),
    e.FeedbackClassified: _Route(
        t.FEEDBACK_CLASSIFIED,
        b"palette.feedback.classified.v1",
        b"palette/classify",
        feedback_key,
        lambda x: f"{x.id}/{x.revision}",
    ),
    e.FeedbackCorrected: _Route(
        t.FEEDBACK_CORRECTIONS,
        b"palette.feedback.corrected.v1",
        b"palette/api",
        lambda x: feedback_key(x.of),
        lambda x: x.correction.id,
    ),
    e.ActionCommand: _Route(
        t.ACTION_COMMANDS, b"palette.action.commanded.v1", b"palette/api", lambda x: x.group, _by_id
    ),
    e.Action: _Route(t.ACTIONS, b"palette.action.v1", b"palette/router", _by_id, lambda x: f"{x.id}/{x.revision}"),
    e.ActionChanged: _Route(
        t.ACTION_CHANGES, b"palette.action.changed.v1", b"palette/router", lambda x: x.action or x.group, _by_id
    ),
    e.Notification: _Route(t.NOTIFICATIONS, b"palette.notification.v1", b"palette/router", lambda x: x.target, _by_id),
    e.NotificationOutcome: _Route(
        t.NOTIFICATION_OUTCOMES, b"palette.notification.outcome.v1", b"palette/notify", lambda x: x.target, _by_id
    ),
    e.PolicyActivated: _Route(
        t.POLICY_ACTIVATIONS, b"palette.policy.activated.v1", b"palette/api", lambda x: x.version, lambda x: x.version
    ),
    e.ModelActivated: _Route(
        t.MODEL_ACTIVATIONS, b"palette.model.activated.v1", b"palette/api", lambda x: x.version, lambda x: x.version
    ),
} | {
    kind: _Route(t.ROUTING_SIGNALS, b"palette.routing.signal.v1", b"palette/router", lambda x: x.group, _by_id)
    for kind in (e.Join, e.Retract, e.Command, e.Tick)
}


def encode(event: e.Event, *, trace: bytes | None = None, partition: int | None = None) -> Outbound:
    """The message for an event: topic, key and CloudEvents headers follow from its type."""
    route = _ROUTES[type(event)]
    headers: Headers = (
        ("ce_specversion", b"1.0"),
        ("ce_id", route.id(event).encode()),
        ("ce_source", route.source),
        ("ce_type", route.type),
        ("content-type", b"application/json"),
    )
    if trace is not None:
        headers = (*headers, ("traceparent", trace))
    return Outbound(
        topic=route.topic,
        key=route.key(event).encode(),
        value=_encoder.encode(event),
        headers=headers,
        partition=partition,
    )


def decode(message: RawMessage, kind: Any) -> Any:
    """The event in a message; `kind` is a struct or a tagged union of them. Raises BadMessage, nothing else."""
    if message.value is None:
        raise BadMessage("empty", "the message has no value")
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.json.Decoder(kind)
    try:
        return decoder.decode(message.value)
    except msgspec.ValidationError as error:
        raise BadMessage("schema", without_values(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadMessage("not_json", "the value is not valid JSON in UTF-8") from None
    except RecursionError:
        raise BadMessage("too_deep", "the value is nested too deeply") from None


def without_values(error: msgspec.ValidationError) -> str:
    """What a validation error says, without the value that it complains of."""
    return _ECHO.sub(r"\1\2", str(error))


def trace_of(message: RawMessage) -> bytes | None:
    """The W3C traceparent a message carries, to be handed on."""
    return message.header("traceparent")


def new_trace() -> bytes:
    """A fresh W3C traceparent."""
    return f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-01".encode()


# ---- dead letters ---------------------------------------------------------------------------------------------------


def dead_letter(message: RawMessage, *, service: str, version: str, code: str, detail: str, at: datetime) -> Outbound:
    """The original bytes with where they came from and why they could not be read. Id = topic-partition-offset."""
    headers = [(k, v) for k, v in message.headers if not k.startswith("dl_")]
    headers += [
        ("dl_id", dead_letter_id(message).encode()),
        ("dl_topic", message.topic.encode()),
        ("dl_partition", str(message.partition).encode()),
        ("dl_offset", str(message.offset).encode()),
        ("dl_code", code.encode()),
        ("dl_detail", detail[:300].encode("utf-8", "replace")),
        ("dl_service", service.encode()),
        ("dl_version", version.encode()),
        ("dl_at", at.isoformat().encode()),
    ]
    return Outbound(topic=f"{service}-dlq", key=message.key, value=message.value, headers=tuple(headers))


def dead_letter_id(message: RawMessage) -> str:
    """Where the message first stood, which names it for ever."""
    return f"{message.topic}-{message.partition}-{message.offset}"


def replayed(letter: RawMessage, *, at: datetime) -> Iterable[Outbound]:
    """A letter written back to the topic it came from, and the mark that says so."""
    source = letter.header("dl_topic")
    name = letter.header("dl_id")
    if source is None or name is None:
        raise BadMessage("not_a_letter", "the message has no dead-letter headers")
    original = tuple((k, v) for k, v in letter.headers if not k.startswith("dl_"))
    yield Outbound(source.decode(), letter.key, letter.value, (*original, ("dl_replay_of", name)))
    yield Outbound(
        letter.topic, letter.key, None, (("dl_id", name), ("dl_mark", b"replayed"), ("dl_at", at.isoformat().encode()))
    )
