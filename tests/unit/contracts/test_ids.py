"""Ids follow from their causes and never change: everything stored and every replay relies on it."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import assume, given
from hypothesis import strategies as st

from services.contracts import ids

_NAMES = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=20)  # intake refuses control characters


def test_ids_are_what_they_were_in_the_first_release() -> None:
    due = datetime(2026, 11, 2, 9, 14, tzinfo=UTC)

    assert ids.event_id("web-survey", "r-1041") == "38e755bd-d430-5f83-ae15-ff94d2e24c9d"
    assert ids.signal_id("e", 1, "join", "g") == "7a21f291-d01a-5a97-9aa5-f8a9aa5ce229"
    assert ids.action_id("g", "e") == "8af3d53e-f7a2-50de-8e8e-5287a3a81d21"
    assert ids.change_id("a", "s") == "113bd09c-d5f0-5084-aa4c-d46baa4fd629"
    assert ids.tick_id("a", "resolve_due", due) == "83dcf1e4-53de-5691-be04-272b0232bf45"
    assert ids.notification_id("a", 3, "hook") == "05ed58f7-7b0d-5b9c-a4cd-a57dbfd3dc39"
    assert ids.command_id("k", "a") == "5d1eda39-3bea-505e-8a99-b090d31d540b"


@given(_NAMES, _NAMES, _NAMES, _NAMES)
def test_two_senders_never_share_an_event_id(source: str, one: str, other_source: str, other: str) -> None:
    assume((source, one) != (other_source, other))

    assert ids.event_id(source, one) != ids.event_id(other_source, other)


def test_the_same_words_in_another_role_give_another_id() -> None:
    same = {
        ids.event_id("a", "b"),
        ids.action_id("a", "b"),
        ids.change_id("a", "b"),
        ids.command_id("a", "b"),
        ids.event_id("b", "a"),
    }
    assert len(same) == 5


def test_each_revision_and_each_kind_of_signal_has_its_own_id() -> None:
    signals = {ids.signal_id("e", revision, kind, "g") for revision in (1, 2) for kind in ("join", "retract")}
    assert len(signals) == 4


def test_a_tick_is_named_by_its_moment() -> None:
    due = datetime(2026, 11, 2, 9, 14, tzinfo=UTC)

    assert ids.tick_id("a", "resolve_due", due) != ids.tick_id("a", "resolve_due", due + timedelta(seconds=1))
    assert ids.tick_id("a", "resolve_due", due) == ids.tick_id(
        "a", "resolve_due", due.astimezone(timezone(timedelta(hours=1)))
    )
