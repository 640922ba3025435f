"""How a record lies in the journal: length, CRC-32C, then time, id, digest and message. Pure bytes."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

import msgspec
from crc32c import crc32c

from services.contracts.codec import Outbound

_HEAD = struct.Struct("<II")
_FIXED = struct.Struct("<Q16s16s")
_SMALLEST = _FIXED.size
LARGEST = 4 << 20
"""No record is larger: a length beyond it is garbage, not a record."""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Outbound)


class Record(NamedTuple):
    """One journalled event. `end` is the position after it."""

    end: int
    at_ms: int
    id: bytes
    digest: bytes
    payload: bytes

    @property
    def message(self) -> Outbound:
        return _decoder.decode(self.payload)


def frame(*, at_ms: int, id: bytes, digest: bytes, message: Outbound) -> bytes:
    """The bytes of one record."""
    body = _FIXED.pack(at_ms, id, digest) + _encoder.encode(message)
    return _HEAD.pack(len(body), crc32c(body)) + body


def scan(data: bytes, base: int) -> Iterator[Record]:
    """The whole records at the front of `data`, which begins at position `base`. Stops at the first that is not whole
    or not right; a caller that stops there itself reads on from the last `end`."""
    place = 0
    while place + _HEAD.size <= len(data):
        length, checksum = _HEAD.unpack_from(data, place)
        after = place + _HEAD.size + length
        if not _SMALLEST <= length <= LARGEST or after > len(data):
            return
        body = data[place + _HEAD.size : after]
        if crc32c(body) != checksum:
            return
        at_ms, id, digest = _FIXED.unpack_from(body)
        yield Record(base + after, at_ms, id, digest, body[_SMALLEST:])
        place = after


def wanted(data: bytes) -> int:
    """How many bytes the first record of `data` needs to be whole; 0 where its length is garbage."""
    if len(data) < _HEAD.size:
        return _HEAD.size
    length, _ = _HEAD.unpack_from(data)
    return _HEAD.size + length if _SMALLEST <= length <= LARGEST else 0
