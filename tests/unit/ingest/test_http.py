"""The two intake URLs: statuses, limits and headers. A real journal behind them, Kafka taken as always answering."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from services.ingest.io import http as intake_http
from services.ingest.io.http import Intake
from services.ingest.io.ids import SeenIds
from services.ingest.io.journal import Journal
from services.ingest.io.reception import Policy, Reception
from services.ingest.masking import Masker
from services.ingest.sources import Sources
from tests.unit.ingest.builders import LOG, NOW, PSEUDONYMS, event, metrics

JSON = {"Content-Type": "application/json"}


class Front:
    """The intake's HTTP, and what it recorded."""

    def __init__(self, folder: Path) -> None:
        self.ids = SeenIds(folder / "ids")
        self.journal = Journal(folder / "journal", capacity=32 << 20, ids=self.ids)
        self.journal.open()
        self.rejections: list[Any] = []
        self.reception = Reception(
            journal=self.journal, ids=self.ids, pseudonyms=PSEUDONYMS, policy=lambda: Policy(Sources(), Masker()),
            reject=self.rejections.append, metrics=metrics(), log=LOG, clock=lambda: NOW,
        )  # fmt: skip
        self.reception.published(1 << 60)
        app = FastAPI()
        self.intake = Intake(self.reception)
        app.include_router(self.intake.routes())
        self.http = TestClient(app, raise_server_exceptions=False)

    def post(self, body: Any, *, path: str = "/v1/feedback", **headers: str) -> Any:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.http.post(
            path, content=content, headers=JSON | {k.replace("_", "-"): v for k, v in headers.items()}
        )

    def batch(self, body: Any, **headers: str) -> Any:
        return self.post(body, path="/v1/feedback/batch", **headers)


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    found = Front(tmp_path)
    yield found
    found.http.close()
    found.journal.close()
    found.ids.close()


def test_accepted_duplicate_conflict(front: Front) -> None:
    first, again, other = front.post(event()), front.post(event()), front.post(event(text="other"))
    assert (first.status_code, first.json()["status"]) == (202, "accepted")
    assert (again.status_code, again.json()) == (202, {"id": first.json()["id"], "status": "duplicate"})
    assert (other.status_code, other.json()["code"]) == (409, "conflict")


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", {}, 400),
        (b'{"a": "\xff"}', {}, 400),
        (b"[" * 100_000, {}, 400),
        (b'{"a":' * 70 + b"1" + b"}" * 70, {}, 400),
        (b'{"source": "a", "source": "b"}', {}, 400),
        (b"[]", {}, 422),
        (b"{}", {"Content_Type": "text/plain"}, 415),
        (b"{}", {"Content_Encoding": "br"}, 415),
        (event(), {"Palette_Mode": "dream"}, 422),
        (b'"' + b"x" * (1 << 20) + b'"', {}, 413),
        (event(text="x" * 20_001), {}, 422),
    ],
)
def test_what_cannot_be_taken_has_its_status_and_says_why(front: Front, body: Any, headers: Any, status: int) -> None:
    answer = front.post(body, **headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert len(front.rejections) == 1


def test_a_body_announced_too_long_is_refused_before_it_is_read(front: Front) -> None:
    def body() -> Iterator[bytes]:
        pytest.fail("it was read")
        yield b""

    answer = front.http.post("/v1/feedback", content=body(), headers=JSON | {"Content-Length": str((1 << 20) + 1)})
    assert answer.status_code == 413


def test_a_body_in_chunks_is_counted(front: Front) -> None:
    whole = json.dumps(event()).encode()
    small = front.http.post("/v1/feedback", content=iter([whole[:10], whole[10:]]), headers=JSON)
    assert small.status_code == 202
    large = front.http.post("/v1/feedback", content=iter([b" " * (1 << 19)] * 3), headers=JSON)
    assert large.status_code == 413


def test_gzip_is_read_within_the_same_limit(front: Front) -> None:
    assert front.post(gzip.compress(json.dumps(event()).encode()), Content_Encoding="gzip").status_code == 202
    bomb = gzip.compress(b" " * (64 << 20))
    assert front.post(bomb, Content_Encoding="gzip").status_code == 413
    assert front.post(b"no gzip", Content_Encoding="gzip").status_code == 400
    assert front.post(gzip.compress(b"{}")[:-4], Content_Encoding="gzip").status_code == 400


def test_a_batch_answers_for_each_in_order_even_if_all_are_bad(front: Front) -> None:
    answer = front.batch([event(), {"a": 1}, event(id="r-2"), event(), "x"])
    assert answer.status_code == 202
    results = answer.json()["results"]
    assert [(r["index"], r["status"]) for r in results] == [
        (0, "accepted"), (1, "rejected"), (2, "accepted"), (3, "duplicate"), (4, "rejected"),
    ]  # fmt: skip
    assert results[1]["problem"]["errors"]
    assert results[0]["id"] == results[3]["id"]
    bad = front.batch([{"a": 1}, 5])
    assert bad.status_code == 202
    assert {result["status"] for result in bad.json()["results"]} == {"rejected"}


@pytest.mark.parametrize("depth", [65, 300, 900, 990, 5_000, 50_000])
def test_no_depth_of_nesting_is_a_fault_of_ours(front: Front, depth: int) -> None:
    for piece in (b"1", rb'"\ud800"'):
        nested = b"[" * depth + piece + b"]" * depth
        assert front.post(nested).status_code == 400
        answer = front.batch(b"[" + nested + b"," + json.dumps(event()).encode() + b"]")
        assert answer.status_code in {202, 400}
        if answer.status_code == 202:
            assert answer.json()["results"][1]["status"] in {"accepted", "duplicate"}


@pytest.mark.parametrize(("body", "status"), [([], 422), ({}, 422), ([1] * 1_001, 413)])
def test_a_batch_holds_1_to_1000(front: Front, body: Any, status: int) -> None:
    assert front.batch(body).status_code == status


def test_the_largest_batch_is_taken(front: Front) -> None:
    events = [event(id=f"x-{number}", text="y" * 7_000) for number in range(1_000)]
    answer = front.batch(events)
    assert answer.status_code == 202
    assert {result["status"] for result in answer.json()["results"]} == {"accepted"}


def test_a_full_journal_answers_503_with_retry_after(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    front.journal.capacity = 10
    answer = front.batch([event()])
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    front.journal.capacity = 32 << 20
    assert front.batch([event()]).json()["results"][0]["status"] == "accepted"


def test_too_much_at_once_answers_429(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake_http, "_MAX_BODIES", 50)
    answer = front.post(event())
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    monkeypatch.undo()
    assert front.post(event()).status_code == 202
    assert front.intake._in_hand == 0


def test_a_trace_is_handed_on(front: Front) -> None:
    given = f"00-{'ab' * 16}-{'cd' * 8}-01"
    front.post(event(), traceparent=given)
    assert ("traceparent", given.encode()) in front.journal.read(0)[0].message.headers


def test_cloudevents_in_all_three_modes(front: Front) -> None:
    data = {k: v for k, v in event().items() if k not in {"source", "id", "occurred_at"}}
    envelope = {"specversion": "1.0", "type": "t", "source": "web-survey", "id": "r-1", "time": "2026-11-02T09:14:00Z"}
    answers = [
        front.post(event()),
        front.post(envelope | {"data": data}, Content_Type="application/cloudevents+json"),
        front.post(data, **{f"ce_{name}": value for name, value in envelope.items()}),
    ]
    ids = {answer.json()["id"] for answer in answers}
    assert [answer.status_code for answer in answers] == [202] * 3
    assert len(ids) == 1
    for path in ("/v1/feedback", "/v1/feedback/batch"):
        answer = front.post([envelope | {"data": data}], path=path, Content_Type="application/cloudevents-batch+json")
        assert answer.json()["results"] == [{"index": 0, "id": ids.copy().pop(), "status": "duplicate"}]
