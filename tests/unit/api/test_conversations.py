"""A conversation in the store and on the page: one voice wherever voices are listed, counted, quoted or asked about."""

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update
from starlette.testclient import TestClient

from services.api import names
from services.api.app import Parts
from services.api.io import feedback as read_feedback
from services.api.io import figures as sums
from services.api.io import reviews
from services.api.io import tables as db
from services.api.io.store import OlderLayout, Store, micros, open_file
from services.api.names import UNNAMED
from services.api.queries import FeedbackFilter
from services.contracts import events as e
from services.contracts.codec import RawMessage
from services.contracts.errors import Misconfigured
from tests.unit.api.builders import NOON, Topics, classified, project, received
from tests.unit.api.engine import EnginePublisher
from tests.unit.api.shown import shown
from tests.unit.api.test_projection import shuffled

SAID = ("Hello Jo, did your parcel come?", "The driver marked it delivered but nothing came.", "Still nothing here.")


class Thread:
    """The company asks, the customer complains and complains again: the second event stands for all three."""

    def __init__(self, name: str = "t-1", **over: Any) -> None:
        same = {"customer": f"p-{name}", "conversation_id": name, "channel": "chat"} | over
        at = same.pop("at", NOON)
        authors = ("agent", "customer", "customer")
        self.events = [
            received(f"{name}-{number}", author=author, text=text, at=at + timedelta(minutes=number), **same)
            for number, (author, text) in enumerate(zip(authors, SAID, strict=True))
        ]
        self.asked, self.head, self.later = self.events
        self.told = tuple(e.ConversationPart(id=one.id, offset=n) for n, one in enumerate(self.events))
        self.name = name

    def tagged(self, **over: Any) -> list[e.FeedbackClassified]:
        """What the classifier sends: each event once, and the head again when the thread grew."""
        alone = e.Conversation(id=self.name, parts=self.told[:1])
        of_head = e.Conversation(id=self.name, head=self.head.id)
        parts = [e.Conversation(id=self.name, head=self.head.id, parts=self.told[:number]) for number in (2, 3)]
        return [
            classified(self.asked, conversation=alone, evidence=(), **over),
            classified(self.head, conversation=parts[0], **over),
            classified(self.head, conversation=parts[1], revision=2, **over),
            classified(self.later, conversation=of_head, evidence=(), **over),
        ]

    def messages(self, topics: Topics, **over: Any) -> list[RawMessage]:
        return topics.put(*self.events, *self.tagged(**over))


def listed(store: Store, *, parts: bool = False, **asked: Any) -> list[str]:
    with store.reading() as connection:
        page = read_feedback.list_feedback(
            connection, store, FeedbackFilter(**asked), limit=50, after=None, parts=parts
        )
    return [voice.event.id for voice in page.items]


def test_a_conversation_is_listed_once_and_a_search_finds_its_parts(store: Store) -> None:
    thread, single = Thread(), received("alone", at=NOON + timedelta(hours=1))
    waiting = received("waiting", at=NOON + timedelta(hours=2))
    topics = Topics()
    project(store, thread.messages(topics) + topics.put(single, classified(single), waiting))

    assert listed(store) == [waiting.id, single.id, thread.head.id]
    assert listed(store, stage="receive") == [single.id, thread.head.id]
    assert listed(store, parts=True, stage="receive") == [single.id, thread.head.id]
    assert listed(store, parts=True) == [waiting.id, single.id, *(one.id for one in reversed(thread.events))]
    assert listed(store, q="still nothing") == [thread.later.id]


def test_who_never_answered_is_no_voice(store: Store) -> None:
    topics, thread = Topics(), Thread()
    project(store, topics.put(thread.asked, thread.tagged()[0]))

    assert listed(store) == []
    with store.reading() as connection:
        voice = read_feedback.get_voice(connection, thread.asked.id)
        assert voice is not None
        assert read_feedback.head_of(connection, voice) is None
        assert read_feedback.conversation(connection, voice) == []


def test_a_customer_has_said_a_conversation_once(store: Store) -> None:
    thread = Thread()
    project(store, thread.messages(Topics()))
    with store.reading() as connection:
        page = read_feedback.timeline(connection, e.Pseudonym("p-t-1"), limit=50, after=None)
    assert [voice.event.id for voice in page.items] == [thread.head.id]


def test_a_conversation_is_quoted_once_and_by_its_head(store: Store) -> None:
    thread = Thread()
    project(store, thread.messages(Topics()))
    with store.reading() as connection:
        found = sums.quotes(connection, UNNAMED, ["fulfilment"], micros(NOON - timedelta(days=1)), each=5)
    assert found == {"fulfilment": [thread.head.id]}


def test_what_needs_a_look_is_counted_as_it_is_listed(store: Store) -> None:
    thread = Thread()
    project(store, thread.messages(Topics(), status="unsure"))
    with store.reading() as connection:
        assert sums.waiting_counts(connection) == (1, 0)
    assert listed(store, status="unsure") == [thread.head.id]


def test_themes_of_employees_come_from_the_whole_conversation(store: Store) -> None:
    """The part was read before the rest was said: what it seemed to be about then is nobody's theme now."""
    thread = Thread(channel="employee")
    *_, whole, part = thread.tagged(stage="unknown", themes=("work-rota",))
    early = classified(thread.later, conversation=part.conversation, stage="unknown", themes=("work-tools",))
    project(store, Topics().put(*thread.events, whole, early))
    with store.reading() as connection:
        assert sums.own_people(connection, UNNAMED, micros(NOON - timedelta(days=1))) == {"work-rota": 1}


def test_nobody_is_asked_about_a_part(store: Store) -> None:
    thread = Thread()
    project(store, thread.messages(Topics()))
    with store.reading() as connection:
        found = reviews.candidates(connection, since=NOON - timedelta(days=1))
    assert [item.id for item in found] == [thread.head.id]


def test_who_corrected_a_part_has_looked_at_the_whole_and_no_second_person_is_asked_about_the_part(
    store: Store,
) -> None:
    thread = Thread()
    topics = Topics()
    *_, whole, part = thread.tagged()
    said = e.Correction(id="c-1", by="Ana", at=NOON + timedelta(hours=1), stage="use")
    again = [
        classified(one, conversation=told.conversation, revision=told.revision + 1, stage="use", correction=said)
        for one, told in ((thread.head, whole), (thread.later, part))
    ]
    project(store, thread.messages(topics) + topics.put(e.FeedbackCorrected(correction=said, of=part), *again))
    with store.reading() as connection:
        assert reviews.candidates(connection, since=NOON - timedelta(days=1)) == []
        assert reviews.answered_once(connection, besides="Bo", since=NOON) == []


def test_every_part_leads_to_its_head_and_the_head_to_all_of_them_in_order(store: Store) -> None:
    thread, stranger = Thread(), Thread("t-2", customer="p-2", at=NOON + timedelta(minutes=1))
    topics = Topics()
    others = [
        e.Conversation(id="t-1", head=stranger.head.id, parts=stranger.told),
        e.Conversation(id="t-1", head=stranger.head.id),
    ]
    namesake = [classified(stranger.head, conversation=others[0]), classified(stranger.later, conversation=others[1])]
    project(store, thread.messages(topics) + topics.put(*stranger.events, *namesake))

    with store.reading() as connection:
        found = read_feedback.voices_by_id(connection, [one.id for one in thread.events])
        heads = [read_feedback.head_of(connection, found[one.id]) for one in thread.events]
        told = read_feedback.conversation(connection, found[thread.head.id])
    assert heads == [thread.head.id, None, thread.head.id]
    assert [voice.event.id for voice in told] == [one.id for one in thread.events]


def test_the_store_of_conversations_is_the_same_bytes_in_any_order(make_store: Any) -> None:
    topics = Topics()
    for number in range(12):
        Thread(f"t-{number}").messages(topics)
    first, second = make_store(), make_store()

    project(first, topics.messages)
    project(second, shuffled(topics.messages, 3), batch=5)
    project(second, topics.messages, batch=7)

    assert first.digest() == second.digest()


@pytest.mark.parametrize(
    ("layout", "error", "todo"),
    [
        (db.VERSION - 1, OlderLayout, "run `palette rebuild`"),
        (db.VERSION + 1, Misconfigured, "install that version again"),
    ],
)
def test_a_store_of_another_layout_is_refused_with_what_to_do(
    tmp_path: Any, layout: int, error: type[Misconfigured], todo: str
) -> None:
    path = tmp_path / "palette.sqlite"
    made = open_file(path)
    with made.writing() as connection:
        connection.execute(update(db.schema_version).values(version=layout))
    made.close()

    with pytest.raises(error, match=todo) as refused:
        open_file(path)
    assert type(refused.value) is error


# ---- on the page ----------------------------------------------------------------------------------------------------


@pytest.fixture
def thread(parts: Parts, engine: EnginePublisher, request: pytest.FixtureRequest) -> Thread:
    found = Thread(f"page-{request.node.name}", source="web-chat")
    project(parts.store, found.messages(engine.topics), owner="test")
    return found


def test_the_page_of_a_conversation_shows_who_said_what_in_order_and_its_tags_once(
    web: TestClient, thread: Thread
) -> None:
    html = web.get(f"/feedback/{thread.head.id}").text
    text = shown(web, f"/feedback/{thread.head.id}").text

    assert "<h1>A conversation</h1>" in html
    pattern = r"We · .*did your parcel come.*The customer · .*nothing came.*The customer · .*Still nothing here"
    assert re.search(pattern, text), text
    assert html.count('<p class="tags">') == 1
    assert html.count("driver marked it delivered</mark>") == html.count("marked it delivered") == 1
    assert [html.count(f'id="p-{one.id}"') for one in thread.events] == [1, 1, 1]
    assert "Correct the tags" in html


def test_a_part_leads_to_the_whole_and_has_no_tags_to_correct(web: TestClient, thread: Thread) -> None:
    for part in (thread.asked, thread.later):
        html = web.get(f"/feedback/{part.id}").text
        assert f'href="/feedback/{thread.head.id}#p-{part.id}"' in html
        assert "Correct the tags" not in html
        assert "<h1>Part of a conversation</h1>" in html
        told = web.get(f"/v1/feedback/{part.id}").json()["conversation"]
        assert told["head"] == thread.head.id


def test_the_list_shows_the_conversation_and_a_search_says_that_it_found_a_part(
    web: TestClient, thread: Thread
) -> None:
    listed_here = web.get(f"/feedback?source={thread.head.source}").text
    assert "a conversation of 3 parts" in listed_here
    assert f'id="v-{thread.later.id}"' not in listed_here

    found = web.get("/feedback?q=still+nothing+here").text
    assert f'id="v-{thread.later.id}"' in found
    assert f'href="/feedback/{thread.head.id}#p-{thread.later.id}">part of a conversation</a>' in found


def test_while_only_the_company_has_spoken_the_page_says_so(
    web: TestClient, parts: Parts, engine: EnginePublisher
) -> None:
    silent = Thread("silent")
    project(parts.store, engine.topics.put(silent.asked, silent.tagged()[0]), owner="test")
    assert "Nobody has answered yet." in shown(web, f"/feedback/{silent.asked.id}").text


def test_programs_see_every_event_and_the_tags_of_voices(web: TestClient, thread: Thread) -> None:
    mine = {one.id for one in thread.events}

    def ids(query: str) -> set[str]:
        return mine & {item["id"] for item in web.get(f"/v1/feedback?limit=200&source=web-chat{query}").json()["items"]}

    assert ids("") == mine
    assert ids("&stage=receive") == {thread.head.id}
    assert thread.later.id not in web.get("/v1/feedback.csv?source=web-chat").text


def test_a_transcript_is_spoken_by_both() -> None:
    turns = (e.Turn(by="agent", start=0, end=4), e.Turn(by="customer", start=5, end=9))
    assert names.spoke(received(turns=turns)) == "the customer and we"
    assert names.spoke(received(turns=turns[1:])) == "the customer"
