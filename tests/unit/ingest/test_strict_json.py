"""What the strict parser takes, refuses and leaves to be found."""

import json

import pytest

from services.contracts.errors import BadMessage
from services.ingest.strict_json import MAX_DEPTH, flaw, parse, pointer


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "not_json"),
        (b"{", "not_json"),
        (b'{"a": 1} x', "not_json"),
        (b'{"a": "\n"}', "not_json"),
        (b"{'a': 1}", "not_json"),
        (b'{"a": "\xff"}', "bad_utf8"),
        (b'{"a": "\xed\xa0\xbd"}', "bad_utf8"),
        (json.dumps("x").encode("utf-16"), "bad_utf8"),
        (b"[" * 200_000 + b"]" * 200_000, "too_deep"),
    ],
)
def test_what_is_not_json_is_refused_with_its_code(body: bytes, code: str) -> None:
    with pytest.raises(BadMessage) as refused:
        parse(body)
    assert refused.value.code == code


def test_half_a_surrogate_pair_is_replaced_and_a_whole_one_kept() -> None:
    assert parse(rb'{"a": "x \ud83d y", "\udc00": ["\ud83d\ude00"]}') == {"a": "x \ufffd y", "\ufffd": ["😀"]}


def test_a_byte_order_mark_is_passed_over() -> None:
    assert parse(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


@pytest.mark.parametrize(
    ("body", "code", "where"),
    [
        ('{"a": {"b": NaN}}', "not_a_number", "/a/b"),
        ('{"a": [1, -Infinity]}', "not_a_number", "/a/1"),
        ('{"a": 1e999}', "not_a_number", "/a"),
        ('{"a": ' + "9" * 5000 + "}", "not_a_number", "/a"),
        ('{"a": 9007199254740993}', "number_range", "/a"),
        ('{"a": {"b": 1, "b": 2}}', "repeated_key", "/a"),
        ('{"a": 1, "a": 1}', "repeated_key", ""),
        ("[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2), "too_deep", ""),
    ],
)
def test_a_flaw_is_found_where_it_stands(body: str, code: str, where: str) -> None:
    found = flaw(parse(body.encode()))
    assert found is not None
    assert (found.code, found.pointer) == (code, where)


def test_depth_up_to_the_limit_is_no_flaw() -> None:
    assert flaw(parse(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)) is None


def test_a_pointer_ends_before_a_name_that_may_be_personal() -> None:
    assert pointer(["attributes", "jo@mail.example", 3]) == "/attributes"
    assert pointer(["attributes", "site", 3]) == "/attributes/site/3"
