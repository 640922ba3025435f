"""Shares out of the store: which events are known, which of them are checks, and how programs and people see them."""

from datetime import date, timedelta
from typing import Any

import msgspec
import pytest
from starlette.testclient import TestClient

from services.api import phrases, wording
from services.api.io.shares import read_shares
from services.api.io.store import Store
from services.api.names import UNNAMED
from services.api.pools import pooled
from services.api.queries import BadQuery, ShareQuery, share_query
from services.api.shares import Reason, Shares
from services.contracts import events as e
from tests.unit.api.builders import NOON, Topics, classified, project, received
from tests.unit.api.test_present import names_after_changes

TODAY = NOON.date()


def asked(**over: Any) -> ShareQuery:
    return ShareQuery(**({"by": "stage", "first": TODAY - timedelta(days=27), "last": TODAY} | over))


def answer(event: e.FeedbackClassified, **said: Any) -> tuple[e.FeedbackCorrected, e.FeedbackClassified]:
    """A person's answer and the tag revision that comes of it."""
    over = {"id": f"c-{event.id}-{event.revision}", "by": "Ana", "at": NOON + timedelta(minutes=event.revision)} | said
    correction = e.Correction(**over)
    areas = tuple(e.AreaTag(area=area, confidence=1.0) for area in correction.areas or ()) or event.tags.areas
    tags = msgspec.structs.replace(
        event.tags, stage=correction.stage or event.tags.stage, stage_confidence=1.0, areas=areas
    )
    return (
        e.FeedbackCorrected(correction=correction, of=event),
        msgspec.structs.replace(
            event, revision=event.revision + 1, tags=tags, supersedes=event.tags, correction=correction
        ),
    )


class Said:
    """A store to put tagged events and answers into."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.topics = Topics()
        self.names = UNNAMED

    def tagged(self, name: str, *, tags: dict[str, Any] | None = None, **over: Any) -> e.FeedbackClassified:
        event = received(name, **over)
        found = classified(event, **(tags or {}))
        project(self.store, self.topics.put(event, found))
        return found

    def answered(self, event: e.FeedbackClassified, **said: Any) -> e.FeedbackClassified:
        corrected, after = answer(event, **said)
        project(self.store, self.topics.put(corrected, after))
        return after

    def shares(self, **over: Any) -> Shares:
        with self.store.reading() as connection:
            return read_shares(connection, asked(**over), self.names)


@pytest.fixture
def said(store: Store) -> Said:
    return Said(store)


def raw(found: Shares) -> dict[str, float]:
    return {share.label: round(share.raw, 3) for share in found.shares if share.raw}


def test_an_event_that_a_person_was_asked_about_is_known_and_a_check(said: Said) -> None:
    events = [said.tagged(f"r-{number}") for number in range(4)]
    assert said.shares().reason is Reason.NOT_CHECKED
    said.answered(events[0], stage="use", asked="review")
    said.answered(events[1], stage="receive", asked="onboarding")
    found = said.shares()
    assert (found.n, found.checked, found.reason) == (4, 2, Reason.FEW_CHECKED)
    assert raw(found) == {"receive": 0.75, "use": 0.25}


def test_a_mistake_that_somebody_noticed_is_known_and_no_check(said: Said) -> None:
    events = [said.tagged(f"r-{number}") for number in range(4)]
    for place in ("page", "not_ours", None):
        events[0] = said.answered(events[0], stage="use", asked=place)
    found = said.shares()
    assert (found.checked, found.reason) == (0, Reason.NOT_CHECKED)
    assert raw(found) == {"receive": 0.75, "use": 0.25}


def test_of_several_answers_the_last_is_the_truth_and_the_first_says_whether_palette_asked(said: Said) -> None:
    first, second = said.tagged("r-1"), said.tagged("r-2")
    said.answered(said.answered(first, stage="use", asked="review"), stage="pay", by="Ben", asked="page")
    said.answered(said.answered(second, stage="use", asked="page"), stage="pay", by="Ben", asked="review")
    found = said.shares()
    assert found.checked == 1
    assert raw(found) == {"pay": 1.0}


def test_the_answer_about_areas_is_about_the_main_one(said: Said) -> None:
    event = said.tagged("r-1")
    said.tagged("r-2")
    said.answered(event, areas=("price", "people"), asked="review")
    found = said.shares(by="area")
    assert raw(found) == {"fulfilment": 0.5, "price": 0.5}
    assert found.checked == 1


def test_a_slice_holds_its_own_events_and_its_own_checks_only(said: Said) -> None:
    said.answered(said.tagged("r-1", source="chat-eu", channel="chat"), stage="use", asked="review")
    said.tagged("r-2", source="chat-eu", channel="chat", attributes={"region": "south"})
    said.answered(said.tagged("r-3", at=NOON - timedelta(days=40)), stage="pay", asked="review")
    said.tagged("r-4")
    assert (said.shares().n, said.shares().checked) == (3, 1)
    assert (said.shares(channel="chat").n, said.shares(channel="chat").checked) == (2, 1)
    assert (said.shares(source="web-survey").n, said.shares(source="web-survey").checked) == (1, 0)
    assert (said.shares(region="south").n, said.shares(region="south").checked) == (1, 0)
    long_ago = said.shares(first=TODAY - timedelta(days=50), last=TODAY - timedelta(days=40))
    assert (long_ago.n, long_ago.checked) == (1, 1)


def test_bare_marks_are_known_because_there_is_nothing_to_read(said: Said) -> None:
    wordless = {"stage": "unknown", "unsure": (e.Unsure(head="stage", reason="rating_only"),)}
    said.tagged("r-1", text=None, rating=e.Rating(kind="nps", value=2), tags=wordless)
    found = said.shares()
    share = found.of("unknown")
    assert share is not None
    assert (share.low, share.corrected, share.high) == (1.0, 1.0, 1.0)


def test_what_was_renamed_is_counted_and_checked_with_what_took_its_place(said: Said) -> None:
    stages = ("pay", "billing", "stay", "buy")
    events = [said.tagged(f"r-{number}", tags={"stage": stage}) for number, stage in enumerate(stages)]
    said.answered(events[0], stage="pay", asked="review")
    said.answered(said.tagged("r-4", tags={"stage": "billing"}), stage="billing", asked="review")
    assert raw(said.shares()) == {"pay": 0.2, "billing": 0.4, "stay": 0.2, "buy": 0.2}
    said.names = names_after_changes()
    found = said.shares()
    assert raw(found) == {"billing": 0.6, "use": 0.2, "buy": 0.2}
    assert (found.n, found.checked) == (5, 2)
    assert found.of("pay") is None


def test_employees_on_their_own_work_and_parts_of_a_conversation_have_no_share() -> None:
    event = received("r-1")
    assert pooled(classified(event)) != {}
    assert pooled(msgspec.structs.replace(classified(event, stage="unknown"), author="employee")) == {}
    part = e.Conversation(id="t-1", head="another")
    assert pooled(msgspec.structs.replace(classified(event), conversation=part)) == {}


def test_a_newer_revision_takes_the_place_of_the_older_one_in_its_pool(said: Said) -> None:
    event = said.tagged("r-1")
    again = msgspec.structs.replace(
        event, revision=2, tags=msgspec.structs.replace(event.tags, stage="use", stage_confidence=0.4)
    )
    project(said.store, said.topics.put(again))
    project(said.store, said.topics.put(event))
    assert raw(said.shares()) == {"use": 1.0}


# ---- asking ---------------------------------------------------------------------------------------------------------


def test_days_and_facts_are_read_from_the_url() -> None:
    found = share_query(
        {"by": "area", "since": "2026-11-01", "channel": "chat", "source": ""}, today=date(2026, 11, 16), days=28
    )
    assert found == ShareQuery(by="area", first=date(2026, 11, 1), last=date(2026, 11, 16), channel="chat")
    assert share_query({"by": "stage"}, today=date(2026, 11, 28), days=28).first == date(2026, 11, 1)


@pytest.mark.parametrize(
    ("parameters", "wrong"),
    [
        ({}, "/by"),
        ({"by": "theme"}, "/by"),
        ({"by": "stage", "since": "yesterday"}, "/since"),
        ({"by": "stage", "channel": "pigeon"}, "/channel"),
        ({"by": "area", "stage": "use"}, "/stage"),
    ],
)
def test_what_cannot_be_asked_is_told_where(parameters: dict[str, str], wrong: str) -> None:
    with pytest.raises(BadQuery) as refused:
        share_query(parameters, today=TODAY, days=28)
    assert [problem.pointer for problem in refused.value.problems] == [wrong]


def test_programs_read_shares_that_sum_to_one_with_what_they_rest_on(web: TestClient) -> None:
    for by in ("stage", "area"):
        body = web.get(f"/v1/shares?by={by}").json()
        assert body["n"] > 100
        assert (body["checked"], body["reason"], body["level"]) == (0, "not_checked", 0.9)
        assert sum(share["raw"] for share in body["shares"]) == pytest.approx(1, abs=0.01)
        assert all(s["low"] <= s["corrected"] == s["raw"] <= s["high"] for s in body["shares"])
    assert web.get("/v1/shares?by=area&stage=use").status_code == 422
    assert web.get("/v1/shares?by=stage&since=0001-01-01&until=9999-12-31").json()["n"] > 100
    assert web.get("/v1/shares?by=stage&source=nobody").json()["reason"] == "empty"


def test_the_pages_say_whether_people_have_checked_the_shares(web: TestClient) -> None:
    for room in ("/palette", "/journey"):
        page = web.get(room).text
        assert "not yet checked by people" in page
        assert "perhaps" in page
        assert "nine times in ten the true share lies here" in page


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (Shares(Reason.EMPTY, 0, 0, ()), "nothing yet"),
        (Shares(Reason.NOT_CHECKED, 9, 0, ()), "not yet checked by people"),
        (Shares(Reason.FEW_CHECKED, 90, 12, ()), "checked by people: 12, still few"),
        (Shares(Reason.CHECKED, 9000, 1034, ()), "checked by people: 1,034"),
    ],
)
def test_what_shares_rest_on_is_said_in_words(found: Shares, words: str) -> None:
    assert phrases.checked(found) == words


def test_an_interval_is_rounded_outwards_and_little_is_not_nothing() -> None:
    assert wording.percent_range(0.141, 0.2201).replace("\xa0", " ") == "14–23 %"
    assert wording.percent_range(0.25, 0.25).replace("\xa0", " ") == "25 %"
    assert wording.percent_range(0.0, 1.0).replace("\xa0", " ") == "0–100 %"
    assert [wording.percent(v).replace("\xa0", " ") for v in (0.0, 0.001, 0.184)] == ["0 %", "< 1 %", "18 %"]
