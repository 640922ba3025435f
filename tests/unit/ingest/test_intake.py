"""What an event may say, what it becomes, and that a refusal says why and never what."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from services.contracts import codec, ids
from services.contracts import events as e
from services.contracts.topics import SCHEMAS
from services.ingest import intake
from services.ingest.intake import Candidate, Checked, Duplicate, Reason, Refused
from services.ingest.sources import Source, Sources
from services.ingest.strict_json import parse
from tests.unit.ingest.builders import NOW, accept, check, event, stored

REFUSED: list[tuple[str, Any, Reason, str, str]] = [
    ("not an object", [1], Reason.INVALID, "", "type"),
    ("nothing", None, Reason.INVALID, "", "type"),
    ("no source", event(source=None), Reason.INVALID, "/source", "required"),
    ("no time", event(occurred_at=None), Reason.INVALID, "/occurred_at", "required"),
    ("neither text nor rating", event(text=None), Reason.INVALID, "", "required"),
    ("blank text", event(text=" \r\n\x00 "), Reason.INVALID, "/text", "required"),
    ("text too long", event(text="x" * 20_001), Reason.INVALID, "/text", "too_long"),
    ("id too long", event(id="x" * 201), Reason.INVALID, "/id", "too_long"),
    ("control character in id", event(id="a\x07"), Reason.INVALID, "/id", "characters"),
    ("C1 control in source", event(source="a\x85"), Reason.INVALID, "/source", "characters"),
    ("broken character in id", event(id="a\ufffd"), Reason.INVALID, "/id", "characters"),
    ("empty id", event(id=""), Reason.INVALID, "/id", "too_short"),
    ("unknown field", event(colour="red"), Reason.INVALID, "/colour", "unknown_field"),
    ("unknown personal field", event(**{"jo@mail.example": 1}), Reason.INVALID, "", "unknown_field"),
    ("unknown channel", event(channel="fax"), Reason.INVALID, "/channel", "value"),
    ("no offset", event(occurred_at="2026-11-02T09:14:00"), Reason.INVALID, "/occurred_at", "format"),
    ("no such day", event(occurred_at="2026-02-30T09:14:00Z"), Reason.INVALID, "/occurred_at", "format"),
    ("leap second", event(occurred_at="2016-12-31T23:59:60Z"), Reason.INVALID, "/occurred_at", "time"),
    ("before the calendar", event(occurred_at="0001-01-01T00:00:00+14:00"), Reason.INVALID, "/occurred_at", "time"),
    ("ahead", event(occurred_at="2026-11-02T12:05:01Z"), Reason.IN_THE_FUTURE, "/occurred_at", "in_the_future"),
    ("nps 11", event(rating={"kind": "nps", "value": 11}), Reason.INVALID, "/rating/value", "too_large"),
    ("nps 7.5", event(rating={"kind": "nps", "value": 7.5}), Reason.INVALID, "/rating/value", "type"),
    ("csat 0", event(rating={"kind": "csat", "value": 0}), Reason.INVALID, "/rating/value", "too_small"),
    ("csat over its max", event(rating={"kind": "csat", "value": 6}), Reason.INVALID, "/rating/value", "too_large"),
    ("ces 8", event(rating={"kind": "ces", "value": 8}), Reason.INVALID, "/rating/value", "too_large"),
    ("stars 0", event(rating={"kind": "stars", "value": 0}), Reason.INVALID, "/rating/value", "too_small"),
    ("thumbs 0.5", event(rating={"kind": "thumbs", "value": 0.5}), Reason.INVALID, "/rating/value", "value"),
    ("nps of 5", event(rating={"kind": "nps", "value": 1, "max": 5}), Reason.INVALID, "/rating/max", "value"),
    ("33 attributes", event(attributes={f"a{n}": "" for n in range(33)}), Reason.INVALID, "/attributes", "too_many"),
    ("long attribute", event(attributes={"a": "x" * 257}), Reason.INVALID, "/attributes/a", "too_long"),
    ("attribute not text", event(attributes={"a": 1}), Reason.INVALID, "/attributes/a", "type"),
    ("text and turns", event(turns=[{"by": "agent", "text": "a"}]), Reason.INVALID, "/turns", "one_of"),
    ("turns without words", event(text=None, turns=[{"by": "agent", "text": " "}]), Reason.INVALID, "/turns",
     "required"),
    ("turns too long together", event(text=None, turns=[{"by": "bot", "text": "x" * 9_999}] * 2), Reason.INVALID,
     "/turns", "too_long"),
    ("a turn of nobody", event(text=None, turns=[{"by": "boss", "text": "a"}]), Reason.INVALID, "/turns/0/by", "value"),
    ("a turn before the calendar", event(text=None, turns=[{"by": "bot", "text": "a",
     "at": "0001-01-01T00:00:00+14:00"}]), Reason.INVALID, "/turns/0/at", "time"),
    ("NaN", parse(json.dumps(event(rating={"kind": "nps", "value": float("nan")})).encode()), Reason.NOT_JSON,
     "/rating/value", "not_a_number"),
    ("repeated key", parse(b'{"source": "a", "source": "b"}'), Reason.NOT_JSON, "", "repeated_key"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "reason", "pointer", "code"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_what_is_wrong_is_refused_with_reason_and_place(given: Any, reason: Reason, pointer: str, code: str) -> None:
    refused = check(given)
    assert isinstance(refused, Refused)
    assert refused.reason is reason
    assert (pointer, code) in {(problem.pointer, problem.code) for problem in refused.problems}


def test_no_problem_repeats_a_value() -> None:
    planted = "planted-zanzibar"
    for name, given in {
        "source": planted * 20, "id": [planted], "channel": planted, "occurred_at": planted, "language": planted + " x",
        "text": {planted: 1}, "rating": {"kind": planted, "value": planted}, "customer": {"id": 1, planted + "@": 2},
        "attributes": {planted + "@x": 1}, "case": planted, "segment": planted * 10, "author": planted,
        planted + "@": planted,
    }.items():  # fmt: skip
        refused = check(event(**{name: given}))
        assert isinstance(refused, Refused), name
        assert refused.problems
        record = intake.rejection(refused, raw=b"{}", received_at=NOW)
        problems = msgspec.json.encode(record.problems).decode()
        assert planted not in problems, problems


def test_all_problems_are_told_at_once() -> None:
    refused = check(event(channel="fax", colour="red", occurred_at="yesterday"))
    assert isinstance(refused, Refused)
    assert {p.pointer for p in refused.problems} == {"/channel", "/colour", "/occurred_at"}


def test_a_refusal_keeps_the_name_of_the_event_where_it_can_be_trusted() -> None:
    refused = check(event(channel="fax"))
    assert isinstance(refused, Refused)
    assert (refused.id, refused.source) == (ids.event_id("web-survey", "r-1"), "web-survey")
    nameless = check(event(source="a\nb"))
    assert isinstance(nameless, Refused)
    assert (nameless.id, nameless.source) == (None, "unknown")


def test_the_past_is_never_refused_and_five_minutes_ahead_are_allowed() -> None:
    assert isinstance(check(event(occurred_at="0001-01-02T00:00:00Z")), Checked)
    assert isinstance(check(event(occurred_at="2026-11-02T13:04:59+01:00")), Checked)


def test_an_unknown_source_is_refused_only_where_policy_says_so() -> None:
    strict = Sources(declared={"kiosk": Source("kiosk")}, accepts_unknown=False)
    refused = check(event(), sources=strict)
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.UNKNOWN_SOURCE
    assert isinstance(check(event(source="kiosk"), sources=strict), Checked)


SAME = [
    event(occurred_at="2026-11-02T10:14:00+01:00"),
    dict(reversed(event().items())),
    event(occurred_at="2026-11-02t09:14:00.000z"),
]


@pytest.mark.parametrize("again", SAME)
def test_the_same_content_is_a_repeat_however_it_is_written(again: dict[str, Any]) -> None:
    first, second = check(event()), check(again)
    assert isinstance(first, Checked)
    assert isinstance(second, Checked)
    assert intake.compare(second, first.digest) == Duplicate(first.id)


@pytest.mark.parametrize("other", [event(text="other"), event(customer={"id": "C-1"}), event(attributes={"a": "b"})])
def test_another_content_under_the_same_name_is_a_conflict(other: dict[str, Any]) -> None:
    first, second = check(event()), check(other)
    assert isinstance(first, Checked)
    assert isinstance(second, Checked)
    refused = intake.compare(second, first.digest)
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.CONFLICT
    assert intake.compare(second, None) is None


def test_the_digest_tells_nothing_without_the_key() -> None:
    ours = check(event())
    theirs = intake.check(Candidate(event()), now=NOW, sources=Sources(), pseudonyms=intake.Pseudonyms(b"another"))
    assert isinstance(ours, Checked)
    assert isinstance(theirs, Checked)
    assert ours.digest != theirs.digest


# ---- the stored form ------------------------------------------------------------------------------------------------


def test_every_text_is_masked_and_the_customer_is_a_pseudonym() -> None:
    card, mail, customer = "4111 1111 1111 1111", "jo@mail.example", "CUST-77123"
    planted = f"{customer} {mail} {card}"
    event_ = stored(
        event(
            text=planted, customer={"id": customer}, attributes={"note": planted, mail: "x"}, segment=planted,
            conversation_id=f"thread-{customer}", case={"id": "CASE-9913"},
            answers=[{"question": planted, "kind": "text", "value": planted, "text": planted + " CASE-9913"}],
        )
    )  # fmt: skip
    whole = codec.encode(event_)
    for needle in (card, mail, customer):
        assert needle.encode() not in (whole.value or b"")
    assert event_.answers[0].text.endswith("‹case number›")
    assert event_.case == e.Case(id="CASE-9913")
    assert event_.customer.startswith("c-")
    assert event_.conversation_id.startswith("c-")
    assert whole.key == ids.conversation_key("web-survey", event_.conversation_id).encode()


TURNS = [
    {"by": "bot", "text": "Hello, how can we help?", "at": "2026-11-02T10:00:00+01:00"},
    {"by": "customer", "text": "My card 4111 1111 1111 1111\r\nwas charged twice."},
    {"by": "agent", "text": " \x00 "},
    {"by": "agent", "text": "Is it the one of jo@mail.example?"},
]


def test_turns_become_one_text_that_says_who_spoke_and_is_masked_turn_by_turn() -> None:
    found = stored(event(text=None, turns=TURNS))
    assert found.text == (
        "Bot: Hello, how can we help?\n"
        "Customer: My card ‹card number›\nwas charged twice.\n"
        "Agent: Is it the one of ‹e-mail address›?"
    )
    assert [(turn.by, found.text[turn.start : turn.end].split()[0]) for turn in found.turns] == [
        ("bot", "Hello,"), ("customer", "My"), ("agent", "Is"),
    ]  # fmt: skip
    assert found.turns[0].at == datetime(2026, 11, 2, 9, tzinfo=UTC)
    assert [found.text[mask.start : mask.end] for mask in found.masks] == ["‹card number›", "‹e-mail address›"]


@pytest.mark.parametrize("name", ["", " ", "0", "N/A", "none", "null"])
def test_a_word_that_stands_for_no_conversation_ties_nothing_together(name: str) -> None:
    given = event(conversation_id=name) if name else event()
    assert stored(given).conversation_id is None


def test_a_text_loses_control_characters_and_keeps_lines() -> None:
    assert stored(event(text="a\r\nb\rc\td\x00\x1b[1m\x85e\u2028")).text == "a\nb\nc\td[1me\u2028"


@pytest.mark.parametrize(
    ("channel", "solicited", "author"),
    [("survey", True, "customer"), ("mystery_shop", True, "shopper"), ("employee", False, "employee"),
     ("complaint", False, "customer"), ("review", False, "customer"), ("call", False, "customer")],
)  # fmt: skip
def test_defaults_follow_the_channel(channel: str, solicited: bool, author: str) -> None:
    found = stored(event(channel=channel))
    assert (found.solicited, found.author) == (solicited, author)


def test_what_the_sender_says_wins_over_defaults() -> None:
    found = stored(event(solicited=False, author="agent", rating={"kind": "csat", "value": 40, "max": 100}))
    assert (found.solicited, found.author, found.rating.max) == (False, "agent", 100)


@pytest.mark.parametrize(("kind", "top"), [("nps", 10), ("csat", 5), ("ces", 7), ("stars", 5), ("thumbs", 1)])
def test_a_rating_knows_its_scale(kind: str, top: int) -> None:
    assert stored(event(rating={"kind": kind, "value": 1}, text=None)).rating == e.Rating(kind=kind, value=1, max=top)


@pytest.mark.parametrize(
    ("asked", "age", "mode"),
    [("live", timedelta(hours=23), "live"), ("live", timedelta(hours=25), "backfill"),
     ("backfill", timedelta(0), "backfill"), ("rehearsal", timedelta(days=40), "rehearsal")],
)  # fmt: skip
def test_old_events_are_backfill_by_themselves(asked: str, age: timedelta, mode: str) -> None:
    assert stored(event(occurred_at=(NOW - age).isoformat()), mode=asked).mode == mode


def test_the_same_event_always_has_the_same_id() -> None:
    assert stored(event()).id == stored(event(text="x")).id == ids.event_id("web-survey", "r-1")
    assert stored(event(id="r-2")).id != stored(event()).id


def test_an_event_that_no_message_can_carry_is_refused_before_it_is_journalled() -> None:
    answers = [{"question": "q", "text": "ü" * 20_000} for _ in range(60)]
    refused = accept(event(answers=answers))
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.TOO_LARGE


@pytest.mark.parametrize(
    "path", sorted((SCHEMAS / "examples" / "feedback-event").glob("valid-*.json")), ids=lambda p: p.stem
)
def test_the_examples_of_the_contract_are_accepted(path: Any) -> None:
    message = accept(json.loads(path.read_text(encoding="utf-8")))
    assert not isinstance(message, Refused)


def test_a_rejection_names_what_was_refused_by_its_digest_only() -> None:
    refused = check([1])
    assert isinstance(refused, Refused)
    record = intake.rejection(refused, raw=b"[1]", received_at=NOW)
    assert (record.size, len(record.digest), record.reason) == (3, 64, "invalid")
    assert record.id == ids.rejection_id(record.digest)
