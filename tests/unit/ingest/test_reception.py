"""One event is one event, however often and however simultaneously it comes; nothing is told before it is safe."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from services.contracts.errors import Unavailable
from services.ingest import intake
from services.ingest.intake import Candidate, Reason, Refused
from services.ingest.io import reception as reception_module
from services.ingest.io.journal import Entry
from services.ingest.io.reception import Policy, Reception, Stored
from services.ingest.masking import Masker
from services.ingest.metrics import IngestMetrics
from services.ingest.sources import Sources
from tests.unit.ingest.builders import LOG, NOW, PSEUDONYMS, MemoryIds, event, metrics


class HeldJournal:
    """A journal whose disk waits until it is told to go on."""

    def __init__(self, ids: MemoryIds) -> None:
        self._ids = ids
        self.waiting: list[tuple[Sequence[Entry], Callable[[Any], None]]] = []
        self.position = 0
        self.is_full = False

    def append(self, entries: Sequence[Entry], done: Callable[[Any], None]) -> None:
        if self.is_full:
            raise Unavailable("the journal is full", retry_after=5)
        self.waiting.append((entries, done))

    def sync(self) -> None:
        for entries, done in self.waiting:
            self._ids.add([(entry.id, entry.digest) for entry in entries])
            self.position += sum(len(entry.frame) for entry in entries)
            done(self.position)
        self.waiting = []

    def fail(self) -> None:
        for _, done in self.waiting:
            done(Unavailable("the disk is full"))
        self.waiting = []


class Desk:
    """A reception whose journal and Kafka do what a test says."""

    def __init__(self, *, kafka_answers: bool = True) -> None:
        self.ids = MemoryIds()
        self.journal = HeldJournal(self.ids)
        self.rejections: list[Any] = []
        self.metrics: IngestMetrics = metrics()
        self.reception = Reception(
            journal=self.journal,  # type: ignore[arg-type]  # stands in for the real one, which its own tests hold
            ids=self.ids,  # type: ignore[arg-type]
            pseudonyms=PSEUDONYMS,
            policy=lambda: Policy(Sources(), Masker()),
            reject=self.rejections.append,
            metrics=self.metrics,
            log=LOG,
            clock=lambda: NOW,
        )
        if kafka_answers:
            self.reception.published(1 << 60)

    def send(self, *events: Any) -> "asyncio.Task[list[Any]]":
        candidates = [Candidate(given, index) for index, given in enumerate(events)]
        return asyncio.create_task(self.reception.receive(candidates, mode="live", trace=None))

    def counted(self, outcome: str, channel: str = "survey") -> float:
        return self.metrics.events.labels(channel, outcome)._value.get()


async def turn() -> None:
    """Lets everything that can go on go on."""
    for _ in range(20):
        await asyncio.sleep(0)


def test_nothing_is_answered_before_it_is_durable() -> None:
    async def story() -> None:
        desk = Desk()
        sent = desk.send(event())
        await turn()
        assert not sent.done()
        assert desk.counted("accepted") == 0
        desk.journal.sync()
        assert (await sent)[0].is_duplicate is False
        assert desk.counted("accepted") == 1

    asyncio.run(story())


def test_the_same_event_twice_at_once_is_stored_once_and_both_wait_for_it() -> None:
    async def story() -> None:
        desk = Desk()
        first, second = desk.send(event()), desk.send(event())
        await turn()
        assert not second.done()
        assert len(desk.journal.waiting) == 1
        desk.journal.sync()
        assert [(await first)[0].is_duplicate, (await second)[0].is_duplicate] == [False, True]
        assert (await desk.send(event()))[0].is_duplicate

    asyncio.run(story())


def test_a_repeat_is_no_duplicate_of_what_could_not_be_stored() -> None:
    async def story() -> None:
        desk = Desk()
        first, second = desk.send(event()), desk.send(event())
        await turn()
        desk.journal.fail()
        for sent in (first, second):
            with pytest.raises(Unavailable):
                await sent
        third = desk.send(event())
        await turn()
        desk.journal.sync()
        assert (await third)[0].is_duplicate is False
        assert desk.counted("unavailable", "unknown") == 2

    asyncio.run(story())


def test_repeats_within_a_batch_are_duplicates_and_differing_ones_conflicts() -> None:
    async def story() -> None:
        desk = Desk()
        sent = desk.send(event(), event(), event(text="other"), event(id="r-2"), {"nonsense": 1}, None)
        await turn()
        desk.journal.sync()
        verdicts = await sent
        assert [type(verdict) for verdict in verdicts] == [Stored, Stored, Refused, Stored, Refused, Refused]
        assert [verdict.is_duplicate for verdict in verdicts[:2]] == [False, True]
        assert verdicts[2].reason is Reason.CONFLICT
        assert len(desk.rejections) == 3
        assert (desk.counted("accepted"), desk.counted("duplicate"), desk.counted("conflict")) == (2, 1, 1)

    asyncio.run(story())


def test_two_batches_that_claim_each_others_events_do_not_wait_for_ever() -> None:
    async def story() -> None:
        desk = Desk()
        many = [event(id=f"x-{number}") for number in range(120)]  # more than are judged at once
        first, second = desk.send(*many), desk.send(*reversed(many))
        await turn()
        desk.journal.sync()
        await turn()
        desk.journal.sync()
        verdicts = await asyncio.wait_for(first, 5) + await asyncio.wait_for(second, 5)
        assert sum(not verdict.is_duplicate for verdict in verdicts) == 120

    asyncio.run(story())


def test_a_caller_who_goes_away_undoes_nothing() -> None:
    async def story() -> None:
        desk = Desk()
        first = desk.send(event())
        await turn()
        first.cancel()
        second = desk.send(event())
        await turn()
        assert len(desk.journal.waiting) == 1
        desk.journal.sync()
        assert (await second)[0].is_duplicate

    asyncio.run(story())


def test_a_full_journal_gives_up_every_claim() -> None:
    async def story() -> None:
        desk = Desk()
        desk.journal.is_full = True
        with pytest.raises(Unavailable, match="full"):
            await desk.send(event(), event(id="r-2"))
        desk.journal.is_full = False
        again = desk.send(event(), event(id="r-2"))
        await turn()
        desk.journal.sync()
        assert [verdict.is_duplicate for verdict in await again] == [False, False]

    asyncio.run(story())


def test_without_kafka_the_answer_comes_after_a_while_and_with_it_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        desk = Desk(kafka_answers=False)
        sent = desk.send(event())
        await turn()
        desk.journal.sync()
        await turn()
        assert not sent.done()
        desk.reception.published(desk.journal.position)
        assert await asyncio.wait_for(sent, 0.2)
        monkeypatch.setattr(reception_module, "_PATIENCE_SECONDS", 0.01)
        sent = desk.send(event(id="r-2"))
        await turn()
        desk.journal.sync()
        assert isinstance((await sent)[0], Stored)

    asyncio.run(story())


def test_a_bug_that_one_event_finds_harms_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    check = intake.check

    def buggy(candidate: Candidate, **facts: Any) -> Any:
        if candidate.event["id"] == "bad":
            raise ZeroDivisionError
        return check(candidate, **facts)

    monkeypatch.setattr(intake, "check", buggy)

    async def story() -> None:
        desk = Desk()
        sent = desk.send(event(), event(id="bad"))
        await turn()
        desk.journal.sync()
        stored, refused = await sent
        assert isinstance(stored, Stored)
        assert refused.reason is Reason.UNEXPECTED

    asyncio.run(story())


def test_the_trace_of_an_event_is_its_id() -> None:
    async def story() -> None:
        desk = Desk()
        desk.send(event())
        await turn()
        frame = desk.journal.waiting[0][0][0].frame
        assert f"00-{desk.journal.waiting[0][0][0].id.hex()}-".encode() in frame

    asyncio.run(story())
