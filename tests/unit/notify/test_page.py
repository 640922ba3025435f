"""The look-up of an action at delivery: welcome, never needed."""

from typing import Any

import httpx2
import pytest

from services.notify.delivery import ActionNow
from services.notify.io.page import NOTHING, PAUSE_SECONDS, ActionsApi, Known


def look_up(answer: Any, *, key: str = "") -> Known:
    api = ActionsApi("http://127.0.0.1:8080/", key=key, client=httpx2.Client(transport=httpx2.MockTransport(answer)))
    try:
        return api.look_up("a-1")
    finally:
        api.close()


def test_the_state_and_up_to_three_texts_are_taken() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        assert str(request.url) == "http://127.0.0.1:8080/v1/actions/a-1"
        assert request.headers["authorization"] == "Bearer k"
        verbatims = [{"id": "1", "text": "one"}, {"id": "2", "text": None}, {"text": " "}, {"text": "two"}]
        body = {"id": "a-1", "revision": 3, "state": "open", "verbatims": [*verbatims, {"text": "3"}, {"text": "4"}]}
        return httpx2.Response(200, json=body)

    assert look_up(answer, key="k") == Known(ActionNow(3, "open"), ("one", "two", "3"))


def refuse(_: httpx2.Request) -> httpx2.Response:
    raise httpx2.ConnectError("away")


def dawdle(_: httpx2.Request) -> httpx2.Response:
    raise httpx2.ReadTimeout("too long")


@pytest.mark.parametrize(
    "answer",
    [
        refuse,
        dawdle,
        lambda _: httpx2.Response(404, json={}),
        lambda _: httpx2.Response(302, headers={"Location": "http://127.0.0.1:1/"}),
        lambda _: httpx2.Response(200, content=b"<html>"),
        lambda _: httpx2.Response(200, json=[1]),
        lambda _: httpx2.Response(200, json={"state": "lost", "revision": "x", "verbatims": 4}),
    ],
)
def test_anything_else_is_nothing(answer: Any) -> None:
    assert look_up(answer) == NOTHING


def test_one_that_is_too_slow_is_left_alone_for_a_while() -> None:
    now, asked = 100.0, 0

    def slow(_: httpx2.Request) -> httpx2.Response:
        nonlocal asked
        asked += 1
        raise httpx2.ReadTimeout("too long")

    client = httpx2.Client(transport=httpx2.MockTransport(slow))
    api = ActionsApi("http://127.0.0.1:8080", client=client, monotonic=lambda: now)
    for _ in range(3):
        assert api.look_up("a-1") == NOTHING
    assert asked == 1
    now += PAUSE_SECONDS
    api.look_up("a-1")
    assert asked == 2
    api.close()
