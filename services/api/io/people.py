"""Who speaks in a request: the owner of the API key where keys are configured, else the name that was given, kept in a
cookie so that it is typed once."""

from collections.abc import Mapping
from urllib.parse import unquote

from fastapi import Request

from services.api.ask import MAX_NAME

PERSON = "palette_name"


def caller_of(request: Request) -> str | None:
    """The owner of the API key that came with the request."""
    return getattr(request.state, "caller", None)


def person_of(request: Request, form: Mapping[str, str] | None = None) -> str:
    """Who speaks: the owner of the key, else the name in a form, else the one that was given before."""
    given = name_of((form or {}).get("by", ""))[:MAX_NAME]
    return caller_of(request) or given or unquote(request.cookies.get(PERSON, "")).strip()


def name_of(text: str) -> str:
    """A name as it is kept."""
    return "".join(letter for letter in text if letter.isprintable()).strip()
