"""What people call things: display names from the taxonomy and the team files. Unknown ids are made readable."""

from collections.abc import Mapping
from typing import Any

import msgspec

from services.contracts.yamlfile import PolicyRefused, load_marked

TAXONOMY_FILE = "taxonomy.yaml"
TEAMS_FILE = "teams.yaml"


class Names(msgspec.Struct, frozen=True, kw_only=True):
    """Display names by id. Empty ones are allowed: a message is never held up by a missing name."""

    themes: Mapping[str, str] = {}
    stages: Mapping[str, str] = {}
    areas: Mapping[str, str] = {}
    severities: Mapping[str, str] = {}
    teams: Mapping[str, str] = {}

    def theme(self, theme_id: str) -> str:
        return self.themes.get(theme_id) or readable(theme_id)

    def stage(self, stage_id: str) -> str:
        return self.stages.get(stage_id) or readable(stage_id)

    def area(self, area_id: str) -> str:
        return self.areas.get(area_id) or readable(area_id)

    def severity(self, severity: int) -> str:
        return self.severities.get(str(severity), "")

    def team(self, team_id: str) -> str:
        return self.teams.get(team_id) or readable(team_id)


def readable(some_id: str) -> str:
    """An id as words."""
    return some_id.replace("-", " ").replace("_", " ")


def read_names(*, taxonomy: str, teams: str = "") -> Names:
    """Names from the files' text. A file that cannot be read gives no names: whoever owns it reports the mistake."""
    tree = _data(taxonomy, TAXONOMY_FILE)
    return Names(
        themes=_by_id(tree.get("themes")),
        stages=_by_id(tree.get("stages")),
        areas=_by_id(tree.get("areas")),
        severities=_by_id(tree.get("severities")),
        teams=_by_id(_data(teams, TEAMS_FILE).get("teams")),
    )


def _data(text: str, file: str) -> dict[str, Any]:
    try:
        data = load_marked(text, file=file).data
    except PolicyRefused:
        return {}
    return data if isinstance(data, dict) else {}


def _by_id(entries: Any) -> dict[str, str]:
    """`[{id, name}]` or `{id: {name}}`, as the files have it."""
    if isinstance(entries, dict):
        entries = [{"id": key, **value} for key, value in entries.items() if isinstance(value, dict)]
    if not isinstance(entries, list):
        return {}
    return {
        str(entry["id"]): str(entry["name"])
        for entry in entries
        if isinstance(entry, dict) and "id" in entry and entry.get("name")
    }
