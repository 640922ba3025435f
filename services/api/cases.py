"""Actions as people read about them: titles, what was done, how the numbers moved, and the one that comes first.

Builds sentences from the same figures that the page shows beside them. Pure; knows no HTML.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

import msgspec

from services.api.figures import TREND_WEEKS
from services.api.names import KINDS, STATES, VERDICTS, Names
from services.api.rollups import OTHER, weeks_of
from services.api.wording import about, count, day, first_sentence
from services.contracts.events import Action

_COMPASS = frozenset({"north", "south", "east", "west", "north-east", "north-west", "south-east", "south-west"})
_STORY_WEEKS = 52
_FOR_ONE = "put right for one customer: "


class Story(msgspec.Struct, frozen=True):
    """One action with what the page says about it. `weeks` are weekly counts up to today."""

    action: Action
    title: str
    team: str
    state: str
    kind: str
    weeks: list[float]
    peak: float
    lately: float
    done: str | None

    @property
    def is_active(self) -> bool:
        return self.action.state in {"open", "acknowledged", "in_progress"}


class Headline(msgspec.Struct, frozen=True):
    """The most important thing in a few clauses, each true of the figures."""

    story: Story
    what: str
    who: str
    done: str
    moved: str


def title(action: Action, names: Names) -> str:
    """What is wrong, and where: `driver marked it delivered, in the north`."""
    plan = action.plan
    if plan.theme:
        what = names.theme(plan.theme)
    elif plan.area in {None, OTHER} and plan.stage in {None, OTHER}:
        what = "poor marks without a word"
    elif plan.area in {None, OTHER}:
        what = f"trouble with {names.stage(plan.stage)}"
    elif plan.stage in {None, OTHER}:
        what = f"trouble with {names.area(plan.area)}"
    else:
        what = f"{names.area(plan.area)} while {names.stage(plan.stage)}"
    if action.plan.action == "recovery":
        return f"{_FOR_ONE}{what}"
    place = where(plan.attributes)
    return f"{what}, {place}" if place else what


def subject(story: Story) -> str:
    """The title where it is said already that one customer is to be helped."""
    return story.title.removeprefix(_FOR_ONE)


def where(attributes: Mapping[str, str]) -> str:
    """Places in words: `in the north`, `at northgate`, `for the app`."""
    words = []
    for name, value in attributes.items():
        if name == "region":
            words.append(f"in the {value}" if value.lower() in _COMPASS else f"in {value}")
        elif name == "site":
            words.append(f"at {value}")
        elif name == "product":
            words.append(f"with {value}")
        else:
            words.append(f"{name.replace('_', ' ')} {value}")
    return ", ".join(words)


def tell(
    action: Action, names: Names, days: Mapping[int, int], *, last: int, resolved_comment: str | None = None
) -> Story:
    """An action with its weekly counts, ending with day `last`."""
    weeks = weeks_of(days, last=last, weeks=TREND_WEEKS)
    return Story(
        action=action,
        title=title(action, names),
        team=names.team(action.plan.team),
        state=STATES[action.state],
        kind=KINDS[action.plan.action],
        weeks=weeks,
        peak=_peak(action, days),
        lately=_lately(action, days, last=last),
        done=resolved_comment or _comment_of(action, "resolved"),
    )


def _peak(action: Action, days: Mapping[int, int]) -> float:
    """The rate a week in its worst four weeks while it was open, or in as many as there were."""
    start = (action.opened_at - timedelta(hours=action.plan.window_hours)).date().toordinal()
    end = (action.resolved_at or action.last_occurred_at).date().toordinal()
    length = max(1, end - start + 1)
    span = min(28, length)
    most = max((_sum(days, at, at + span - 1) for at in range(start, end - span + 2)), default=0)
    return most / (span / 7) if span >= 7 else float(most)


def _lately(action: Action, days: Mapping[int, int], *, last: int) -> float:
    """The rate a week now: over the four weeks that end today, or since it was put right."""
    start = last - 27
    if action.resolved_at is not None and action.state in {"resolved", "verified"}:
        fixed = action.resolved_at.date().toordinal() + 1
        start = max(fixed, start)
    length = max(1, last - start + 1)
    return _sum(days, start, last) / max(1.0, length / 7)


def _comment_of(action: Action, change: str) -> str | None:
    for entry in reversed(action.changes):
        if entry.change == change and entry.comment:
            return entry.comment
    return None


def headline(stories: Sequence[Story], *, today: date) -> Headline | None:
    """The greatest story: most cases a week at its height, told while it is news."""
    news = [s for s in stories if s.action.plan.part == "improvement" and _is_news(s.action, today)]
    if not news:
        return None
    story = max(news, key=lambda s: (_weight(s), s.action.id))
    action = story.action
    since = day(action.first_occurred_at.date(), today=today)
    people = max(action.customers, 0)
    told = count(people, "customer") if people else count(action.signals, "report")
    lately = f", {about(story.lately)} a week now" if story.is_active else ""
    return Headline(
        story=story,
        what=f"{told} since {since}{lately}",
        who=_who(story, today=today),
        done=first_sentence(story.done) if story.done else "",
        moved=_moved(story, today=today),
    )


def _is_news(action: Action, today: date) -> bool:
    if action.state in {"open", "acknowledged", "in_progress"}:
        return True
    return (today - action.updated_at.date()) < timedelta(weeks=_STORY_WEEKS)


def _weight(story: Story) -> float:
    return story.peak * (1 + story.action.severity)


def _who(story: Story, *, today: date) -> str:
    action = story.action
    owner = f" ({action.owner})" if action.owner and action.owner != story.team else ""
    if action.state == "open":
        return f"{story.team} has been asked on {day(action.opened_at.date(), today=today)} and has not looked yet"
    if story.is_active:
        since = action.acknowledged_at or action.opened_at
        again = ", after a fix that did not hold" if action.reopened else ""
        return f"{story.team}{owner} has been on it since {day(since.date(), today=today)}{again}"
    put_right = action.resolved_at or action.updated_at
    return f"{story.team}{owner} put it right on {day(put_right.date(), today=today)}"


def _moved(story: Story, *, today: date) -> str:
    action = story.action
    if story.is_active:
        return ""
    verdict = action.expectation.verdict if action.expectation else None
    fell = f"from {about(story.peak)} a week to {about(story.lately)}"
    if verdict in {"back_to_normal", "better_than_before"}:
        return f"Complaints fell {fell}: {VERDICTS[verdict]}"
    if verdict is not None:
        return f"Complaints went {fell}: {VERDICTS[verdict]}"
    if action.expectation is None:
        return f"Complaints went {fell} so far"
    ends = (action.expectation.since + timedelta(days=action.expectation.days)).date()
    return f"So far {fell}; counted until {day(ends, today=today)}"


def next_step(action: Action, *, now: datetime) -> str:
    """What is expected next, in a few words; nothing where nothing is."""
    if action.state == "open":
        return "waits to be seen"
    if action.state == "acknowledged":
        return "waits to be started"
    if action.state == "in_progress":
        return "to be put right, with a word on what was done"
    if action.state == "resolved" and action.expectation is not None:
        ends = (action.expectation.since + timedelta(days=action.expectation.days)).date()
        return f"counted until {day(ends, today=now.date())}"
    return ""


def _sum(days: Mapping[int, int], first: int, last: int) -> int:
    return sum(n for on, n in days.items() if first <= on <= last)
