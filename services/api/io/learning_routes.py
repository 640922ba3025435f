"""The interface of learning: what to look at next, how far people agree, models to be had, made, brought into force."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from services.api import shapes
from services.api.agreement import kappas, questions
from services.api.answers import body_of
from services.api.ask import MAX_NAME
from services.api.choosing import choose
from services.api.io import reviews
from services.api.io.bodies import json_body
from services.api.io.models import CHOSEN, Making, Models
from services.api.io.people import caller_of, name_of
from services.api.io.policy import PolicyWatcher
from services.api.io.routes import tagged
from services.api.io.store import Store
from services.api.queries import BadQuery
from services.api.review import Asked, is_second, queue, second_looks
from services.api.reviewed import by_person, latest
from services.api.shapes import Voice
from services.contracts.events import FeedbackCorrected, Problem
from services.contracts.learning import Learning
from services.kit.clock import Clock
from services.kit.http import json_response, problem

_MOST_ITEMS = 60
_ONBOARDING_WEEKS = 520
"""At a new company the texts are an import of old ones; all of them may be asked about."""


class MakeBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who asks for a challenger; `first`: from the first labels at a new company."""

    by: str = ""
    first: bool = False


class ActivateBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who brings a version into force, and whether that is going back."""

    by: str = ""
    reason: Literal["chosen", "rolled_back"] = CHOSEN


def learning_routes(store: Store, models: Models, watcher: PolicyWatcher, clock: Clock) -> APIRouter:
    """`/v1/review/…`, `/v1/models…`."""
    router = APIRouter(prefix="/v1", default_response_class=Response)

    @router.get("/review/next", summary="The texts that a person should look at next, and why")
    def review_next(request: Request) -> Response:
        by = _person(request, request.query_params.get("by", ""))
        wanted = _number(request.query_params, "limit", default=10)
        first = request.query_params.get("purpose", "review") == "onboarding"
        body = (first_texts if first else days_texts)(store, watcher.learning(), clock, by, wanted)
        names = watcher.names()
        body["labels"] = {"stages": names.stages, "areas": names.areas}
        return json_response(body, headers={"Cache-Control": "no-store"})

    @router.get("/review/agreement", summary="How far people agree, and where they do not")
    def agreement(request: Request) -> Response:
        with store.reading() as connection:
            people = by_person(reviews.opinions(connection))
        body = {
            "events": len(people),
            "answered_twice": sum(len(answers) > 1 for answers in people.values()),
            "heads": kappas(people),
            "questions": questions(people),
        }
        return tagged(request, body, {})

    @router.get("/models", summary="Models to be had, the one in force and the one before")
    def listed() -> Response:
        return json_response(models.listed(), headers={"Cache-Control": "no-store"})

    @router.get("/models/challenger", summary="How far the making of the last challenger is")
    def making() -> Response:
        return _making(models.making())

    @router.post("/models/challenger", summary="Learn from what people said, and judge it")
    def make(request: Request, raw: Annotated[bytes, Depends(json_body)]) -> Response:
        body = body_of(raw, MakeBody)
        return _making(models.make(by=_person(request, body.by), first=body.first))

    @router.post("/models/{version}/activate", summary="Bring a version into force, or go back to one")
    def activate(request: Request, version: str, raw: Annotated[bytes, Depends(json_body)]) -> Response:
        body = body_of(raw, ActivateBody)
        done = models.activate(version, by=_person(request, body.by), reason=body.reason)
        if done.state == "unknown":
            return problem(404, "Not found", code="not_found", detail="The classifier has no such version.")
        if done.state == "refused":
            detail = f"{version} was judged worse than the one in force. GET /v1/models tells the verdict."
            return problem(409, "Not promoted", code="judged_worse", detail=detail)
        return json_response(done, status=200 if done.state == "in_force" else 202)

    return router


def _making(making: Making) -> Response:
    where = {"Location": "/v1/models/challenger", "Cache-Control": "no-store"}
    return json_response(making, status=202 if making.state == "running" else 200, headers=where)


def first_texts(store: Store, learning: Learning, clock: Clock, by: str, wanted: int) -> dict[str, Any]:
    """The first labels at a new company: those that teach most, given what is labelled so far."""
    with store.reading() as connection:
        labels = latest(reviews.opinions(connection))
        known = reviews.labelled(connection, list(labels))
        open_ones = reviews.candidates(connection, since=clock() - timedelta(weeks=_ONBOARDING_WEEKS))
        chosen = choose(open_ones, number=wanted, labelled=known)
        voices = reviews.voices_of(connection, [item.candidate.id for item in chosen])
    items = [_item(voices[c.candidate.id], c.reasons, None) for c in chosen]
    return {
        "purpose": "onboarding",
        "by": by,
        "labelled": len(known),
        "steps": list(learning.onboarding.labels),
        "items": items,
    }


def days_texts(store: Store, learning: Learning, clock: Clock, by: str, wanted: int) -> dict[str, Any]:
    """What is left of this person's labels for today."""
    bounds, now = learning.review, clock()
    since = now - timedelta(weeks=bounds.weeks)
    with store.reading() as connection:
        given = reviews.answered_on(connection, by=by, day=now)
        number = min(wanted, max(0, bounds.a_day - given))
        again = sum(is_second(place, percent=bounds.second_look) for place in range(given, given + number))
        seconds = second_looks(reviews.answered_once(connection, besides=by, since=since), by=by, number=again)
        fresh = queue(
            reviews.candidates(connection, since=since),
            by=by,
            number=number - len(seconds),
            disowned=frozenset(reviews.disowned(connection)),
        )
        asked: list[Asked] = [*fresh, *seconds]
        voices = reviews.voices_of(connection, [item.event for item in asked])
        guessed = reviews.first_tags(connection, [item.event for item in seconds])
    items = [_item(voices[a.event], a.reasons, guessed.get(a.event)) for a in asked if a.event in voices]
    return {
        "purpose": "review",
        "by": by,
        "given_today": given,
        "left_today": max(0, bounds.a_day - given),
        "items": items,
    }


def _item(voice: Voice, reasons: tuple[str, ...], corrected: FeedbackCorrected | None) -> dict[str, Any]:
    """A text to look at. For a second look the guess is the model's, not the first person's answer."""
    tags = corrected.of.tags if corrected is not None else voice.tagged.tags if voice.tagged is not None else None
    return {
        "id": voice.event.id,
        "revision": voice.tagged.revision if voice.tagged is not None else None,
        "text": voice.event.text,
        "source": voice.event.source,
        "channel": voice.event.channel,
        "occurred_at": voice.event.occurred_at,
        "guess": shapes.guess(tags) if tags is not None else None,
        "reasons": list(reasons),
        "second_look": corrected is not None,
    }


def _person(request: Request, given: str) -> str:
    """Who asks: the owner of the API key, else the name that was given. Raises BadQuery."""
    name = caller_of(request) or name_of(given)
    if not name or len(name) > MAX_NAME:
        raise BadQuery(Problem(pointer="/by", code="query", message="say who asks, in at most 100 characters"))
    return name


def _number(parameters: Mapping[str, str], name: str, *, default: int) -> int:
    text = parameters.get(name, "")
    if not text:
        return default
    if text.isdecimal() and len(text) < 4 and 1 <= int(text) <= _MOST_ITEMS:
        return int(text)
    raise BadQuery(Problem(pointer=f"/{name}", code="query", message=f"use a number from 1 to {_MOST_ITEMS}"))
