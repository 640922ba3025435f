"""What people said of texts, as the API hands it over: one JSON line for each reviewed event. Knows no store, no model.

A text is here only while a model learns from it; what is kept of a model names events by their ids.
"""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from services.contracts.errors import BadMessage
from services.contracts.events import Author, Intent, Rating, Sentiment, Turn

MOST = 20_000
"""Labels in one handing-over; more would only be slower."""


class Reviewed(msgspec.Struct, frozen=True, kw_only=True):
    """One event with the labels that a person gave it or left standing. `group` holds what belongs together: one
    customer, case or conversation, and near-duplicates. `model` made the tags that the person looked at."""

    id: str
    source: str
    group: str
    text: str
    stage: str
    areas: tuple[str, ...]
    by: str
    at: datetime
    sentiment: Sentiment | None = None
    intent: Intent | None = None
    severity: int | None = None
    model: str | None = None
    author: Author = "customer"
    language: str | None = None
    rating: Rating | None = None
    turns: tuple[Turn, ...] = ()


_decoder = msgspec.json.Decoder(Reviewed)


def read_reviewed(body: bytes) -> tuple[Reviewed, ...]:
    """The lines of a handing-over, one per event, in a fixed order. Raises BadMessage, which repeats no text."""
    found: dict[str, Reviewed] = {}
    for number, line in enumerate(body.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            item = _decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise BadMessage("label", f"line {number} is not a reviewed event") from None
        if not item.text.strip() or not item.areas:
            raise BadMessage("label", f"line {number} has no text or no area")
        found[item.id] = item
        if len(found) > MOST:
            raise BadMessage("too_many", f"there are more than {MOST:,} reviewed events")
    return tuple(found[name] for name in sorted(found))


def fingerprint(reviewed: Iterable[Reviewed], *, base: str) -> str:
    """Twelve hexadecimal digits that name what is learnt: the same labels on the same base give the same."""
    digest = hashlib.sha256(base.encode())
    for item in reviewed:
        said = (item.id, item.stage, item.areas, item.sentiment, item.intent, item.severity)
        digest.update(msgspec.json.encode(said))
    return digest.hexdigest()[:12]


def folds_of(reviewed: Sequence[Reviewed], *, folds: int) -> list[int]:
    """The part of each item, so that a group is whole in one part and the parts are about as large. Large groups first,
    then by a digest of their names, so that neither order nor time decides."""
    sizes: dict[str, int] = {}
    for item in reviewed:
        sizes[item.group] = sizes.get(item.group, 0) + 1
    order = sorted(sizes, key=lambda name: (-sizes[name], hashlib.sha256(name.encode()).hexdigest()))
    parts = [0] * max(1, min(folds, len(order)))
    place: dict[str, int] = {}
    for name in order:
        smallest = parts.index(min(parts))
        place[name] = smallest
        parts[smallest] += sizes[name]
    return [place[item.group] for item in reviewed]
