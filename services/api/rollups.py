"""What one tagged event adds to the roll-ups. Knows tags and dimensions; knows no database.

Every chart reads roll-ups. The contribution of an event is a pure function of its newest tag revision, so a newer
revision takes the old contribution away and adds its own, and a recount gives the same rows.

- narrow: day x stage x area. One row for each area that an event names; `main` counts the event once.
- wide: the same with theme, channel, product, region, site and voice. Rows with an empty theme count areas, rows with a
  theme count themes (their area is empty), so neither is counted twice.
- ratings: day x area x kind, only from ratings that were asked for. The empty area is everybody.

Measures are whole numbers (ratings in thousandths), so that sums do not depend on the order of arrival.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from math import sqrt

from services.contracts.events import FeedbackClassified, Rating

Key = tuple[str | int, ...]
Measures = tuple[int, ...]

NARROW = ("day", "stage", "area")
WIDE = ("day", "stage", "area", "theme", "channel", "product", "region", "site", "voice")
CELL_MEASURES = ("n", "main", "negative", "positive", "severe")
RATINGS = ("day", "area", "kind")
RATING_MEASURES = ("n", "total", "squares", "promoters", "detractors")

OWN_WORK = "employee"
CUSTOMER = "customer"
OTHER = "unknown"


def voice_of(event: FeedbackClassified) -> str:
    """Whose experience it is: employees on their own work stand outside the journey, what they report for a customer
    does not."""
    return OWN_WORK if event.author == "employee" and event.tags.stage == OTHER else CUSTOMER


def contribution(event: FeedbackClassified) -> tuple[dict[Key, Measures], dict[Key, Measures], dict[Key, Measures]]:
    """Rows that the event adds to narrow, wide and ratings. A later part of a conversation adds only its rating."""
    tags, attributes = event.tags, event.attributes
    day, voice = event.occurred_at.date().toordinal(), voice_of(event)
    places = (event.channel, *(attributes.get(name, "") for name in ("product", "region", "site")), voice)
    feeling = (
        1,
        int(tags.sentiment in {"negative", "mixed"}),
        int(tags.sentiment == "positive"),
        int(tags.severity >= 2),
    )
    narrow: dict[Key, Measures] = {}
    wide: dict[Key, Measures] = {}
    areas = list(dict.fromkeys(tag.area for tag in tags.areas)) or [OTHER]
    if not event.counts:
        return {}, {}, _rating_rows(event, day, areas)
    for position, area in enumerate(areas):
        measures = (feeling[0], int(position == 0), *feeling[1:])
        if voice == CUSTOMER:
            narrow[(day, tags.stage, area)] = measures
        wide[(day, tags.stage, area, "", *places)] = measures
    for theme in dict.fromkeys(tags.themes):
        wide[(day, tags.stage, "", theme, *places)] = (feeling[0], 0, *feeling[1:])
    return narrow, wide, _rating_rows(event, day, areas)


def _rating_rows(event: FeedbackClassified, day: int, areas: list[str]) -> dict[Key, Measures]:
    if event.rating is None or not event.solicited or voice_of(event) != CUSTOMER:
        return {}
    value, promoter, detractor = on_scale(event.rating)
    measures = (1, value, value * value, int(promoter), int(detractor))
    # an answer that names no area says how the whole is, and nothing about any part
    return {(day, area, event.rating.kind): measures for area in ["", *(a for a in areas if a != OTHER)]}


THOUSANDTHS = 1000


def on_scale(rating: Rating) -> tuple[int, bool, bool]:
    """The value on its kind's usual scale in thousandths, and whether it counts for or against: NPS 9-10 and 0-6, else
    the upper and lower two of five. CSAT of another length is stretched to 1-5."""
    value, promoter, detractor = _judged(rating)
    return round(value * THOUSANDTHS), promoter, detractor


def _judged(rating: Rating) -> tuple[float, bool, bool]:
    value = float(rating.value)
    if rating.kind == "nps":
        return value, value >= 9, value <= 6
    if rating.kind == "csat" and rating.max and rating.max > 1 and rating.max != 5:
        value = 1 + (value - 1) * 4 / (rating.max - 1)
    if rating.kind == "ces":
        return value, value >= 5, value <= 3
    if rating.kind == "thumbs":
        return value, value >= 1, value < 1
    return value, value >= 4, value <= 2


class Deltas:
    """What a batch adds to one roll-up: sums by key, zeros dropped, keys in order (unordered upserts deadlock)."""

    def __init__(self) -> None:
        self._sums: dict[Key, list[int]] = {}

    def add(self, rows: Mapping[Key, Measures], *, sign: int = 1) -> None:
        for key, measures in rows.items():
            sums = self._sums.get(key)
            if sums is None:
                self._sums[key] = [sign * value for value in measures]
            else:
                for position, value in enumerate(measures):
                    sums[position] += sign * value

    def rows(self) -> Iterable[tuple[Key, list[int]]]:
        return sorted((key, sums) for key, sums in self._sums.items() if any(sums))


# ---- scores ---------------------------------------------------------------------------------------------------------


class Score:
    """A solicited rating with its interval, cut at the ends of the scale. NPS runs -100..100; the others are means."""

    __slots__ = ("high", "kind", "low", "n", "value")

    def __init__(self, kind: str, n: int, value: float, half: float) -> None:
        self.kind, self.n, self.value = kind, n, value
        least, most = SCALES[kind]
        self.low, self.high = max(least, value - half), min(most, value + half)

    @property
    def enough(self) -> bool:
        """Whether it may be shown as a figure at all."""
        return self.n >= MIN_RATINGS


MIN_RATINGS = 10
_Z = 1.96
SCALES = {"nps": (-100.0, 100.0), "csat": (1.0, 5.0), "ces": (1.0, 7.0), "stars": (1.0, 5.0), "thumbs": (0.0, 1.0)}


def score(kind: str, measures: Measures) -> Score:
    """The score of summed rating measures, with the half-width of its 95 % interval (normal approximation)."""
    n, total, squares, promoters, detractors = measures
    if n <= 0:
        return Score(kind, 0, 0.0, 0.0)
    if kind == "nps":
        net = (promoters - detractors) / n
        variance = (promoters + detractors) / n - net * net
        value, scale = 100 * net, 100.0
    else:
        value, scale = total / n / THOUSANDTHS, 1.0
        variance = squares / n / THOUSANDTHS**2 - value * value
    return Score(kind, int(n), value, scale * _Z * sqrt(max(variance, 0.0) / n))


def weeks_of(days: Mapping[int, float], *, last: int, weeks: int) -> list[float]:
    """Sums over whole weeks (7 days each) that end with day `last`, oldest first."""
    return [
        sum(days.get(day, 0.0) for day in range(last - 7 * back - 6, last - 7 * back + 1))
        for back in range(weeks - 1, -1, -1)
    ]


def day_of(ordinal: int) -> date:
    """The date of a roll-up's day."""
    return date.fromordinal(ordinal)
