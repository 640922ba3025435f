"""Personal data -> masked text and pseudonyms. Knows no events; where personal data stands is found elsewhere."""

import hashlib
import hmac
import unicodedata
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from services.contracts.events import Mask, Pseudonym
from services.ingest.personal_data import Span, find

PLACEHOLDERS = {
    "customer_id": "‹customer id›",
    "case_id": "‹case number›",
    "email": "‹e-mail address›",
    "iban": "‹bank account›",
    "card": "‹card number›",
    "national_id": "‹national id›",
    "phone": "‹phone number›",
}

_ANONYMOUS = frozenset({"", "0", "anonymous", "anon", "n/a", "na", "none", "null", "nil", "unknown", "undefined", "-"})


class Masked(NamedTuple):
    """A text without its personal data, and where the placeholders stand in it."""

    text: str
    masks: tuple[Mask, ...]


class Pseudonyms:
    """Turns customer ids into pseudonyms. The same id gives the same pseudonym for as long as the key lives."""

    def __init__(self, key: bytes) -> None:
        self._key = hashlib.sha256(key).digest()
        self._keyed = hmac.new(key, digestmod="sha256")  # copied for each: the one-shot call gives up the interpreter

    def of(self, customer_id: str) -> Pseudonym | None:
        """None where the id names nobody: strangers must not share one timeline."""
        name = unicodedata.normalize("NFC", customer_id).strip()
        if name.casefold() in _ANONYMOUS:
            return None
        keyed = self._keyed.copy()
        keyed.update(name.encode("utf-8", "replace"))
        return Pseudonym("c-" + keyed.hexdigest()[:32])

    def digest(self, content: bytes) -> bytes:
        """16 bytes that tell contents apart. Keyed, so that short contents cannot be guessed from it."""
        return hashlib.blake2b(content, digest_size=16, key=self._key).digest()


class Masker:
    """Masks texts. `regions` are the countries whose phone numbers are known without an international prefix."""

    def __init__(self, regions: Sequence[str] = ("GB", "US", "DE")) -> None:
        self._regions = tuple(regions)

    def mask(self, text: str, *, own: Iterable[tuple[str, str]] = (), region: str | None = None) -> Masked:
        """The text as it may be stored. `own` are values to hide wherever they stand, with their kind."""
        return _replaced(text, find(text, own=own, regions=self._regions_of(region), prose=True))

    def mask_value(self, value: str, *, own: Iterable[tuple[str, str]] = (), region: str | None = None) -> str:
        """A short value that may be an id: digits without any separator are not taken for a phone number there."""
        return _replaced(value, find(value, own=own, regions=self._regions_of(region), prose=False)).text

    def _regions_of(self, region: str | None) -> Sequence[str]:
        return self._regions if region is None else (region, *self._regions)


def _replaced(text: str, spans: Sequence[Span]) -> Masked:
    if not spans:
        return Masked(text, ())
    parts: list[str] = []
    masks: list[Mask] = []
    length = position = 0
    for span in spans:
        kept = text[position : span.start]
        placeholder = PLACEHOLDERS[span.kind]
        start = length + len(kept)
        length = start + len(placeholder)
        masks.append(Mask(start=start, end=length, kind=span.kind))
        parts += (kept, placeholder)
        position = span.end
    parts.append(text[position:])
    return Masked("".join(parts), tuple(masks))
