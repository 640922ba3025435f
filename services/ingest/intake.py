"""Candidate -> Checked -> Accepted, Duplicate or Refused. Knows what an event may say; does no input or output.

The order is fixed: validate, name, compare with what is known, and only then mask. Nothing that is refused or a repeat
costs a mask, and nothing unmasked leaves this module except in memory.
"""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any, NamedTuple, TypeGuard, get_args

import jsonschema_rs
import msgspec

from services.contracts import codec, ids
from services.contracts import events as e
from services.contracts.topics import FEEDBACK_RECEIVED, SCHEMAS, load_topics
from services.ingest.masking import Masker, Pseudonyms
from services.ingest.sources import Sources
from services.ingest.storing import MOST_CHARACTERS, MOST_PER_TURN, TOPS, Storing, clean
from services.ingest.strict_json import flaw, pointer

CHANNELS = get_args(e.Channel)
AHEAD = timedelta(minutes=5)
_HEADROOM_BYTES = 2_048


class Reason(StrEnum):
    """Why an input was refused: metric label, log field and part of the answer."""

    BAD_UTF8 = "bad_utf8"
    NOT_JSON = "not_json"
    TOO_DEEP = "too_deep"
    TOO_LARGE = "too_large"
    TOO_MANY = "too_many"
    MEDIA_TYPE = "media_type"
    ENVELOPE = "envelope"
    INVALID = "invalid"
    IN_THE_FUTURE = "in_the_future"
    UNKNOWN_SOURCE = "unknown_source"
    CONFLICT = "conflict"
    REFUSED_BY_KAFKA = "refused_by_kafka"
    UNEXPECTED = "unexpected"


class Candidate(msgspec.Struct, frozen=True):
    """One input that may be an event. `refusal` is set where its envelope already failed; `raw` are the bytes it came
    as, where it came alone."""

    event: Any
    index: int = 0
    raw: bytes | None = None
    refusal: "Refused | None" = None


class Refused(msgspec.Struct, frozen=True):
    """An input that goes no further, and every reason why."""

    reason: Reason
    problems: tuple[e.Problem, ...] = ()
    id: str | None = None
    source: str = "unknown"
    channel: str = "unknown"


class Checked(NamedTuple):
    """A valid event, named, not yet masked."""

    event: dict[str, Any]
    id: str
    key: bytes
    digest: bytes
    occurred_at: datetime


class Accepted(NamedTuple):
    """What is journalled: the event in its stored form and the message that carries it."""

    event: e.FeedbackReceived
    id: str
    key: bytes
    digest: bytes
    message: codec.Outbound


class Duplicate(NamedTuple):
    """The same event again."""

    id: str


def check(candidate: Candidate, *, now: datetime, sources: Sources, pseudonyms: Pseudonyms) -> Checked | Refused:
    """Validates and names a candidate."""
    if candidate.refusal is not None:
        return candidate.refusal
    event = candidate.event
    found = flaw(event)
    if found is not None:
        reason = Reason.TOO_DEEP if found.code == "too_deep" else Reason.NOT_JSON
        return _refused(event, reason, (found,))
    if not _validator().is_valid(event):
        return _refused(event, Reason.INVALID, _schema_problems(event))
    occurred_at = parse_time(event["occurred_at"])
    problems = _meaning(event, occurred_at)
    if problems or occurred_at is None:
        return _refused(event, Reason.INVALID, problems)
    if occurred_at > now + AHEAD:
        return _refused(
            event,
            Reason.IN_THE_FUTURE,
            (_problem(("occurred_at",), "in_the_future", "This is more than five minutes ahead of the clock here."),),
        )
    source = event["source"]
    if not sources.accepts_unknown and source not in sources.declared:
        return _refused(
            event,
            Reason.UNKNOWN_SOURCE,
            (_problem(("source",), "unknown_source", "This source is not declared in sources.yaml."),),
        )
    name = ids.event_id(source, event["id"])
    return Checked(
        event, name, bytes.fromhex(name.replace("-", "")), _digest(event, occurred_at, pseudonyms), occurred_at
    )


def compare(checked: Checked, known: bytes | None) -> Duplicate | Refused | None:
    """What an id that was seen before means: the same content is a repeat, another a conflict. None: it is new."""
    if known is None:
        return None
    if known == checked.digest:
        return Duplicate(checked.id)
    message = "This source and id were received before with another content; send changes under a new id."
    return _refused(checked.event, Reason.CONFLICT, (_problem(("id",), "conflict", message),))


def accept(
    checked: Checked,
    *,
    received_at: datetime,
    mode: e.Mode,
    masker: Masker,
    pseudonyms: Pseudonyms,
    region: str | None = None,
    trace: bytes | None = None,
) -> Accepted | Refused:
    """The event as it is stored: pseudonymised, masked, with its defaults filled."""
    event = Storing(checked.event, masker=masker, pseudonyms=pseudonyms, region=region).stored(
        checked.id, occurred_at=checked.occurred_at, received_at=received_at, mode=mode
    )
    message = codec.encode(event, trace=trace)
    if len(message.value or b"") > _largest_message():
        problem = e.Problem(pointer="", code="too_large", message="The event is larger than a message may be.")
        return _refused(checked.event, Reason.TOO_LARGE, (problem,))
    return Accepted(event, checked.id, checked.key, checked.digest, message)


def rejection(refused: Refused, *, raw: bytes, received_at: datetime) -> e.FeedbackRejected:
    """The record of a refusal: why, and how to recognise what was refused; nothing of what it said."""
    digest = hashlib.sha256(raw).hexdigest()
    return e.FeedbackRejected(
        id=refused.id or ids.rejection_id(digest),
        source=refused.source,
        received_at=received_at,
        reason=refused.reason.value,
        digest=digest,
        size=len(raw),
        problems=tuple(dict.fromkeys(map(_kept, refused.problems)))[:10],
    )


def _kept(problem: e.Problem) -> e.Problem:
    """A problem as it may be kept: the name of an unknown field is the sender's word and goes into the answer only."""
    if problem.code != "unknown_field":
        return problem
    return e.Problem(pointer=problem.pointer.rpartition("/")[0], code=problem.code, message=problem.message)


def raw_of(candidate: Candidate) -> bytes:
    """The bytes to recognise a candidate by: as it came, or, out of a batch, as JSON with sorted keys."""
    if candidate.raw is not None:
        return candidate.raw
    try:
        return json.dumps(candidate.event, sort_keys=True, separators=(",", ":"), default=str).encode()
    except RecursionError:
        return b""  # nested so deeply that it could be read, but not written


def parse_time(text: str) -> datetime | None:
    """An RFC 3339 time in UTC; None for a day that does not exist or a year beyond the calendar."""
    try:
        time = datetime.fromisoformat(text.upper())
        return time.astimezone(UTC) if time.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


# ---- what an event may say ------------------------------------------------------------------------------------------


@cache
def _validator() -> Any:
    schema = json.loads((SCHEMAS / "events" / "feedback-event.json").read_text(encoding="utf-8"))
    return jsonschema_rs.validator_for(schema, validate_formats=True)


@cache
def _largest_message() -> int:
    return load_topics()[FEEDBACK_RECEIVED].max_message_bytes - _HEADROOM_BYTES


def _schema_problems(event: Any) -> tuple[e.Problem, ...]:
    found = []
    for error in _validator().iter_errors(event):
        path, kind = list(error.instance_path), error.kind
        if kind.name == "additionalProperties":
            found += [_problem((*path, name), "unknown_field", _UNKNOWN_FIELD) for name in kind.unexpected]
        elif kind.name == "required":
            found.append(_problem((*path, kind.property), "required", "This field is required."))
        elif kind.name == "anyOf":
            found.append(_problem(path, "required", "One of text, turns and rating is required."))
        elif kind.name == "propertyNames":
            found.append(_problem(path, "name", "A name here is empty, too long or holds a control character."))
        else:
            found.append(_problem(path, _CODES.get(kind.name, kind.name), _message(kind)))
        if len(found) >= 20:
            break
    return tuple(dict.fromkeys(found))


_UNKNOWN_FIELD = "This field is not known here; what is your own belongs in attributes."
_CODES = {
    "maxLength": "too_long",
    "minLength": "too_short",
    "maxItems": "too_many",
    "maxProperties": "too_many",
    "maximum": "too_large",
    "minimum": "too_small",
    "pattern": "characters",
    "const": "value",
    "enum": "value",
}


def _message(kind: Any) -> str:
    """What a rule of the schema asks for; never what was given."""
    if kind.name == "type":
        return f"This must be of type {' or '.join(kind.types)}."
    if kind.name == "enum":
        return f"This must be one of {', '.join(map(str, kind.options))}."
    if kind.name == "const":
        return f"This must be {kind.expected_value}."
    if kind.name == "format":
        return "This must be a time as 2026-11-02T09:14:00Z, with an offset."
    if kind.name == "pattern":
        return "This holds characters that are not allowed here."
    if kind.name in {"maxLength", "minLength", "maxItems", "maxProperties", "maximum", "minimum"}:
        words = {"maxLength": "characters at most", "minLength": "characters at least"}
        default = "at most" if kind.name.startswith("max") else "at least"
        return f"The limit is {kind.limit} {words.get(kind.name, default)}."
    return "This is not allowed here."


def _meaning(event: dict[str, Any], occurred_at: datetime | None) -> tuple[e.Problem, ...]:
    """What a schema cannot say."""
    found = []
    if occurred_at is None:
        found.append(_problem(("occurred_at",), "time", "This is not a time that the calendar knows."))
    for name in ("source", "id"):
        if "\ufffd" in event[name] or event[name].isspace():
            found.append(_problem((name,), "characters", "This holds characters that are not allowed here."))
    rating = event.get("rating")
    if rating is not None and rating["kind"] == "csat" and rating["value"] > rating.get("max", TOPS["csat"]):
        found.append(_problem(("rating", "value"), "too_large", "This is more than the scale's max, 5 unless said."))
    if "turns" in event:
        found += _meaning_of_turns(event)
    elif rating is None and not clean(event["text"]):
        found.append(_problem(("text",), "required", "One of text and rating is required, and the text is empty."))
    return tuple(found)


def _meaning_of_turns(event: dict[str, Any]) -> list[e.Problem]:
    found = []
    if "text" in event:
        found.append(_problem(("turns",), "one_of", "Send text or turns, not both."))
    turns = event["turns"]
    if sum(len(turn["text"]) for turn in turns) + MOST_PER_TURN * len(turns) > MOST_CHARACTERS:
        found.append(_problem(("turns",), "too_long", f"Together the limit is {MOST_CHARACTERS} characters at most."))
    if event.get("rating") is None and not any(clean(turn["text"]) for turn in turns):
        found.append(_problem(("turns",), "required", "One of turns and rating is required, and no turn has words."))
    found += [
        _problem(("turns", number, "at"), "time", "This is not a time that the calendar knows.")
        for number, turn in enumerate(turns)
        if "at" in turn and parse_time(turn["at"]) is None
    ]
    return found


def _problem(path: Sequence[str | int], code: str, message: str) -> e.Problem:
    return e.Problem(pointer=pointer(path), code=code, message=message)


def _refused(event: Any, reason: Reason, problems: tuple[e.Problem, ...]) -> Refused:
    """A refusal that names the event as far as its own fields can be trusted."""
    fields = event if isinstance(event, dict) else {}
    source, name, channel = fields.get("source"), fields.get("id"), fields.get("channel")
    if not _is_name(source):
        return Refused(reason, problems)
    return Refused(
        reason,
        problems,
        id=ids.event_id(source, name) if _is_name(name) else None,
        source=source,
        channel=channel if isinstance(channel, str) and channel in CHANNELS else "unknown",
    )


def _is_name(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= 200 and value.isprintable()


def _digest(event: dict[str, Any], occurred_at: datetime, pseudonyms: Pseudonyms) -> bytes:
    """Of the content: the order of keys, the spelling of the time and of numbers do not matter."""
    canonical = event | {"occurred_at": occurred_at}
    if "rating" in event:
        canonical["rating"] = {k: float(v) if k != "kind" else v for k, v in event["rating"].items()}
    return pseudonyms.digest(msgspec.json.encode(canonical, order="deterministic"))
