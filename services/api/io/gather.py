"""Fetches what a page or a figure needs, in one consistent view of the store, and hands it to the pure modules."""

from collections.abc import Iterable
from datetime import date, timedelta

import msgspec
from sqlalchemy import Connection

from services.api import present
from services.api.cases import Headline, Story, headline, tell
from services.api.figures import (
    NOW_DAYS,
    TREND_WEEKS,
    AreaToday,
    Cell,
    Moved,
    Said,
    concentrated,
    moved,
    new_themes,
    palette,
    scores_of,
)
from services.api.io import actions as read_actions
from services.api.io import feedback as read_feedback
from services.api.io import figures as sums
from services.api.io.policy import PolicyWatcher
from services.api.io.shares import read_shares
from services.api.io.store import Store, micros
from services.api.names import Names
from services.api.queries import ActionFilter, ShareQuery
from services.api.rollups import OTHER, Score, weeks_of
from services.api.shapes import Voice
from services.api.shares import Shares
from services.contracts.events import Action
from services.kit.clock import Clock, utc_now

TREND_DAYS = 7 * TREND_WEEKS
HISTORY_DAYS = 7 * 26
LEAST_EMPLOYEES = 5


class Palette(msgspec.Struct, frozen=True):
    """The palette of today, and who is on what."""

    areas: list[AreaToday]
    overall: list[Score]
    total: int
    total_before: int
    weeks: list[float]
    channels: list[tuple[str, int]]
    owners: dict[str, str]
    working: dict[str, list[Story]]
    quotes: dict[str, Voice]
    employees: list[Said]
    shares: Shares


class Journey(msgspec.Struct, frozen=True):
    """Stages down, areas across."""

    cells: dict[tuple[str, str], Cell]
    before: dict[tuple[str, str], Cell]
    weeks: dict[str, list[float]]
    said: dict[str, list[Said]]
    shares: Shares


class Week(msgspec.Struct, frozen=True):
    """What is worth knowing this week."""

    headline: Headline | None
    worse: list[Moved]
    better: list[Moved]
    new: list[Said]
    proven: list[Story]
    active: list[Story]
    newest: list[Voice]
    need_a_look: int
    waiting: int
    last_day: int | None


class Gather:
    """Reads for pages; every method is one consistent view."""

    def __init__(self, store: Store, watcher: PolicyWatcher, *, clock: Clock = utc_now) -> None:
        self._store = store
        self._watcher = watcher
        self._clock = clock

    def palette(self, names: Names) -> Palette:
        last = self._clock().date().toordinal()
        with self._store.reading() as connection:
            now = present.cells(names, sums.cells(connection, last - NOW_DAYS + 1, last))
            before = present.cells(names, sums.cells(connection, last - 2 * NOW_DAYS + 1, last - NOW_DAYS))

            def rated(first: int, end: int) -> dict[tuple[str, str], tuple[int, ...]]:
                return present.ratings(names, sums.rating_sums(connection, first, end))

            ratings = rated(last - NOW_DAYS + 1, last)
            areas = palette(
                names,
                last=last,
                now=now,
                before=before,
                days=present.days(names, "areas", sums.area_days(connection, last - TREND_DAYS + 1, last)),
                ratings=ratings,
                ratings_before=rated(last - 2 * NOW_DAYS + 1, last - NOW_DAYS),
                ratings_long=rated(last - TREND_DAYS + 1, last),
                themes=present.days(names, "themes", sums.theme_days(connection, last - NOW_DAYS + 1, last)),
            )
            all_days = sums.all_days(connection, last - TREND_DAYS + 1, last)
            since = micros(self._clock() - timedelta(days=NOW_DAYS))
            quoted = sums.quotes(connection, names, [area.area for area in areas], since)
            voices = read_feedback.voices_by_id(connection, [name for found in quoted.values() for name in found])
            stories = self._stories(connection, names, read_actions.all_active(connection), last=last)
            channels = sums.channel_counts(connection, last - NOW_DAYS + 1, last)
            own = sums.own_people(connection, names, micros(self._clock() - timedelta(days=TREND_DAYS)))
            shares = _recent_shares(connection, "area", names, last)
        working: dict[str, list[Story]] = {}
        for story in stories:
            working.setdefault(names.present("areas", story.action.plan.area or OTHER), []).append(story)
        return Palette(
            areas=areas,
            overall=scores_of(ratings, ""),
            total=sum(n for day, n in all_days.items() if day > last - NOW_DAYS),
            total_before=sum(n for day, n in all_days.items() if last - 2 * NOW_DAYS < day <= last - NOW_DAYS),
            weeks=weeks_of(all_days, last=last, weeks=TREND_WEEKS),
            channels=sorted(channels.items(), key=lambda item: -item[1]),
            owners={area.area: names.owner(area.area) or "" for area in areas},
            working=working,
            quotes={area: voices[found[0]] for area, found in quoted.items() if found and found[0] in voices},
            employees=_own_themes(names, own),
            shares=shares,
        )

    def journey(self, names: Names) -> Journey:
        last = self._clock().date().toordinal()
        with self._store.reading() as connection:
            stages = present.days(names, "stages", sums.stage_days(connection, last - TREND_DAYS + 1, last))
            themes = present.days(names, "themes", sums.theme_days(connection, last - NOW_DAYS + 1, last))
            found = present.cells(names, sums.cells(connection, last - NOW_DAYS + 1, last))
            before = present.cells(names, sums.cells(connection, last - 2 * NOW_DAYS + 1, last - NOW_DAYS))
            shares = _recent_shares(connection, "stage", names, last)
        said: dict[str, list[Said]] = {}
        for theme, days in themes.items():
            known = names.themes.get(theme)
            if known is not None:
                said.setdefault(known.stage, []).append(Said(theme, known.name, sum(days.values()), known.kind))
        return Journey(
            cells=found,
            before=before,
            weeks={stage: weeks_of(days, last=last, weeks=TREND_WEEKS) for stage, days in stages.items()},
            said={stage: sorted(all_of_it, key=lambda s: (-s.n, s.name)) for stage, all_of_it in said.items()},
            shares=shares,
        )

    def shares(self, asked: ShareQuery, names: Names) -> Shares:
        """How large the share of each stage or area is in a slice."""
        with self._store.reading() as connection:
            return read_shares(connection, asked, names)

    def week(self, names: Names) -> Week:
        now = self._clock()
        last = now.date().toordinal()
        with self._store.reading() as connection:
            known = sums.days_known(connection)
            themes = present.days(names, "themes", sums.theme_days(connection, last - TREND_DAYS + 1, last))
            changed = moved(names, themes, last=last)
            chosen = [m for m in changed if m.worse][:3] + [m for m in changed if not m.worse][:3]
            places = sums.theme_places(connection, names, [m.theme for m in chosen], last - 13, last)
            chosen = [msgspec.structs.replace(m, where=concentrated(places[m.theme], m.last)) for m in chosen]
            actions = read_actions.list_actions(connection, ActionFilter(kind="cause"), limit=200, after=None).items
            stories = self._stories(connection, names, actions, last=last)
            recent = read_feedback.list_feedback(
                connection, self._store, read_feedback.EVERYTHING, limit=40, after=None
            ).items
            unsure, waiting = sums.waiting_counts(connection)
        proven = [s for s in stories if s.action.expectation is not None and s.action.expectation.verdict is not None]
        return Week(
            headline=headline(stories, today=now.date()),
            worse=[m for m in chosen if m.worse],
            better=[m for m in chosen if not m.worse],
            new=new_themes(names, themes, last=last, known_since=known[0] if known else last)[:3],
            proven=sorted(proven, key=_judged_at, reverse=True)[:3],
            active=[s for s in stories if s.is_active][:6],
            newest=_newest_in_words(recent),
            need_a_look=unsure,
            waiting=waiting,
            last_day=known[1] if known else None,
        )

    def stories(self, names: Names, actions: Iterable[Action]) -> list[Story]:
        """Actions with their weekly counts."""
        with self._store.reading() as connection:
            return self._stories(connection, names, actions, last=self._clock().date().toordinal())

    def _stories(self, connection: Connection, names: Names, actions: Iterable[Action], *, last: int) -> list[Story]:
        return [
            tell(action, names, series(connection, action, last - HISTORY_DAYS, last), last=last) for action in actions
        ]


def series(connection: Connection, action: Action, first: int, last: int) -> dict[int, int]:
    """Daily counts of what an action is about. Roll-ups know theme, cell, product, region and site; where an action is
    told apart by anything else, or is about one customer, its own members are counted."""
    if action.plan.action == "cause" and set(action.plan.attributes) <= sums.PLACES:
        return sums.group_days(connection, action.plan, first, last)
    return sums.member_days(connection, action.id, first, last)


def _recent_shares(connection: Connection, by: str, names: Names, last: int) -> Shares:
    first = date.fromordinal(last - NOW_DAYS + 1)
    return read_shares(connection, ShareQuery(by=by, first=first, last=date.fromordinal(last)), names)


def _own_themes(names: Names, people: dict[str, int]) -> list[Said]:
    """What employees say about their own work, never for fewer than five of them."""
    found = [Said(theme, names.theme(theme), number, names.kind(theme)) for theme, number in people.items()]
    return sorted((s for s in found if s.n >= LEAST_EMPLOYEES), key=lambda s: (-s.n, s.name))


def _newest_in_words(voices: list[Voice]) -> list[Voice]:
    """The newest that said something, by when it happened: what came in together may be weeks apart."""
    told = [v for v in voices if v.event.text and v.event.channel != "employee"]
    return sorted(told, key=lambda v: v.event.occurred_at, reverse=True)[:4]


def _judged_at(story: Story) -> float:
    expected = story.action.expectation
    return expected.verdict_at.timestamp() if expected is not None and expected.verdict_at is not None else 0.0
