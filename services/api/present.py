"""Sums of events under the ids in use now: what was renamed or taken over is counted with what took its place.

Events keep the ids that they were given; only what people look at is brought together. Pure.
"""

from collections.abc import Iterable, Mapping

import msgspec

from services.api.figures import Cell, total
from services.api.names import Names
from services.api.queries import FeedbackFilter


def cells(names: Names, found: Mapping[tuple[str, str], Cell]) -> dict[tuple[str, str], Cell]:
    """Stage x area."""
    grouped: dict[tuple[str, str], list[Cell]] = {}
    for (stage, area), cell in found.items():
        grouped.setdefault((names.present("stages", stage), names.present("areas", area)), []).append(cell)
    return {key: parts[0] if len(parts) == 1 else total(parts) for key, parts in grouped.items()}


def days(names: Names, section: str, found: Mapping[str, Mapping[int, int]]) -> dict[str, dict[int, int]]:
    """Days of stages, areas or themes."""
    summed: dict[str, dict[int, int]] = {}
    for name, counts in found.items():
        into = summed.setdefault(names.present(section, name), {})
        for day, count in counts.items():
            into[day] = into.get(day, 0) + count
    return summed


def ratings(names: Names, found: Mapping[tuple[str, str], tuple[int, ...]]) -> dict[tuple[str, str], tuple[int, ...]]:
    """Sums of ratings by (area, kind)."""
    summed: dict[tuple[str, str], tuple[int, ...]] = {}
    for (area, kind), measures in found.items():
        key = (names.present("areas", area), kind)
        summed[key] = _added(summed[key], measures) if key in summed else measures
    return summed


def asked(names: Names, of: FeedbackFilter) -> FeedbackFilter:
    """A filter that names what is in use, also where an older link names what was renamed."""
    used = {
        name: names.present(section, value)
        for name, section in (("stage", "stages"), ("area", "areas"), ("theme", "themes"))
        if (value := getattr(of, name)) is not None
    }
    return msgspec.structs.replace(of, **used)


def _added(one: Iterable[int], other: Iterable[int]) -> tuple[int, ...]:
    return tuple(a + b for a, b in zip(one, other, strict=True))
