"""Conversations: one experience, told again as it grows, whatever dies in between."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.classify.experience import conversations as module
from services.classify.experience.conversations import KEPT, Conversations
from services.classify.step import classify
from services.classify.tagging.tagger import TagInput
from services.classify.taxonomy.labels import Taxonomy, read_taxonomy
from services.contracts import topics
from services.contracts.codec import Outbound, RawMessage, decode, encode
from services.contracts.errors import Unavailable
from services.contracts.events import (
    AreaTag,
    Correction,
    FeedbackClassified,
    FeedbackCorrected,
    FeedbackReceived,
    Tags,
    Versions,
)
from tests.unit.classify.conftest import POLICY

NOW = datetime(2026, 11, 3, 9, tzinfo=UTC)
WORDS = {"driver": "receive", "charged": "pay", "room": "use"}


@cache
def _taxonomy() -> Taxonomy:
    return read_taxonomy(POLICY)


class KeywordTagger:
    """Tags by the last keyword in a text, so that what was read shows; the taxonomy is the shipped one."""

    def __init__(self) -> None:
        self.taxonomy = _taxonomy()
        self.read: list[str] = []

    def tag(self, inputs: Sequence[TagInput]) -> list[Tags]:
        """Tags in the order of the inputs."""
        return [self._one((item.text or "").strip()) for item in inputs]

    def _one(self, text: str) -> Tags:
        self.read.append(text)
        stage = next((WORDS[word] for word in reversed(text.split()) if word in WORDS), "unknown")
        return Tags(
            stage=stage, stage_confidence=0.9, areas=(AreaTag(area="service", confidence=0.9),), sentiment="negative",
            sentiment_confidence=0.9, intent="complaint", intent_confidence=0.9, severity=1, severity_confidence=0.9,
            status="tagged", versions=Versions(model="m", taxonomy="t"),
        )  # fmt: skip


class Topics:
    """What was written: the log that conversations are read back from."""

    def __init__(self) -> None:
        self.messages: list[RawMessage] = []
        self.sent: list[Outbound] = []
        self.away = False

    def classified(self, partition: int, *, since: datetime) -> Iterable[FeedbackClassified]:
        """Everything that was sent."""
        if self.away:
            raise Unavailable("away")
        return [event for event in self.revisions() if event.conversation is not None]

    def received(self, partition: int, offsets: Sequence[int]) -> Mapping[int, FeedbackReceived]:
        """The events at the offsets."""
        wanted = [m for m in self.messages if m.topic == topics.FEEDBACK_RECEIVED and m.offset in offsets]
        return {m.offset: decode(m, FeedbackReceived) for m in wanted}

    def revisions(self) -> list[FeedbackClassified]:
        """Every revision that was sent, in order."""
        return [decode(RawMessage(o.topic, 0, 0, o.key, o.value), FeedbackClassified) for o in self.sent]

    def put(self, event: FeedbackReceived | FeedbackCorrected, *, at: datetime = NOW) -> RawMessage:
        """Writes an event and answers it as it is read."""
        out = encode(event)
        offset = sum(m.topic == out.topic for m in self.messages)
        message = RawMessage(out.topic, 0, offset, out.key, out.value, out.headers, int(at.timestamp() * 1000))
        self.messages.append(message)
        return message


class Worker:
    """The step with its memory."""

    def __init__(self) -> None:
        self.topics = Topics()
        self.tagger: Any = KeywordTagger()
        self.memory = Conversations(self.topics)

    def step(self, *messages: RawMessage) -> list[FeedbackClassified]:
        """Does a batch, sends what it leads to, and answers that."""
        outcome = classify(messages, tagger=self.tagger, now=NOW, version="1", conversations=self.memory)
        self.topics.sent += outcome.outbound
        return list(outcome.classified)

    def tell(self, *events: FeedbackReceived | FeedbackCorrected) -> list[FeedbackClassified]:
        """Writes events and does them as one batch."""
        return self.step(*(self.topics.put(event) for event in events))

    def restart(self) -> None:
        """Loses the memory, as a process that is killed does."""
        self.memory = Conversations(self.topics)


def part(number: int, text: str = "and so on", **over: Any) -> FeedbackReceived:
    """A message of one conversation."""
    return FeedbackReceived(
        **{
            "id": f"e-{number}", "source": "chat", "source_id": str(number), "channel": "chat", "occurred_at": NOW,
            "received_at": NOW, "text": text, "conversation_id": "t-1",
        }
        | over
    )  # fmt: skip


@pytest.fixture
def worker() -> Worker:
    return Worker()


def test_a_later_part_gives_the_first_event_a_new_revision_and_does_not_count(worker: Worker) -> None:
    (first,) = worker.tell(part(1, "hello"))
    head, own = worker.tell(part(2, "the driver left"))
    assert (first.id, first.revision, first.counts) == ("e-1", 1, True)
    assert (head.id, head.revision, head.tags.stage, head.counts) == ("e-1", 2, "receive", True)
    assert head.supersedes == first.tags
    assert head.conversation is not None
    assert [p.id for p in head.conversation.parts] == ["e-1", "e-2"]
    assert (own.id, own.revision, own.tags.stage, own.counts) == ("e-2", 1, "receive", False)
    assert (own.tags.status, own.tags.unsure) == ("tagged", ())


def test_parts_of_one_batch_make_one_revision_and_one_reading(worker: Worker) -> None:
    found = worker.tell(part(1, "hello"), part(2, "the driver"), part(3, "the room"))
    assert [(event.id, event.revision, event.counts) for event in found] == [
        ("e-1", 1, True), ("e-2", 1, False), ("e-3", 1, False),
    ]  # fmt: skip
    assert worker.tagger.read == ["hello\n\nthe driver\n\nthe room"]


def test_all_revisions_have_the_key_of_the_conversation(worker: Worker) -> None:
    worker.tell(part(1), part(2, customer="c-1"), part(3, author="agent"))
    worker.tell(part(4))
    assert len({out.key for out in worker.topics.sent} | {m.key for m in worker.topics.messages}) == 1


def test_while_only_the_company_has_spoken_nothing_counts(worker: Worker) -> None:
    (greeting,) = worker.tell(part(1, "hello how can I help with the room", author="agent"))
    assert (greeting.counts, greeting.tags.sentiment, greeting.tags.severity) == (False, "neutral", 0)
    (head,) = worker.tell(part(2, "the driver left"))
    assert (head.id, head.revision, head.counts, head.tags.stage) == ("e-2", 1, True, "receive")
    assert head.conversation is not None
    assert [p.id for p in head.conversation.parts] == ["e-1", "e-2"]


def test_the_company_in_front_in_the_same_batch_is_a_part(worker: Worker) -> None:
    found = worker.tell(part(1, author="agent"), part(2, "the driver"), part(3, author="agent"))
    assert [(event.id, event.counts) for event in found] == [("e-1", False), ("e-2", True), ("e-3", False)]
    assert all(event.conversation is not None and event.conversation.head == "e-2" for event in found)


def test_people_named_differently_have_conversations_of_their_own(worker: Worker) -> None:
    worker.tell(part(1, customer="c-1"), part(2, customer="c-2"))
    found = worker.tell(part(3, customer="c-1"), part(4, customer="c-2"), part(5, customer="c-2", source="mail"))
    assert [(event.id, event.revision) for event in found if event.counts] == [("e-1", 2), ("e-2", 2), ("e-5", 1)]


def test_a_customer_who_is_named_later_is_the_same(worker: Worker) -> None:
    worker.tell(part(1))
    head, own = worker.tell(part(2, customer="c-1"))
    assert (head.id, head.customer, own.counts) == ("e-1", "c-1", False)


def test_after_a_long_silence_it_is_another_experience(worker: Worker) -> None:
    worker.tell(part(1))
    worker.tell(part(2, received_at=NOW + KEPT))
    (late,) = worker.tell(part(3, received_at=NOW + 2 * KEPT + timedelta(seconds=1)))
    assert (late.id, late.revision, late.counts) == ("e-3", 1, True)


def test_what_came_live_makes_an_imported_conversation_live(worker: Worker) -> None:
    worker.tell(part(1, mode="backfill"))
    head, _ = worker.tell(part(2))
    assert head.mode == "live"


@pytest.mark.parametrize("restarted", [False, True])
def test_what_came_before_leads_to_nothing_when_it_comes_again(worker: Worker, *, restarted: bool) -> None:
    worker.tell(part(1), part(2), part(3, author="agent"))
    worker.tell(part(4))
    if restarted:
        worker.restart()
    assert worker.step(*worker.topics.messages) == []


def test_a_head_whose_parts_own_tags_were_lost_is_not_told_twice(worker: Worker) -> None:
    worker.tell(part(1))
    worker.tell(part(2))
    worker.topics.sent.pop()
    worker.restart()
    (own,) = worker.step(*worker.topics.messages)
    assert (own.id, own.counts) == ("e-2", False)


def test_texts_are_read_again_from_the_log(worker: Worker) -> None:
    worker.tell(part(1, "hello"))
    worker.restart()
    worker.tell(part(2, "the driver"))
    assert worker.tagger.read[-1] == "hello\n\nthe driver"


def test_texts_that_memory_had_no_room_for_are_read_again(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_CHARACTERS", 15)
    worker.tell(part(1, "hello there"))
    worker.tell(part(2, "the driver"))
    worker.tell(part(3, "the room"))
    assert worker.tagger.read[-1] == "hello there\n\nthe driver\n\nthe room"


def test_only_so_many_conversations_are_held_and_the_rest_is_let_go(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_CONVERSATIONS", 2)
    worker.tell(*(part(number, conversation_id=f"t-{number}") for number in range(1, 4)))
    found = worker.tell(part(4, conversation_id="t-1"), part(5, conversation_id="t-3"))
    assert [(event.id, event.counts) for event in found] == [("e-4", True), ("e-3", True), ("e-5", False)]


def test_while_the_log_is_away_nothing_is_half_done(worker: Worker) -> None:
    worker.tell(part(1))
    worker.restart()
    message = worker.topics.put(part(2))
    worker.topics.away = True
    with pytest.raises(Unavailable):
        worker.step(message)
    worker.topics.away = False
    assert [(event.id, event.revision) for event in worker.step(message)] == [("e-1", 2), ("e-2", 1)]


def test_a_partition_that_was_elsewhere_is_read_back(worker: Worker) -> None:
    worker.tell(part(1))
    elsewhere = Worker()
    elsewhere.topics = worker.topics
    elsewhere.restart()
    elsewhere.tell(part(2))
    head, _ = worker.tell(part(3))
    assert head.revision == 3
    assert head.conversation is not None
    assert [p.id for p in head.conversation.parts] == ["e-1", "e-2", "e-3"]


# ---- corrections ----------------------------------------------------------------------------------------------------


def correction(of: FeedbackClassified, name: str = "x-1", **said: Any) -> FeedbackCorrected:
    """Somebody's correction of a revision."""
    return FeedbackCorrected(correction=Correction(id=name, by="ana", at=NOW, **said), of=of)


@pytest.mark.parametrize("restarted", [False, True])
def test_what_a_person_said_stays_when_the_conversation_grows(worker: Worker, *, restarted: bool) -> None:
    (first,) = worker.tell(part(1, "the room"))
    worker.tell(correction(first, stage="stay"))
    worker.tell(correction(first, "x-2", severity=2))
    if restarted:
        worker.restart()
    head, _ = worker.tell(part(2, "the driver"))
    assert (head.revision, head.tags.stage, head.tags.severity) == (4, "stay", 2)
    assert head.correction is not None
    assert head.supersedes is not None
    assert head.supersedes.stage == "stay"


def test_a_correction_of_what_has_grown_meanwhile_is_not_lost(worker: Worker) -> None:
    (first,) = worker.tell(part(1, "the room"))
    worker.tell(part(2, "the driver"))
    (head,) = worker.tell(correction(first, severity=2))
    assert (head.revision, head.tags.stage, head.tags.severity) == (3, "receive", 2)
    assert head.conversation is not None
    assert len(head.conversation.parts) == 2


def test_a_correction_of_a_part_is_one_of_the_whole(worker: Worker) -> None:
    worker.tell(part(1, "the room"))
    _, own = worker.tell(part(2, "the driver"))
    head, again = worker.tell(correction(own, stage="stay"))
    assert [(event.id, event.revision, event.tags.stage) for event in (head, again)] == [
        ("e-1", 3, "stay"), ("e-2", 2, "stay"),
    ]  # fmt: skip


def test_a_correction_that_comes_twice_changes_once(worker: Worker) -> None:
    (first,) = worker.tell(part(1, "the room"))
    worker.tell(correction(first, stage="stay"))
    assert worker.tell(correction(first, stage="stay")) == []


# ---- dying ----------------------------------------------------------------------------------------------------------

EVENTS = st.lists(
    st.builds(
        dict,
        text=st.sampled_from(["hello", "the driver", "the room", "charged"]),
        author=st.sampled_from(["customer", "customer", "agent"]),
        conversation_id=st.sampled_from(["t-1", "t-2", None]),
        customer=st.sampled_from([None, "c-1"]),
    ),
    min_size=1,
    max_size=9,
)


@settings(max_examples=150, deadline=None)
@given(events=EVENTS, data=st.data())
def test_whatever_dies_every_conversation_ends_as_if_nothing_had(events: list[dict[str, Any]], data: Any) -> None:
    whole, dying = Worker(), Worker()
    messages = [whole.topics.put(part(number, **over)) for number, over in enumerate(events)]
    dying.topics.messages = list(messages)
    whole.step(*messages)
    place = 0
    while place < len(messages):
        size = data.draw(st.integers(1, 4))
        batch = messages[place : place + size]
        sent = len(dying.topics.sent)
        dying.step(*batch)
        if data.draw(st.booleans()):  # it is killed: so much was sent, and nothing acknowledged
            del dying.topics.sent[data.draw(st.integers(sent, len(dying.topics.sent))) :]
            dying.restart()
            if data.draw(st.booleans()):
                continue
            dying.step(*batch)
        place += size
    assert _ends(dying.topics) == _ends(whole.topics)
    assert {event.id for event in dying.topics.revisions()} == {event.id for event in whole.topics.revisions()}
    _each_supersedes_what_stood(dying.topics)


def _ends(written: Topics) -> dict[str, Any]:
    """The newest revision of everything that counts: what readers hold in the end."""
    newest: dict[str, FeedbackClassified] = {}
    for event in written.revisions():
        if event.id not in newest or event.revision > newest[event.id].revision:
            newest[event.id] = event
    return {
        name: (event.tags.stage, event.conversation and [p.id for p in event.conversation.parts])
        for name, event in newest.items()
        if event.counts
    }


def _each_supersedes_what_stood(written: Topics) -> None:
    """A newer revision says what the one before it said, so that routing takes back what it counted."""
    standing: dict[str, FeedbackClassified] = {}
    for event in written.revisions():
        before = standing.get(event.id)
        if before is None or event.revision > before.revision:
            if before is not None and event.counts:
                assert event.supersedes is not None
                assert event.supersedes.stage == before.tags.stage
            standing[event.id] = event
