"""What things are called on the page: names of the policy in force, plain words for states, channels and reasons.

An id that nobody named, because it was retired or is newer than the policy, is shown with its hyphens as spaces.
"""

from typing import TypeVar

from services.contracts.events import FeedbackReceived
from services.contracts.policy import Policy, Theme

T = TypeVar("T")


class Names:
    """Names of a policy version; without one, ids as words."""

    def __init__(self, policy: Policy | None) -> None:
        self.policy = policy
        self._former = policy.taxonomy.former if policy else {}
        self.stages: dict[str, str] = self._used("stages", policy.taxonomy.stages if policy else {})
        self.areas: dict[str, str] = self._used("areas", policy.taxonomy.areas if policy else {})
        self.themes: dict[str, Theme] = self._used("themes", policy.taxonomy.themes if policy else {})
        self.teams: dict[str, str] = {team.id: team.name for team in policy.teams.values()} if policy else {}

    def _used(self, section: str, known: dict[str, T]) -> dict[str, T]:
        """Those that no other took the place of."""
        former = self._former.get(section, {})
        return {name: one for name, one in known.items() if name not in former}

    def present(self, section: str, name: str) -> str:
        """The id in use for one that events may have from before: `section` is stages, areas or themes."""
        return self._former.get(section, {}).get(name, name)

    def meant(self, section: str, name: str) -> tuple[str, ...]:
        """The ids that events may have where one is asked for: the one in use, and all that it took the place of."""
        used = self.present(section, name)
        return (used, *(old for old, new in self._former.get(section, {}).items() if new == used))

    def stage(self, name: str | None) -> str:
        name = self.present("stages", name or "")
        return self.stages.get(name, _plain(name))

    def area(self, name: str | None) -> str:
        name = self.present("areas", name or "")
        return self.areas.get(name, _plain(name))

    def theme(self, name: str | None) -> str:
        name = self.present("themes", name or "")
        found = self.themes.get(name)
        return found.name if found is not None else _plain(name)

    def kind(self, theme: str | None) -> str:
        """Whether a theme is a problem, a strength or a wish."""
        found = self.themes.get(self.present("themes", theme or ""))
        return found.kind if found is not None else "problem"

    def team(self, name: str | None) -> str:
        return self.teams.get(name or "") or _plain(name).capitalize()

    def severity_kind(self, name: str | None) -> str:
        kinds = self.policy.taxonomy.severity_kinds if self.policy else {}
        return kinds.get(name or "", _plain(name))

    def owner(self, area: str) -> str | None:
        """The team that owns an area, if one does."""
        return self.policy.area_owner.get(area) if self.policy else None

    def ids(self) -> dict[str, frozenset[str]]:
        """The known ids, for checking corrections."""
        return {
            "stages": frozenset(self.stages),
            "areas": frozenset(self.areas),
            "themes": frozenset(self.themes),
        }


UNNAMED = Names(None)
"""Before there is a policy: every id stands for itself."""


def spoke(event: FeedbackReceived) -> str:
    """Who speaks in an event, as the company says it."""
    if {turn.by for turn in event.turns} > {"customer"}:
        return "the customer and we"
    return _SPEAKERS[event.author]


def _plain(name: str | None) -> str:
    return (name or "").replace("-", " ").replace("_", " ")


STATES = {
    "open": "new",
    "acknowledged": "seen",
    "in_progress": "being worked on",
    "resolved": "done, being checked",
    "verified": "done and proven",
}
KINDS = {"cause": "fix", "recovery": "put right"}
CHANNELS = {
    "survey": "survey",
    "chat": "chat",
    "email": "e-mail",
    "complaint": "complaint",
    "call": "call",
    "social": "social media",
    "review": "review",
    "mystery_shop": "mystery shop",
    "employee": "employee",
}
_SPEAKERS = {
    "customer": "the customer",
    "agent": "we",
    "employee": "one of our people",
    "shopper": "a mystery shopper",
}
SEVERITIES = ("nothing lost", "inconvenience", "bad", "critical")
RATING_NAMES = {
    "nps": "NPS",
    "csat": "satisfied, of 5",
    "ces": "easy, of 7",
    "stars": "stars, of 5",
    "thumbs": "thumbs up",
}
PARTS = {
    "engagement": "the people who serve",
    "improvement": "putting it right",
    "intelligence": "finding out more",
    "innovation": "a new idea",
}
VERDICTS = {
    "back_to_normal": "back to normal",
    "better_than_before": "better than before",
    "cause_unproven": "ended, cause unproven",
    "no_effect": "no effect",
    "too_early": "too early to say",
}
