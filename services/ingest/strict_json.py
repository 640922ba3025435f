"""Bytes -> JSON value, strictly: what RFC 8259 leaves to chance is refused here. Knows nothing of feedback.

The standard library's parser, because the faster ones keep the last of two equal keys without a word. Flaws that
concern one part of a document (a key given twice, NaN, too deep) are left in the value and found by `flaw`, so that one
bad item of a batch does not take its neighbours with it.
"""

import json
import re
from collections.abc import Sequence
from math import isfinite
from typing import Any

from services.contracts.errors import BadMessage
from services.contracts.events import Problem

MAX_DEPTH = 64
_LARGEST_EXACT = 1 << 53
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class RepeatedKey(dict[str, Any]):
    """An object in which a key stood twice."""


def parse(body: bytes) -> Any:
    """The value. Raises BadMessage: `bad_utf8`, `not_json`, `too_deep`.

    Half a surrogate pair, which JSON can spell and UTF-8 cannot, becomes U+FFFD.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise BadMessage("bad_utf8", "The body is not valid UTF-8.") from None
    try:
        value = _decoder.decode(text.removeprefix("\ufeff"))
        return _repaired(value) if _SURROGATE.search(body) else value
    except RecursionError:
        raise BadMessage("too_deep", f"The body is nested deeper than {MAX_DEPTH} levels.") from None
    except ValueError:
        raise BadMessage("not_json", "The body is not valid JSON.") from None


def flaw(value: Any) -> Problem | None:
    """What makes a parsed value unfit: too deep, a key given twice, a number that is none or too large to be exact."""
    return _flaw(value, (), MAX_DEPTH)


def _flaw(value: Any, path: tuple[str | int, ...], depth: int) -> Problem | None:
    kind = type(value)
    if kind is str:
        return None
    if kind is float or kind is int:
        if not isfinite(value):
            return Problem(pointer=pointer(path), code="not_a_number", message="NaN and infinity are not JSON.")
        if not -_LARGEST_EXACT <= value <= _LARGEST_EXACT:
            return Problem(pointer=pointer(path), code="number_range", message="The number is too large to be exact.")
        return None
    if kind is RepeatedKey:
        return Problem(pointer=pointer(path), code="repeated_key", message="A key is given twice in this object.")
    if kind is dict or kind is list:
        if depth == 0:
            return Problem(pointer="", code="too_deep", message=f"It is nested deeper than {MAX_DEPTH} levels.")
        for step, part in value.items() if kind is dict else enumerate(value):
            if type(part) is not str:
                found = _flaw(part, (*path, step), depth - 1)
                if found is not None:
                    return found
    return None


_PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z_-]{0,39}\Z")


def pointer(path: Sequence[str | int]) -> str:
    """A JSON pointer to a place, cut short before the first name that may itself be personal data."""
    steps = []
    for step in path:
        if isinstance(step, str) and not _PLAIN_NAME.match(step):
            break
        steps.append(f"/{step}")
    return "".join(steps)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else RepeatedKey(found)


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) < 20 else float(digits)


_decoder = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer)


def _repaired(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_repaired(part) for part in value]
    if isinstance(value, dict):
        return type(value)((_repaired(key), _repaired(part)) for key, part in value.items())
    return value
