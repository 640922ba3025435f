"""The two intake URLs: bodies in, verdicts out. Knows statuses, limits and headers; judges nothing."""

import asyncio
import contextlib
import re
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, get_args

from fastapi import APIRouter, Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from services.contracts import events as e
from services.contracts.errors import Unavailable
from services.ingest.formats import Unreadable, check_media_type, many, one
from services.ingest.intake import Candidate, Reason, Refused
from services.ingest.io.reception import Reception, Stored, Verdict
from services.kit.http import json_response, problem

MAX_SINGLE = 1 << 20
MAX_BATCH = 8 << 20
_MAX_BODIES = 64 << 20
"""Bytes of bodies that may be in hand at once; beyond it 429, so that a flood costs senders time and not us memory."""
_READ_SECONDS = 30.0

_TITLES = {
    400: "The body cannot be read",
    409: "Known with another content",
    413: "Too large",
    415: "Media type not supported",
    422: "The event is not valid",
    500: "A fault of this server",
}
_STATUS = {
    Reason.BAD_UTF8: 400,
    Reason.NOT_JSON: 400,
    Reason.TOO_DEEP: 400,
    Reason.TOO_LARGE: 413,
    Reason.TOO_MANY: 413,
    Reason.MEDIA_TYPE: 415,
    Reason.CONFLICT: 409,
    Reason.UNEXPECTED: 500,
}
_TRACE = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}\Z")
_MODES = get_args(e.Mode)


class _TooMuch(Exception):
    """Too many bytes are in hand already."""


class Intake:
    """Reads bodies within their limits and hands candidates to the reception."""

    def __init__(self, reception: Reception) -> None:
        self._reception = reception
        self._in_hand = 0

    def routes(self) -> APIRouter:
        router = APIRouter()
        router.add_api_route("/v1/feedback", self.single, methods=["POST"], status_code=202, openapi_extra=_DOCS[0])
        router.add_api_route(
            "/v1/feedback/batch", self.batch, methods=["POST"], status_code=202, openapi_extra=_DOCS[1]
        )
        return router

    async def single(self, request: Request) -> Response:
        """One event: 202 when it is safe."""
        return await self._answered(request, MAX_SINGLE, one)

    async def batch(self, request: Request) -> Response:
        """1 to 1,000 events: a result for each, in order; storage is all or nothing."""
        return await self._answered(request, MAX_BATCH, many)

    async def _answered(
        self, request: Request, limit: int, read: Callable[..., Candidate | list[Candidate]]
    ) -> Response:
        body = b""
        try:
            mode = _mode(request)
            # a batch may come to the single URL, so its media type decides
            if check_media_type(request.headers).endswith("batch+json"):
                limit = MAX_BATCH
            with self._reserved(request, limit):
                async with asyncio.timeout(_READ_SECONDS):
                    body = await _body(request, limit)
                candidates = read(body, request.headers)
                single = isinstance(candidates, Candidate)
                listed = [candidates] if isinstance(candidates, Candidate) else candidates
                verdicts = await self._reception.receive(listed, mode=mode, trace=_trace(request))
        except Unreadable as error:
            refused = Refused(error.reason, (e.Problem(pointer="", code=error.reason.value, message=error.detail),))
            self._reception.refused(refused, raw=body)
            return problem(error.status, _TITLES[error.status], detail=error.detail, code=error.reason.value)
        except Unavailable as error:
            return problem(503, "Not now", detail=f"{error}; send all of it again.", retry_after=error.retry_after)
        except _TooMuch:
            return problem(429, "Too much at once", detail="Send all of it again.", retry_after=1)
        except ClientDisconnect:
            return Response(status_code=499)  # nobody is there to read it
        except TimeoutError:
            return problem(408, "The body did not come in time", headers={"Connection": "close"})
        if single:
            return _single_answer(verdicts[0])
        return json_response({"results": _results(verdicts)}, status=202)

    @contextlib.contextmanager
    def _reserved(self, request: Request, limit: int) -> Iterator[None]:
        """Room for a body: as long as it says it is, else as long as it may be."""
        size = _declared(request, limit)
        if self._in_hand + size > _MAX_BODIES:
            raise _TooMuch
        self._in_hand += size
        try:
            yield
        finally:
            self._in_hand -= size


def _single_answer(verdict: Verdict) -> Response:
    if isinstance(verdict, Stored):
        return json_response({"id": verdict.id, "status": _word(verdict)}, status=202)
    status = _STATUS.get(verdict.reason, 422)
    return problem(status, _TITLES[status], code=verdict.reason.value, errors=verdict.problems)


def _results(verdicts: Sequence[Verdict]) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = []
    for index, verdict in enumerate(verdicts):
        if isinstance(verdict, Stored):
            results.append({"index": index, "id": verdict.id, "status": _word(verdict)})
            continue
        status = _STATUS.get(verdict.reason, 422)
        results.append(
            {
                "index": index,
                "id": verdict.id,
                "status": "rejected",
                "problem": {
                    "type": "about:blank",
                    "title": _TITLES[status],
                    "status": status,
                    "code": verdict.reason.value,
                    "errors": verdict.problems,
                },
            }
        )
    return results


def _word(stored: Stored) -> str:
    return "duplicate" if stored.is_duplicate else "accepted"


# ---- requests -------------------------------------------------------------------------------------------------------


def _mode(request: Request) -> e.Mode:
    asked = request.headers.get("palette-mode", "live").strip().lower()
    for mode in _MODES:
        if mode == asked:
            return mode  # type: ignore[no-any-return]  # one of the literal's own values
    raise Unreadable(422, Reason.INVALID, f"Palette-Mode must be one of {', '.join(_MODES)}.")


def _trace(request: Request) -> bytes | None:
    given = request.headers.get("traceparent", "")
    return given.encode() if _TRACE.match(given) else None


def _declared(request: Request, limit: int) -> int:
    """The body's length as announced. Raises Unreadable before a byte of a body that is too long is read."""
    announced = request.headers.get("content-length")
    if announced is None or not announced.isdecimal() or "content-encoding" in request.headers:
        return limit
    if int(announced) > limit:
        raise _too_large(limit)
    return int(announced)


def _too_large(limit: int) -> Unreadable:
    return Unreadable(413, Reason.TOO_LARGE, f"A body holds at most {limit:,} bytes here.")


async def _body(request: Request, limit: int) -> bytes:
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"identity", "gzip"}:
        raise Unreadable(415, Reason.MEDIA_TYPE, "Of content encodings gzip is read.")
    stream = request.stream()
    received = bytearray()
    async for chunk in stream if encoding == "identity" else _unpacked(stream, limit):
        received += chunk
        if len(received) > limit:
            raise _too_large(limit)
    return bytes(received)


async def _unpacked(stream: AsyncIterator[bytes], limit: int) -> AsyncIterator[bytes]:
    """Gzip, never unpacked further than one chunk beyond the limit."""
    unpacker = zlib.decompressobj(wbits=31)
    total = 0
    try:
        async for chunk in stream:
            rest = chunk
            while rest:
                data = unpacker.decompress(rest, 1 << 16)
                total += len(data)
                if total > limit:
                    raise _too_large(limit)
                yield data
                rest = unpacker.unconsumed_tail
    except zlib.error:
        raise Unreadable(400, Reason.NOT_JSON, "The body is not gzip.") from None
    if not unpacker.eof:
        raise Unreadable(400, Reason.NOT_JSON, "The gzip body is cut short.")


def _docs(summary: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"summary": summary, "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


_EVENT = {"$ref": "https://palette.example/schemas/events/feedback-event.json"}
_DOCS = (
    _docs("One event, own JSON or CloudEvents binary or structured", _EVENT),
    _docs("1 to 1,000 events, or a CloudEvents batch", {"type": "array", "items": _EVENT, "maxItems": 1000}),
)
