"""What can be asked of the store, as values: filters read from a URL, cursors, problems. Knows no SQL.

A list is read in keyset pages: a cursor names the last row that was seen, so that inserts never shift a page.
"""

import base64
from collections.abc import Mapping
from datetime import date, datetime
from typing import get_args

import msgspec

from services.contracts import events as e
from services.contracts.events import Problem

MAX_LIMIT = 200
DEFAULT_LIMIT = 50
MAX_QUERY = 200
_BEYOND_DATABASES = 1 << 63


class BadQuery(Exception):
    """A request that asks for something that cannot be asked, with a problem for each parameter."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(p.message for p in problems))
        self.problems = problems


class Cursor(msgspec.Struct, frozen=True):
    """The last row of a page: its sort value and its id."""

    value: int
    id: str

    def text(self) -> str:
        return base64.urlsafe_b64encode(f"{self.value}:{self.id}".encode()).decode().rstrip("=")


def cursor_of(text: str) -> Cursor:
    """A cursor as it stood in a link. Raises BadQuery."""
    try:
        value, _, name = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii").partition(":")
        if name.isprintable() and abs(int(value)) < _BEYOND_DATABASES:
            return Cursor(int(value), name)
    except ValueError:
        pass
    raise BadQuery(Problem(pointer="/after", code="cursor", message="this is no cursor of ours"))


class FeedbackFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which feedback; None asks nothing. `since` and `until` are about when it occurred, the latter exclusive."""

    source: str | None = None
    channel: str | None = None
    status: str | None = None
    stage: str | None = None
    area: str | None = None
    theme: str | None = None
    sentiment: str | None = None
    intent: str | None = None
    severity: int | None = None
    region: str | None = None
    site: str | None = None
    product: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    q: str | None = None

    def by_tag(self) -> bool:
        """Whether it asks for anything that only a tag says."""
        named = (self.stage, self.area, self.theme, self.sentiment, self.intent, self.severity)
        places = (self.region, self.site, self.product)
        return self.status in {"tagged", "unsure"} or any(value is not None for value in (*named, *places))

    def active(self) -> dict[str, str]:
        """What was asked, as it stands in a URL."""
        found = {}
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if value is not None:
                found[name] = value.isoformat() if isinstance(value, datetime) else str(value)
        return found


class ShareQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of what (`by`), among which events: only by what is known of them without reading them, because events
    that were picked by their tags are picked by the tags' mistakes, too. Days include both ends."""

    by: str
    first: date
    last: date
    source: str | None = None
    channel: str | None = None
    region: str | None = None
    site: str | None = None
    product: str | None = None

    def facts(self) -> dict[str, str]:
        """The filters that are asked for, besides the days."""
        return {name: value for name in SHARE_FACTS if (value := getattr(self, name)) is not None}


SHARE_FACTS = ("source", "channel", "region", "site", "product")


class ActionFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which actions. `state` may be several, separated by commas; `active` stands for all that are not done."""

    state: str | None = None
    team: str | None = None
    kind: str | None = None
    theme: str | None = None

    def states(self) -> tuple[str, ...]:
        if self.state is None:
            return ()
        names = self.state.split(",")
        return tuple(dict.fromkeys(s for name in names for s in (ACTIVE if name == "active" else (name,))))


ACTIVE = ("open", "acknowledged", "in_progress")

_CHOICES: dict[str, tuple[str, ...]] = {
    "channel": get_args(e.Channel),
    "status": ("received", "tagged", "unsure"),
    "sentiment": get_args(e.Sentiment),
    "intent": get_args(e.Intent),
    "kind": get_args(e.ActionKind),
}


def feedback_filter(parameters: Mapping[str, str]) -> FeedbackFilter:
    """The filter in a URL; an empty value asks nothing. Raises BadQuery."""
    found: dict[str, str | int | datetime] = {}
    problems = []
    for name in FeedbackFilter.__struct_fields__:
        text = parameters.get(name, "").strip()
        if not text:
            continue
        problem, value = _value(name, text)
        if problem is not None:
            problems.append(problem)
        else:
            found[name] = value
    if problems:
        raise BadQuery(*problems)
    return msgspec.convert(found, FeedbackFilter)


def action_filter(parameters: Mapping[str, str]) -> ActionFilter:
    """The filter in a URL. Raises BadQuery."""
    given = {n: parameters.get(n, "").replace("\x00", "").strip() for n in ActionFilter.__struct_fields__}
    found = {name: text for name, text in given.items() if text}
    asked = msgspec.convert(found, ActionFilter)
    problems = [
        _problem("state", "this is not a state; use open, acknowledged, in_progress, resolved, verified or active")
        for state in asked.states()
        if state not in get_args(e.State)
    ]
    if asked.kind is not None and asked.kind not in _CHOICES["kind"]:
        problems.append(_problem("kind", "use one of cause, recovery"))
    if problems:
        raise BadQuery(*problems)
    return asked


def share_query(parameters: Mapping[str, str], *, today: date, days: int) -> ShareQuery:
    """What shares a URL asks for; without days, those of the last `days`. Raises BadQuery."""
    problems = []
    if parameters.get("by") not in SHARE_HEADS:
        problems.append(_problem("by", f"use one of {', '.join(SHARE_HEADS)}"))
    for name in sorted(set(parameters) - {"by", "since", "until", *SHARE_FACTS}):
        problems.append(_problem(name, f"shares can be asked for by since, until, {', '.join(SHARE_FACTS)}"))
    ends = {"since": date.fromordinal(today.toordinal() - days + 1), "until": today}
    for name in ends:
        if text := parameters.get(name, "").strip():
            try:
                ends[name] = date.fromisoformat(text)
            except ValueError:
                problems.append(_problem(name, "use a date such as 2026-11-02"))
    facts = {}
    for name in SHARE_FACTS:
        problem, value = _value(name, parameters.get(name, "").strip())
        if problem is not None:
            problems.append(problem)
        elif value:
            facts[name] = str(value)
    if problems:
        raise BadQuery(*problems)
    return ShareQuery(by=parameters["by"], first=ends["since"], last=ends["until"], **facts)


SHARE_HEADS = ("stage", "area")


def limit_of(parameters: Mapping[str, str]) -> int:
    """How many rows a page is to have. Raises BadQuery."""
    text = parameters.get("limit", "")
    if not text:
        return DEFAULT_LIMIT
    if text.isdecimal() and 1 <= int(text[:6]) <= MAX_LIMIT and len(text) <= 6:
        return int(text)
    raise BadQuery(_problem("limit", f"use a number from 1 to {MAX_LIMIT}"))


def after_of(parameters: Mapping[str, str]) -> Cursor | None:
    """Where a page begins. Raises BadQuery."""
    text = parameters.get("after", "")
    return cursor_of(text) if text else None


def _value(name: str, text: str) -> tuple[Problem | None, str | int | datetime]:
    if name in {"since", "until"}:
        return _moment(name, text)
    if name == "severity":
        return (None, int(text)) if text in {"0", "1", "2", "3"} else (_problem(name, "use a number from 0 to 3"), 0)
    if name in _CHOICES and text and text not in _CHOICES[name]:
        return _problem(name, f"use one of {', '.join(sorted(_CHOICES[name]))}"), ""
    if len(text) > MAX_QUERY:
        return _problem(name, f"use at most {MAX_QUERY} characters"), ""
    return None, text.replace("\x00", "")


def _moment(name: str, text: str) -> tuple[Problem | None, datetime | str]:
    try:
        at = datetime.fromisoformat(text + "T00:00:00Z" if len(text) == 10 else text)
    except ValueError:
        return _problem(name, "use a date or an RFC 3339 time with an offset"), ""
    if at.tzinfo is None:
        return _problem(name, "the time needs an offset, such as Z"), ""
    return None, at


def _problem(name: str, message: str) -> Problem:
    return Problem(pointer=f"/{name}", code="query", message=message)


def search_words(text: str) -> list[str]:
    """The words to search for: letters and digits only, so that nothing in them is an operator."""
    cleaned = "".join(c if c.isalnum() else " " for c in text)
    return cleaned.split()[:12]
