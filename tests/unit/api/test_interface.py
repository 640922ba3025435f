"""The interface for programs: shapes, pages, filters, commands and corrections as the design fixes them."""

import asyncio
import base64
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.testclient import TestClient
from starlette.types import Message

from services.api.app import Parts
from services.api.queries import ActionFilter, action_filter
from services.contracts.events import FeedbackReceived
from tests.unit.api.builders import NOON, classified, project, received
from tests.unit.api.engine import EnginePublisher

ITEM = {
    "id",
    "source",
    "source_id",
    "channel",
    "occurred_at",
    "received_at",
    "text",
    "status",
    "stage",
    "stage_confidence",
    "areas",
    "sentiment",
    "intent",
    "severity",
    "evidence",
    "versions",
}


def case(web: TestClient, **wanted: Any) -> dict[str, Any]:
    """An action of the sample."""
    items = web.get("/v1/actions", params={"limit": 200}).json()["items"]
    return next(a for a in items if all(a[name] == value for name, value in wanted.items()))


def put(parts: Parts, engine: EnginePublisher, source_id: str, **over: Any) -> FeedbackReceived:
    event = received(source_id, **over)
    project(parts.store, engine.topics.put(event, classified(event)), owner="test")
    return event


def test_an_item_has_exactly_the_fields_of_the_design(web: TestClient) -> None:
    items = web.get("/v1/feedback?limit=200").json()["items"]

    assert {frozenset(item) for item in items} == {frozenset(ITEM)}
    assert {item["status"] for item in items} == {"tagged", "unsure"}


def test_pages_hold_every_event_once_newest_first_and_links_are_absolute(web: TestClient) -> None:
    seen: list[tuple[str, str]] = []
    url: str | None = "/v1/feedback?limit=150"
    while url:
        answer = web.get(url)
        seen += [(item["received_at"], item["id"]) for item in answer.json()["items"]]
        link = answer.links.get("next", {}).get("url")
        assert link is None or link.startswith("http://127.0.0.1/v1/feedback?")
        url = f"/v1/feedback?{urlsplit(link).query}" if link else None
    assert len({name for _, name in seen}) == len(seen) == 1067
    assert seen == sorted(seen, reverse=True)


def test_a_next_link_carries_the_question_along(web: TestClient) -> None:
    link = web.get("/v1/feedback?channel=survey&limit=5").links["next"]["url"]
    asked = parse_qs(urlsplit(link).query)
    assert (asked["channel"], asked["limit"]) == (["survey"], ["5"])
    assert {i["channel"] for i in web.get(f"/v1/feedback?{urlsplit(link).query}").json()["items"]} == {"survey"}


@pytest.mark.parametrize(
    ("query", "holds"),
    [
        ("stage=receive", lambda item: item["stage"] == "receive"),
        ("area=digital", lambda item: "digital" in {a["area"] for a in item["areas"]}),
        ("sentiment=positive", lambda item: item["sentiment"] == "positive"),
        ("severity=3", lambda item: item["severity"] == 3),
        ("status=unsure", lambda item: item["status"] == "unsure"),
        ("q=porch", lambda item: "porch" in item["text"].lower()),
        ("source=helpdesk", lambda item: item["source"] == "helpdesk"),
    ],
)
def test_each_filter_lets_through_what_it_says_and_something(web: TestClient, query: str, holds: Any) -> None:
    items = web.get(f"/v1/feedback?{query}&limit=200").json()["items"]
    assert items
    assert all(holds(item) for item in items)


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=x",
        "severity=9",
        "channel=fax",
        "since=yesterday",
        "since=2026-11-01T00:00:00",
        "after=!!",
    ],
)
def test_a_question_that_cannot_be_asked_is_answered_with_its_parameter_and_no_echo(
    web: TestClient, query: str
) -> None:
    answer = web.get(f"/v1/feedback?{query}")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    name, _, value = query.partition("=")
    assert answer.json()["errors"][0]["pointer"] == f"/{name}"
    assert len(value) < 4 or value not in answer.text


def test_words_of_the_full_text_search_are_words_and_no_operators(web: TestClient) -> None:
    for q in ('" OR 1=1 --', "NEAR(a b)", "text:*", "'; DROP TABLE feedback", "-", "𝔘nicode \u202e"):
        assert web.get("/v1/feedback", params={"q": q}).status_code == 200


def test_an_answer_that_has_not_changed_is_not_sent_again(web: TestClient) -> None:
    first = web.get("/v1/palette")
    again = web.get("/v1/palette", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_the_palette_has_each_area_with_its_score_its_n_and_its_team(web: TestClient) -> None:
    body = web.get("/v1/palette").json()
    areas = {a["area"]: a for a in body["areas"]}
    assert len(areas) == 9
    assert areas["fulfilment"]["team"] == "delivery"
    assert areas["fulfilment"]["score"]["n"] >= 10
    assert areas["fulfilment"]["score"]["low"] <= areas["fulfilment"]["score"]["value"]
    assert any(a["score"] is None or not a["score"]["enough"] for a in areas.values())
    assert body["n"] == sum(body["channels"].values()) - 12 or body["n"] <= sum(body["channels"].values())


def test_an_action_tells_its_history_its_proof_its_verbatims_and_its_members(web: TestClient) -> None:
    listed = case(web, theme="driver-marked-delivered", kind="cause", state="verified")
    answer = web.get(f"/v1/actions/{listed['id']}")
    body = answer.json()
    assert answer.headers["etag"] == f'"{body["revision"]}"'
    assert body["history"][0]["change"] == "opened"
    assert {"acknowledged", "assigned", "started", "resolved", "verified"} <= {h["change"] for h in body["history"]}
    assert body["expectation"]["verdict"] in {"back_to_normal", "better_than_before"}
    assert len(body["verbatims"]) == 5
    members = web.get(f"/v1/actions/{listed['id']}/members?limit=200").json()["items"]
    assert len(members) == body["signals"]


def test_a_command_is_done_once_for_its_key_and_refused_with_its_reason(web: TestClient) -> None:
    opened = case(web, state="open", kind="cause", part="improvement")
    url = f"/v1/actions/{opened['id']}/commands"
    ask = {"command": "acknowledge", "by": "Ana"}

    first = web.post(url, json=ask, headers={"Idempotency-Key": "k1", "If-Match": f'"{opened["revision"]}"'})
    again = web.post(url, json=ask, headers={"Idempotency-Key": "k1"})
    other = web.post(url, json=ask, headers={"Idempotency-Key": "k2"})
    stale = web.post(url, json={"command": "start", "by": "Bo"}, headers={"Idempotency-Key": "k3", "If-Match": '"1"'})
    reused = web.post(url, json={"command": "start", "by": "Ana"}, headers={"Idempotency-Key": "k1"})

    assert (first.status_code, first.json()["action"]["state"]) == (200, "acknowledged")
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
    assert (other.status_code, other.json()["code"]) == (409, "already_acknowledged")
    assert (stale.status_code, stale.json()["code"]) == (409, "stale_revision")
    assert (reused.status_code, reused.json()["code"]) == (422, "key_reused")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"command": "acknowledge"}, "/by"),
        ({"command": "verdict", "by": "Ana"}, "/command"),
        ({"command": "assign", "by": "Ana"}, "/to"),
        ({"command": "comment", "by": "Ana"}, "/comment"),
        ({"command": "comment", "by": "Ana", "comment": "x" * 2_001}, "/comment"),
        ({"command": "acknowledge", "by": "Ana", "as_of": "2026-11-01T00:00:00Z"}, "/as_of"),
        ({"command": "acknowledge", "by": "Ana", "secret": "S3CRET"}, ""),
    ],
)
def test_a_command_that_makes_no_sense_is_refused_with_its_field(web: TestClient, body: Any, pointer: str) -> None:
    opened = case(web, kind="cause")
    answer = web.post(f"/v1/actions/{opened['id']}/commands", json=body)
    assert answer.status_code == 422
    assert pointer in {error["pointer"] for error in answer.json()["errors"]}
    assert "S3CRET" not in answer.text


def test_a_command_whose_outcome_does_not_come_back_in_time_is_pending_and_can_be_looked_at(
    web: TestClient, engine: EnginePublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.api.io.desk.WAIT_SECONDS", 0.05)
    opened = case(web, state="open", kind="recovery")
    engine.silent = True
    try:
        answer = web.post(f"/v1/actions/{opened['id']}/commands", json={"command": "acknowledge", "by": "Ana"})
    finally:
        engine.silent = False
    assert answer.status_code == 202
    assert answer.headers["location"] == answer.json()["url"]
    engine.publish(engine.published.pop())
    assert web.get(urlsplit(answer.json()["url"]).path).json()["action"]["state"] == "acknowledged"


def test_while_kafka_is_away_reading_works_and_a_command_says_try_again(
    web: TestClient, engine: EnginePublisher
) -> None:
    opened = case(web, kind="cause")
    engine.away = True
    try:
        answer = web.post(
            f"/v1/actions/{opened['id']}/commands", json={"command": "comment", "by": "A", "comment": "x"}
        )
    finally:
        engine.away = False
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert web.get("/v1/feedback").status_code == 200


def test_a_dry_runs_command_counts_as_of_the_time_it_names(web: TestClient, engine: EnginePublisher) -> None:
    opened = case(web, state="open", kind="cause", mode="rehearsal")
    at = (NOON - timedelta(days=3)).isoformat()
    web.post(
        f"/v1/actions/{opened['id']}/commands",
        json={"command": "comment", "by": "Ana", "comment": "rode along", "as_of": at},
        headers={"Palette-Mode": "rehearsal"},
    )
    assert (engine.published[-1].at.isoformat(), engine.published[-1].mode) == (at, "rehearsal")


def test_a_correction_makes_the_next_revision_and_a_second_one_to_the_old_tags_is_refused(
    web: TestClient, parts: Parts, engine: EnginePublisher
) -> None:
    event = put(parts, engine, "corrected")
    url = f"/v1/feedback/{event.id}/corrections"

    done = web.post(url, json={"by": "Ana", "stage": "use", "revision": 1})
    late = web.post(url, json={"by": "Bo", "stage": "pay", "revision": 1})
    nonsense = web.post(url, json={"by": "Bo", "stage": "nowhere"})
    nothing = web.post(url, json={"by": "Bo"})

    assert (done.status_code, done.json()["feedback"]["stage"], done.json()["feedback"]["revision"]) == (200, "use", 2)
    assert engine.published[-1].of.revision == 1
    assert (late.status_code, late.json()["code"]) == (409, "corrected")
    assert (nonsense.status_code, nothing.status_code) == (422, 422)


def test_what_is_not_there_is_not_found(web: TestClient) -> None:
    for path in ("/v1/feedback/x", "/v1/actions/x", "/v1/actions/x/members", "/v1/nothing"):
        answer = web.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_a_customers_timeline_is_theirs_and_employees_have_none(
    web: TestClient, parts: Parts, engine: EnginePublisher
) -> None:
    put(parts, engine, "t-1", customer="p-timeline")
    put(parts, engine, "t-2", customer="p-timeline", at=NOON - timedelta(days=9))
    put(parts, engine, "t-3", customer="p-staff", channel="employee", author="employee")
    items = web.get("/v1/customers/p-timeline/timeline").json()["items"]
    assert [item["source_id"] for item in items] == ["t-1", "t-2"]
    assert web.get("/v1/customers/p-staff/timeline").json()["items"] == []


def test_a_file_for_spreadsheets_holds_no_formula(web: TestClient, parts: Parts, engine: EnginePublisher) -> None:
    put(parts, engine, "formula", text='=HYPERLINK("http://evil","x")', channel="social")
    put(parts, engine, "plus", text="+1 for this, @all", channel="social")
    put(parts, engine, "semicolon", text="fine;=1+1", channel="social")
    body = web.get("/v1/feedback.csv?channel=social").text
    assert "'=HYPERLINK" in body
    assert "'+1 for this" in body
    assert ",=HYPERLINK" not in body
    assert '"fine;=1+1"' in body


def test_a_body_that_is_no_json_is_400_and_nothing_of_it_comes_back(web: TestClient) -> None:
    name = case(web, kind="cause")["id"]
    for raw in (b"{secret", b"\xff\xfe", b'{"x": ' + b"[" * 60_000):
        answer = web.post(
            f"/v1/actions/{name}/commands", content=raw, headers={"Content-Type": "application/json; charset=utf-8"}
        )
        assert answer.status_code == 400
        assert "secret" not in answer.text


def test_unknown_hosts_and_other_sites_are_refused(web: TestClient) -> None:
    name = case(web, kind="cause")["id"]
    assert web.get("/v1/feedback", headers={"host": "evil.example"}).status_code == 421
    other = {"origin": "http://evil.example"}
    assert web.post(f"/v1/actions/{name}/commands", json={}, headers=other).status_code == 403
    assert web.post(f"/actions/{name}", data={"command": "resolve"}, headers=other).status_code == 403


def test_the_description_of_the_interface_is_there_and_no_page_that_loads_from_elsewhere(web: TestClient) -> None:
    assert web.get("/openapi.json").json()["paths"]["/v1/feedback"]
    assert web.get("/docs").status_code == 404
    assert web.get("/redoc").status_code == 404


@pytest.mark.parametrize("path", ["/v1/feedback", "/v1/actions", "/feedback"])
@pytest.mark.parametrize("cursor", [f"{10**30}:a", f"{-(10**30)}:a", "1:a\x00b"])
def test_a_made_up_cursor_is_refused(web: TestClient, path: str, cursor: str) -> None:
    after = base64.urlsafe_b64encode(cursor.encode()).decode().rstrip("=")

    assert web.get(path, params={"after": after}).status_code == 422


@pytest.mark.parametrize("as_of", ["0001-01-01T00:00:00+14:00", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59Z"])
def test_a_rehearsed_command_is_not_given_at_the_edge_of_the_calendar(web: TestClient, as_of: str) -> None:
    action = web.get("/v1/actions").json()["items"][0]["id"]

    answer = web.post(
        f"/v1/actions/{action}/commands",
        json={"command": "comment", "by": "Ana", "comment": "now", "as_of": as_of},
        headers={"Palette-Mode": "rehearsal"},
    )

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/as_of")


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
@pytest.mark.parametrize("path", ["/v1/actions/a/commands", "/v1/feedback/a/corrections", "/v1/try"])
def test_what_a_form_could_send_is_no_command(web: TestClient, path: str, media_type: str) -> None:
    answer = web.post(path, content=b'{"command": "acknowledge", "by": "Ana"}', headers={"Content-Type": media_type})

    assert (answer.status_code, answer.headers["content-type"]) == (415, "application/problem+json")


@pytest.mark.parametrize(
    ("path", "media_type"), [("/v1/try", "application/json"), ("/try", "application/x-www-form-urlencoded")]
)
def test_a_body_without_end_is_not_read_to_its_end(web: TestClient, path: str, media_type: str) -> None:
    read = 0

    def endless() -> Iterator[bytes]:
        nonlocal read
        while read < 1 << 26:
            read += 1 << 16
            yield b"x" * (1 << 16)
        raise AssertionError("all of it was read")

    async def asked() -> int:
        chunks = endless()
        seen = 0

        async def receive() -> Message:
            return {"type": "http.request", "body": next(chunks), "more_body": True}

        async def send(message: Message) -> None:
            nonlocal seen
            seen = message.get("status", seen)

        headers = [(b"host", b"127.0.0.1"), (b"content-type", media_type.encode())]
        scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": headers}
        await web.app(
            {**scope, "scheme": "http", "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1)}, receive, send
        )
        return seen

    assert asyncio.run(asked()) in {200, 422}
    assert read < 1 << 20


@pytest.mark.parametrize("path", ["/v1/feedback/%00", "/v1/customers/%00/timeline", "/actions/a%00", "/v1/actions/%00"])
def test_no_id_holds_a_nul(web: TestClient, path: str) -> None:
    assert web.get(path).status_code == 404


def test_a_nul_in_a_filter_does_not_reach_the_database() -> None:
    assert action_filter({"team": "del\x00ivery", "theme": "\x00"}) == ActionFilter(team="delivery")
