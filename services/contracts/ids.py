"""Ids derived from their causes (UUIDv5), so that doing a thing again gives the same id and replay is harmless."""

import hashlib
from datetime import UTC, datetime
from uuid import UUID

NAMESPACE = UUID("7f0c6f1e-5d0e-5b1a-9a53-6d2f1b0c9e11")
"""Root of all Palette ids. Changing it would make every stored id a stranger: it never changes."""

_ROOT = NAMESPACE.bytes
_SEPARATOR = "\x1f"  # cannot occur in a source or id: intake refuses control characters


def _derive(kind: str, *parts: str) -> str:
    # uuid.uuid5 by hand, four times as fast: there is one for every message of every hop
    raw = bytearray(hashlib.sha1(_ROOT + _SEPARATOR.join((kind, *parts)).encode(), usedforsecurity=False).digest()[:16])
    raw[6] = raw[6] & 0x0F | 0x50
    raw[8] = raw[8] & 0x3F | 0x80
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def event_id(source: str, source_id: str) -> str:
    """Id of a feedback event: the same (source, id) is the same event for ever."""
    return _derive("event", source, source_id)


def conversation_key(source: str, conversation: str) -> str:
    """What all events of one conversation have in common; also their partition key."""
    return _derive("conversation", source, conversation)


def rejection_id(digest: str) -> str:
    """Id of a refused input that has no name of its own: the digest of its bytes."""
    return _derive("rejection", digest)


def signal_id(event: str, revision: int, kind: str, group: str) -> str:
    """Id of a join or retraction that one tag revision of one event causes in one group."""
    return _derive("signal", event, str(revision), kind, group)


def action_id(group: str, opening_event: str) -> str:
    """Id of an action: its group and the event that opened it."""
    return _derive("action", group, opening_event)


def change_id(action: str, cause: str) -> str:
    """Id of a change or refusal: the action (or group) and the signal that caused it."""
    return _derive("change", action, cause)


def tick_id(action: str, timer: str, due: datetime) -> str:
    """Id of a clock tick: a tick that is written twice is one tick."""
    return _derive("tick", action, timer, due.astimezone(UTC).isoformat())


def notification_id(action: str, revision: int, target: str) -> str:
    """Id of one telling of one action revision to one target; receivers deduplicate by it."""
    return _derive("notification", action, str(revision), target)


def command_id(key: str, action: str) -> str:
    """Id of a command that carries an idempotency key."""
    return _derive("command", key, action)
