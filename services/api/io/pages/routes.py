"""The addresses of the pages, and the room behind each.

Rendered on the server and working without JavaScript; htmx only saves the reload.
"""

from collections.abc import Callable
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from services.api.io.pages.cases import Cases
from services.api.io.pages.forms import form_of
from services.api.io.pages.models import ModelRoom
from services.api.io.pages.overview import Overview
from services.api.io.pages.renderer import HERE, Renderer
from services.api.io.pages.reviewing import Reviewing
from services.api.io.pages.teaching import Teaching
from services.api.io.pages.trying import Trying
from services.api.io.pages.voices import Voices


class Rooms(msgspec.Struct, frozen=True):
    """All rooms of the house."""

    renderer: Renderer
    overview: Overview
    voices: Voices
    cases: Cases
    trying: Trying
    teaching: Teaching
    reviewing: Reviewing
    models: ModelRoom


def page_routes(rooms: Rooms) -> APIRouter:
    """The addresses of the pages."""
    router = APIRouter(include_in_schema=False, default_response_class=Response)
    get: dict[str, Callable[..., Response]] = {
        "/": rooms.overview.week,
        "/palette": rooms.overview.palette,
        "/journey": rooms.overview.journey,
        "/feedback": rooms.voices.feedback,
        "/feedback/{name}": rooms.voices.one_feedback,
        "/actions": rooms.cases.actions,
        "/actions/{name}": rooms.cases.one_action,
        "/actions/{name}/members": rooms.cases.members,
        "/customers/{pseudonym}": rooms.voices.customer,
        "/teach": rooms.teaching.teach,
        "/review": rooms.reviewing.review,
        "/models": rooms.models.models,
        "/health": rooms.overview.health,
        "/keys": rooms.overview.keys,
    }
    for path, answer in get.items():
        router.add_api_route(path, answer, methods=["GET"])

    @router.get("/try")
    def try_page(request: Request) -> Response:
        return rooms.trying.try_it(request, None)

    @router.post("/try")
    def try_form(request: Request, form: Annotated[dict[str, str], Depends(form_of)]) -> Response:
        return rooms.trying.try_it(request, form)

    @router.post("/actions/{name}")
    def command_form(request: Request, name: str, form: Annotated[dict[str, str], Depends(form_of)]) -> Response:
        return rooms.cases.command(request, name, form)

    @router.post("/feedback/{name}")
    def correct_form(request: Request, name: str, form: Annotated[dict[str, str], Depends(form_of)]) -> Response:
        return rooms.voices.correct(request, name, form)

    @router.post("/teach")
    def teach_form(request: Request, form: Annotated[dict[str, str], Depends(form_of)]) -> Response:
        return rooms.teaching.answer(request, form)

    @router.post("/teach/learn")
    def learn_form(request: Request, form: Annotated[dict[str, str], Depends(form_of)]) -> Response:
        return rooms.teaching.learn(request, form)

    @router.post("/review")
    def review_form(request: Request, form: Annotated[dict[str, str], Depends(form_of)]) -> Response:
        return rooms.reviewing.answer(request, form)

    @router.post("/models/challenger")
    def challenger_form(request: Request, form: Annotated[dict[str, str], Depends(form_of)]) -> Response:
        return rooms.models.make(request, form)

    @router.post("/models/{version}")
    def activate_form(request: Request, version: str, form: Annotated[dict[str, str], Depends(form_of)]) -> Response:
        return rooms.models.activate(request, version, form)

    return router


def static_files() -> StaticFiles:
    """The sheet, the script, htmx and its licence."""
    return StaticFiles(directory=HERE / "static")
