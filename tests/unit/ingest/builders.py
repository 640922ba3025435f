"""The parts of ingest with valid defaults."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from services.contracts.codec import Outbound
from services.ingest import intake
from services.ingest.intake import Accepted, Candidate, Checked, Refused
from services.ingest.io.frames import frame
from services.ingest.io.journal import Entry
from services.ingest.masking import Masker, Pseudonyms
from services.ingest.metrics import IngestMetrics
from services.ingest.sources import Sources
from services.kit.logs import Log

NOW = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
PSEUDONYMS = Pseudonyms(b"k" * 32)
LOG = Log("test")


def event(**over: Any) -> dict[str, Any]:
    """A valid event; a field given as None is left out."""
    whole = {
        "source": "web-survey",
        "id": "r-1",
        "channel": "survey",
        "occurred_at": "2026-11-02T09:14:00Z",
        "text": "Still not here.",
    } | over
    return {name: value for name, value in whole.items() if value is not None}


def check(given: Any, *, now: datetime = NOW, sources: Sources | None = None) -> Checked | Refused:
    return intake.check(Candidate(given), now=now, sources=sources or Sources(), pseudonyms=PSEUDONYMS)


def accept(given: Any, *, now: datetime = NOW, **over: Any) -> Accepted | Refused:
    checked = check(given, now=now)
    assert isinstance(checked, Checked), checked
    return intake.accept(
        checked, **{"received_at": now, "mode": "live", "masker": Masker(), "pseudonyms": PSEUDONYMS} | over
    )


def stored(given: Any, **over: Any) -> Any:
    accepted = accept(given, **over)
    assert isinstance(accepted, Accepted), accepted
    return accepted.event


def metrics() -> IngestMetrics:
    return IngestMetrics(CollectorRegistry())


def entry(number: int, *, size: int = 100, at_ms: int = 1_000) -> Entry:
    """A small record whose id and content tell its number."""
    id = number.to_bytes(16, "big")
    digest = (number + 1).to_bytes(16, "big")
    message = Outbound("feedback-received", b"key", f"{number}:".encode().ljust(size, b"x"), (("ce_id", b"1"),))
    return Entry(frame(at_ms=at_ms, id=id, digest=digest, message=message), id, digest)


def number_of(record: Any) -> int:
    return int.from_bytes(record.id, "big")


class MemoryIds:
    """Remembers ids; `full` makes it refuse as a full disk does."""

    def __init__(self) -> None:
        self.known_ids: dict[bytes, bytes] = {}
        self.full = False
        self.synced = 0

    def add(self, entries: Any) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        self.known_ids.update(entries)

    def known(self, ids: Any) -> list[bytes | None]:
        return [self.known_ids.get(one) for one in ids]

    def sync(self) -> None:
        self.synced += 1


def write(path: Path, text: str) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(text)
    return path
