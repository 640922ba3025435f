"""Learning over HTTP: what is asked next, two people's answers, models made and brought into force, not ours."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import httpx2
import msgspec
import pytest
from starlette.testclient import TestClient

from services.api.app import Parts
from services.api.io import reviews
from services.api.io.models import Classifier, Models
from services.api.io.store import Store
from services.contracts import events as e
from services.contracts.errors import Unavailable
from services.contracts.policyfiles import load_policy, read_folder
from services.kit.settings import Settings
from tests.unit.api.builders import NOON, Topics, classified, project, received
from tests.unit.api.engine import EnginePublisher
from tests.unit.api.sample_store import POLICY
from tests.unit.api.test_interface import case
from tests.waiting import until


def asked(web: TestClient, by: str, **over: Any) -> dict[str, Any]:
    found: dict[str, Any] = web.get("/v1/review/next", params={"by": by, **over}).json()
    return found


def answer(web: TestClient, item: dict[str, Any], by: str, **said: Any) -> None:
    body = {"by": by, "revision": item["revision"], "asked": "review", "stage": item["guess"]["stage"]} | said
    assert web.post(f"/v1/feedback/{item['id']}/corrections", json=body).status_code == 200


# ---- what is asked --------------------------------------------------------------------------------------------------


def test_the_first_texts_come_with_guess_reasons_and_the_names_of_labels(web: TestClient) -> None:
    page = asked(web, "Ana", purpose="onboarding", limit="12")

    assert len(page["items"]) == 12
    assert page["steps"] == [30, 60]
    assert all(item["text"] and item["reasons"] and item["guess"]["areas"] for item in page["items"])
    assert page["labels"]["stages"]["get_help"]
    assert len({item["source"] for item in page["items"]}) > 2


def test_an_answered_text_is_not_asked_again_and_counts(web: TestClient) -> None:
    before = asked(web, "Ana", purpose="onboarding", limit="5")
    answer(web, before["items"][0], "Ana", asked="onboarding")
    after = asked(web, "Ana", purpose="onboarding", limit="60")

    assert after["labelled"] == before["labelled"] + 1
    assert before["items"][0]["id"] not in {item["id"] for item in after["items"]}


def test_a_person_is_asked_for_five_a_day_and_then_left_alone(web: TestClient) -> None:
    page = asked(web, "Cleo")
    assert (page["left_today"], len(page["items"])) == (5, 5)
    for item in page["items"]:
        answer(web, item, "Cleo")

    assert asked(web, "Cleo")["items"] == []
    assert asked(web, "Dan")["left_today"] == 5


def test_a_second_look_shows_the_models_guess_and_both_answers_are_kept(
    web: TestClient, parts: Parts, engine: EnginePublisher
) -> None:
    event = received("twice", text="A text of its own that two people look at one after the other")
    project(parts.store, engine.topics.put(event, classified(event)), owner="test")
    with parts.store.reading() as connection:
        known = {opinion.event for opinion in reviews.opinions(connection)}
    assert event.id not in known
    first = {"id": event.id, "revision": 1, "guess": {"stage": "receive"}}
    answer(web, first, "Eva", stage="use")
    page = web.get("/v1/feedback/" + event.id).json()

    answer(web, {**first, "revision": page["revision"]}, "Finn", stage="pay")

    with parts.store.reading() as connection:
        ours = [o for o in reviews.opinions(connection) if o.event == event.id]
        guessed = reviews.first_tags(connection, [event.id])[event.id].of.tags
    assert {(o.by, o.stage) for o in ours} == {("Eva", "use"), ("Finn", "pay")}
    assert guessed.stage == "receive"
    assert web.get(f"/v1/feedback/{event.id}").json()["stage"] == "pay"
    found = web.get("/v1/review/agreement").json()
    assert found["answered_twice"] >= 1
    assert ["pay", "use"] in [q["labels"] for q in found["questions"] if q["head"] == "stage"]


def test_some_of_a_days_texts_were_answered_by_somebody_else(web: TestClient) -> None:
    page = asked(web, "Gus")  # Cleo and Eva have answered before

    seconds = [item for item in page["items"] if item["second_look"]]
    assert len(seconds) == 1
    assert seconds[0]["reasons"] == ["second_look"]


def test_who_asks_must_be_said(web: TestClient) -> None:
    assert web.get("/v1/review/next").status_code == 422
    assert web.get("/v1/review/next", params={"by": "A", "limit": "0"}).status_code == 422
    assert web.post("/v1/models/challenger", json={}).status_code == 422


def test_while_the_classifier_is_away_models_cannot_be_told(web: TestClient) -> None:
    assert web.get("/v1/models").status_code == 503
    made = web.post("/v1/models/challenger", json={"by": "Ana"})
    assert (made.status_code, made.json()["state"]) == (200, "failed")


# ---- models ---------------------------------------------------------------------------------------------------------


class FakeClassifier:
    """Answers the internal port: a shipped version, and a challenger that is always better."""

    def __init__(self) -> None:
        self.in_force = "shipped-1"
        self.labels: list[dict[str, Any]] = []
        self.promote = True
        self.cards = [{"version": "shipped-1", "digest": "d1", "parent": None, "labels": 0}]

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/internal/models":
            return httpx2.Response(200, json={"in_force": self.in_force, "items": self.cards})
        self.labels = [msgspec.json.decode(line) for line in request.content.splitlines()]
        verdict = {"promote": self.promote, "reason": "better", "because": ["+4"], "figures": {"gain": 4.0}}
        judged = {"at": NOON.isoformat(), "by": "Ana", "champion": self.in_force, "verdict": verdict}
        card = {"version": "local-1", "digest": "d2", "parent": "shipped-1", "labels": len(self.labels)}
        self.cards = [{**card, "judged": [judged]}, *(c for c in self.cards if c["version"] != "local-1")]
        made = {"verdict": verdict, "champion": self.in_force, "version": "local-1", "digest": "d2"}
        return httpx2.Response(200, json=made)


class Saying(EnginePublisher):
    """Puts what is published into the store, and tells the classifier of activations."""

    def __init__(self, settings: Settings, store: Store, told: Callable[[str], None]) -> None:
        super().__init__(settings)
        self._told = told
        self._into = store

    def publish(self, event: Any) -> None:
        self.published.append(event)
        project(self._into, self.topics.put(event), owner="saying")
        if isinstance(event, e.ModelActivated):
            self._told(event.version)


class Bench:
    """Models on a store of their own."""

    def __init__(self, store: Store) -> None:
        self.fake = FakeClassifier()
        settings = Settings()
        self.publisher = Saying(settings, store, self._activated)
        classifier = Classifier(settings, transport=httpx2.MockTransport(self.fake))
        self.models = Models(store, self.publisher, classifier, clock=lambda: NOON)

    def _activated(self, version: str) -> None:
        self.fake.in_force = version

    @property
    def activations(self) -> list[e.ModelActivated]:
        return [event for event in self.publisher.published if isinstance(event, e.ModelActivated)]


@pytest.fixture
def bench(store: Store) -> Iterator[Bench]:
    found = Bench(store)
    event = received("r-1")
    correction = e.Correction(id="c-1", by="ana", at=NOON, stage="use")
    project(store, Topics().put(event, e.FeedbackCorrected(correction=correction, of=classified(event))))
    yield found
    found.models.close()


def test_a_better_challenger_comes_into_force_with_its_figures_and_its_parent(bench: Bench) -> None:
    made = bench.models.make(by="Ana", first=False)

    assert (made.state, made.activated, made.labels) == ("done", "local-1", 1)
    assert bench.fake.labels[0]["stage"] == "use"
    [said] = bench.activations
    assert (said.version, said.digest, said.parent, said.by, said.figures) == (
        "local-1",
        "d2",
        "shipped-1",
        "Ana",
        {"gain": 4.0},
    )
    assert bench.models.listed()["before"] == "shipped-1"


def test_one_that_is_not_better_is_kept_and_nothing_is_said(bench: Bench) -> None:
    bench.fake.promote = False

    assert bench.models.make(by="Ana", first=False).activated is None
    assert bench.activations == []


def test_one_that_was_judged_worse_does_not_come_into_force_by_a_script_either(bench: Bench) -> None:
    bench.fake.promote = False
    bench.models.make(by="Ana", first=False)

    assert bench.models.activate("local-1", by="Ana", reason="chosen").state == "refused"
    assert bench.activations == []


def test_going_back_does_not_bring_the_same_labels_back_by_themselves(bench: Bench) -> None:
    bench.models.make(by="Ana", first=False)
    back = bench.models.activate("shipped-1", by="Bo", reason="rolled_back")
    again = bench.models.make(by="Ana", first=False)

    assert (back.state, again.activated) == ("in_force", None)
    assert [a.version for a in bench.activations] == ["local-1", "shipped-1"]
    assert bench.models.activate("local-1", by="Bo", reason="chosen").state == "in_force"
    assert bench.models.activate("nowhere", by="Bo", reason="chosen").state == "unknown"


def test_the_classifier_away_ends_a_making_with_a_sentence(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any, **__: Any) -> dict[str, Any]:
        raise Unavailable("the classifier does not answer")

    monkeypatch.setattr(Classifier, "challenge", away)
    made = bench.models.make(by="Ana", first=False)

    assert (made.state, made.detail) == ("failed", "the classifier does not answer")
    assert until(lambda: bench.models.making().state == "failed")


def test_the_last_activation_is_in_force_and_each_version_stands_once(store: Store) -> None:
    def activation(version: str, hour: int) -> e.ModelActivated:
        at = NOON + timedelta(hours=hour)
        return e.ModelActivated(version=version, digest="d", at=at, by="ana", reason="chosen")

    project(store, Topics().put(activation("a", 1), activation("b", 2), activation("a", 0)))
    with store.reading() as connection:
        assert [(x.version, x.at.hour) for x in reviews.activations(connection)] == [("a", 12), ("b", 14)]


# ---- not ours -------------------------------------------------------------------------------------------------------


def corrections(engine: EnginePublisher, since: int) -> list[e.FeedbackCorrected]:
    return [event for event in engine.published[since:] if isinstance(event, e.FeedbackCorrected)]


def test_not_ours_hands_the_case_to_the_owner_of_the_suggested_cell_and_corrects_its_voices(
    web: TestClient, engine: EnginePublisher
) -> None:
    policy = load_policy(read_folder(POLICY))
    team = policy.area_owner["price"]
    ours = next(a for a in web.get("/v1/actions?state=active&limit=200").json()["items"] if a["team"] != team)
    members = {m["id"] for m in web.get(f"/v1/actions/{ours['id']}/members?limit=200").json()["items"]}
    body = {"command": "not_ours", "by": "Ana", "stage": "pay", "areas": ["price"], "comment": "about the bill"}
    since, url = len(engine.published), f"/v1/actions/{ours['id']}/commands"

    done = web.post(url, json=body, headers={"Idempotency-Key": "no-1"})
    first = corrections(engine, since)
    again = web.post(url, json=body, headers={"Idempotency-Key": "no-1"})

    assert (done.status_code, again.status_code) == (200, 200)
    command = next(event for event in engine.published[since:] if isinstance(event, e.ActionCommand))
    assert (command.command, command.reason, command.to) == ("assign", "not_ours", team)
    assert {c.of.id for c in first} <= members
    assert first
    assert {(c.correction.stage, c.correction.areas, c.correction.asked) for c in first} == {
        ("pay", ("price",), "not_ours")
    }
    assert corrections(engine, since) == first  # the second time nothing was left to correct


def test_not_ours_without_a_suggestion_goes_to_triage_and_its_voices_are_asked_about_first(
    web: TestClient, engine: EnginePublisher
) -> None:
    policy = load_policy(read_folder(POLICY))
    items = web.get("/v1/actions?state=active&limit=200").json()["items"]
    since = len(engine.published)
    open_ones = [a for a in items if a["team"] != policy.triage and a["owner"] is None]
    declined = web.post(f"/v1/actions/{open_ones[0]['id']}/commands", json={"command": "not_ours", "by": "Ana"})

    assert declined.status_code == 200
    assert corrections(engine, since) == []
    command = engine.published[since]
    assert (command.to, command.reason) == (policy.triage, "not_ours")
    assert asked(web, "Hal")["items"][0]["reasons"][0] == "not_ours"


def test_not_ours_needs_somebody_else_and_known_labels(web: TestClient) -> None:
    ours = case(web, kind="cause")
    url = f"/v1/actions/{ours['id']}/commands"

    assert web.post(url, json={"command": "not_ours", "by": "A", "to": ours["team"]}).status_code == 422
    assert web.post(url, json={"command": "not_ours", "by": "A", "areas": ["nowhere"]}).status_code == 422
    assert web.post(url, json={"command": "comment", "by": "A", "comment": "x", "stage": "pay"}).status_code == 422


# ---- the same on both databases -------------------------------------------------------------------------------------


def test_what_could_be_asked_is_read_alike_from_either_database(store: Store) -> None:
    topics = Topics()
    events = [received(f"r-{n}", source=f"s-{n % 2}", at=NOON - timedelta(days=n)) for n in range(6)]
    own = received("own", channel="employee", author="employee")
    declined = e.ActionCommand(
        id="x", action="a-1", group="g", command="assign", by="ana", at=NOON, to="care", reason="not_ours"
    )
    member = e.ActionChanged(
        id="m",
        group="g",
        at=NOON,
        change="joined",
        by="palette",
        reason="same_problem",
        action="a-1",
        event=events[2].id,
    )
    said = e.Correction(id="c-1", by="ana", at=NOON, stage="use", asked="review")
    corrected = e.FeedbackCorrected(correction=said, of=classified(events[0]))
    project(store, topics.put(*events, own, *map(classified, [*events, own]), declined, member, corrected))

    with store.reading() as connection:
        since = NOON - timedelta(days=3, hours=1)
        assert {c.id for c in reviews.candidates(connection, since=since)} == {x.id for x in events[1:4]}
        assert reviews.disowned(connection) == [events[2].id]
        assert reviews.answered_once(connection, besides="bo", since=since) == [events[0].id]
        assert reviews.answered_once(connection, besides="ana", since=since) == []
        assert reviews.answered_on(connection, by="ana", day=NOON + timedelta(hours=3)) == 1
        assert reviews.answered_on(connection, by="ana", day=NOON + timedelta(days=1)) == 0
        assert reviews.first_tags(connection, [x.id for x in events])[events[0].id].of.tags.stage == "receive"
