"""Messages of `notifications` in, notifications and dead letters out. Pure; what is new is for the outbox to know."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from services.contracts.codec import Outbound, RawMessage, dead_letter, decode, trace_of
from services.contracts.errors import BadMessage
from services.contracts.events import Notification

SERVICE = "notify"


class Arrivals(msgspec.Struct, frozen=True):
    """What a batch held: notifications with their trace, and letters for what could not be read."""

    told: tuple[tuple[Notification, bytes | None], ...]
    letters: tuple[Outbound, ...]


def read(messages: Sequence[RawMessage], *, at: datetime, version: str) -> Arrivals:
    """Reads a batch. Every message is in the answer once."""
    told: list[tuple[Notification, bytes | None]] = []
    letters: list[Outbound] = []
    for message in messages:
        try:
            told.append((decode(message, Notification), trace_of(message)))
        except BadMessage as bad:
            letters.append(letter(message, code=bad.code, detail=bad.message, at=at, version=version))
    return Arrivals(tuple(told), tuple(letters))


def letter(message: RawMessage, *, code: str, detail: str, at: datetime, version: str) -> Outbound:
    """The dead letter of a message."""
    return dead_letter(message, service=SERVICE, version=version, code=code, detail=detail, at=at)
