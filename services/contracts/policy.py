"""Policy as values: taxonomy names, teams, rules. One `Policy` is one version of all of it.

Reading and checking the files is in `policyfiles.py`, matching an event in `rules.py`. They stand among the contracts
because two services need them: the API refuses a bad version before it publishes one, the router decides by it.
"""

from typing import Literal

import msgspec

from services.contracts.events import ActionKind, Part

OWNER = "owner"
"""As a rule's team: whoever teams.yaml says owns the theme, else the area, else the triage team."""

NoAction = Literal["praise", "needs_a_look", "nothing_to_do"]
ThemeKind = Literal["problem", "strength", "wish"]
LEAST_EMPLOYEES = 5
"""What employees say about their own work is never shown for fewer people than this."""


class Theme(msgspec.Struct, frozen=True):
    """A touch-point that people can fix, and where it usually belongs."""

    id: str
    name: str
    stage: str
    area: str
    kind: ThemeKind = "problem"


class Taxonomy(msgspec.Struct, frozen=True):
    """Ids and the words that people read for them. `former` says of ids that are not given to events any more, by
    section, which id took their place; events of before keep theirs."""

    version: str
    stages: dict[str, str]
    areas: dict[str, str]
    severity_kinds: dict[str, str]
    themes: dict[str, Theme]
    former: dict[str, dict[str, str]] = {}


class Team(msgspec.Struct, frozen=True):
    """Who does the work, where they are told, and what is theirs."""

    id: str
    name: str
    time_zone: str
    targets: tuple[str, ...]
    escalates_to: tuple[str, ...]
    areas: tuple[str, ...]
    themes: tuple[str, ...]


class Condition(msgspec.Struct, frozen=True):
    """One thing asked of an event: `key` is a name of the schema, `wanted` any of the values, or a bound."""

    key: str
    wanted: tuple[str, ...] = ()
    bound: int | None = None
    flag: bool | None = None
    scores: dict[str, float] = {}


class Rule(msgspec.Struct, frozen=True):
    """One line of the ordered table. Without `no_action` it says how an action opens and what is expected."""

    name: str
    line: int
    description: str
    when: tuple[Condition, ...]
    unless: tuple[Condition, ...]
    goes_on: bool
    no_action: NoAction | None
    action: ActionKind
    part: Part
    team: str
    group_by: tuple[str, ...]
    threshold: int
    people: bool
    window_hours: float
    at_once_from_severity: int | None
    acknowledge_hours: float
    resolve_hours: float
    ease: int
    falls_by: float
    within_days: int
    ask: str
    dry_run: bool


class Policy(msgspec.Struct, frozen=True):
    """One version of everything that routing decides by. The last rule takes every event that no other took."""

    version: str
    taxonomy: Taxonomy
    teams: dict[str, Team]
    triage: str
    rules: tuple[Rule, ...]
    area_owner: dict[str, str]
    theme_owner: dict[str, str]

    def owner_of(self, *, theme: str | None, area: str | None) -> str:
        """The team that owns a theme, else its area, else triage."""
        if theme is not None and theme in self.theme_owner:
            return self.theme_owner[theme]
        return self.area_owner.get(area or "", self.triage)


def matches_name(pattern: str, name: str) -> bool:
    """Whether a name is the pattern, or begins with it where it ends in `*`."""
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
