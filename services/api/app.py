"""Wiring: settings -> store, threads and one web application."""

import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from services.api.io.consumer import Consumer
from services.api.io.desk import Desk
from services.api.io.figure_routes import figure_routes
from services.api.io.gather import Gather
from services.api.io.judge import Judge
from services.api.io.learning_routes import learning_routes
from services.api.io.models import Classifier, Models
from services.api.io.news import News
from services.api.io.not_ours import NotOurs
from services.api.io.oversight import Oversight
from services.api.io.pages.cases import Cases
from services.api.io.pages.models import ModelRoom
from services.api.io.pages.overview import Overview
from services.api.io.pages.renderer import Renderer
from services.api.io.pages.reviewing import Reviewing
from services.api.io.pages.routes import Rooms, page_routes, static_files
from services.api.io.pages.teaching import Teaching
from services.api.io.pages.trying import Trying
from services.api.io.pages.voices import Voices
from services.api.io.policy import POLICY, PolicyWatcher
from services.api.io.publisher import Publisher
from services.api.io.rebuild import take_over
from services.api.io.routes import Base, action_routes, feedback_routes
from services.api.io.store import Store, open_store, sqlite_path
from services.api.io.tagger import Tagger
from services.api.io.watch import Watch
from services.api.metrics import ReviewMetrics, WatchMetrics
from services.api.project import TOPICS
from services.api.queries import BadQuery
from services.contracts.errors import Unavailable
from services.kit.clock import Clock, utc_now
from services.kit.http import Guard, HttpMetrics, ops_routes, problem
from services.kit.metrics import ConsumerMetrics, PolicyMetrics
from services.kit.process import Process
from services.kit.server import serve
from services.kit.settings import url_host

_FOR_PROGRAMS = ("/v1/", "/health/", "/metrics", "/control/", "/static/")
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@dataclass(frozen=True)
class Parts:
    """Everything that runs, so that tests may hold single parts."""

    process: Process
    store: Store
    news: News
    publisher: Publisher
    consumer: Consumer
    watcher: PolicyWatcher
    watch: Watch
    judge: Judge
    oversight: Oversight
    desk: Desk
    gather: Gather
    tagger: Tagger
    models: Models
    app: ASGIApp

    def start(self) -> None:
        self.consumer.start()
        self.watcher.start()
        self.watch.start()
        self.judge.start()
        self.oversight.start()

    def stop(self) -> None:
        self.consumer.stop()
        self.oversight.stop()
        self.judge.stop()
        self.watch.stop()
        self.watcher.stop()
        self.publisher.close()
        self.tagger.close()
        self.models.close()
        self.store.close()


def build(process: Process, *, clock: Clock = utc_now, publisher: Publisher | None = None) -> Parts:
    """All parts, none of them started; `publisher` stands in where there is no Kafka. Raises Misconfigured,
    Unavailable."""
    settings = process.settings
    check = process.health.check("store open")
    if settings.database_url is None and take_over(sqlite_path(settings.data_dir)):
        process.log.info("the rebuilt store was taken over")
    store = open_store(
        data_dir=settings.data_dir,
        database_url=settings.database_url.get_secret_value() if settings.database_url else None,
    )
    check.passed()
    news = News()
    publisher = publisher or Publisher(settings)
    consumer = Consumer(process, store, ConsumerMetrics(process.registry, TOPICS), news, clock=clock)
    watcher = PolicyWatcher(process, store, publisher, PolicyMetrics(process.registry, [POLICY]), clock=clock)
    watch = Watch(process, store, WatchMetrics(process.registry), sources=watcher.sources, clock=clock)
    judge = Judge(process, store, publisher, caught_up=watch.caught_up, clock=clock)
    oversight = Oversight(process, store, ReviewMetrics(process.registry))
    desk = Desk(store, publisher, news, clock=clock)
    tagger = Tagger(settings)
    models = Models(store, publisher, Classifier(settings), clock=clock)
    not_ours = NotOurs(store, publisher, desk, clock=clock)
    gather = Gather(store, watcher, clock=clock)
    renderer = Renderer(store=store, watcher=watcher, version=process.version, clock=clock)
    intake = f"http://{url_host(settings.bind)}:{settings.ingest_port}"
    rooms = Rooms(
        renderer,
        Overview(renderer, store=store, gather=gather, watcher=watcher, watch=watch, intake=intake, clock=clock),
        Voices(renderer, store=store, desk=desk, gather=gather, watcher=watcher),
        Cases(renderer, store=store, not_ours=not_ours, gather=gather, watcher=watcher, clock=clock),
        Trying(renderer, watcher=watcher, tagger=tagger, clock=clock),
        Teaching(renderer, store=store, desk=desk, models=models, watcher=watcher, clock=clock),
        Reviewing(renderer, store=store, desk=desk, watcher=watcher, clock=clock),
        ModelRoom(renderer, store=store, models=models, watcher=watcher),
    )
    app = _application(
        process,
        rooms,
        consumer,
        lambda base: (
            feedback_routes(store, desk, watcher, base),
            action_routes(store, desk, not_ours, watcher, base),
            learning_routes(store, models, watcher, clock),
            figure_routes(gather, watcher, tagger, clock),
        ),
    )
    return Parts(
        process, store, news, publisher, consumer, watcher, watch, judge, oversight, desk, gather, tagger, models, app
    )


def _application(
    process: Process, rooms: Rooms, consumer: Consumer, routers: Callable[[Base], tuple[APIRouter, ...]]
) -> ASGIApp:
    app = FastAPI(
        title="Palette",
        version=process.version,
        description="What customers say, tagged, and the work that comes of it.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
    )
    public_url = process.settings.public_url.rstrip("/")

    def base(request: Request) -> str:
        return public_url or str(request.base_url).rstrip("/")

    controls = {"resume": consumer.resume, "restart": lambda: _restart(process)}
    app.router.routes.extend(ops_routes(process.health, process.registry, controls=controls))
    for router in routers(base):
        app.include_router(router)
    app.include_router(page_routes(rooms))
    app.mount("/static", static_files())
    _errors(app, process, rooms.renderer)
    app.add_middleware(BaseHTTPMiddleware, dispatch=_secured)
    guarded = Guard(app, settings=process.settings)
    return HttpMetrics(process.registry).middleware(guarded, routes=app.routes)


def _restart(process: Process) -> str:
    """Ends this process in order; whoever supervises it starts it again."""
    process.log.info("asked to start again")
    signal.raise_signal(signal.SIGTERM)
    return "starts again"


async def _secured(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
    if "\x00" in request.url.path:  # no id holds one, and PostgreSQL takes none
        return problem(404, "Not found", code="not_found")
    response = await call(request)
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _errors(app: FastAPI, process: Process, renderer: Renderer) -> None:
    def answer(request: Request, api: Response, heading: str, detail: str) -> Response:
        """A page for people, problem+json for programs."""
        if request.url.path.startswith(_FOR_PROGRAMS):
            return api
        return renderer.error(request, api.status_code, heading, detail)

    async def bad_query(request: Request, error: Any) -> Response:
        not_json = any(p.code == "not_json" for p in error.problems)
        api = problem(400 if not_json else 422, "This cannot be asked", errors=error.problems)
        detail = "; ".join(f"{p.pointer.removeprefix('/')}: {p.message}" for p in error.problems)
        return await run_in_threadpool(answer, request, api, "This cannot be asked", detail)

    async def invalid(_: Request, error: Any) -> Response:
        # FastAPI's own answer repeats the input, which may be a customer's words
        return problem(422, "This cannot be asked", code="invalid", detail=f"{len(error.errors())} problems")

    async def away(_: Request, error: Any) -> Response:
        return problem(503, "Try again", code="away", detail=str(error), retry_after=error.retry_after)

    async def http_error(request: Request, error: Any) -> Response:
        api = problem(error.status_code, str(error.detail), headers=error.headers)
        if error.status_code != 404:
            return api
        return await run_in_threadpool(answer, request, api, "There is nothing here", "The address is wrong.")

    async def bug(_: Request, error: Exception) -> Response:
        process.log.bug("request failed", error)
        return problem(500, "A mistake of ours", code="unexpected", detail="It is in the log.")

    app.add_exception_handler(BadQuery, bad_query)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(Unavailable, away)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(Exception, bug)


def main(process: Process) -> None:
    """Runs until SIGTERM."""
    parts = build(process)
    parts.start()
    try:
        serve(parts.app, host=process.settings.bind, port=process.settings.api_port)
    finally:
        parts.stop()
