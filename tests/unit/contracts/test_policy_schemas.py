"""The schemas of the team-edited files are sound, and the files that ship with Palette obey them."""

from pathlib import Path

import jsonschema_rs
import pytest
import yaml

from services.contracts.topics import SCHEMAS
from services.contracts.yamlfile import load_marked, schema_problems
from tests.unit.contracts.schemafiles import read

POLICY = SCHEMAS.parent / "deploy" / "policy"


def _pairs() -> list[tuple[Path, str]]:
    """Each shipped file and its schema, which is named after it or after the folder that it is in."""
    pairs = []
    for path in sorted(POLICY.rglob("*.yaml")):
        schema = f"{path.relative_to(POLICY).with_suffix('').parts[0]}.json"
        if (SCHEMAS / "policy" / schema).is_file():
            pairs.append((path, schema))
    return pairs


shipped_files = pytest.mark.parametrize(
    ("shipped", "schema"), _pairs(), ids=lambda value: getattr(value, "stem", str(value))
)
schema_files = pytest.mark.parametrize("path", sorted((SCHEMAS / "policy").glob("*.json")), ids=lambda p: p.stem)


@schema_files
def test_a_policy_schema_is_a_2020_12_schema_that_names_itself(path: Path) -> None:
    schema = read(path)

    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"].endswith(f"/policy/{path.name}")
    assert schema["additionalProperties"] is False
    jsonschema_rs.meta.validate(schema)


@shipped_files
def test_a_shipped_file_obeys_its_schema(shipped: Path, schema: str) -> None:
    problems = schema_problems(load_marked(shipped.read_text(encoding="utf-8"), file=shipped.name), schema)

    assert [str(problem) for problem in problems] == []


@shipped_files
def test_a_misspelt_key_is_refused_with_its_line(shipped: Path, schema: str) -> None:
    text = shipped.read_text(encoding="utf-8") + "\nmispelt: true\n"
    problems = schema_problems(load_marked(text, file=shipped.name), schema)

    assert any("mispelt" in problem.message and problem.line == len(text.splitlines()) for problem in problems)


def test_each_schema_has_a_shipped_file() -> None:
    assert {schema for _, schema in _pairs()} == {path.name for path in (SCHEMAS / "policy").glob("*.json")}


@pytest.mark.parametrize("path", sorted(POLICY.rglob("*.yaml")), ids=lambda p: p.relative_to(POLICY).as_posix())
def test_a_shipped_file_is_read_alike_by_palette_and_by_yaml(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert load_marked(text, file=path.name).data == yaml.safe_load(text)
