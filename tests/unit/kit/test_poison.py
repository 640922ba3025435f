"""Deaths of a worker, simulated at every point: culprits are found, innocents are not, and it ends."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.contracts.codec import RawMessage
from services.kit.poison import BegunNote, HaltDecision


def messages(*offsets: int, partition: int = 0) -> list[RawMessage]:
    return [RawMessage("feedback-received", partition, offset, None, b"") for offset in offsets]


class Died(Exception):
    """The process is gone."""


class Worker:
    """The worker's loop as `worker.py` runs it, with the partitions' committed offsets that outlive it."""

    def __init__(self, path: Path, lengths: list[int], culprits: set[tuple[int, int]], sizes: Iterator[int]) -> None:
        self.path = path
        self.lengths = lengths
        self.culprits = culprits
        self.sizes = sizes
        self.committed = [0] * len(lengths)
        self.delivered: list[tuple[int, int]] = []
        self.condemned: list[tuple[int, int]] = []
        self.kill_at: int | None = None
        self._steps = 0

    def run(self) -> None:
        """From a start until all is done. Raises Died."""
        self._steps = 0
        note = BegunNote(self.path)
        position = list(self.committed)
        while batch := self._take(position):
            self._alive()
            if note.one_by_one(batch):
                for message in batch:
                    self._alone(note, message)
            else:
                note.begin(batch)
                self._process(batch)
            note.cleared(batch)
            note.done()
            self._alive()
            for message in batch:
                self.committed[message.partition] = message.offset + 1

    def _alone(self, note: BegunNote, message: RawMessage) -> None:
        if note.culprit(message):
            self.condemned.append((message.partition, message.offset))
            return
        note.begin([message], alone=True)
        self._process([message])
        note.cleared([message])

    def _process(self, batch: list[RawMessage]) -> None:
        for message in batch:
            self._alive()
            if (message.partition, message.offset) in self.culprits:
                raise Died
        self.delivered += [(m.partition, m.offset) for m in batch]

    def _alive(self) -> None:
        """Where somebody else may kill the process."""
        self._steps += 1
        if self._steps == self.kill_at:
            raise Died

    def _take(self, position: list[int]) -> list[RawMessage]:
        """The next batch: a slice of each partition, as long as the broker and the time happened to make it."""
        batch: list[RawMessage] = []
        smallest = 0
        while not batch and position != self.lengths:
            for partition, length in enumerate(self.lengths):
                upto = min(length, position[partition] + max(smallest, next(self.sizes)))
                batch += messages(*range(position[partition], upto), partition=partition)
                position[partition] = upto
            smallest = 1
        return batch

    def deaths_until_done(self, *, kills: Iterator[int | None], at_most: int) -> int:
        for deaths in range(at_most + 1):
            self.kill_at = next(kills, None)
            try:
                self.run()
            except Died:
                continue
            return deaths
        raise AssertionError(f"still not done after {at_most} deaths")


def sizes_from(data: st.DataObject) -> Iterator[int]:
    while True:
        yield data.draw(st.integers(0, 5))


@settings(max_examples=150, deadline=None)
@given(data=st.data(), lengths=st.lists(st.integers(0, 12), min_size=1, max_size=3))
def test_the_culprits_and_nobody_else_are_put_aside_and_it_ends(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, lengths: list[int]
) -> None:
    places = [(p, offset) for p, length in enumerate(lengths) for offset in range(length)]
    culprits = data.draw(st.sets(st.sampled_from(places), max_size=3)) if places else set()
    worker = Worker(tmp_path_factory.mktemp("note") / "begun", lengths, culprits, sizes_from(data))

    deaths = worker.deaths_until_done(kills=iter(()), at_most=60)

    assert set(worker.condemned) == culprits
    assert set(worker.delivered) == set(places) - culprits
    assert deaths <= 5 * len(culprits)


@settings(max_examples=150, deadline=None)
@given(
    data=st.data(),
    lengths=st.lists(st.integers(1, 8), min_size=1, max_size=2),
    kills=st.lists(st.integers(1, 25), max_size=12),
)
def test_a_worker_that_is_killed_from_outside_at_any_point_delivers_everything(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, lengths: list[int], kills: list[int]
) -> None:
    worker = Worker(tmp_path_factory.mktemp("note") / "begun", lengths, set(), sizes_from(data))

    worker.deaths_until_done(kills=iter(kills), at_most=len(kills))

    places = {(p, offset) for p, length in enumerate(lengths) for offset in range(length)}
    assert set(worker.delivered) | set(worker.condemned) == places


@pytest.mark.parametrize("point", range(1, 12))
def test_four_kills_at_the_same_point_condemn_nobody(tmp_path: Path, point: int) -> None:
    worker = Worker(tmp_path / "begun", [6], set(), iter(lambda: 6, None))

    worker.deaths_until_done(kills=iter([point] * 4), at_most=4)

    assert worker.condemned == []
    assert set(worker.delivered) == {(0, offset) for offset in range(6)}


def test_one_culprit_costs_three_deaths_in_the_batch_and_two_alone(tmp_path: Path) -> None:
    worker = Worker(tmp_path / "begun", [10], {(0, 7)}, iter(lambda: 10, None))

    assert worker.deaths_until_done(kills=iter(()), at_most=9) == 5
    assert worker.condemned == [(0, 7)]


def test_a_second_culprit_in_the_same_batch_costs_two_more(tmp_path: Path) -> None:
    worker = Worker(tmp_path / "begun", [10], {(0, 7), (0, 2)}, iter(lambda: 10, None))

    assert worker.deaths_until_done(kills=iter(()), at_most=9) == 7
    assert set(worker.condemned) == {(0, 2), (0, 7)}


def test_other_partitions_are_not_slowed_by_a_suspicion(tmp_path: Path) -> None:
    for _ in range(3):
        BegunNote(tmp_path / "begun").begin(messages(0, 1, 2))
    note = BegunNote(tmp_path / "begun")

    assert note.one_by_one(messages(1))
    assert not note.one_by_one(messages(1, partition=1))
    assert not note.one_by_one(messages(3))


def test_a_suspicion_outlives_deaths_that_have_other_causes(tmp_path: Path) -> None:
    path = tmp_path / "begun"
    for _ in range(2):
        BegunNote(path).begin(messages(0, 1))
        BegunNote(path).begin(messages(50, partition=1))
    BegunNote(path).begin(messages(0, 1))

    assert BegunNote(path).one_by_one(messages(0, 1))


def test_an_end_in_order_leaves_no_suspicion(tmp_path: Path) -> None:
    for _ in range(5):
        note = BegunNote(tmp_path / "begun")
        note.begin(messages(0, 1))
        note.cleared(messages(0, 1))
        note.done()

    assert (tmp_path / "begun").read_bytes() == b""
    assert not BegunNote(tmp_path / "begun").one_by_one(messages(0, 1))


@pytest.mark.parametrize("content", [b"{", b"null", b"\xff\xff\n", b'{"begun":7}\n', b"[]\n", b'{"spans":{"a":[1]}}\n'])
def test_a_note_that_cannot_be_read_suspects_nobody(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "begun").write_bytes(content)

    note = BegunNote(tmp_path / "begun")

    assert not note.one_by_one(messages(0, 1))
    assert not note.culprit(messages(0)[0])


def test_a_note_over_a_longer_one_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "begun"
    note = BegunNote(path)
    note.begin(messages(0))
    short = path.read_bytes()
    path.write_bytes(short + b'rest of a longer note"}]\n')
    BegunNote(path).begin(messages(0))
    BegunNote(path).begin(messages(0))

    assert BegunNote(path).one_by_one(messages(0))


# ---- standing still -------------------------------------------------------------------------------------------------


def test_fifty_bad_of_the_last_thousand_must_also_be_a_fifth() -> None:
    decision = HaltDecision()

    assert not decision.saw(good=201, bad=49)
    assert not decision.saw(good=0, bad=1)  # 50 of 251
    assert decision.saw(good=0, bad=1)  # 51 of 252


def test_forty_nine_bad_ones_alone_are_no_reason() -> None:
    decision = HaltDecision()

    assert not decision.saw(good=0, bad=49)
    assert decision.saw(good=0, bad=1)


def test_only_the_last_thousand_count() -> None:
    decision = HaltDecision()
    decision.saw(good=0, bad=49)

    assert not decision.saw(good=1000, bad=0)
    assert not decision.saw(good=0, bad=49)


def test_after_a_person_said_go_on_it_counts_anew() -> None:
    decision = HaltDecision()
    assert decision.saw(good=0, bad=500)

    decision.forget()

    assert not decision.saw(good=0, bad=49)


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), max_size=20))
def test_the_decision_is_the_share_of_the_last_thousand(batches: list[tuple[int, int]]) -> None:
    decision, seen = HaltDecision(), []
    for good, bad in batches:
        seen += [True] * bad + [False] * good
        recent = seen[-1000:]
        assert decision.saw(good=good, bad=bad) == (sum(recent) >= 50 and sum(recent) >= 0.2 * len(recent))
