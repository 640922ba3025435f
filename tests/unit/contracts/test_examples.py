"""Every event has examples that its schema takes, and examples that it refuses for the reason they state."""

from pathlib import Path
from typing import Any

import pytest

from services.contracts.topics import SCHEMAS, load_topics
from tests.unit.contracts.schemafiles import (
    EXAMPLES,
    all_examples,
    event_names,
    example_id,
    examples,
    pointer_of,
    read,
    schema_of,
    validator_of,
)


@pytest.mark.parametrize("event", event_names())
def test_an_event_has_two_valid_and_three_invalid_examples(event: str) -> None:
    assert len(examples(event, "valid")) >= 2
    assert len(examples(event, "invalid")) >= 3


@pytest.mark.parametrize(("event", "path"), all_examples("valid"), ids=example_id)
def test_a_valid_example_is_taken(event: str, path: Path) -> None:
    assert [error.message for error in validator_of(event).iter_errors(read(path))] == []


@pytest.mark.parametrize(("event", "path"), all_examples("invalid"), ids=example_id)
def test_an_invalid_example_is_refused_where_it_says(event: str, path: Path) -> None:
    example = read(path)
    errors = list(validator_of(event).iter_errors(example["instance"]))

    assert example["why"].strip()
    assert errors, "the schema takes it"
    assert example["pointer"] in {pointer_of(error) for error in errors}


@pytest.mark.parametrize("event", event_names())
def test_a_schema_is_a_closed_2020_12_schema_that_names_itself(event: str) -> None:
    schema = schema_of(event)

    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"].endswith(f"/events/{event}.json")
    assert schema["title"] == event
    assert _open_objects(schema, "#") == []


def test_no_example_belongs_to_an_event_that_does_not_exist() -> None:
    assert {path.name for path in EXAMPLES.iterdir()} <= set(event_names())
    strays = [p.name for p in EXAMPLES.glob("*/*") if not p.name.startswith(("valid-", "invalid-"))]
    assert strays == []


def test_every_event_schema_is_on_a_topic_or_is_what_senders_post() -> None:
    on_topics = {topic.schema for topic in load_topics().values() if topic.schema}
    assert {path.name for path in (SCHEMAS / "events").glob("*.json")} == on_topics | {"feedback-event.json"}


def _open_objects(schema: Any, path: str) -> list[str]:
    """Where a schema lists properties and yet lets others in."""
    if isinstance(schema, list):
        return [found for index, item in enumerate(schema) for found in _open_objects(item, f"{path}/{index}")]
    if not isinstance(schema, dict):
        return []
    here = [path] if schema.get("type") == "object" and "additionalProperties" not in schema else []
    return here + [found for key, item in schema.items() for found in _open_objects(item, f"{path}/{key}")]
