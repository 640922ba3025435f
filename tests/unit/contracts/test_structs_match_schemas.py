"""The structs of `events.py` and the files of `schemas/events/` say the same, in names, in types and in bytes."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.contracts import events as e
from services.contracts.codec import RawMessage, decode, encode
from tests.unit.contracts.schemafiles import (
    INTAKE,
    STRUCTS,
    all_examples,
    event_names,
    example_id,
    schema_of,
    validator_of,
)
from tests.unit.contracts.typeshapes import differences, strategy


def test_every_schema_but_the_intake_has_a_struct() -> None:
    assert set(event_names()) == set(STRUCTS) | {INTAKE}


@pytest.mark.parametrize("event", STRUCTS)
def test_fields_types_defaults_and_enums_are_the_same(event: str) -> None:
    assert differences(STRUCTS[event], schema_of(event)) == []


def test_a_difference_between_struct_and_schema_is_seen() -> None:
    schema = json.loads(json.dumps(schema_of("feedback-rejected")))
    schema["properties"]["size"]["type"] = "string"
    schema["required"].remove("digest")
    schema["$defs"]["Problem"]["properties"]["extra"] = {"type": "string"}

    assert len(differences(e.FeedbackRejected, schema)) == 3


@pytest.mark.parametrize(("event", "path"), [x for x in all_examples("valid") if x[0] != INTAKE], ids=example_id)
def test_a_valid_example_comes_back_the_same(event: str, path: Path) -> None:
    read_back = msgspec.json.decode(path.read_bytes(), type=STRUCTS[event])
    written = encode(read_back)
    assert written.value is not None

    assert decode(RawMessage("t", 0, 0, None, written.value), STRUCTS[event]) == read_back
    assert validator_of(event).is_valid(json.loads(written.value))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("event", STRUCTS)
def test_whatever_a_struct_can_hold_its_schema_takes(event: str, data: st.DataObject) -> None:
    thing = data.draw(strategy(STRUCTS[event]))
    written = encode(thing)
    assert written.value is not None

    assert [error.message for error in validator_of(event).iter_errors(json.loads(written.value))] == []
    assert decode(RawMessage("t", 0, 0, written.key, written.value), STRUCTS[event]) == thing


def test_times_are_written_in_utc_and_read_from_any_offset() -> None:
    tick = msgspec.json.decode(
        b'{"kind":"tick","id":"t","group":"g","at":"2026-11-02T10:14:00+01:00","action":"a","timer":"resolve_due"}',
        type=e.RoutingSignal,
    )
    encoded = encode(tick).value

    assert encoded is not None
    assert json.loads(encoded)["at"] in {"2026-11-02T09:14:00Z", "2026-11-02T10:14:00+01:00"}


def test_only_feedback_received_carries_text() -> None:
    carriers = {name for name in STRUCTS if "text" in _property_names(schema_of(name))}
    assert carriers == {"feedback-received"}


def _property_names(schema: Any) -> set[str]:
    if isinstance(schema, list):
        return set().union(*map(_property_names, schema))
    if not isinstance(schema, dict):
        return set()
    own = set(schema["properties"]) if isinstance(schema.get("properties"), dict) else set()
    return own.union(*map(_property_names, schema.values()))
