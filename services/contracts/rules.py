"""The ordered table of rules applied to one event: which groups it counts in, who owns them, and why.

A pure function of event, tags and policy version; no memory, no clock. `decide` answers, `explain` tells how it came to
the answer. Beside `policy.py` among the contracts, because the page explains with the code that the router decides by.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal
from urllib.parse import quote

import msgspec

from services.contracts.events import FeedbackClassified, Plan
from services.contracts.policy import OWNER, Condition, Policy, Rule, Taxonomy, matches_name

Reason = Literal["cause", "recovery", "praise", "needs_a_look", "nothing_to_do", "default"]
REASONS: tuple[Reason, ...] = ("cause", "recovery", "praise", "needs_a_look", "nothing_to_do", "default")

_MAX_THEMES = 3
_UNKNOWN = "unknown"


class Grouping(msgspec.Struct, frozen=True):
    """One group that an event counts in, and what policy says about it."""

    group: str
    plan: Plan


class Decision(msgspec.Struct, frozen=True):
    """What one matching rule did with an event. No groups: nothing is asked of anybody, and `reason` says why."""

    rule: str
    reason: Reason
    groups: tuple[Grouping, ...] = ()


class Tried(msgspec.Struct, frozen=True):
    """One rule that was looked at: whether it matched, what decided it, and what came of it."""

    rule: str
    description: str
    matched: bool
    because: str
    decision: Decision | None = None
    stops: bool = False


def decide(event: FeedbackClassified, policy: Policy) -> tuple[Decision, ...]:
    """Every rule that acts on an event, in order. Never empty: the default rule takes what is left."""
    return tuple(tried.decision for tried in _walk(event, policy, told=False) if tried.decision is not None)


def groups_of(decisions: Iterable[Decision]) -> dict[str, Plan]:
    """The groups that decisions lead to; where two rules lead to the same group, the first one's plan holds."""
    found: dict[str, Plan] = {}
    for decision in decisions:
        for grouping in decision.groups:
            found.setdefault(grouping.group, grouping.plan)
    return found


def explain(event: FeedbackClassified, policy: Policy) -> tuple[Tried, ...]:
    """Every rule that was tried, in order, up to the one that ended the walk."""
    return tuple(_walk(event, policy, told=True))


def _walk(event: FeedbackClassified, policy: Policy, *, told: bool) -> Iterator[Tried]:
    for rule in policy.rules:
        failed = _first_failure(event, rule, policy)
        if failed is not None:
            if told:
                yield Tried(rule.name, rule.description, matched=False, because=failed)
            continue
        because = _told(event, rule, policy) if told else ""
        decision = _decision(event, rule, policy)
        yield Tried(rule.name, rule.description, True, because, decision, stops=not rule.goes_on)
        if not rule.goes_on:
            return


# ---- conditions -----------------------------------------------------------------------------------------------------


def _first_failure(event: FeedbackClassified, rule: Rule, policy: Policy) -> str | None:
    for condition in rule.when:
        if not _holds(event, condition, policy):
            return _sentence(event, condition, policy, holds=False)
    for condition in rule.unless:
        if _holds(event, condition, policy):
            return f"except when {_sentence(event, condition, policy, holds=True)}"
    return None


def _told(event: FeedbackClassified, rule: Rule, policy: Policy) -> str:
    return "; ".join(_sentence(event, c, policy, holds=True) for c in rule.when) or "it takes every event"


def _holds(event: FeedbackClassified, condition: Condition, policy: Policy) -> bool:
    if condition.bound is not None:
        return event.tags.severity >= condition.bound
    if condition.flag is not None:
        return (event.customer is not None if condition.key == "customer_known" else event.solicited) is condition.flag
    if condition.scores:
        rating = event.rating
        if rating is None or rating.kind not in condition.scores:
            return False
        limit = condition.scores[rating.kind]
        return rating.value <= limit if condition.key == "rating_at_most" else rating.value >= limit
    found = _values(event, condition.key, policy)
    return any(matches_name(wanted, value) for wanted in condition.wanted for value in found)


def _values(event: FeedbackClassified, key: str, policy: Policy) -> Sequence[str]:
    """What an event has under a condition's name."""
    read = _READ.get(key)
    if read is not None:
        return read(event)
    if key == "theme_kind":
        return [policy.taxonomy.themes[theme].kind for theme in event.tags.themes if theme in policy.taxonomy.themes]
    return _perhaps(event.attributes.get(key.removeprefix("attributes.")))


def _perhaps(value: str | None) -> Sequence[str]:
    return () if value is None else (value,)


def _sentence(event: FeedbackClassified, condition: Condition, policy: Policy, *, holds: bool) -> str:
    """A condition and what the event has, in words: `area is price, not fulfilment or service`."""
    name = condition.key.replace("_", " ")
    if condition.bound is not None:
        return f"severity is {event.tags.severity}, " + ("at least" if holds else "below") + f" {condition.bound}"
    if condition.flag is not None:
        what = "customer is known" if condition.key == "customer_known" else "was asked for"
        return what if condition.flag is holds else f"not: {what}"
    if condition.scores:
        given = "none" if event.rating is None else f"{event.rating.kind} {event.rating.value:g}"
        limits = ", ".join(f"{kind} {score:g}" for kind, score in condition.scores.items())
        return f"rating is {given} ({name.removeprefix('rating ')} {limits})"
    found = ", ".join(_values(event, condition.key, policy)) or "not told"
    return f"{name} is {found}" if holds else f"{name} is {found}, not {' or '.join(condition.wanted)}"


def main_area(event: FeedbackClassified) -> str:
    """The area that an event is mainly about."""
    return event.tags.areas[0].area if event.tags.areas else _UNKNOWN


_READ: dict[str, Callable[[FeedbackClassified], Sequence[str]]] = {
    "channel": lambda event: (event.channel,),
    "source": lambda event: (event.source,),
    "stage": lambda event: (event.tags.stage,),
    "area": lambda event: (main_area(event),),
    "any_area": lambda event: [tag.area for tag in event.tags.areas],
    "theme": lambda event: event.tags.themes,
    "sentiment": lambda event: (event.tags.sentiment,),
    "intent": lambda event: (event.tags.intent,),
    "severity_kind": lambda event: _perhaps(event.tags.severity_kind),
    "author": lambda event: (event.author,),
    "status": lambda event: (event.tags.status,),
    "unsure": lambda event: [head.head for head in event.tags.unsure],
    "segment": lambda event: _perhaps(event.segment),
}


# ---- groups ---------------------------------------------------------------------------------------------------------


def _decision(event: FeedbackClassified, rule: Rule, policy: Policy) -> Decision:
    if rule.no_action is not None:
        return Decision(rule.name, rule.no_action)
    reason: Reason = "default" if rule is policy.rules[-1] else rule.action
    return Decision(rule.name, reason, tuple(_groupings(event, rule, policy)))


def _groupings(event: FeedbackClassified, rule: Rule, policy: Policy) -> Iterator[Grouping]:
    themes: Sequence[str | None] = (None,)
    if "theme" in rule.group_by:
        themes = _actionable_themes(event, rule, policy) or (None,)
    for theme in themes:
        yield _grouping(event, rule, policy, theme)


def _actionable_themes(event: FeedbackClassified, rule: Rule, policy: Policy) -> list[str]:
    """The themes to group by, at most three: what can be mended, or what is wished for where the rule is about that."""
    kinds = ("wish", "problem") if rule.part == "innovation" else ("problem",)
    known = policy.taxonomy.themes
    found = [t for kind in kinds for t in dict.fromkeys(event.tags.themes) if t in known and known[t].kind == kind]
    return found[:_MAX_THEMES]


def _grouping(event: FeedbackClassified, rule: Rule, policy: Policy, theme: str | None) -> Grouping:
    stage, area = event.tags.stage, main_area(event)
    parts = [f"{rule.action}.{rule.part}"]
    attributes: dict[str, str] = {}
    by_cell = False
    for name in rule.group_by:
        if name == "customer":
            # strangers never share a group
            parts.append(f"customer:{quote(event.customer, safe='')}" if event.customer else f"event:{event.id}")
        elif name == "theme" and theme is not None:
            parts.append(f"theme:{theme}")
        elif name in {"theme", "cell"}:
            if not by_cell:
                parts.append(f"cell:{stage}.{area}")
            by_cell = True
        else:
            key = name.removeprefix("attributes.")
            value = event.attributes.get(key, "").strip()
            if value:
                attributes[key] = value
                parts.append(f"{quote(key, safe='')}:{quote(value.casefold(), safe='')}")
    if theme is not None:
        # a theme has its own place: owner and plan are the same whatever else the event told of
        home = policy.taxonomy.themes[theme]
        stage, area = home.stage, home.area
    team = policy.teams[policy.owner_of(theme=theme, area=area) if rule.team == OWNER else rule.team]
    plan = Plan(
        rule=rule.name,
        policy=policy.version,
        action=rule.action,
        part=rule.part,
        team=team.id,
        threshold=rule.threshold,
        people=rule.people,
        window_hours=rule.window_hours,
        at_once_from_severity=rule.at_once_from_severity,
        acknowledge_hours=rule.acknowledge_hours,
        resolve_hours=rule.resolve_hours,
        ease=rule.ease,
        theme=theme,
        stage=stage,
        area=area,
        attributes=attributes,
        targets=team.targets,
        escalates_to=team.escalates_to,
        opens=not rule.dry_run,
        expectation_days=rule.within_days,
        expectation_share=round(1 - rule.falls_by, 4),
        ask=_ask(rule.ask, policy.taxonomy, team=team.name, theme=theme, cell=(stage, area), where=attributes),
    )
    return Grouping("/".join(parts), plan)


def _ask(
    template: str, names: Taxonomy, *, team: str, theme: str | None, cell: tuple[str, str], where: dict[str, str]
) -> str:
    """The sentence that people read, with the words of the taxonomy in it. No text of a customer."""
    stage_name, area_name = names.stages.get(cell[0], cell[0]), names.areas.get(cell[1], cell[1])
    theme_name = None if theme is None else names.themes[theme].name
    return template.format_map(
        {
            "what": f"“{theme_name}”" if theme_name else _cell_words(cell, stage_name, area_name),
            "where": f" ({', '.join(f'{key} {value}' for key, value in where.items())})" if where else "",
            "stage": stage_name,
            "area": area_name,
            "theme": theme_name or area_name,
            "team": team,
        }
    )


def _cell_words(cell: tuple[str, str], stage_name: str, area_name: str) -> str:
    if cell == (_UNKNOWN, _UNKNOWN):
        return "what customers did not put into words"
    if cell[1] == _UNKNOWN:
        return stage_name
    return area_name if cell[0] == _UNKNOWN else f"{area_name} while {stage_name}"
