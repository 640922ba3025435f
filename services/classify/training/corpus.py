"""The labelled texts that were written for this project. Knows their files and fields."""

from pathlib import Path

import msgspec

FOLDER = Path(__file__).parent / "corpus"


class Clause(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a long text with labels of its own; `unknown` where it tells nothing."""

    text: str
    stage: str
    areas: tuple[str, ...]
    sentiment: str


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of a corpus file: either `text`, or `clauses` whose texts make it up. `areas` has the main one first;
    `kind` names what makes severity 3 critical; `pair` is shared by texts that differ in little but a label; `themes`
    are the causes and touch-points that readers find told, up to five, the main ones first."""

    stage: str
    areas: tuple[str, ...]
    sentiment: str
    intent: str
    severity: int
    channel: str = "review"
    industry: str = "general"
    text: str = ""
    clauses: tuple[Clause, ...] = ()
    secondary: tuple[str, ...] = ()
    kind: str | None = None
    pair: str | None = None
    themes: tuple[str, ...] = ()


class Example(msgspec.Struct, frozen=True):
    """A text with its labels; `areas` the main one first. `source` is the file it stands in, one per author pass."""

    text: str
    stage: str
    areas: tuple[str, ...]
    sentiment: str
    intent: str
    severity: int
    channel: str = "review"
    industry: str = "general"
    source: str = ""
    clauses: tuple[Clause, ...] = ()
    secondary: tuple[str, ...] = ()
    kind: str | None = None
    pair: str | None = None
    themes: tuple[str, ...] = ()


def read_corpus(folder: Path = FOLDER) -> list[Example]:
    """All examples, in the order of files and lines."""
    return [example for path in sorted(folder.glob("*.jsonl")) for example in read_file(path)]


def read_file(path: Path) -> list[Example]:
    """The examples of one file. Raises ValueError with the line's number."""
    found = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        if line.strip():
            try:
                found.append(_example(msgspec.json.decode(line, type=Line), path.stem))
            except (msgspec.DecodeError, ValueError) as error:
                raise ValueError(f"{path.name}:{number}: {error}") from error
    return found


def _example(line: Line, source: str) -> Example:
    if bool(line.text) == bool(line.clauses):
        raise ValueError("a line has either `text` or `clauses`")
    facts = {name: getattr(line, name) for name in Line.__struct_fields__ if name != "text"}
    return Example(text=line.text or " ".join(clause.text for clause in line.clauses), source=source, **facts)
