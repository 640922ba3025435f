"""How the API answers in HTTP's own terms: links to the next page, entity tags, bodies that are too big or no JSON."""

import hashlib
from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec

from services.api.queries import BadQuery, Cursor
from services.contracts.codec import without_values
from services.contracts.events import Problem

_T = TypeVar("_T")
MAX_BODY = 64_000


def next_link(base: str, parameters: Mapping[str, str], cursor: Cursor | None) -> dict[str, str]:
    """The Link header of a page, with the same question and where to go on; nothing on the last page."""
    if cursor is None:
        return {}
    asked = {k: v for k, v in parameters.items() if k != "after"} | {"after": cursor.text()}
    return {"Link": f'<{base}?{urlencode(asked)}>; rel="next"'}


def etag_of(body: bytes) -> str:
    """A weak tag of a whole answer."""
    return f'W/"{hashlib.blake2b(body, digest_size=9).hexdigest()}"'


def matches(if_none_match: str | None, etag: str) -> bool:
    """Whether the caller has this very answer already."""
    if not if_none_match:
        return False
    known = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return "*" in known or etag.removeprefix("W/") in known


def body_of(raw: bytes, kind: type[_T]) -> _T:
    """A request's JSON body. Raises BadQuery; what was sent is not repeated."""
    if len(raw) > MAX_BODY:
        raise BadQuery(Problem(pointer="", code="too_long", message=f"use at most {MAX_BODY:,} bytes"))
    try:
        # whether it is JSON at all comes first: how deep it is nested must not depend on where it stops to fit
        return msgspec.convert(msgspec.json.decode(raw), kind)
    except msgspec.ValidationError as error:
        text, _, path = without_values(error).partition(" - at `$")
        raise BadQuery(Problem(pointer=path.rstrip("`").replace(".", "/"), code="body", message=text)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadQuery(Problem(pointer="", code="not_json", message="the body is not valid JSON in UTF-8")) from None


def cell(text: Any) -> str:
    """A value for a CSV file that spreadsheets open: what would be read as a formula is made text."""
    value = "" if text is None else str(text)
    return "'" + value if value[:1] in {"=", "+", "-", "@", "\t", "\r"} else value
