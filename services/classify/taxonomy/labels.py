"""The taxonomy as teams edit it: ids, names, definitions, examples, what became of former ids, and where each theme
belongs. Knows nothing of models; what may be wrong with a file beyond its schema is in `checks.py`.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import msgspec

from services.classify.taxonomy.checks import problems_of
from services.contracts.yamlfile import Marked, PolicyRefused, load_marked, schema_problems

FILE = "taxonomy.yaml"
UNKNOWN = "unknown"
GROUPS = {"stage": "stages", "areas": "areas", "theme": "themes"}
"""Head of a tag -> the part of the file that lists its labels, where teams may change them."""


class Entry(msgspec.Struct, frozen=True):
    """A stage, area, sentiment, intent, severity, kind or part. `name` is what people read, `was` its former ids,
    `becomes` what a retired one's events are called from now on."""

    id: str
    name: str
    definition: str
    tie_break: str = ""
    examples: tuple[str, ...] = ()
    retired: bool = False
    was: tuple[str, ...] = ()
    becomes: str = ""


class Theme(msgspec.Struct, frozen=True):
    """A touch-point that people can fix, and the cell where it usually belongs."""

    id: str
    name: str
    stage: str
    area: str
    kind: Literal["problem", "strength", "wish"] = "problem"
    examples: tuple[str, ...] = ()
    retired: bool = False
    was: tuple[str, ...] = ()
    becomes: str = ""


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

    def labels(self, head: str) -> Sequence[Entry | Theme]:
        """The entries of a head that teams may change: stage, areas or theme; retired ones included."""
        if head == "theme":
            return self.themes
        return self.stages if head == "stage" else self.areas

    @cached_property
    def former(self) -> dict[str, dict[str, str]]:
        """Head -> former id -> the id that took its place."""
        return {head: {old: entry.id for entry in self.labels(head) for old in entry.was} for head in GROUPS}

    @cached_property
    def retired(self) -> dict[str, dict[str, str]]:
        """Head -> retired id -> what its events are called from now on; empty where nothing took its place."""
        return {head: {entry.id: entry.becomes for entry in self.labels(head) if entry.retired} for head in GROUPS}

    def today(self, head: str, label: str) -> str | None:
        """What a label of any earlier version is called in this one. None: it is not used any more."""
        label = self.former[head].get(label, label)
        label = self.retired[head].get(label, label)
        return label if label and any(entry.id == label for entry in self.labels(head)) else None


def read_taxonomy(folder: Path) -> Taxonomy:
    """The taxonomy of a policy folder. Raises PolicyRefused with every problem, each with file and line."""
    return taxonomy_of(load_marked((folder / FILE).read_text(encoding="utf-8"), file=FILE))


def taxonomy_of(marked: Marked) -> Taxonomy:
    """The taxonomy that a file says. Raises PolicyRefused with every problem, each with file and line."""
    problems = schema_problems(marked, "taxonomy.json") or problems_of(marked)
    if problems:
        raise PolicyRefused(problems)
    data: dict[str, Any] = {
        key: _entries(value) if isinstance(value, list) else value for key, value in marked.data.items()
    }
    return msgspec.convert(data, Taxonomy)


def _entries(given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [entry | {"id": str(entry["id"]), "was": _several(entry.get("was", ()))} for entry in given]


def _several(given: Any) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)
