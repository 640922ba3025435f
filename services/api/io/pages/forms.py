"""What a form brings and how it is answered: with a redirect to the page that shows what became of it, so that a
reload repeats nothing."""

import contextlib
from typing import Any
from urllib.parse import parse_qsl, quote

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from services.api import phrases
from services.api.io.bodies import body_within
from services.api.io.people import PERSON


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form; none where the body is something else."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        return {}
    body = await body_within(request)
    with contextlib.suppress(ValueError):
        return dict(parse_qsl(body[:64_000].decode("utf-8", "replace"), max_num_fields=40))
    return {}


def shown_at(url: str, by: str) -> Response:
    """The redirect to where the outcome is shown; remembers who spoke."""
    answer = RedirectResponse(url, status_code=303)
    if by:
        answer.set_cookie(PERSON, quote(by), max_age=31_536_000, httponly=True, samesite="strict")
    return answer


def said(request: Request) -> str:
    """The sentence for what a form did. Only words that are known here: nothing of the address is repeated."""
    word = request.query_params.get("said", "")
    if word.startswith("not-"):
        return phrases.refusal(word[4:]) if word[4:].replace("_", "").isalpha() and len(word) < 40 else ""
    return phrases.DONE.get(word, "")


def one_of(value: str, known: tuple[Any, ...]) -> Any:
    """The value, if it is one of those known."""
    return value if value in known else None
