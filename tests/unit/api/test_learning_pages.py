"""The rooms where people teach: each answer is a correction with its giver, nothing is shown of the first answer to the
second person, and what the labels did is told as it was measured."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.testclient import TestClient

from services.api.app import Parts
from services.api.io import models
from services.api.versions import Versions
from services.contracts import events as e
from tests.unit.api.builders import classified, project, received
from tests.unit.api.engine import EnginePublisher
from tests.unit.api.shown import INTERNAL, page_of
from tests.unit.api.test_interface import case
from tests.unit.api.workshop import SHIPPED, StandInClassifier
from tests.waiting import until


@pytest.fixture
def classifier(parts: Parts, engine: EnginePublisher, monkeypatch: pytest.MonkeyPatch) -> StandInClassifier:
    stand_in = StandInClassifier(engine)
    monkeypatch.setattr(parts.models, "_classifier", stand_in)
    monkeypatch.setattr(engine, "published", [])
    return stand_in


@pytest.fixture
def ana(web: TestClient, classifier: StandInClassifier) -> Iterator[TestClient]:
    """A person whose name is known."""
    web.cookies.clear()
    web.post("/teach", data={"answer": "begin", "by": "Ana"})
    yield web
    web.cookies.clear()


def fields(html: str) -> dict[str, str]:
    """What the form of the text would send if nothing were touched."""
    found = {}
    for tag, a in page_of(html).tags:
        chosen = a.get("type") == "hidden" or "checked" in a
        if tag == "input" and a.get("name") and chosen:
            found[str(a["name"])] = str(a.get("value"))
    return found


def given(html: str) -> int:
    told = re.search(r"(\d+) of 60 labels", html)
    assert told is not None
    return int(told[1])


def corrections(engine: EnginePublisher) -> list[e.FeedbackCorrected]:
    return [event for event in engine.published if isinstance(event, e.FeedbackCorrected)]


def label(client: TestClient, number: int, *, room: str = "/teach") -> None:
    for _ in range(number):
        form = fields(client.get(room).text)
        assert "Kept, thank you." in client.post(room, data=form | {"answer": "right"}).text


# ---- teach ----------------------------------------------------------------------------------------------------------


def test_the_name_is_asked_once_before_the_first_text(web: TestClient, classifier: StandInClassifier) -> None:
    web.cookies.clear()
    html = web.get("/teach").text
    assert "30 answers teach it those" in html
    assert 'class="lesson"' not in html
    assert "Say who you are" in web.post("/teach", data={"answer": "begin", "by": " "}).text
    assert 'class="lesson"' in web.post("/teach", data={"answer": "begin", "by": "Ana"}).text
    assert 'class="lesson"' in web.get("/teach").text


def test_right_confirms_what_was_guessed_with_the_giver_and_the_model(ana: TestClient, engine: EnginePublisher) -> None:
    html = ana.get("/teach").text
    form, before = fields(html), given(html)
    answer = ana.post("/teach", data=form | {"answer": "right"})

    (said,) = corrections(engine)
    assert said.of.id == form["id"]
    assert said.correction.by == "Ana"
    assert said.correction.asked == "onboarding"
    assert said.correction.model == said.of.tags.versions.model
    assert said.correction.stage == said.of.tags.stage
    assert said.correction.areas == tuple(tag.area for tag in said.of.tags.areas)
    assert given(answer.text) == before + 1
    assert fields(answer.text)["id"] != form["id"]


def test_another_step_and_parts_are_kept_the_main_part_first(ana: TestClient, engine: EnginePublisher) -> None:
    form = {k: v for k, v in fields(ana.get("/teach").text).items() if not k.startswith("also.")}
    chosen = {"stage": "pay", "area": "price", "also.people": "1", "also.price": "1", "sentiment": "mixed"}
    ana.post("/teach", data=form | chosen | {"answer": "right"})

    (said,) = corrections(engine)
    assert (said.correction.stage, said.correction.areas) == ("pay", ("price", "people"))
    assert said.correction.sentiment == "mixed"


def test_a_text_that_does_not_tell_is_said_to_tell_nothing(ana: TestClient, engine: EnginePublisher) -> None:
    ana.post("/teach", data=fields(ana.get("/teach").text) | {"answer": "silent"})

    (said,) = corrections(engine)
    assert (said.correction.stage, said.correction.areas) == ("unknown", ("unknown",))
    assert said.correction.sentiment is None


def test_a_skipped_text_is_no_label_and_does_not_come_back_at_once(ana: TestClient, engine: EnginePublisher) -> None:
    html = ana.get("/teach").text
    seen, before = fields(html)["id"], given(html)
    html = ana.post("/teach", data={"id": seen, "answer": "skip"}).text

    assert corrections(engine) == []
    assert given(html) == before
    assert fields(html)["id"] != seen


def test_the_last_answer_can_be_changed_and_both_are_kept(ana: TestClient, engine: EnginePublisher) -> None:
    form = fields(ana.get("/teach").text)
    answer = ana.post("/teach", data=form | {"answer": "right"})
    last = parse_qs(urlsplit(str(answer.url)).query)["last"][0]
    html = ana.get(f"/teach?again={last}").text
    assert fields(html)["id"] == form["id"]
    assert "your answer stands below" in html
    before = given(html)
    html = ana.post("/teach", data=fields(html) | {"stage": "stay", "answer": "right"}).text

    assert [said.correction.stage for said in corrections(engine)][-1] == "stay"
    assert len(corrections(engine)) == 2
    assert given(html) == before


def test_nobody_is_shown_again_what_somebody_else_answered(ana: TestClient) -> None:
    form = fields(ana.get("/teach").text)
    ana.post("/teach", data=form | {"answer": "right"})
    ana.cookies.clear()
    ana.post("/teach", data={"answer": "begin", "by": "Bo"})

    assert fields(ana.get("/teach").text)["id"] != form["id"]
    assert fields(ana.get(f"/teach?again={form['id']}").text)["id"] != form["id"]


def test_while_the_engine_is_away_nothing_is_lost_and_the_text_stays(ana: TestClient, engine: EnginePublisher) -> None:
    form = fields(ana.get("/teach").text)
    engine.away = True
    try:
        html = ana.post("/teach", data=form | {"answer": "right"}).text
    finally:
        engine.away = False

    assert "It could not be sent just now." in html
    assert fields(html)["id"] == form["id"]


@pytest.mark.parametrize("wrong", [{"revision": "x"}, {"stage": "evil"}, {"area": "<b>"}])
def test_an_answer_that_cannot_be_read_is_refused_in_words(ana: TestClient, wrong: dict[str, str]) -> None:
    html = ana.post("/teach", data=fields(ana.get("/teach").text) | {"answer": "right"} | wrong).text

    assert "That answer could not be read." in html
    assert "evil" not in html
    assert "<b>" not in html


def test_at_thirty_labels_palette_learns_and_says_what_was_measured_and_how_sure_it_is(
    ana: TestClient, classifier: StandInClassifier
) -> None:
    label(ana, 30 - given(ana.get("/teach").text))
    html = ana.get("/teach").text
    assert "30 labels are here: now Palette learns from them" in html
    assert 'class="lesson"' not in html

    classifier.reason = "onboarding"
    html = ana.post("/teach/learn").text

    assert len(classifier.lines) == 30
    assert "From now on Palette reads with your 30 labels." in html
    assert "it scores 63 of 100 points where the model before scores 57: 6 better." in html
    assert "probably not chance: redrawing the customers, it is better 88 times in 100" in html
    assert "no promise for texts to come" in html
    assert 'class="lesson"' in html
    assert [word for word in INTERNAL if word in page_of(html).text.lower()] == []


def test_a_model_that_is_still_on_its_way_is_said_to_come_and_the_page_looks_again(
    ana: TestClient, classifier: StandInClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "_ACTIVATION_SECONDS", 0.2)
    label(ana, max(0, 30 - given(ana.get("/teach").text)))
    classifier.slow = True
    html = ana.post("/teach/learn").text

    assert "won and is coming into force" in html
    assert 'hx-trigger="every 1s"' in html
    assert "is coming into force" in ana.get("/models").text

    classifier.slow = False
    html = ana.get("/teach").text
    assert re.search(r"From now on Palette reads with your \d+ labels\.", html)
    assert "every 1s" not in html


def test_while_a_model_is_being_made_the_page_says_so_and_looks_again_until_it_is_done(
    ana: TestClient, classifier: StandInClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "WAIT_SECONDS", 0.05)
    label(ana, max(0, 30 - given(ana.get("/teach").text)))
    classifier.may_answer.clear()
    html = ana.post("/teach/learn").text

    assert "Palette is learning from your labels" in html
    assert 'hx-get="/teach?said=learning" hx-trigger="every 1s"' in html
    assert "Learn now" not in html

    classifier.may_answer.set()
    done = until(lambda: "every 1s" not in (html := ana.get("/teach?said=learning").text) and html, what="the outcome")
    assert re.search(r"From now on Palette reads with your \d+ labels\.", done)
    assert "Palette has learnt from the labels." in done


def test_a_model_that_is_made_while_the_page_is_drawn_shows_at_the_next_look(
    ana: TestClient, parts: Parts, classifier: StandInClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "WAIT_SECONDS", 0.05)
    label(ana, max(0, 30 - given(ana.get("/teach").text)))
    classifier.may_answer.clear()
    ana.post("/teach/learn")
    versions = parts.models.versions

    def just_before() -> Versions | None:
        found = versions()
        classifier.may_answer.set()
        until(lambda: parts.models.making().state == "done", what="the model")
        return found

    monkeypatch.setattr(parts.models, "versions", just_before)
    assert "every 1s" in ana.get("/teach?said=learning").text
    assert "From now on Palette reads" in ana.get("/teach?said=learning").text


def test_labels_that_cannot_be_judged_do_not_stand_in_the_way_of_the_next_text(
    ana: TestClient, classifier: StandInClassifier
) -> None:
    label(ana, max(0, 30 - given(ana.get("/teach").text)))
    classifier.too_few = True
    html = ana.post("/teach/learn").text

    assert "come from too few customers" in html
    assert 'class="lesson"' in html


def test_a_model_that_looks_worse_is_said_to_stay_out(ana: TestClient, classifier: StandInClassifier) -> None:
    label(ana, max(0, 30 - given(ana.get("/teach").text)))
    classifier.promote, classifier.reason = False, "worse"
    html = ana.post("/teach/learn").text

    assert re.search(r"The model before stays: with \d+ labels it would not have become better\.", html)
    assert "Worse than the model in force." in html


def test_the_way_to_teaching_stands_on_the_first_page(ana: TestClient) -> None:
    html = ana.get("/").text

    assert "Teach Palette your business: 30 labels" in html
    assert '<a href="/review">' in html


# ---- review ---------------------------------------------------------------------------------------------------------


def test_each_person_is_asked_five_texts_a_day_with_a_reason_and_then_thanked(
    ana: TestClient, engine: EnginePublisher
) -> None:
    ana.cookies.clear()
    html = ana.post("/review", data={"answer": "begin", "by": "Cy"}).text
    assert "5 texts for today" in html
    assert "chosen because:" in html
    label(ana, 4, room="/review")
    html = ana.post("/review", data=fields(ana.get("/review").text) | {"answer": "silent"}).text

    assert "Done for today, thank you" in html
    assert "5 answers today:" in html
    assert 'class="lesson"' not in html
    assert {said.correction.asked for said in corrections(engine)} == {"review"}


def test_of_a_second_look_the_first_answer_does_not_show(
    ana: TestClient, parts: Parts, engine: EnginePublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = received("second-look", text="The parcel lay in the rain for two days.")
    project(parts.store, engine.topics.put(event, classified(event)), owner="test")
    ana.post(f"/feedback/{event.id}", data={"by": "Ana", "stage": "leave", "revision": "1"})
    monkeypatch.setattr(
        "services.api.io.pages.reviewing.days_texts",
        lambda *_: {"items": [{"id": event.id, "reasons": ["second_look"], "second_look": True}]},
    )
    ana.cookies.clear()
    html = ana.post("/review", data={"answer": "begin", "by": "Dee"}).text

    assert fields(html)["id"] == event.id
    assert fields(html)["stage"] == "receive"
    assert "leaving</strong>" not in html
    ana.post("/review", data=fields(html) | {"answer": "right"})
    html = ana.get("/review").text
    assert "Where does “leaving” end and “waiting and receiving” begin?" in html
    assert "Ana and Dee chose differently once" in html
    assert "The parcel lay in the rain for two days." in html


# ---- models ---------------------------------------------------------------------------------------------------------


def activations(engine: EnginePublisher) -> list[tuple[str, str, str]]:
    return [(a.version, a.by, a.reason) for a in engine.published if isinstance(a, e.ModelActivated)]


def test_a_challenger_that_wins_reads_from_now_on_and_one_can_go_back(
    ana: TestClient, engine: EnginePublisher, classifier: StandInClassifier
) -> None:
    assert "It has learnt from no text of yours." in ana.get("/models").text
    html = ana.post("/models/challenger").text
    assert "The challenger won and reads now." in html
    assert f"Reads now: {classifier.named(1)}" in html
    assert re.search(r"Step of the journey right</th><td class=\"num\">60</td><td class=\"num\">67</td>", html)
    assert "Go back to it" in html

    html = ana.post(f"/models/{SHIPPED}").text
    assert "In force now, everywhere." in html
    assert "who went back to it" in html
    assert "The challenger won and reads now." not in html
    assert activations(engine) == [(classifier.named(1), "Ana", "better"), (SHIPPED, "Ana", "rolled_back")]


@pytest.mark.parametrize(
    ("reason", "words"),
    [("not_sure", "Perhaps better, but it may be chance."), ("class_worse", "worse at a step or part")],
)
def test_what_the_verdict_refuses_is_not_brought_into_force_and_the_reason_is_said(
    ana: TestClient, engine: EnginePublisher, classifier: StandInClassifier, reason: str, words: str
) -> None:
    classifier.promote, classifier.reason = False, reason
    html = ana.post("/models/challenger").text
    assert "The model in force stays." in html
    assert words in html
    assert "Bring into force" not in html

    html = ana.post(f"/models/{classifier.named(1)}").text
    assert "Not brought into force." in html
    assert activations(engine) == []


def test_a_version_judged_against_an_older_model_has_to_be_tried_again(
    ana: TestClient, engine: EnginePublisher, classifier: StandInClassifier
) -> None:
    classifier.promote = False
    ana.post("/models/challenger")
    classifier.promote = True
    ana.post("/models/challenger")
    classifier.cards[1]["judged"][0]["verdict"]["promote"] = True
    html = ana.post(f"/models/{classifier.named(1)}").text

    assert "held against a model that is not in force any more" in html
    assert [version for version, _, _ in activations(engine)] == [classifier.named(2)]


def test_while_the_classifier_is_away_the_room_says_so(ana: TestClient, classifier: StandInClassifier) -> None:
    classifier.away = True

    assert "The reader is away just now" in ana.get("/models").text
    assert "It could not be sent just now." in ana.post(f"/models/{SHIPPED}").text
    assert ana.get("/teach").status_code == 200


@pytest.mark.parametrize("path", ["/teach", "/teach/learn", "/review", "/models/challenger", f"/models/{SHIPPED}"])
def test_another_sites_form_is_refused(ana: TestClient, engine: EnginePublisher, path: str) -> None:
    answer = ana.post(path, data={"by": "Eve", "answer": "begin"}, headers={"Origin": "http://evil.example"})

    assert answer.status_code == 403
    assert engine.published == []


# ---- not ours, and who said what ------------------------------------------------------------------------------------


def test_a_case_that_is_not_ours_goes_on_and_its_voices_are_corrected(ana: TestClient, engine: EnginePublisher) -> None:
    action: dict[str, Any] = case(ana, state="open", kind="cause", theme="long-hold")
    before = given(ana.get("/teach").text)
    form = {"command": "not_ours", "by": "Ana", "revision": str(action["revision"]), "key": "n-1"}
    html = ana.post(f"/actions/{action['id']}", data=form | {"stage": "pay", "area": "price"}).text

    assert "Handed on, thank you" in html
    assert "Handed to Billing by Ana" in html
    said = corrections(engine)
    assert {(one.correction.asked, one.correction.stage, one.correction.areas) for one in said} == {
        ("not_ours", "pay", ("price",))
    }
    assert given(ana.get("/teach").text) == before
    voice = page_of(ana.get(f"/feedback/{said[0].of.id}").text).text
    assert "Ana says: paying · price and billing" in voice
    assert f"the tags were by {said[0].of.tags.versions.model}" in voice


def test_a_case_that_would_come_back_to_the_same_team_asks_whose_it_is(ana: TestClient) -> None:
    action: dict[str, Any] = case(ana, state="open", kind="cause", team="digital")
    form = {"command": "not_ours", "by": "Ana", "key": "n-2", "area": "digital"}

    assert "Say whose it is" in ana.post(f"/actions/{action['id']}", data=form).text


def test_tags_are_confirmed_on_the_page_of_a_voice(ana: TestClient, parts: Parts, engine: EnginePublisher) -> None:
    event = received("confirmed-on-page")
    project(parts.store, engine.topics.put(event, classified(event)), owner="test")
    answer = ana.post(f"/feedback/{event.id}", data={"by": "Ana", "revision": "1", "answer": "right"})

    assert "Corrected, thank you" in answer.text
    assert "Ana says that the tags are right" in page_of(answer.text).text
