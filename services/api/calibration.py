"""How right the tags are where people were asked, and whether the model's confidence says so. Knows opinions only.

What people correct because they saw that it was wrong is left out: among such events every tag is wrong. What is asked
is mostly unsure, so the share that is right is no accuracy of the whole; it is to be held against the mean confidence
of the same events, which a calibrated model meets, whichever events they are.
"""

from collections.abc import Iterable, Sequence
from math import sqrt

import msgspec

from services.api.pools import wordless
from services.api.reviewed import Opinion, latest

ASKED = frozenset({"onboarding", "review"})
"""Where Palette chose the event and asked. On the page a person chose it, mostly because its tag was wrong."""
HEADS = ("stage", "areas", "sentiment", "intent")
_BIN = 20


class Calibration(msgspec.Struct, frozen=True):
    """Of one head: how many items, the share of right tags among them, the mean confidence, and the calibration error
    without the part that chance makes. For areas: whether the first area is among the true ones."""

    head: str
    items: int
    right: float
    expected: float
    error: float


def checks(opinions: Iterable[Opinion]) -> list[Opinion]:
    """Events that Palette asked about first, with the latest answer: the better one, wherever it was given."""
    listed = sorted(opinions, key=lambda one: (one.at, one.by))
    first: dict[str, Opinion] = {}
    for item in listed:
        first.setdefault(item.event, item)
    return [
        item for name, item in sorted(latest(listed).items()) if first[name].asked in ASKED and not wordless(item.said)
    ]


def calibrations(opinions: Iterable[Opinion]) -> list[Calibration]:
    """Every head, over what was asked of the model that was asked about last: another model errs in other places."""
    found = checks(opinions)
    newest = max(found, key=lambda item: item.at, default=None)
    if newest is not None:
        found = [item for item in found if item.said.versions.model == newest.said.versions.model]
    return [_calibration(head, [pair for item in found if (pair := _judged(item, head)) is not None]) for head in HEADS]


def debiased_error(pairs: Sequence[tuple[float, bool]]) -> float:
    """Root mean square of the gaps between confidence and share right, in bins of equally many, less what chance alone
    adds to it (Kumar, Liang and Ma 2019). Bins hold twenty items at least; below forty there is one."""
    ordered = sorted(pairs)
    if len(ordered) < 2:
        return 0.0
    bins = max(1, len(ordered) // _BIN)
    total = 0.0
    for number in range(bins):
        part = ordered[number * len(ordered) // bins : (number + 1) * len(ordered) // bins]
        size = len(part)
        right = sum(outcome for _, outcome in part) / size
        gap = right - sum(confidence for confidence, _ in part) / size
        total += size / len(ordered) * (gap * gap - right * (1 - right) / (size - 1))
    return sqrt(max(0.0, total))


def _calibration(head: str, pairs: Sequence[tuple[float, bool]]) -> Calibration:
    if not pairs:
        return Calibration(head, 0, 0.0, 0.0, 0.0)
    return Calibration(
        head=head,
        items=len(pairs),
        right=sum(outcome for _, outcome in pairs) / len(pairs),
        expected=sum(confidence for confidence, _ in pairs) / len(pairs),
        error=debiased_error(pairs),
    )


def _judged(item: Opinion, head: str) -> tuple[float, bool] | None:
    """Confidence and whether it was right; None where nothing was said of it."""
    said = item.said
    if head == "areas":
        return (said.areas[0].confidence, said.areas[0].area in item.areas) if said.areas else None
    truth: str | None = getattr(item, head)
    return None if truth is None else (getattr(said, f"{head}_confidence"), getattr(said, head) == truth)
