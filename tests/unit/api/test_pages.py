"""The pages as text: they say what the figures say, in people's words, and nothing that a customer wrote can act."""

import re
from urllib.parse import urlsplit

import pytest
from starlette.testclient import TestClient

from services.api.app import Parts
from services.contracts import events as e
from services.kit.settings import Settings
from tests.unit.api.builders import classified, project, received, tags
from tests.unit.api.engine import EnginePublisher
from tests.unit.api.shown import INTERNAL, ROOMS, page_of, shown
from tests.unit.api.test_interface import case


def every_page(web: TestClient) -> list[str]:
    feedback = web.get("/v1/feedback?limit=1&q=delivered").json()["items"][0]["id"]
    fixed = case(web, theme="driver-marked-delivered", kind="cause", state="verified")["id"]
    tried = case(web, theme="app-logs-out", kind="cause")["id"]
    return [*ROOMS, f"/feedback/{feedback}", f"/actions/{fixed}", f"/actions/{fixed}/members", f"/actions/{tried}"]


def test_the_first_sentence_says_what_broke_for_whom_who_owns_it_what_was_done_and_how_it_moved(
    web: TestClient,
) -> None:
    text = shown(web, "/").text
    text = text[text.index("“") : text.index("Getting worse")]
    assert re.search(
        r"Driver marked it delivered, in the north ?” ?: \d+ customers since .* Delivery \(Tom Hale\) put it right on "
        r".* Photo proof on the doorstep .* Complaints fell from about a dozen a week to two: back to normal\.",
        text,
    )


def test_a_fix_that_did_not_work_is_open_again_and_says_so(web: TestClient) -> None:
    tried = case(web, theme="app-logs-out", kind="cause")["id"]
    text = shown(web, f"/actions/{tried}").text
    assert "opened again" in text
    assert "Put right by Aisha Rahman" in text


def test_the_palette_stands_on_the_first_page_with_sample_sizes_and_too_little_is_said_to_be_too_little(
    web: TestClient,
) -> None:
    page = shown(web, "/")
    for words in ("How it is today", "What they say", "What is worked on", "Who is responsible", "too few to say"):
        assert words in page.text
    assert re.search(r"n \d+ in 12 weeks", page.text)
    assert [a for t, a in page.tags if t == "td" and "hatch" in (a.get("class") or "")]


def test_no_internal_word_stands_on_a_page(web: TestClient) -> None:
    for path in every_page(web):
        text = shown(web, path).text.lower()
        assert [word for word in INTERNAL if word in text] == [], path


def test_a_sentence_is_tried_and_shows_tags_words_team_and_rule_in_peoples_words(
    web: TestClient, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts.tagger, "tag", lambda _body: tags(themes=("driver-marked-delivered",)))
    answer = web.post("/try", data={"text": "The driver marked it delivered, nothing came.", "region": "north"})
    page = page_of(answer.text)
    for words in ("Delivery: Find out what is behind", "whoever owns it", "Once three of these come within 7 days"):
        assert words in page.text
    assert [word for word in INTERNAL if word in page.text.lower()] == []
    assert "the step is waiting and receiving, not getting help or complaint handling" in page.text
    nothing = web.post("/try", data={"text": "  "})
    assert "Write a sentence." in nothing.text


def test_a_sentence_is_tried_by_programs_too_and_while_the_tagger_is_away_they_are_told(
    web: TestClient, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert web.post("/v1/try", json={"text": "x", "channel": "fax"}).status_code == 422
    away = web.post("/v1/try", json={"text": "Nothing came."})
    assert (away.status_code, away.headers["retry-after"]) == (503, "5")
    assert "The reader is away" in web.post("/try", data={"text": "Nothing came."}).text
    monkeypatch.setattr(parts.tagger, "tag", lambda _body: tags(themes=("driver-marked-delivered",)))
    body = web.post("/v1/try", json={"text": "Nothing came.", "attributes": {"region": "north"}}).json()
    assert body["tags"]["stage"] == "receive"
    assert body["rules"][-1]["decision"]["groups"][0]["plan"]["team"] == "delivery"


def test_pages_have_no_inline_style_or_script_and_load_nothing_from_elsewhere(web: TestClient) -> None:
    for path in every_page(web):
        answer = web.get(path)
        assert "'unsafe" not in answer.headers["content-security-policy"]
        page = shown(web, path)
        for tag, attributes in page.tags:
            assert "style" not in attributes, (path, tag)
            assert not [name for name in attributes if name.startswith("on")], (path, tag)
            for name in ("src", "href", "action"):
                address = urlsplit(attributes.get(name) or "")
                assert not address.netloc, (path, tag, address)
                assert address.scheme in {"", "http"}


def test_a_page_with_all_that_it_loads_is_under_150_kb(web: TestClient) -> None:
    loaded = {
        urlsplit(a.get("src") or a.get("href") or "").path for t, a in shown(web, "/").tags if t in {"script", "link"}
    }
    sizes = [len(web.get(path).content) for path in ("/", *loaded)]
    assert len(sizes) >= 5
    assert sum(sizes) < 150_000


HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</q></article><h1>Palette is broken</h1>",
    "{{ 7*7 }} {% raw %}",
    "javascript:alert(1) \u202e drawkcab",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_what_customers_write_is_shown_as_written_and_does_nothing(
    web: TestClient, parts: Parts, engine: EnginePublisher, text: str
) -> None:
    event = received(
        f"hostile-{HOSTILE.index(text)}", text=text, source=f"s{text[:150]}", attributes={"region": text[:200]}
    )
    spans = (e.Evidence(head="theme", label="marked-delivered", start=1, end=9),)
    project(parts.store, engine.topics.put(event, classified(event, evidence=spans)), owner="test")

    for path in (f"/feedback/{event.id}", "/feedback", f"/feedback?q=x&region={'<b>'}", "/health"):
        page = shown(web, path)
        assert not [t for t, _ in page.tags if t in {"img", "iframe"}]
        assert len([t for t, a in page.tags if t == "script" and not a.get("src")]) == 0
        assert len([t for t, _ in page.tags if t == "h1"]) == 1
    squeezed = re.sub(r"\s+", "", shown(web, f"/feedback/{event.id}").text.replace("driver marked it delivered", ""))
    assert re.sub(r"\s+", "", text) in squeezed.replace("markeddelivered", "")


def test_evidence_is_marked_in_the_text_and_a_mask_is_named(
    web: TestClient, parts: Parts, engine: EnginePublisher
) -> None:
    text = "My card [card] was charged twice."
    event = received("masked", text=text, masks=(e.Mask(start=8, end=14, kind="card_number"),))
    spans = (e.Evidence(head="theme", label="charged-twice", start=19, end=32),)
    tagged = classified(event, themes=("charged-twice",), evidence=spans)
    project(parts.store, engine.topics.put(event, tagged), owner="test")

    html = web.get(f"/feedback/{event.id}").text

    assert "‹card number›" in html
    assert '<mark>charged twice</mark><span class="earned">charged twice</span>' in html


def test_an_employee_on_their_own_work_is_not_quoted(web: TestClient, parts: Parts, engine: EnginePublisher) -> None:
    event = received("own", channel="employee", author="employee", text="My supervisor Jo shouts at me.")
    project(parts.store, engine.topics.put(event, classified(event, stage="unknown", themes=())), owner="test")
    for path in (f"/feedback/{event.id}", "/feedback"):
        assert "supervisor" not in web.get(path).text


def test_a_case_is_acknowledged_with_a_plain_form_and_the_name_is_remembered(web: TestClient) -> None:
    opened = case(web, state="open", kind="cause", part="improvement")
    answer = web.post(
        f"/actions/{opened['id']}", data={"command": "acknowledge", "by": "Ana", "revision": str(opened["revision"])}
    )
    assert answer.status_code == 200
    assert answer.url.path == f"/actions/{opened['id']}"
    assert 'role="status">Seen<' in answer.text
    assert 'name="by" value="Ana"' in answer.text
    again = web.post(f"/actions/{opened['id']}", data={"command": "acknowledge", "by": "Ana"})
    assert "It has been seen already." in again.text


def test_a_form_without_a_name_or_while_the_engine_is_away_says_what_to_do(
    web: TestClient, engine: EnginePublisher
) -> None:
    opened = case(web, state="open", kind="cause")
    web.cookies.clear()
    assert "Say who you are." in web.post(f"/actions/{opened['id']}", data={"command": "acknowledge"}).text
    engine.away = True
    try:
        answer = web.post(f"/actions/{opened['id']}", data={"command": "acknowledge", "by": "Ana"})
    finally:
        engine.away = False
    assert "It could not be sent just now." in answer.text


def test_a_tag_is_corrected_with_a_plain_form(web: TestClient, parts: Parts, engine: EnginePublisher) -> None:
    event = received("plain-correction")
    project(parts.store, engine.topics.put(event, classified(event)), owner="test")
    answer = web.post(f"/feedback/{event.id}", data={"by": "Ana", "stage": "use", "revision": "1", "areas": ""})
    assert "Corrected, thank you" in answer.text
    assert web.get(f"/v1/feedback/{event.id}").json()["stage"] == "use"
    nothing = web.post(f"/feedback/{event.id}", data={"by": "Ana", "revision": "2"})
    assert "Choose what is to be corrected." in nothing.text


def test_nothing_of_an_address_is_repeated_on_a_page(web: TestClient) -> None:
    opened = case(web, kind="cause")
    html = web.get(f"/actions/{opened['id']}?said=not-<script>x</script>").text
    assert "<script>x" not in html
    assert "evil" not in web.get("/feedback/evil-address").text


def test_a_page_that_is_not_there_says_so_as_a_page(web: TestClient) -> None:
    answer = web.get("/nothing/here")
    assert answer.status_code == 404
    assert "There is nothing here" in answer.text
    asked = web.get("/feedback?severity=9")
    assert asked.status_code == 422
    assert "use a number from 0 to 3" in asked.text


def test_an_empty_store_greets_with_what_to_do(tmp_path_factory: pytest.TempPathFactory) -> None:
    engine = EnginePublisher(Settings(data_dir=tmp_path_factory.mktemp("empty")))
    parts = engine.build()
    with TestClient(parts.app, base_url="http://127.0.0.1") as client:
        for path in ROOMS:
            assert client.get(path).status_code == 200
        assert "Nothing has come in yet." in client.get("/").text
    engine.take_down()
