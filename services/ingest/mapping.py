"""Columns of somebody's file -> the fields of an event. Pure: guesses from names, converts values, posts nothing.

A field is written with dots (`rating.value`, `attributes.site`); `rating` and `customer` stand for their main part.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any

import msgspec

from services.contracts.errors import Misconfigured
from services.contracts.yamlfile import did_you_mean

_SHORT = {"rating": "rating.value", "customer": "customer.id", "case": "case.id"}
_FIELDS = (
    "source", "id", "channel", "occurred_at", "text", "rating.kind", "rating.value", "rating.max", "customer.id",
    "language", "case.id", "case.state", "may_contact", "segment", "solicited", "author", "conversation_id",
)  # fmt: skip
TOP_LEVEL = frozenset({field.partition(".")[0] for field in _FIELDS} | {"answers", "attributes"})
"""The fields of an event as it is posted."""
_NUMBERS = frozenset({"rating.value", "rating.max"})
_YES_NO = frozenset({"may_contact", "solicited"})
_YES, _NO = frozenset({"yes", "y", "true", "1"}), frozenset({"no", "n", "false", "0"})

_GUESSES = (
    ("id", r"id|ref|reference|(response|record|ticket|case|review|survey|feedback).?(id|no|number|ref)|number"),
    ("occurred_at", r"(occurred|created|submitted|completed|recorded|visited|received|sent|posted).?(at|on|date)?"
                    r"|date|time|timestamp|date.?time|when|day"),
    ("text", r"text|comments?|verbatims?|feedback|message|body|review|description|(their|your|own) words|content"
             r"|what .*said|remarks?|notes?"),
    ("rating.value", r"(nps|csat|ces|star|stars)?.?(score|rating)( out of \d+)?|nps|csat|ces|stars"),
    ("customer.id", r"(customer|client|member|user|account|contact)s?.?(id|no|number|ref)?"),
    ("channel", r"channel"),
    ("source", r"source|system"),
    ("language", r"lang|language|locale"),
    ("attributes.site", r"site|branch|store|shop|location|outlet|centre|center"),
    ("attributes.region", r"region|county|state|territory"),
    ("attributes.product", r"product|product.?(name|line|group)|category|asked about|item|service"),
)  # fmt: skip
_KINDS = (
    ("nps", r"nps|out of 10|recommend"),
    ("ces", r"ces|effort"),
    ("stars", r"star"),
    ("csat", r"csat|out of 5|sat"),
)


class BadRow(Exception):
    """A row that cannot become an event; the message never repeats a value."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


class ColumnMap(msgspec.Struct, frozen=True):
    """Which column gives which field, which fields are the same for all rows, and how times are written."""

    columns: dict[str, str]
    constants: dict[str, str]
    zone: tzinfo
    date_format: str | None = None

    def name(self) -> str:
        """Tells this way of reading a file from another."""
        said = json.dumps([self.columns, self.constants, str(self.zone), self.date_format], sort_keys=True)
        return hashlib.sha256(said.encode()).hexdigest()[:12]

    def event(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The event of a row. Raises BadRow."""
        event: dict[str, Any] = {}
        for field, constant in self.constants.items():
            _put(event, field, self._value(field, constant))
        for field, column in self.columns.items():
            value = row.get(column)
            if value is None or (isinstance(value, str) and not value.strip()):
                continue
            _put(event, field, self._value(field, value))
        if "rating" in event and "value" not in event["rating"]:
            del event["rating"]
        if "id" not in event:
            event["id"] = content_id(row)
        return event

    def _value(self, field: str, value: Any) -> Any:
        if isinstance(value, dict | list):
            return value
        if not isinstance(value, str):
            return value if field in _NUMBERS or field in _YES_NO else str(value)
        value = value.strip()
        if field == "occurred_at":
            return self._time(value)
        if field in _NUMBERS:
            return _number(field, value)
        if field in _YES_NO:
            return _yes_or_no(field, value)
        return value

    def _time(self, value: str) -> str:
        try:
            if self.date_format is not None:
                time = datetime.strptime(value, self.date_format)  # noqa: DTZ007 - the zone is added below
            else:
                time = datetime.fromisoformat(value.upper())
        except ValueError:
            raise BadRow(
                "occurred_at", "This is not a time as 2026-11-02T09:14; say how they are written with --date-format."
            ) from None
        return (time if time.tzinfo is not None else time.replace(tzinfo=self.zone)).isoformat()


def parse_pairs(pairs: Sequence[str], *, option: str) -> dict[str, str]:
    """`field=value` words as a dictionary. Raises Misconfigured with every problem."""
    found: dict[str, str] = {}
    problems = []
    for pair in pairs:
        field, separator, value = pair.partition("=")
        field = _SHORT.get(field.strip(), field.strip())
        if not separator or not value.strip():
            problems.append(f"{option} {pair}: write it as FIELD=VALUE.")
        elif field not in _FIELDS and not re.fullmatch(r"attributes\.[^.\s]{1,64}", field):
            hint = did_you_mean(field, _FIELDS) or "Your own goes into attributes.NAME."
            problems.append(f"{option} {pair}: {field} is not a field of an event. {hint}")
        else:
            found[field] = value.strip()
    if problems:
        raise Misconfigured(problems)
    return found


def guess(columns: Sequence[str], *, given: Mapping[str, str], constants: Mapping[str, str]) -> dict[str, str]:
    """`given`, completed by what the names of the other columns suggest; each column and field once."""
    found = dict(given)
    for field, pattern in _GUESSES:
        if field in found or field in constants:
            continue
        for column in columns:
            name = re.sub(r"[\s_-]+", " ", column).strip()
            if column not in found.values() and re.fullmatch(pattern, name, re.IGNORECASE):
                found[field] = column
                break
    return found


def guess_kind(column: str) -> str | None:
    """What scale a rating column is on, as far as its name tells."""
    return next((kind for kind, pattern in _KINDS if re.search(pattern, column, re.IGNORECASE)), None)


def content_id(row: Mapping[str, Any]) -> str:
    """An id for a row that has none: the same row is the same event for ever."""
    canonical = json.dumps(row, sort_keys=True, separators=(",", ":"), default=str)
    return f"row-{hashlib.sha256(canonical.encode('utf-8', 'replace')).hexdigest()[:24]}"


def _put(event: dict[str, Any], field: str, value: Any) -> None:
    outer, _, inner = field.partition(".")
    if inner:
        event.setdefault(outer, {})[inner] = value
    else:
        event[outer] = value


def _number(field: str, value: str) -> float | int:
    try:
        number = float(value.replace(",", "."))
    except ValueError:
        raise BadRow(field, "This is not a number.") from None
    return int(number) if number.is_integer() else number


def _yes_or_no(field: str, value: str) -> bool:
    if value.lower() in _YES | _NO:
        return value.lower() in _YES
    raise BadRow(field, "This is neither yes nor no.")
