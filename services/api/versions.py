"""Versions of the model as people see them, and whether one may come into force: a decision with its reason. Pure.

The classifier makes and judges them; here its words are read, nothing is measured anew.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec


class Compared(msgspec.Struct, frozen=True):
    """Two models on one label or source, in points of 100."""

    name: str
    items: int
    champion: float
    challenger: float


class Verdict(msgspec.Struct, frozen=True):
    """What the classifier found when it held a version against the one in force."""

    promote: bool
    reason: str
    because: tuple[str, ...] = ()
    figures: dict[str, float] = {}
    stages: tuple[Compared, ...] = ()
    areas: tuple[Compared, ...] = ()


class Judged(msgspec.Struct, frozen=True):
    """A verdict, when it was given and against which version."""

    at: datetime
    by: str
    champion: str
    verdict: Verdict


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One version: from how many labels and by whom, how it was judged, when it last came into force."""

    version: str
    shipped: bool = False
    by: str = ""
    at: datetime | None = None
    parent: str | None = None
    labels: int = 0
    judged: tuple[Judged, ...] = ()
    in_force: bool = False
    activated_at: datetime | None = None
    activated_by: str | None = None
    reason: str | None = None

    @property
    def last(self) -> Judged | None:
        """The latest verdict."""
        return self.judged[-1] if self.judged else None


class Versions(msgspec.Struct, frozen=True):
    """All versions, the newest first, what is awaited (activated, not seen in force yet), and what to go back to."""

    in_force: str
    items: tuple[Version, ...]
    awaited: str | None = None
    before: str | None = None

    def of(self, name: str | None) -> Version | None:
        return next((item for item in self.items if item.version == name), None)

    @property
    def most_labels(self) -> int:
        """The most labels that any version learnt from."""
        return max((item.labels for item in self.items), default=0)


class Way(StrEnum):
    """How a version may come into force, or why not."""

    IN_FORCE = "in_force"
    BACK = "back"
    PROMOTE = "promote"
    NOT_JUDGED = "not_judged"
    REFUSED = "refused"
    OUTDATED = "outdated"


def read_versions(found: Mapping[str, Any]) -> Versions:
    """Versions as they are listed."""
    return msgspec.convert(dict(found), Versions)


def read_verdict(made: Mapping[str, Any] | None) -> Verdict | None:
    """The verdict on what was made last, where there is one."""
    return msgspec.convert(made["verdict"], Verdict) if made is not None and "verdict" in made else None


def way_to(version: Version, known: Versions) -> Way:
    """What may be done with a version. What shipped with Palette, and what was in force before, may always return."""
    if version.in_force:
        return Way.IN_FORCE
    if version.shipped or version.version == known.before:
        return Way.BACK
    if version.last is None:
        return Way.NOT_JUDGED
    if not version.last.verdict.promote:
        return Way.REFUSED
    return Way.PROMOTE if version.last.champion == known.in_force else Way.OUTDATED
