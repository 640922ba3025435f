"""Bodies of requests, never more of them in memory than may be asked at once."""

from fastapi import Request
from starlette.exceptions import HTTPException

from services.api.answers import MAX_BODY


async def body_within(request: Request) -> bytes:
    """The body; of one that is too long only so much that it is seen to be."""
    received = bytearray()
    async for chunk in request.stream():
        received += chunk
        if len(received) > MAX_BODY:
            break
    return bytes(received[: MAX_BODY + 1])


async def json_body(request: Request) -> bytes:
    """A body that says that it is JSON, which no form of another site's page can. Raises HTTPException 415."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise HTTPException(415, "Send application/json")
    return await body_within(request)
