"""The models folder: every version that was ever built here, whole, beside the one that ships with Palette.

`<data>/models/<version>/` holds the artefact with its digest and a card: who and when, from how many labels, the
parent, every verdict. A card names events by id; no text is kept beyond what the model itself needs. A version appears
whole or not at all: it is written aside and renamed.
"""

import contextlib
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from services.classify.learning.judging import Verdict
from services.contracts.errors import Misconfigured

MODELS = "models"
"""The folder of versions in the data folder."""
CARD = "card.json"
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,80}")
_BUILDING = ".building-"

M = TypeVar("M")


class Judged(msgspec.Struct, frozen=True):
    """One verdict on a version: when, against which champion, and why."""

    at: datetime
    by: str
    champion: str
    verdict: Verdict


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a version. `learnt` are the ids of the events whose labels it learnt from."""

    version: str
    digest: str
    shipped: bool = False
    by: str = ""
    at: datetime | None = None
    parent: str | None = None
    labels: int = 0
    learnt: tuple[str, ...] = ()
    judged: tuple[Judged, ...] = ()


class Files(msgspec.Struct, Generic[M], frozen=True):
    """How an artefact is written (answering its digest) and which digest a folder states."""

    save: Callable[[M, Path], str]
    digest_of: Callable[[Path], str]


class Versions(Generic[M]):
    """The versions to be had. `shipped` is the folder of the artefact that is always there."""

    def __init__(self, folder: Path, *, shipped: Path, version: str, files: Files[M]) -> None:
        self._folder = folder
        self._shipped = shipped
        self._files = files
        self.shipped = version

    def folder_of(self, version: str, *, digest: str) -> Path:
        """Where a version's artefact is. Raises Misconfigured when there is none, or one of another digest."""
        folder = self._place(version)
        stated = self._stated(folder)
        if not stated:
            raise Misconfigured([f"The model {version} is not in the models folder of this worker."])
        if stated != digest:
            raise Misconfigured([f"The model {version} here has another digest than the one that was activated."])
        return folder

    def card(self, version: str) -> Card | None:
        """The card of a version that is here."""
        if version == self.shipped:
            return Card(version=version, digest=self._stated(self._shipped), shipped=True)
        with contextlib.suppress(OSError, msgspec.DecodeError, Misconfigured):
            return msgspec.json.decode((self._place(version) / CARD).read_bytes(), type=Card)
        return None

    def cards(self) -> Iterator[Card]:
        """Every version that is here, the newest first, the shipped one last."""
        names = [path.name for path in self._folder.iterdir()] if self._folder.is_dir() else []
        found = [card for name in names if _NAME.fullmatch(name) and (card := self.card(name)) and not card.shipped]
        yield from sorted(found, key=lambda card: (card.at is not None, card.at, card.version), reverse=True)
        shipped = self.card(self.shipped)
        if shipped is not None:
            yield shipped

    def keep(self, model: M, card: Card, judged: Judged) -> Card:
        """Writes a version with its card, or adds the verdict to one that is here already. Answers the card."""
        known = self.card(card.version)
        if known is not None:
            whole = msgspec.structs.replace(known, judged=(*known.judged, judged))
            self._write_card(self._place(card.version), whole)
            return whole
        self._folder.mkdir(parents=True, exist_ok=True)
        aside = self._folder / f"{_BUILDING}{uuid.uuid4().hex}"
        try:
            digest = self._files.save(model, aside)
            whole = msgspec.structs.replace(card, digest=digest, judged=(judged,))
            self._write_card(aside, whole)
            aside.rename(self._place(card.version))
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        return whole

    def sweep(self) -> None:
        """Removes what a process that died left half built. Only at a start."""
        for path in self._folder.glob(f"{_BUILDING}*"):
            shutil.rmtree(path, ignore_errors=True)

    def _place(self, version: str) -> Path:
        if version == self.shipped:
            return self._shipped
        if not _NAME.fullmatch(version):
            raise Misconfigured(["The name of the activated model is none that Palette gives."])
        return self._folder / version

    def _stated(self, folder: Path) -> str:
        try:
            return self._files.digest_of(folder)
        except (OSError, IndexError):
            return ""

    def _write_card(self, folder: Path, card: Card) -> None:
        fresh = folder / f"{CARD}.fresh"
        fresh.write_bytes(msgspec.json.format(msgspec.json.encode(card), indent=1))
        fresh.replace(folder / CARD)
