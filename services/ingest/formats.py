"""What arrives at the intake URLs -> candidates with their position. Knows media types and CloudEvents, not validity.

An envelope that fails is a refused candidate, so that its neighbours in a batch are not harmed. Only what concerns the
whole body raises `Unreadable`.
"""

from base64 import b64decode
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cloudevents.core.bindings.http import HTTPMessage, from_binary
from cloudevents.core.exceptions import CloudEventValidationError
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from services.contracts.errors import BadMessage
from services.contracts.events import Problem
from services.ingest.intake import Candidate, Reason, Refused, parse_time
from services.ingest.strict_json import parse

MAX_ITEMS = 1_000
_JSON = "application/json"
_STRUCTURED = "application/cloudevents+json"
_BATCH = "application/cloudevents-batch+json"


class Unreadable(Exception):
    """The body as a whole is of no use."""

    def __init__(self, status: int, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.reason = reason
        self.detail = detail


def one(body: bytes, headers: Mapping[str, str]) -> Candidate | list[Candidate]:
    """What came to the single URL: one candidate, or a list where it is a CloudEvents batch. Raises Unreadable."""
    media_type = check_media_type(headers)
    if media_type == _BATCH:
        return many(body, headers)
    value = _parsed(body)
    if media_type == _STRUCTURED:
        return _structured(value, 0, body)
    if any(name.lower().startswith("ce-") for name in headers):
        return _binary(value, headers, body)
    return Candidate(value, raw=body)


def many(body: bytes, headers: Mapping[str, str]) -> list[Candidate]:
    """What came to the batch URL: an array of events, or of structured CloudEvents. Raises Unreadable."""
    media_type = check_media_type(headers)
    if media_type == _STRUCTURED:
        raise Unreadable(415, Reason.MEDIA_TYPE, f"One structured event belongs to /v1/feedback; here it is {_BATCH}.")
    items = _parsed(body)
    if not isinstance(items, list) or not items:
        raise Unreadable(422, Reason.INVALID, "The body must be an array of at least one event.")
    if len(items) > MAX_ITEMS:
        raise Unreadable(413, Reason.TOO_MANY, f"A batch holds at most {MAX_ITEMS} events.")
    if media_type == _BATCH:
        return [_structured(item, index, None) for index, item in enumerate(items)]
    return [Candidate(item, index) for index, item in enumerate(items)]


def check_media_type(headers: Mapping[str, str]) -> str:
    """The media type. Raises Unreadable for one that the intake does not read."""
    media_type, _, parameters = headers.get("content-type", "").partition(";")
    media_type = media_type.strip().lower()
    if media_type not in {_JSON, _STRUCTURED, _BATCH}:
        raise Unreadable(415, Reason.MEDIA_TYPE, f"Send {_JSON}, {_STRUCTURED} or {_BATCH}.")
    charset = parameters.lower().replace(" ", "").replace('"', "").partition("charset=")[2].partition(";")[0]
    if charset not in {"", "utf-8", "utf8", "us-ascii"}:
        raise Unreadable(415, Reason.MEDIA_TYPE, "JSON is sent in UTF-8.")
    return media_type


def _parsed(body: bytes) -> Any:
    try:
        return parse(body)
    except BadMessage as error:
        raise Unreadable(400, Reason(error.code), error.message) from None


# ---- CloudEvents ----------------------------------------------------------------------------------------------------

_REQUIRED = ("specversion", "id", "source", "type")
_OURS_TO_NAME = {*_REQUIRED, "time", "subject", "datacontenttype", "dataschema", "data", "data_base64"}
"""Attributes that an answer and a record may name: the name of an extension is the sender's word."""


def _binary(data: Any, headers: Mapping[str, str], body: bytes) -> Candidate:
    """Attributes in headers, the event as body. The library decodes the headers; the body is parsed strictly here."""
    attributes = {name.lower().removeprefix("ce-") for name in headers if name.lower().startswith("ce-")}
    missing = [name for name in _REQUIRED if name not in attributes]
    if missing:
        return _failed(0, body, missing)
    try:
        event = from_binary(HTTPMessage(dict(headers), b""), JSONFormat(), CloudEvent)
    except CloudEventValidationError as error:
        return _failed(0, body, list(error.errors))
    except ValueError:
        return _failed(0, body, ["time"])
    return _opened(event.get_attributes(), headers.get("ce-time"), data, 0, body)


def _structured(envelope: Any, index: int, body: bytes | None) -> Candidate:
    if not isinstance(envelope, dict):
        return _failed(index, body, ["specversion"], event=envelope)
    missing = [name for name in _REQUIRED if name not in envelope]
    if missing:
        return _failed(index, body, missing, event=envelope)
    attributes = {name: value for name, value in envelope.items() if name not in {"data", "data_base64"}}
    data, given = envelope.get("data"), attributes.get("time")
    try:
        if "data_base64" in envelope:
            data = parse(b64decode(envelope["data_base64"], validate=True))
        if given is not None:
            attributes["time"] = datetime.fromisoformat(given.upper())
        CloudEvent(attributes, None)
    except CloudEventValidationError as error:
        return _failed(index, body, list(error.errors), event=envelope)
    except BadMessage:
        return _failed(index, body, ["data_base64"], event=envelope)
    except (ValueError, TypeError, AttributeError):
        bad = "data_base64" if data is None and "data_base64" in envelope else "time"
        return _failed(index, body, [bad], event=envelope)
    return _opened(attributes, given, data, index, body)


def _opened(attributes: Mapping[str, Any], time: Any, data: Any, index: int, body: bytes | None) -> Candidate:
    """The event in the envelope: what the envelope says and the data does not is filled in; a difference is refused."""
    if not isinstance(data, dict):
        return _failed(index, body, ["data"], event=data)
    said = {"source": attributes["source"], "id": attributes["id"]}
    if time is not None:
        said["occurred_at"] = time
    differing = [name for name, value in said.items() if name in data and not _same(name, data[name], value)]
    if differing:
        problems = tuple(
            Problem(pointer=f"/{name}", code="envelope_differs", message="The envelope says otherwise than the data.")
            for name in differing
        )
        return Candidate(data, index, body, Refused(Reason.ENVELOPE, problems))
    return Candidate(type(data)(said | data), index, body)  # a repeated key stays marked as such


def _same(name: str, given: Any, said: Any) -> bool:
    if name != "occurred_at" or not isinstance(given, str):
        return bool(given == said)
    return parse_time(given) == parse_time(str(said)) is not None


def _failed(index: int, body: bytes | None, names: list[str], *, event: Any = None) -> Candidate:
    problems = tuple(
        Problem(
            pointer=f"/{name}" if name else "",
            code="envelope",
            message="This attribute of the CloudEvent is missing or not valid."
            if name
            else "An extension attribute of the CloudEvent is not valid.",
        )
        for name in dict.fromkeys(name if name in _OURS_TO_NAME else "" for name in names)
    )
    return Candidate(event, index, body, Refused(Reason.ENVELOPE, problems))
