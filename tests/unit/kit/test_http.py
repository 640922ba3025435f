"""The HTTP edge: who is let in, what a problem looks like, what is counted."""

import asyncio
import base64
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.testclient import TestClient
from starlette.types import ASGIApp

from services.contracts.errors import Misconfigured
from services.contracts.events import Problem
from services.kit.health import Health
from services.kit.http import Guard, HttpMetrics, json_response, ops_routes, problem
from services.kit.keys import new_key
from services.kit.settings import Settings

HOST = "127.0.0.1:8080"


async def hello(request: Request) -> Response:
    return PlainTextResponse(request.scope.get("state", {}).get("caller", "nobody"))


async def broken(_: Request) -> Response:
    raise RuntimeError("a bug")


def app() -> Starlette:
    return Starlette(
        routes=[
            *ops_routes(Health(), CollectorRegistry(), controls={"resume": lambda: "classify goes on"}),
            Route("/v1/actions/{id}", hello, methods=["GET", "POST", "PUT", "DELETE"]),
            Route("/broken", broken),
            Mount("/static", routes=[Route("/{path:path}", hello)]),
        ]
    )


def client(inner: ASGIApp | None = None, **over: Any) -> TestClient:
    settings = Settings().model_copy(update=over)
    guarded = Guard(inner or app(), settings=settings)
    return TestClient(guarded, base_url=f"http://{HOST}", raise_server_exceptions=False)


@pytest.fixture
def keys(tmp_path: Path) -> tuple[str, Path]:
    key, line = new_key("crm")
    path = tmp_path / "keys"
    path.write_text(line, encoding="utf-8")
    return key, path


# ---- hosts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:8080", "localhost:1", "LOCALHOST", "[::1]", "[::1]:8080", "palette.test:443"]
)
def test_a_known_host_is_let_in(host: str) -> None:
    answer = client(hosts=" palette.test , ").get("/v1/actions/1", headers={"host": host})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.test",
        "127.0.0.1.evil.test",
        "evil.test:8080",
        "127.0.0.1@evil.test",
        "",
        "[::2]",
        "[::1",
        "localhost.",
        "::1",
    ],
)
def test_an_unknown_host_is_misdirected(host: str) -> None:
    answer = client().get("/v1/actions/1", headers={"host": host})

    assert answer.status_code == 421
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "unknown_host"
    assert not host or host not in answer.text


def test_the_host_of_the_public_address_is_known() -> None:
    open_to = client(public_url="https://cx.example.test/palette")

    assert open_to.get("/v1/actions/1", headers={"host": "cx.example.test"}).status_code == 200


# ---- other sites' pages ---------------------------------------------------------------------------------------------

OWN: list[Mapping[str, str]] = [
    {},
    {"origin": f"http://{HOST}"},
    {"origin": f"https://{HOST}"},
    {"sec-fetch-site": "same-origin", "origin": f"http://{HOST}"},
    {"sec-fetch-site": "none"},
]
FOREIGN: list[Mapping[str, str]] = [
    {"origin": "http://evil.test"},
    {"origin": "http://127.0.0.1:9999"},
    {"origin": "http://127.0.0.1"},
    {"origin": "null"},
    {"origin": ""},
    {"origin": f"http://{HOST}.evil.test"},
    {"origin": f"http://evil@{HOST}"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site", "origin": f"http://{HOST}"},
]


@pytest.mark.parametrize("headers", OWN)
def test_our_own_page_and_programs_may_write(headers: Mapping[str, str]) -> None:
    assert client().post("/v1/actions/1", headers=headers).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("headers", FOREIGN)
def test_another_sites_page_may_not(method: str, headers: Mapping[str, str]) -> None:
    answer = client().request(method, "/v1/actions/1", headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (403, "cross_site")


@pytest.mark.parametrize("headers", FOREIGN)
def test_reading_is_no_write(headers: Mapping[str, str]) -> None:
    assert client().get("/v1/actions/1", headers=headers).status_code == 200


def test_another_sites_page_cannot_reach_a_control() -> None:
    assert client().post("/control/resume", headers={"sec-fetch-site": "cross-site"}).status_code == 403


# ---- keys -----------------------------------------------------------------------------------------------------------


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_a_key_is_taken_as_bearer_or_as_password_and_names_the_caller(keys: tuple[str, Path]) -> None:
    key, path = keys
    open_to = client(api_keys_file=path)

    for value in (f"Bearer {key}", f"bearer  {key} ", basic("anybody", key), basic("", key)):
        answer = open_to.get("/v1/actions/1", headers={"authorization": value})
        assert (answer.status_code, answer.text) == (200, "crm")


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer x", "Basic", "Basic !!!", "Basic /w==", basic("crm", "x"), "Digest x", "Bearer \xff"],
)
def test_no_key_or_a_wrong_one_is_asked_for(keys: tuple[str, Path], authorization: str | None) -> None:
    headers = {"authorization": authorization.encode("latin-1")} if authorization is not None else {}
    answer = client(api_keys_file=keys[1]).get("/v1/actions/1", headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (401, "key_needed")
    assert answer.headers["www-authenticate"].startswith("Basic ")


def test_a_key_in_the_user_name_is_no_password(keys: tuple[str, Path]) -> None:
    key, path = keys
    answer = client(api_keys_file=path).get("/v1/actions/1", headers={"authorization": basic(key, "")})
    assert answer.status_code == 401


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/metrics"])
def test_health_and_metrics_need_no_key_and_no_host(keys: tuple[str, Path], path: str) -> None:
    answer = client(api_keys_file=keys[1]).get(path, headers={"host": "10.0.0.7"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/health/live/../../v1/actions/1",
        "/health/live/%2e%2e/%2e%2e/v1/actions/1",
        "/health/live/",
        "//health/live",
        "/metrics/../control/resume",
        "/HEALTH/LIVE",
        "/static/../metrics",
        "/static/%2e%2e/%2e%2e/etc/passwd",
    ],
)
def test_no_path_sneaks_past_the_guard(keys: tuple[str, Path], path: str) -> None:
    sent: list[int] = []
    guarded = Guard(app(), settings=Settings().model_copy(update={"api_keys_file": keys[1]}))
    scope = {
        "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"",
        "headers": [(b"host", HOST.encode())], "http_version": "1.1", "scheme": "http", "root_path": "",
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            sent.append(message["status"])

    asyncio.run(guarded(scope, receive, send))
    assert sent == [401]


def test_a_bind_beyond_loopback_needs_keys(keys: tuple[str, Path]) -> None:
    with pytest.raises(Misconfigured, match="API keys"):
        client(bind="0.0.0.0")

    assert client(bind="0.0.0.0", api_keys_file=keys[1]).get("/v1/actions/1").status_code == 401


# ---- ops ------------------------------------------------------------------------------------------------------------


def test_health_answers_503_while_a_check_fails() -> None:
    health = Health()
    check = health.check("partitions assigned")
    caller = client(Starlette(routes=ops_routes(health, CollectorRegistry())))

    assert caller.get("/health/live").json()["status"] == "live"
    assert caller.get("/health/ready").status_code == 503
    check.passed()
    assert caller.get("/health/ready").json()["checks"][0]["name"] == "partitions assigned"


def test_a_control_says_what_it_did_and_an_unknown_one_is_a_problem() -> None:
    assert client().post("/control/resume").json() == {"done": "classify goes on"}
    assert client().post("/control/explode").status_code == 404
    assert client().get("/control/resume").status_code == 405


def test_metrics_speak_the_format_that_is_asked_for() -> None:
    plain = client().get("/metrics")
    openmetrics = client().get("/metrics", headers={"accept": "application/openmetrics-text"})

    assert plain.headers["content-type"].startswith("text/plain")
    assert openmetrics.headers["content-type"].startswith("application/openmetrics-text")
    assert openmetrics.text.endswith("# EOF\n")


# ---- answers --------------------------------------------------------------------------------------------------------


def test_a_problem_is_problem_json_and_leaves_out_what_it_has_not() -> None:
    answer = problem(404, "Not found")

    assert answer.media_type == "application/problem+json"
    assert answer.body == b'{"type":"about:blank","title":"Not found","status":404}'


def test_a_problem_lists_its_errors_and_says_when_to_come_back() -> None:
    error = Problem(pointer="/text", code="too_long", message="Longer than 20,000 characters.")
    answer = problem(422, "Invalid", detail="One thing.", code="invalid", errors=[error], headers={"X-A": "b"})
    away = problem(503, "Later", retry_after=0.2)

    assert b'"errors":[{"pointer":"/text","code":"too_long","message":"Longer than 20,000 characters."}]' in answer.body
    assert answer.headers["x-a"] == "b"
    assert away.headers["retry-after"] == "1"


def test_json_answers_write_structs_as_topics_do() -> None:
    answer = json_response({"p": Problem(pointer="", code="c", message="m")}, status=202, headers={"X-A": "b"})

    assert (answer.status_code, answer.headers["content-type"]) == (202, "application/json")
    assert answer.body == b'{"p":{"pointer":"","code":"c","message":"m"}}'


# ---- request metrics ------------------------------------------------------------------------------------------------


def counted(*requests: tuple[str, str]) -> dict[tuple[str, str, str], float]:
    registry = CollectorRegistry()
    inner = app()
    measured = HttpMetrics(registry).middleware(inner, routes=inner.routes)
    caller = TestClient(measured, base_url=f"http://{HOST}", raise_server_exceptions=False)
    for method, path in requests:
        caller.request(method, path)
    return {
        (s.labels["route"], s.labels["method"], s.labels["code"]): s.value
        for metric in registry.collect()
        for s in metric.samples
        if s.name == "palette_http_requests_total"
    }


def test_requests_are_counted_by_template_not_by_path() -> None:
    assert counted(*[("GET", f"/v1/actions/{n}") for n in range(5)]) == {("/v1/actions/{id}", "GET", "200"): 5}


def test_paths_that_nobody_serves_share_one_series() -> None:
    assert counted(*[("GET", f"/wp-admin/{n}") for n in range(5)]) == {("other", "GET", "404"): 5}


def test_made_up_methods_share_one_series() -> None:
    assert {method for _, method, _ in counted(("BREW", "/v1/actions/1"), ("WHEN", "/v1/actions/1"))} == {"other"}


def test_a_bug_is_counted_as_500() -> None:
    assert counted(("GET", "/broken")) == {("/broken", "GET", "500"): 1}


@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "null", "", "http://\u2100"])
def test_an_origin_that_is_none_is_another_site(origin: str) -> None:
    answer = client().post("/v1/actions/1", headers={"origin": origin.encode("utf-8")})

    assert answer.status_code == 403


_ENDS_IN_ORDER = """
import os, signal, sys
from starlette.applications import Starlette
from services.kit.server import serve

class App(Starlette):
    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            os.kill(os.getpid(), signal.NUMBER)
            await receive()
            await send({"type": "lifespan.shutdown.complete"})

serve(App(), host="127.0.0.1", port=0)
os.kill(os.getpid(), signal.NUMBER)
print("put away")
"""


@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT"])
def test_a_server_asked_to_end_lets_its_caller_put_things_away(number: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _ENDS_IN_ORDER.replace("NUMBER", number)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert (ended.returncode, ended.stdout) == (0, "put away\n"), ended.stderr
