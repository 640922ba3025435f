"""What is found out about a taxonomy before it counts: a level, a code, the line, a sentence and a way out."""

from enum import StrEnum

import msgspec

from services.classify.taxonomy.labels import GROUPS
from services.contracts.yamlfile import Marked, Pointer


class Level(StrEnum):
    """How bad a finding is: an error keeps the taxonomy from being used or a label from being learnt."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Code(StrEnum):
    """What was found."""

    REFUSED = "refused"
    MISSING = "missing"
    TOO_FEW = "too_few"
    LEARNT = "learnt"
    CONFUSED = "confused"
    OVERLAPS = "overlaps"
    TAKES_OVER = "takes_over"
    SAME_TWICE = "same_twice"
    STARVES = "starves"
    NOT_FOUND = "not_found"


class Finding(msgspec.Struct, frozen=True):
    """One thing to know about a taxonomy. `label` is the id that it is about, `share` the figure behind it."""

    level: Level
    code: Code
    file: str
    line: int
    message: str
    suggestion: str = ""
    label: str = ""
    share: float | None = None

    def __str__(self) -> str:
        said = f"{self.file}:{self.line}: {self.level}: {self.message}"
        return f"{said} {self.suggestion}" if self.suggestion else said


class Places:
    """Where each label stands in the file."""

    def __init__(self, marked: Marked) -> None:
        self._marked = marked
        self._index = {
            (group, str(entry["id"])): number
            for group in GROUPS.values()
            for number, entry in enumerate(marked.data[group])
        }

    def finding(
        self,
        level: Level,
        code: Code,
        label: tuple[str, str],
        message: str,
        hint: str = "",
        *,
        share: float | None = None,
        example: int | None = None,
    ) -> Finding:
        """A finding about a (head, label), at its line, or at that of one of its examples (from 0)."""
        head, name = label
        group = GROUPS[head]
        pointer: Pointer = (group, self._index[group, name]) if (group, name) in self._index else (group,)
        if example is not None:
            pointer = (*pointer, "examples", example)
        return Finding(level, code, self._marked.file, self._marked.locate(pointer), message, hint, name, share)
