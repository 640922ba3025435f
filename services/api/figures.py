"""The palette, the journey and what moved, assembled from sums of the roll-ups. Knows no SQL and no HTML.

Periods: `now` is the last four weeks with today as last day, `before` the four before them, the trend is twelve weeks.
Scores come from the last four weeks where enough people answered, else from all twelve.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import comb
from statistics import NormalDist

import msgspec

from services.api.names import Names
from services.api.rollups import OTHER, SCALES, Score, score, weeks_of

NOW_DAYS = 28
TREND_WEEKS = 12
USUAL_WEEKS = 4
ENOUGH = 5
"""Fewer events than this in a cell say nothing."""
_SURE = 0.05


class Cell(msgspec.Struct, frozen=True):
    """One cell of stage x area: events that name it, those mainly about it, and how they felt."""

    n: int
    main: int
    negative: int
    positive: int
    severe: int

    @property
    def net(self) -> float:
        """From -1 (all bad) to 1 (all good)."""
        return (self.positive - self.negative) / self.n if self.n else 0.0

    @property
    def enough(self) -> bool:
        return self.n >= ENOUGH


class Plural(msgspec.Struct, frozen=True):
    """How many events have a value of an attribute."""

    attribute: str
    value: str
    n: int


class Said(msgspec.Struct, frozen=True):
    """A theme and how often it was named."""

    theme: str
    name: str
    n: int
    kind: str


class AreaToday(msgspec.Struct, frozen=True):
    """One column of the palette. `long` says that the score needed twelve weeks to have answers enough."""

    area: str
    name: str
    score: Score | None
    score_before: Score | None
    long: bool
    cell: Cell
    before: Cell
    weeks: list[float]
    said: list[Said]


class Moved(msgspec.Struct, frozen=True):
    """A theme whose last fortnight is unlike the four weeks before it; `usual` is of a fortnight, too."""

    theme: str
    name: str
    kind: str
    last: int
    usual: float
    weeks: list[float]
    where: Plural | None = None

    @property
    def worse(self) -> bool:
        return (self.last > self.usual) == (self.kind != "strength")


NOTHING = Cell(0, 0, 0, 0, 0)


def palette(
    names: Names,
    *,
    last: int,
    now: Mapping[tuple[str, str], Cell],
    before: Mapping[tuple[str, str], Cell],
    days: Mapping[str, Mapping[int, int]],
    ratings: Mapping[tuple[str, str], tuple[int, ...]],
    ratings_before: Mapping[tuple[str, str], tuple[int, ...]],
    ratings_long: Mapping[tuple[str, str], tuple[int, ...]],
    themes: Mapping[str, Mapping[int, int]],
) -> list[AreaToday]:
    """One column per area of the taxonomy, in its order."""
    said = _said_by_area(names, themes, last=last)
    return [
        AreaToday(
            area=area,
            name=name,
            score=(best := _best(ratings, ratings_long, area))[0],
            score_before=_score_of(ratings_before, area, best[0].kind) if best[0] and not best[1] else None,
            long=best[1],
            cell=column(now, area),
            before=column(before, area),
            weeks=weeks_of(days.get(area, {}), last=last, weeks=TREND_WEEKS),
            said=said.get(area, []),
        )
        for area, name in names.areas.items()
        if area != OTHER
    ]


def _best(
    ratings: Mapping[tuple[str, str], tuple[int, ...]], long: Mapping[tuple[str, str], tuple[int, ...]], area: str
) -> tuple[Score | None, bool]:
    """The score to show, and whether it is of twelve weeks. Twelve weeks choose the kind of rating, so that a column
    does not change its scale because one file of another kind came in."""
    longer = headline_score(long, area)
    if longer is None:
        return headline_score(ratings, area), False
    recent = _score_of(ratings, area, longer.kind)
    return (recent, False) if recent is not None and recent.enough else (longer, True)


def column(cells: Mapping[tuple[str, str], Cell], area: str) -> Cell:
    """All stages of one area."""
    return total(cell for (_, named), cell in cells.items() if named == area)


def total(cells: Iterable[Cell]) -> Cell:
    """The sum of cells."""
    sums = [0, 0, 0, 0, 0]
    for cell in cells:
        for position, value in enumerate((cell.n, cell.main, cell.negative, cell.positive, cell.severe)):
            sums[position] += value
    return Cell(*sums)


def headline_score(ratings: Mapping[tuple[str, str], tuple[int, ...]], area: str) -> Score | None:
    """The solicited rating of an area with the most answers. Kinds are never blended."""
    kinds = [kind for named, kind in ratings if named == area]
    found = [_score_of(ratings, area, kind) for kind in sorted(kinds)]
    return max((s for s in found if s is not None), key=lambda s: s.n, default=None)


def scores_of(ratings: Mapping[tuple[str, str], tuple[int, ...]], area: str) -> list[Score]:
    """Every kind of rating apart, the one with the most answers first."""
    found = [_score_of(ratings, area, kind) for named, kind in sorted(ratings) if named == area]
    return sorted((s for s in found if s is not None), key=lambda s: -s.n)


def _score_of(ratings: Mapping[tuple[str, str], tuple[int, ...]], area: str, kind: str) -> Score | None:
    sums = ratings.get((area, kind))
    return score(kind, sums) if sums is not None and sums[0] > 0 else None


def standing(found: Score) -> float:
    """Where a score stands on its scale, from -1 to 1."""
    low, high = SCALES[found.kind]
    return max(-1.0, min(1.0, 2 * (found.value - low) / (high - low) - 1))


def _said_by_area(names: Names, themes: Mapping[str, Mapping[int, int]], *, last: int) -> dict[str, list[Said]]:
    found: dict[str, list[Said]] = {}
    for theme, days in themes.items():
        known = names.themes.get(theme)
        number = _sum(days, last - NOW_DAYS + 1, last)
        if known is not None and number > 0:
            found.setdefault(known.area, []).append(Said(theme, known.name, number, known.kind))
    return {area: sorted(said, key=lambda s: (-s.n, s.name)) for area, said in found.items()}


def moved(names: Names, themes: Mapping[str, Mapping[int, int]], *, last: int) -> list[Moved]:
    """Themes whose last fortnight is surely unlike the four weeks before, the greatest change first."""
    found = []
    for theme, days in themes.items():
        now = _sum(days, last - 13, last)
        usual = _sum(days, last - 13 - 7 * USUAL_WEEKS, last - 14)
        if now + usual < ENOUGH or chance(now, 2, usual, USUAL_WEEKS) > _SURE:
            continue
        weeks = weeks_of(days, last=last, weeks=TREND_WEEKS)
        found.append(Moved(theme, names.theme(theme), names.kind(theme), now, 2 * usual / USUAL_WEEKS, weeks))
    return sorted(found, key=lambda m: (-abs(m.last - m.usual), m.theme))


def new_themes(names: Names, themes: Mapping[str, Mapping[int, int]], *, last: int, known_since: int) -> list[Said]:
    """Themes first heard in the last fortnight, at least three times, where there was time to hear them before."""
    if known_since > last - 28:
        return []
    found = []
    for theme, days in themes.items():
        if min(days, default=last) > last - 14 and sum(days.values()) >= 3:
            found.append(Said(theme, names.theme(theme), sum(days.values()), names.kind(theme)))
    return sorted(found, key=lambda s: (-s.n, s.name))


def concentrated(places: Sequence[Plural], all_of_it: int) -> Plural | None:
    """The one place that most of it comes from: named, and more than three fifths of at least five."""
    for place in places:
        if place.value and all_of_it >= ENOUGH and place.n > 0.6 * all_of_it:
            return place
    return None


def chance(here: int, here_weeks: float, there: int, there_weeks: float) -> float:
    """How likely a difference between two rates at least this great is by chance alone: the exact conditional test of
    two Poisson counts, one-sided towards the side it lies on."""
    n = here + there
    if n == 0:
        return 1.0
    share = here_weeks / (here_weeks + there_weeks)
    upper = sum(comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(here, n + 1)) if n <= 400 else None
    if upper is None:
        return _chance_of_many(here, n, share)
    lower = 1 - upper + comb(n, here) * share**here * (1 - share) ** (n - here)
    return min(upper, lower, 1.0)


def _chance_of_many(here: int, n: int, share: float) -> float:
    distance = abs(here - n * share) - 0.5
    return 1 - NormalDist().cdf(max(0.0, distance) / (n * share * (1 - share)) ** 0.5)


def _sum(days: Mapping[int, int], first: int, last: int) -> int:
    return sum(n for day, n in days.items() if first <= day <= last)
