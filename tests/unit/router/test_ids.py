"""Ids are UUIDv5 of their causes: any other implementation comes to the same."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from services.contracts import ids


@given(st.text(max_size=60), st.text(max_size=60))
def test_ids_are_what_any_uuid5_gives(group: str, event: str) -> None:
    name = "\x1f".join(("action", group, event))
    assert ids.action_id(group, event) == str(uuid.uuid5(ids.NAMESPACE, name))


def test_ids_of_different_things_differ() -> None:
    assert ids.action_id("a", "b") != ids.change_id("a", "b")
    assert ids.event_id("ab", "c") != ids.event_id("a", "bc")
