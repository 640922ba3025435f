"""The HTTP edge of any process: problem+json, the guard, health and metrics, request metrics.

The guard exists because loopback is not "nobody in": a web page that a person opens can reach it. Host names other than
our own, cross-site writes and, where keys are configured, requests without one are refused.
"""

import asyncio
import base64
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import choose_encoder
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.contracts.errors import Misconfigured
from services.contracts.events import Problem
from services.kit.health import Health
from services.kit.keys import Keys
from services.kit.metrics import REQUEST_BUCKETS
from services.kit.settings import LOOPBACK, Settings

_OPEN_PATHS = frozenset({"/health/live", "/health/ready", "/metrics"})
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def json_response(body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer; structs and datetimes are written as on topics."""
    return Response(msgspec.json.encode(body), status, dict(headers or {}), "application/json")


def problem(
    status: int,
    title: str,
    *,
    detail: str = "",
    code: str = "",
    errors: Iterable[Problem] = (),
    headers: Mapping[str, str] | None = None,
    retry_after: float | None = None,
) -> Response:
    """An RFC 9457 answer. Nothing that a caller sent is repeated in it."""
    body: dict[str, Any] = {"type": "about:blank", "title": title, "status": status}
    if detail:
        body["detail"] = detail
    if code:
        body["code"] = code
    listed = [{"pointer": e.pointer, "code": e.code, "message": e.message} for e in errors]
    if listed:
        body["errors"] = listed
    all_headers = dict(headers or {})
    if retry_after is not None:
        all_headers["Retry-After"] = str(max(1, round(retry_after)))
    return Response(msgspec.json.encode(body), status, all_headers, "application/problem+json")


class Guard:
    """Refuses unknown hosts, cross-site writes and, with keys configured, callers without one.

    The name that owns the key is put into the scope's state as `caller`. `login` is the path prefix that people may
    reach without a key, where a service has one.
    """

    def __init__(self, app: ASGIApp, *, settings: Settings, open_paths: Iterable[str] = ()) -> None:
        self._app = app
        self._hosts = LOOPBACK | {h.strip().lower() for h in settings.hosts.split(",") if h.strip()}
        if settings.public_url:
            self._hosts |= {urlsplit(settings.public_url).hostname or ""}
        if settings.bind not in LOOPBACK and settings.api_keys_file is None:
            raise Misconfigured(
                [
                    f"PALETTE_BIND={settings.bind} is reachable from other machines, so API keys are needed: make one "
                    "with `palette keys new NAME`, put its line into a file and name that in PALETTE_API_KEYS_FILE."
                ]
            )
        self._keys = Keys.read(settings.api_keys_file) if settings.api_keys_file is not None else None
        self._open = _OPEN_PATHS | set(open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if scope["path"] in self._open:
            return None
        if _host_of(headers.get("host", "")) not in self._hosts:
            return problem(
                421,
                "Unknown host",
                code="unknown_host",
                detail="Name this server as 127.0.0.1, or add the name to PALETTE_HOSTS.",
            )
        if scope["method"] not in _SAFE_METHODS and not self._same_site(headers):
            return problem(
                403, "Cross-site request", code="cross_site", detail="Requests from other sites' pages are refused."
            )
        if self._keys is None:
            return None
        owner = self._keys.owner(_key_of(headers.get("authorization", "")))
        if owner is None:
            return problem(
                401,
                "Key needed",
                code="key_needed",
                detail="Send `Authorization: Bearer KEY`; a browser may give any name with the key as password.",
                headers={"WWW-Authenticate": 'Basic realm="Palette", charset="UTF-8"'},
            )
        scope.setdefault("state", {})["caller"] = owner
        return None

    def _same_site(self, headers: Headers) -> bool:
        site = headers.get("sec-fetch-site")
        if site is not None and site not in {"same-origin", "none"}:
            return False
        origin = headers.get("origin")
        if origin is None:
            return True
        try:
            # the whole origin must be ours, port included: another local program's page is another site
            return urlsplit(origin).netloc.lower() == headers.get("host", "").lower()
        except ValueError:
            return False


def _key_of(authorization: str) -> str:
    """The key in a Bearer header, or the password of a Basic one, which is how a browser asks a person for it."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[2]
        except ValueError:
            return ""
    return ""


def _host_of(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


class HttpMetrics:
    """Counts and times requests by route template, so that paths with ids do not grow the series."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "palette_http_requests", "Requests answered.", ["route", "method", "code"], registry=registry
        )
        self.duration = Histogram(
            "palette_http_request_duration_seconds",
            "Time until the answer was complete.",
            ["route", "method"],
            buckets=REQUEST_BUCKETS,
            registry=registry,
        )

    def middleware(self, app: ASGIApp, *, routes: Sequence[Any]) -> ASGIApp:
        """Wraps an app; `routes` are its Starlette routes."""

        async def measured(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            started = time.perf_counter()
            status = 500

            async def noted(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                await send(message)

            try:
                await app(scope, receive, noted)
            finally:
                route = _template(scope, routes)
                method = scope["method"] if scope["method"] in {*_SAFE_METHODS, "POST", "PUT", "DELETE"} else "other"
                self.requests.labels(route, method, str(status)).inc()
                self.duration.labels(route, method).observe(time.perf_counter() - started)

        return measured


def _template(scope: Scope, routes: Sequence[Any]) -> str:
    endpoint = scope.get("route")
    if endpoint is not None:
        return str(getattr(endpoint, "path", "other"))
    for route in routes:
        if route.matches(scope)[0] is Match.FULL:
            return str(getattr(route, "path", "other"))
    return "other"


def ops_routes(
    health: Health, registry: CollectorRegistry, *, controls: Mapping[str, Callable[[], str]] | None = None
) -> list[Route]:
    """Health, metrics and the controls (`POST /control/<name>`, answered with what was done)."""

    async def live(_: Request) -> Response:
        ok, body = health.live()
        return json_response(body, status=200 if ok else 503)

    async def ready(_: Request) -> Response:
        ok, body = health.ready()
        return json_response(body, status=200 if ok else 503)

    async def metrics(request: Request) -> Response:
        encode, media_type = choose_encoder(request.headers.get("accept", ""))
        body = await asyncio.to_thread(encode, registry)
        return Response(body, media_type=media_type)

    async def control(request: Request) -> Response:
        act = (controls or {}).get(request.path_params["name"])
        if act is None:
            return problem(404, "No such control")
        return json_response({"done": act()})

    return [
        Route("/health/live", live),
        Route("/health/ready", ready),
        Route("/metrics", metrics),
        Route("/control/{name}", control, methods=["POST"]),
    ]
