"""The taxonomy as teams edit it: ids, names, definitions, and where each theme belongs. Knows nothing of texts."""

from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import msgspec

from services.contracts.yamlfile import FileProblem, Marked, PolicyRefused, did_you_mean, load_marked, schema_problems

FILE = "taxonomy.yaml"
UNKNOWN = "unknown"


class Entry(msgspec.Struct, frozen=True):
    """A stage, area, sentiment, intent, severity, kind or part. `name` is what people read."""

    id: str
    name: str
    definition: str
    tie_break: str = ""
    examples: tuple[str, ...] = ()
    retired: bool = False


class Theme(msgspec.Struct, frozen=True):
    """A touch-point that people can fix, and the cell where it usually belongs."""

    id: str
    name: str
    stage: str
    area: str
    kind: Literal["problem", "strength", "wish"] = "problem"
    retired: bool = False


class Cost(msgspec.Struct, frozen=True):
    """What a wrong answer that nobody looked at costs, against the delay of asking a person; any unit."""

    misroute: float
    delay: float

    @property
    def sure_from(self) -> float:
        """The confidence from which answering costs less than asking: (1 - p) x misroute = delay."""
        return 1 - self.delay / self.misroute


class Taxonomy(msgspec.Struct, frozen=True, dict=True):
    """One version of all labels."""

    version: str
    stages: tuple[Entry, ...]
    areas: tuple[Entry, ...]
    sentiments: tuple[Entry, ...]
    intents: tuple[Entry, ...]
    severities: tuple[Entry, ...]
    severity_kinds: tuple[Entry, ...]
    framework_parts: tuple[Entry, ...]
    themes: tuple[Theme, ...]
    doubt: dict[str, Cost]
    guide: str = ""

    def sure_from(self, head: str) -> float:
        """The confidence from which a head's best label may stand without a person."""
        return self.doubt[head].sure_from

    @cached_property
    def theme(self) -> dict[str, Theme]:
        """Themes in use by id."""
        return {theme.id: theme for theme in self.themes if not theme.retired}


def read_taxonomy(folder: Path) -> Taxonomy:
    """The taxonomy of a policy folder. Raises PolicyRefused with every problem, each with file and line."""
    marked = load_marked((folder / FILE).read_text(encoding="utf-8"), file=FILE)
    problems = schema_problems(marked, "taxonomy.json") or _unknown_places(marked) + _given_twice(marked)
    if problems:
        raise PolicyRefused(problems)
    data: dict[str, Any] = dict(marked.data)
    for severity in data["severities"]:
        severity["id"] = str(severity["id"])
    return msgspec.convert(data, Taxonomy)


def _unknown_places(marked: Marked) -> list[FileProblem]:
    found = []
    for key, group in (("stage", "stages"), ("area", "areas")):
        known = [entry["id"] for entry in marked.data[group]]
        for index, theme in enumerate(marked.data["themes"]):
            if theme[key] not in known:
                message = f"`{theme[key]}` is not one of the {group}."
                suggestion = did_you_mean(theme[key], known)
                found.append(marked.problem(["themes", index, key], message, suggestion=suggestion))
    return found


def _given_twice(marked: Marked) -> list[FileProblem]:
    found = []
    for group, entries in marked.data.items():
        if not isinstance(entries, list):
            continue
        seen = set()
        for index, entry in enumerate(entries):
            if entry["id"] in seen:
                found.append(
                    marked.problem([group, index, "id"], f"`{entry['id']}` is given twice.", suggestion="Keep one.")
                )
            seen.add(entry["id"])
    return found
