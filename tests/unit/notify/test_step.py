"""The step over lists of messages."""

from services.contracts.codec import RawMessage, encode
from services.notify.step import read
from tests.unit.notify.builders import NOON, notification


def raw(value: bytes | None, offset: int, headers: tuple[tuple[str, bytes], ...] = ()) -> RawMessage:
    return RawMessage("notifications", 2, offset, b"actions", value, headers)


def test_each_message_is_read_or_put_aside_with_its_bytes_and_place() -> None:
    told = notification()
    out = encode(told, trace=b"00-a-b-01")
    arrivals = read(
        [
            raw(out.value, 7, out.headers),
            raw(b"{", 8),
            raw(None, 9),
            raw(b'{"id": 3}', 10),
            raw(b"\xff\xfe", 11),
            raw(b"[" * 100_000, 12),
        ],
        at=NOON,
        version="1.2",
    )
    assert arrivals.told == ((told, b"00-a-b-01"),)
    facts = [dict(letter.headers) for letter in arrivals.letters]
    assert [f["dl_id"] for f in facts] == [b"notifications-2-%d" % n for n in range(8, 13)]
    assert [f["dl_code"] for f in facts][:3] == [b"not_json", b"empty", b"schema"]
    assert {letter.topic for letter in arrivals.letters} == {"notify-dlq"}
    assert arrivals.letters[0].value == b"{"


def test_fields_that_a_newer_writer_adds_are_ignored() -> None:
    value = encode(notification()).value or b""
    assert read([raw(value[:-1] + b',"mood":"new"}', 1)], at=NOON, version="1").told[0][0] == notification()
