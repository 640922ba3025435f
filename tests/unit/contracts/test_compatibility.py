"""No schema changes so that an old document cannot be read, or a running reader cannot read a new one."""

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from services.contracts.topics import SCHEMAS
from tests.unit.contracts.compatibility import breaks
from tests.unit.contracts.schemafiles import INTAKE, RELEASED, event_names, read, schema_of

Edit = Callable[[dict[str, Any]], None]


def released() -> list[Any]:
    """Every schema of every release."""
    return [pytest.param(path, id=f"{path.parent.name}-{path.stem}") for path in sorted(RELEASED.glob("*/*.json"))]


@pytest.mark.parametrize("path", released())
def test_todays_schema_may_follow_every_released_one(path: Path) -> None:
    assert (SCHEMAS / "events" / path.name).is_file(), "an event that was released cannot vanish"
    assert breaks(new=schema_of(path.stem), released=read(path), has_old_readers=path.stem != INTAKE) == []


SINCE_THE_FIRST_RELEASE = {"model-activated"}


def test_the_first_release_holds_every_event_that_there_was() -> None:
    assert {path.stem for path in (RELEASED / "0.1.0").glob("*.json")} == set(event_names()) - SINCE_THE_FIRST_RELEASE


def _objects(schema: Any) -> Iterator[dict[str, Any]]:
    """Every object type in a schema, at any depth."""
    if isinstance(schema, list):
        for item in schema:
            yield from _objects(item)
    elif isinstance(schema, dict):
        if schema.get("type") == "object" and "properties" in schema:
            yield schema
        for part in schema.values():
            yield from _objects(part)


def _last(part: dict[str, Any]) -> str:
    return list(part["properties"])[-1]


def _adds_an_optional_field(part: dict[str, Any]) -> None:
    part["properties"]["added"] = {"type": ["string", "null"]}


def _adds_a_required_field(part: dict[str, Any]) -> None:
    part["properties"]["added"] = {"type": "string"}
    part["required"] = [*part.get("required", []), "added"]


def _removes_a_field(part: dict[str, Any]) -> None:
    name = _last(part)
    del part["properties"][name]
    part["required"] = [other for other in part.get("required", []) if other != name]


def _changes_a_type(part: dict[str, Any]) -> None:
    part["properties"][_last(part)] = {"type": "array", "items": {"type": "array"}}


def _requires_what_was_optional(part: dict[str, Any]) -> None:
    part["required"] = list(part["properties"])


def _no_longer_requires(part: dict[str, Any]) -> None:
    part["required"] = part["required"][1:]


def _narrows_an_enum(part: dict[str, Any]) -> None:
    next(p for p in part["properties"].values() if "enum" in p)["enum"].pop()


def _widens_an_enum(part: dict[str, Any]) -> None:
    next(p for p in part["properties"].values() if "enum" in p)["enum"].append("brand_new")


def _edited(event: str, edit: Edit) -> Iterator[dict[str, Any]]:
    """The schema with the edit made in one object, for each object in which it changes anything."""
    for index in range(len(list(_objects(schema_of(event))))):
        schema = copy.deepcopy(schema_of(event))
        part = list(_objects(schema))[index]
        before = copy.deepcopy(part)
        try:
            edit(part)
        except (StopIteration, KeyError):
            continue
        if part != before:
            yield schema


@pytest.mark.parametrize("event", event_names())
def test_an_optional_field_may_be_added_anywhere(event: str) -> None:
    for new in _edited(event, _adds_an_optional_field):
        assert breaks(new=new, released=schema_of(event)) == []


@pytest.mark.parametrize("event", [name for name in event_names() if name != INTAKE])
@pytest.mark.parametrize(
    "edit",
    [
        _adds_a_required_field,
        _removes_a_field,
        _changes_a_type,
        _requires_what_was_optional,
        _no_longer_requires,
        _narrows_an_enum,
        _widens_an_enum,
    ],
    ids=lambda edit: edit.__name__.strip("_"),
)
def test_a_breaking_change_is_refused_at_any_depth(event: str, edit: Edit) -> None:
    for new in _edited(event, edit):
        assert breaks(new=new, released=schema_of(event)) != []


def test_the_intake_may_learn_a_channel_but_never_forget_one() -> None:
    released = schema_of(INTAKE)
    wider, narrower = copy.deepcopy(released), copy.deepcopy(released)
    wider["properties"]["channel"]["enum"].append("fax")
    narrower["properties"]["channel"]["enum"].remove("chat")

    assert breaks(new=wider, released=released, has_old_readers=False) == []
    assert breaks(new=narrower, released=released, has_old_readers=False) != []


def test_a_shorter_limit_is_refused_at_the_intake() -> None:
    shorter = copy.deepcopy(schema_of(INTAKE))
    shorter["properties"]["text"]["maxLength"] = 19_999

    assert breaks(new=shorter, released=schema_of(INTAKE), has_old_readers=False) != []
