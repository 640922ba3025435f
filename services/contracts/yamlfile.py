"""Team-edited YAML files with the line of everything in them, so that each problem names file, line and a way out.

Knows YAML and JSON Schema; knows nothing of what the files mean. Reads the JSON-compatible part of YAML 1.2: `no` and
`22:30` stay text, dates stay text, a key given twice and an alias are refused.
"""

import difflib
import json
import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import jsonschema_rs
import msgspec
import yaml

from services.contracts.topics import SCHEMAS

Pointer = Sequence[str | int]
"""Where in a file's data: keys and indexes from the top."""

MAX_CHARACTERS = 2_000_000
_MAX_DEPTH = 40


class FileProblem(msgspec.Struct, frozen=True, order=True):
    """One thing wrong with a team-edited file. `str` gives `file:line: what is wrong. suggestion`."""

    file: str
    line: int
    message: str
    suggestion: str = ""

    def __str__(self) -> str:
        text = f"{self.file}:{self.line}: {self.message}"
        return f"{text} {self.suggestion}" if self.suggestion else text


class PolicyRefused(Exception):
    """Files that cannot be taken into force, with every problem found in them."""

    def __init__(self, problems: Iterable[FileProblem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(map(str, self.problems)))


class Marked:
    """The data of one file and the line that each part of it stands on (the first line is 1)."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.data: Any = None
        self.lines: dict[tuple[str | int, ...], int] = {}

    def locate(self, pointer: Pointer = ()) -> int:
        """The line of what the pointer names, or of the nearest thing around it that exists."""
        path = tuple(pointer)
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def problem(self, pointer: Pointer, message: str, *, suggestion: str = "") -> FileProblem:
        """A problem at a place in this file."""
        return FileProblem(self.file, self.locate(pointer), message, suggestion)


def load_marked(text: str, *, file: str) -> Marked:
    """The data of a file with its lines. Raises PolicyRefused with the one problem that stops the reading."""
    if len(text) > MAX_CHARACTERS:
        raise PolicyRefused([FileProblem(file, 1, f"The file is longer than {MAX_CHARACTERS:,} characters.")])
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = (error.problem or error.context or "it cannot be parsed").rstrip(".")
        line = mark.line + 1 if mark else 1
        raise PolicyRefused([FileProblem(file, line, f"This is not YAML: {what}.", _hint(what))]) from None
    except (yaml.YAMLError, UnicodeError):
        raise PolicyRefused([FileProblem(file, 1, "The file holds characters that YAML does not allow.")]) from None
    except RecursionError:
        raise PolicyRefused([FileProblem(file, 1, "The file is nested too deeply.")]) from None
    marked = Marked(file)
    if node is not None:
        marked.data = _construct(node, (), marked, set())
    return marked


def schema_problems(marked: Marked, schema: str) -> list[FileProblem]:
    """What `schemas/policy/<schema>` finds wrong with a file, in plain words."""
    return sorted(_explain(marked, schema, error) for error in _validator(schema).iter_errors(marked.data))


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """A suggestion for a name that nobody knows: the nearest known one, else all of a few, else nothing."""
    names = sorted(known)
    nearest = difflib.get_close_matches(given, names, n=1, cutoff=0.6)
    if nearest:
        return f"Did you mean {nearest[0]}?"
    return f"Known: {', '.join(names)}." if 0 < len(names) <= 14 else ""


@cache
def _schema(name: str) -> Any:
    return json.loads((SCHEMAS / "policy" / name).read_text(encoding="utf-8"))


@cache
def _validator(name: str) -> Any:
    return jsonschema_rs.validator_for(_schema(name))


def _explain(marked: Marked, schema: str, error: Any) -> FileProblem:
    pointer = list(error.instance_path)
    where = f" in {_shown(pointer)}" if pointer else ""
    kind = error.kind.name
    if kind == "additionalProperties":
        unknown = str(error.kind.unexpected[0])
        hint = did_you_mean(unknown, _properties(schema, error.schema_path))
        return marked.problem([*pointer, unknown], f"`{unknown}` is not a known key{where}.", suggestion=hint)
    if kind == "required":
        return marked.problem(pointer, f"`{error.kind.property}` is missing{where}.")
    if kind == "enum":
        given = str(error.instance)
        hint = did_you_mean(given, [str(option) for option in error.kind.options])
        return marked.problem(pointer, f"`{given}` is not allowed for {_shown(pointer)}.", suggestion=hint)
    said = _part(schema, error.schema_path).get("description")
    if said is not None and kind == "pattern":
        return marked.problem(pointer, f"`{error.instance}` does not fit {_shown(pointer)}.", suggestion=said)
    return marked.problem(pointer, f"{_shown(pointer)}: {error.message}.")


def _properties(schema: str, path: Sequence[str | int]) -> list[str]:
    """The keys that the part of the schema allows which closed its object at `path`."""
    return list(_part(schema, path).get("properties", ()))


def _part(schema: str, path: Sequence[str | int]) -> dict[str, Any]:
    """The part of the schema whose last keyword refused something."""
    part = _schema(schema)
    for step in path[:-1]:
        part = part[step]
    return dict(part)


def _shown(pointer: Pointer) -> str:
    text = ""
    for part in pointer:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or "the file"


# ---- reading --------------------------------------------------------------------------------------------------------


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # the base is chosen at run time
    """Composes nodes with their marks; constructs nothing."""


_SCALARS = (
    (re.compile(r"(?:null|Null|NULL|~|)\Z"), lambda _text: None),
    (re.compile(r"(?:true|True|TRUE)\Z"), lambda _text: True),
    (re.compile(r"(?:false|False|FALSE)\Z"), lambda _text: False),
    (re.compile(r"[-+]?[0-9]{1,18}\Z"), int),
    (re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,3})?\Z"), float),
)


def _construct(node: yaml.Node, path: tuple[str | int, ...], marked: Marked, seen: set[int]) -> Any:
    line = node.start_mark.line + 1
    marked.lines.setdefault(path, line)
    if id(node) in seen:
        raise PolicyRefused([FileProblem(marked.file, line, "Anchors and aliases are not read.", "Write it out.")])
    seen.add(id(node))
    if len(path) > _MAX_DEPTH:
        raise PolicyRefused([FileProblem(marked.file, line, "This is nested too deeply.")])
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            key_line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise PolicyRefused([FileProblem(marked.file, key_line, "A key must be a word.")])
            if key in found:
                raise PolicyRefused([FileProblem(marked.file, key_line, f"`{key}` is given twice.", "Keep one.")])
            marked.lines[(*path, key)] = key_line
            found[key] = _construct(value_node, (*path, key), marked, seen)
        return found
    if isinstance(node, yaml.SequenceNode):
        return [_construct(item, (*path, index), marked, seen) for index, item in enumerate(node.value)]
    text = str(node.value)
    if isinstance(node, yaml.ScalarNode) and not node.style:  # a plain scalar; quoted ones are text
        for pattern, convert in _SCALARS:
            if pattern.match(text):
                return convert(text)
    return text


def _hint(problem: str) -> str:
    if "mapping values are not allowed" in problem:
        return 'Put text that holds a colon in quotes: "like: this".'
    if "cannot start any token" in problem:
        return "Indent with spaces, and put text that begins with a special character in quotes."
    return ""
