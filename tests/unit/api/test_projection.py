"""Batches into the store: the same rows whatever the order, the batching and the repeats; fenced by owner."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, select

from services.api.io import actions as read_actions
from services.api.io import feedback as read_feedback
from services.api.io import figures as sums
from services.api.io import tables as db
from services.api.io.projection import Fenced, Projection
from services.api.io.store import Store
from services.api.project import read
from services.api.queries import FeedbackFilter
from services.api.rollups import contribution
from services.contracts import events as e
from services.contracts import topics as t
from services.contracts.codec import RawMessage
from tests.unit.api.builders import NOON, Topics, action, changed, classified, project, received

_STAGES = ("receive", "use", "pay")
_AREAS = ("fulfilment", "digital", "price")


@dataclass
class World:
    """Many events with re-tags, repeats and old revisions, and the newest tags of each."""

    messages: list[RawMessage]
    newest: dict[str, e.FeedbackClassified]


def world(seed: int, *, events: int = 120) -> World:
    draw = random.Random(seed)
    topics, newest = Topics(), {}
    for number in range(events):
        kind = draw.choice(["nps", "csat", None])
        event = received(
            f"w-{number}",
            at=NOON - timedelta(hours=draw.randrange(2_000)),
            attributes={"region": draw.choice(["north", "south"]), "product": draw.choice(["beds", ""])},
            rating=e.Rating(kind=kind, value=draw.randrange(1, 6), max=7 if kind == "csat" else 10) if kind else None,
            solicited=draw.random() < 0.5,
        )
        revisions = [
            classified(
                event,
                revision=revision,
                stage=draw.choice(_STAGES),
                areas=tuple(e.AreaTag(area=a, confidence=0.7) for a in draw.sample(_AREAS, draw.randrange(1, 3))),
                themes=tuple(draw.sample(["delivery-late", "app-crashes"], draw.randrange(0, 3))),
                sentiment=draw.choice(["negative", "positive", "mixed"]),
                severity=draw.randrange(4),
            )
            for revision in range(1, draw.randrange(2, 5))
        ]
        newest[event.id] = revisions[-1]
        sent: list[Any] = [event, *revisions]
        draw.shuffle(sent)
        topics.put(*sent, *draw.sample(sent, 1))
    return World(topics.messages, newest)


def shuffled(messages: list[RawMessage], seed: int) -> list[RawMessage]:
    """Another order of arrival between partitions; within one, as it stands."""
    draw = random.Random(seed)
    queues: dict[tuple[str, int], list[RawMessage]] = {}
    for message in messages:
        queues.setdefault((message.topic, message.partition), []).append(message)
    out = []
    while queues:
        place = draw.choice(sorted(queues))
        out.append(queues[place].pop(0))
        if not queues[place]:
            del queues[place]
    return out


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_roll_ups_equal_a_recount_after_retags_repeats_and_old_revisions(store: Store, seed: int) -> None:
    told = world(seed)

    project(store, told.messages, batch=37)

    recount: dict[str, dict[tuple[Any, ...], list[int]]] = {"narrow": {}, "wide": {}, "ratings": {}}
    for event in told.newest.values():
        for name, rows in zip(recount, contribution(event), strict=True):
            for key, measures in rows.items():
                found = recount[name].setdefault(key, [0] * len(measures))
                recount[name][key] = [a + b for a, b in zip(found, measures, strict=True)]
    with store.reading() as connection:
        for table, name in ((db.narrow, "narrow"), (db.wide, "wide"), (db.ratings, "ratings")):
            keys = len(table.primary_key.columns)
            stored = {tuple(row[:keys]): list(row[keys:]) for row in connection.execute(select(table))}
            assert stored == recount[name]


def test_the_store_is_the_same_bytes_whatever_the_order_the_batching_and_the_repeats(
    make_store: Callable[[], Store],
) -> None:
    told = world(4)
    first, second = make_store(), make_store()

    project(first, told.messages, batch=500)
    project(second, shuffled(told.messages, 5), batch=7)
    project(second, told.messages, batch=11)

    assert first.digest() == second.digest()


def test_tags_that_come_before_their_event_wait_for_it(store: Store) -> None:
    topics = Topics()
    event = received()
    tagged = topics.put(classified(event))
    late = topics.put(event)

    project(store, tagged)
    with store.reading() as connection:
        assert read_feedback.get_voice(connection, event.id) is None
    project(store, late)

    with store.reading() as connection:
        voice = read_feedback.get_voice(connection, event.id)
        assert sums.waiting_counts(connection) == (0, 0)
    assert voice is not None
    assert voice.status == "tagged"
    assert voice.event == event


def test_an_event_without_tags_is_counted_as_waiting_until_they_come(store: Store) -> None:
    topics = Topics()
    event = received()
    project(store, topics.put(event))
    with store.reading() as connection:
        assert sums.waiting_counts(connection) == (0, 1)
        page = read_feedback.list_feedback(connection, store, FeedbackFilter(status="received"), limit=5, after=None)
    assert [voice.event.id for voice in page.items] == [event.id]

    project(store, topics.put(classified(event)))

    with store.reading() as connection:
        assert sums.waiting_counts(connection) == (0, 0)


def test_whoever_claims_later_fences_the_earlier_owner_and_nothing_of_its_batch_stays(store: Store) -> None:
    topics = Topics()
    (message,) = topics.put(received())
    place = (message.topic, message.partition)
    sleeper, successor = Projection(store, owner="sleeper"), Projection(store, owner="successor")
    sleeper.claim([place])
    assert successor.claim([place]) == {place: 0}

    with pytest.raises(Fenced):
        sleeper.write(read([message]))

    with store.reading() as connection:
        assert connection.execute(select(func.count()).select_from(db.feedback)).scalar_one() == 0
    assert successor.write(read([message])) == 1
    assert Projection(store, owner="third").claim([place]) == {place: 1}


def test_an_older_revision_of_an_action_changes_nothing(store: Store) -> None:
    topics = Topics()
    newer, older = action(revision=5, state="resolved"), action(revision=4, state="open")

    project(store, topics.put(newer))
    project(store, topics.put(older))

    with store.reading() as connection:
        stored = read_actions.get_action(connection, newer.id)
    assert stored == newer


def test_members_come_and_go_with_the_changes_and_a_redelivery_does_not_bring_them_back(store: Store) -> None:
    topics = Topics()
    one, two, three = received("m-1"), received("m-2"), received("m-3")
    of = action()
    joined = topics.put(
        one,
        two,
        three,
        of,
        changed(of, "opened", event=one.id, members=(two.id,)),
        changed(of, "joined", cause="j3", event=three.id),
    )
    left = topics.put(changed(of, "left", cause="l2", event=two.id))

    project(store, joined + left)
    project(store, joined)

    with store.reading() as connection:
        page = read_feedback.members(connection, of.id, limit=10, after=None)
        history = read_actions.history(connection, of.id)
    assert {voice.event.id for voice in page.items} == {one.id, three.id}
    assert [change.change for change in history] == ["opened"]


def test_what_cannot_be_read_is_told_apart_and_its_neighbours_are_kept() -> None:
    topics = Topics()
    good = topics.put(received())
    bad = [
        topics.raw(t.FEEDBACK_RECEIVED, b"\xff\xfe"),
        topics.raw(t.FEEDBACK_RECEIVED, None),
        topics.raw(t.FEEDBACK_CLASSIFIED, b'{"id": 7}'),
        topics.raw(t.FEEDBACK_RECEIVED, b'{"x":' + b"[" * 100_000),
    ]

    batch = read(good + bad)

    assert len(batch.received) == 1
    assert [item.code for item in batch.bad] == ["not_json", "empty", "schema", "too_deep"]
    assert not any(b"7" in item.detail.encode() for item in batch.bad)


def test_a_dead_letter_is_known_by_where_it_stood_and_its_mark_closes_it(store: Store) -> None:
    topics = Topics()
    headers = (
        ("dl_id", b"feedback-received-1-7"),
        ("dl_topic", b"feedback-received"),
        ("dl_partition", b"1"),
        ("dl_offset", b"7"),
        ("dl_code", b"schema"),
        ("dl_service", b"classify"),
        ("dl_at", b"2026-11-16T12:00:00Z"),
    )
    letter = topics.raw(t.CLASSIFY_DLQ, b"secret words", headers=headers)
    mark = topics.raw(t.CLASSIFY_DLQ, None, headers=(*headers[:1], ("dl_mark", b"replayed"), ("dl_at", b"now")))

    project(store, [letter])
    with store.reading() as connection:
        row = connection.execute(select(db.letters)).one()
    assert (row.service, row.topic, row.partition, row.offset, row.code) == (
        "classify",
        "feedback-received",
        1,
        7,
        "schema",
    )
    assert "secret" not in repr(row)

    project(store, [letter, mark])
    with store.reading() as connection:
        assert connection.execute(select(db.marks.c.id)).scalars().all() == ["feedback-received-1-7"]


def test_a_text_with_a_nul_is_stored_with_its_length_kept(store: Store) -> None:
    topics = Topics()
    event = received(text="odd\x00text")

    project(store, topics.put(event))

    with store.reading() as connection:
        voice = read_feedback.get_voice(connection, event.id)
    assert voice is not None
    assert voice.event.text == "odd�text"


def test_employees_on_their_own_work_stay_outside_the_journey(store: Store) -> None:
    topics = Topics()
    own = received("e-1", channel="employee", author="employee")
    for_customer = received("e-2", channel="employee", author="employee")
    project(store, topics.put(own, classified(own, stage="unknown"), for_customer, classified(for_customer)))

    day = NOON.date().toordinal()
    with store.reading() as connection:
        cells = sums.cells(connection, day, day)
        own_themes = sums.theme_days(connection, day, day, voice="employee")
    assert {key: cell.n for key, cell in cells.items()} == {("receive", "fulfilment"): 1}
    assert own_themes == {"marked-delivered": {day: 1}}


def test_a_rating_without_words_counts_for_the_whole_and_for_no_area(store: Store) -> None:
    topics = Topics()
    rated = received("q-1", text=None, rating=e.Rating(kind="nps", value=9, max=10), solicited=True)
    named = received("q-2", rating=e.Rating(kind="nps", value=3, max=10), solicited=True)
    volunteered = received("q-3", rating=e.Rating(kind="nps", value=0, max=10), solicited=False)
    unknown = (e.AreaTag(area="unknown", confidence=1.0),)
    project(
        store,
        topics.put(
            rated,
            classified(rated, stage="unknown", areas=unknown, themes=(), evidence=()),
            named,
            classified(named),
            volunteered,
            classified(volunteered),
        ),
    )

    day = NOON.date().toordinal()
    with store.reading() as connection:
        found = sums.rating_sums(connection, day, day)
    assert {key: value[0] for key, value in found.items()} == {("", "nps"): 2, ("fulfilment", "nps"): 1}


def test_a_policy_that_comes_into_force_again_counts_from_its_last_time(store: Store) -> None:
    topics = Topics()
    first = e.PolicyActivated(version="a", at=NOON, by="files", files={"x.yaml": "1"})
    second = e.PolicyActivated(version="b", at=NOON + timedelta(hours=1), by="files", files={"x.yaml": "2"})
    again = msgspec.structs.replace(first, at=NOON + timedelta(hours=2))

    project(store, topics.put(first, second, again))

    with store.reading() as connection:
        assert read_actions.active_policy(connection) == again
