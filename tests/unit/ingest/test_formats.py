"""Own JSON and the three modes of CloudEvents give the same candidate; what fails, fails alone."""

import base64
import json
from typing import Any

import pytest

from services.ingest.formats import MAX_ITEMS, Unreadable, many, one
from services.ingest.intake import Candidate, Checked, Reason, Refused
from services.ingest.strict_json import RepeatedKey
from tests.unit.ingest.builders import check, event

JSON = {"content-type": "application/json"}
STRUCTURED = {"content-type": "application/cloudevents+json; charset=UTF-8"}
BATCH = {"content-type": "application/cloudevents-batch+json"}
DATA = {k: v for k, v in event().items() if k not in {"source", "id", "occurred_at"}}
ENVELOPE = {"specversion": "1.0", "type": "survey.done", "source": "web-survey", "id": "r-1",
            "time": "2026-11-02T09:14:00Z"}  # fmt: skip
HEADERS = JSON | {f"ce-{name}": value for name, value in ENVELOPE.items()}


def body(value: Any) -> bytes:
    return json.dumps(value).encode()


def single(value: Any, headers: dict[str, str]) -> Candidate:
    found = one(body(value), headers)
    assert isinstance(found, Candidate)
    return found


@pytest.mark.parametrize(
    "candidate",
    [
        single(event(), JSON),
        single(ENVELOPE | {"data": DATA}, STRUCTURED),
        single(ENVELOPE | {"data": event()}, STRUCTURED),
        single(ENVELOPE | {"data": event(occurred_at="2026-11-02T10:14:00+01:00")}, STRUCTURED),
        single(ENVELOPE | {"data_base64": base64.b64encode(body(DATA)).decode()}, STRUCTURED),
        single(ENVELOPE | {"data": DATA, "subject": "x", "traceparent": "y"}, STRUCTURED),
        single(DATA, HEADERS),
        single(event(), HEADERS),
        many(body([ENVELOPE | {"data": DATA}]), BATCH)[0],
        many(body([event()]), JSON)[0],
    ],
    ids=["own", "structured", "structured, full data", "structured, other zone", "structured, base64",
         "structured, extensions", "binary", "binary, full data", "CloudEvents batch", "own batch"],
)  # fmt: skip
def test_every_format_gives_the_same_event(candidate: Candidate) -> None:
    checked, expected = check(candidate.event), check(event())
    assert candidate.refusal is None
    assert isinstance(checked, Checked)
    assert isinstance(expected, Checked)
    assert (checked.id, checked.digest) == (expected.id, expected.digest)


def test_percent_encoded_headers_are_decoded() -> None:
    assert single(DATA, HEADERS | {"ce-source": "caf%C3%A9%20survey"}).event["source"] == "café survey"


def test_a_cloudevents_batch_may_come_to_the_single_url() -> None:
    found = one(body([ENVELOPE | {"data": DATA}] * 2), BATCH)
    assert isinstance(found, list)
    assert [candidate.index for candidate in found] == [0, 1]


@pytest.mark.parametrize(
    ("given", "headers", "pointer", "code"),
    [
        (ENVELOPE | {"data": event(source="other")}, STRUCTURED, "/source", "envelope_differs"),
        (ENVELOPE | {"data": event(id="r-2")}, STRUCTURED, "/id", "envelope_differs"),
        (ENVELOPE | {"data": event(occurred_at="2026-11-03T09:14:00Z")}, STRUCTURED, "/occurred_at",
         "envelope_differs"),
        (event(id="r-2"), HEADERS, "/id", "envelope_differs"),
        ({"data": DATA}, STRUCTURED, "/specversion", "envelope"),
        (ENVELOPE | {"specversion": "0.3", "data": DATA}, STRUCTURED, "/specversion", "envelope"),
        (ENVELOPE | {"id": "", "data": DATA}, STRUCTURED, "/id", "envelope"),
        (ENVELOPE | {"time": "yesterday", "data": DATA}, STRUCTURED, "/time", "envelope"),
        (ENVELOPE | {"time": 5, "data": DATA}, STRUCTURED, "/time", "envelope"),
        (ENVELOPE | {"data_base64": "%%%"}, STRUCTURED, "/data_base64", "envelope"),
        (ENVELOPE | {"data_base64": 7}, STRUCTURED, "/data_base64", "envelope"),
        (ENVELOPE | {"data": "text"}, STRUCTURED, "/data", "envelope"),
        ([1], STRUCTURED, "/specversion", "envelope"),
        (DATA, JSON | {"ce-id": "r-1"}, "/specversion", "envelope"),
        (DATA, HEADERS | {"ce-specversion": "0.3"}, "/specversion", "envelope"),
        (DATA, HEADERS | {"ce-time": "yesterday"}, "/time", "envelope"),
    ],
)  # fmt: skip
def test_a_bad_envelope_refuses_the_event(given: Any, headers: dict[str, str], pointer: str, code: str) -> None:
    refused = single(given, headers).refusal
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.ENVELOPE
    assert (pointer, code) in {(problem.pointer, problem.code) for problem in refused.problems}


def test_the_envelope_fills_only_what_the_data_lacks() -> None:
    without_time = {k: v for k, v in ENVELOPE.items() if k != "time"}
    refused = check(single(without_time | {"data": DATA}, STRUCTURED).event)
    assert isinstance(refused, Refused)
    assert refused.problems[0].pointer == "/occurred_at"


def test_a_key_given_twice_in_the_data_is_not_forgotten() -> None:
    text = body(ENVELOPE | {"data": DATA}).replace(b'"text"', b'"channel": "call", "text"')
    found = one(text, STRUCTURED)
    assert isinstance(found, Candidate)
    assert isinstance(found.event, RepeatedKey)


def test_a_bad_item_of_a_batch_leaves_its_neighbours() -> None:
    found = many(body([ENVELOPE | {"data": DATA}, {"nonsense": 1}, 5, ENVELOPE | {"data": DATA}]), BATCH)
    assert [candidate.refusal is None for candidate in found] == [True, False, False, True]


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"{}", {}, 415),
        (b"{}", {"content-type": "text/plain"}, 415),
        (b"a=b", {"content-type": "application/x-www-form-urlencoded"}, 415),
        (b"{}", {"content-type": "application/json; charset=utf-16"}, 415),
        (b"{", JSON, 400),
        (b'"\xff"', JSON, 400),
    ],
)
def test_a_body_that_cannot_be_read_has_its_status(content: bytes, headers: dict[str, str], status: int) -> None:
    for read in (one, many):
        with pytest.raises(Unreadable) as refused:
            read(content, headers)
        assert refused.value.status == status


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [(b"{}", JSON, 422), (b"[]", JSON, 422), (body([1] * (MAX_ITEMS + 1)), JSON, 413), (b"{}", STRUCTURED, 415)],
)
def test_a_batch_is_an_array_of_1_to_1000(content: bytes, headers: dict[str, str], status: int) -> None:
    with pytest.raises(Unreadable) as refused:
        many(content, headers)
    assert refused.value.status == status


def test_the_name_of_an_extension_is_not_told_on() -> None:
    refusal = single(ENVELOPE | {"Jane_Doe": "x", "data": DATA}, STRUCTURED).refusal

    assert refusal is not None
    assert [problem.pointer for problem in refusal.problems] == [""]
