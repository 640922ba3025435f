"""Headings that state a finding, made from the figures that stand below them. Pure words."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from services.api import wording
from services.api.cases import Story
from services.api.figures import AreaToday, Cell, standing
from services.api.names import VERDICTS, Names
from services.api.rollups import OTHER
from services.contracts.events import Action, ActionChanged

CHART_WEEKS = 16


def palette_title(areas: list[AreaToday]) -> str:
    """Which part does best and which worst, with those who were asked."""
    scored = [area for area in areas if area.score is not None and area.score.enough]
    if not scored:
        return "The palette: too few answers so far to say how it is"
    worst = min(scored, key=lambda a: standing(a.score) if a.score else 0.0)
    best = max(scored, key=lambda a: standing(a.score) if a.score else 0.0)
    if worst is best:
        return f"The palette: only {worst.name} has answers enough to judge"
    return f"{best.name.capitalize()} does best with those we asked, {worst.name} worst"


def journey_title(cells: Mapping[tuple[str, str], Cell], known: Names) -> str:
    """The step that most grievances come from."""
    by_stage: dict[str, int] = {}
    for (stage, _), cell in cells.items():
        if stage != OTHER:
            by_stage[stage] = by_stage.get(stage, 0) + cell.negative
    if not any(by_stage.values()):
        return "The journey: no grievance in the last four weeks"
    worst = max(by_stage, key=lambda stage: (by_stage[stage], stage))
    share = by_stage[worst] / sum(by_stage.values())
    return f"Most grievances are about “{known.stage(worst)}”: {share:.0%} in the last four weeks".replace("%", " %")


def actions_title(stories: list[Story]) -> str:
    """How many cases are open, and how many nobody has seen."""
    active = [s for s in stories if s.is_active]
    unseen = [s for s in active if s.action.state == "open"]
    if not active:
        return "No case is open"
    seen = "all of them seen" if not unseen else f"{len(unseen)} of them not seen yet"
    return f"{wording.count(len(active), 'case')} open, {seen}"


def case_title(story: Story, *, today: date) -> str:
    """What is wrong, for how many, since when, and who has it."""
    since = wording.day(story.action.first_occurred_at.date(), today=today)
    people = story.action.customers
    told = wording.count(people, "customer") if people else wording.count(story.action.signals, "report")
    named = story.title[0].upper() + story.title[1:]
    did = "is asked" if story.action.state == "open" else "is on it" if story.is_active else "put it right"
    return f"{named}: {told} since {since}, {story.team} {did}"


def marks(changes: Sequence[ActionChanged], last: int) -> list[tuple[float, str]]:
    """Turns of a case as (place on the chart in weeks, words); the last four within its weeks."""
    words = {"opened": "case opened", "resolved": "put right", "reopened": "opened again", "verified": "proven"}
    start = last - 7 * CHART_WEEKS + 1
    found = []
    for change in changes:
        day = change.at.date().toordinal()
        if change.change in words and day >= start:
            found.append(((day - start + 0.5) / 7, words[change.change]))
    return found[-4:]


def proof_words(action: Action, *, now: datetime) -> str:
    """What the numbers say about the fix, or when they will."""
    expected = action.expectation
    if expected is None:
        return "When it is put right, Palette counts whether it holds." if action.plan.action == "cause" else ""
    if expected.verdict is not None:
        told = wording.sentence(expected.verdict_reason or "")
        return f"{VERDICTS[expected.verdict].capitalize()}. {told}"
    if action.state != "resolved":
        return "The fix before did not hold; Palette counts again when it is put right."
    ends = expected.since + timedelta(days=expected.days)
    if now.astimezone(UTC) >= ends:
        return "The time is over; the verdict is being counted."
    promised = wording.about(expected.target_per_week)
    until = wording.day(ends.date(), today=now.date())
    return f"Too early to say: {promised} a week or fewer were promised; Palette counts until {until}."
