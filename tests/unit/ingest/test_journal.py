"""The journal loses nothing that it called durable, wherever it was cut, and says when it has no room."""

import os
import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.contracts.errors import Misconfigured, Unavailable
from services.ingest.io import segments
from services.ingest.io.frames import frame, scan
from services.ingest.io.journal import Journal
from services.ingest.io.segments import Segments
from tests.unit.ingest.builders import MemoryIds, entry, number_of
from tests.waiting import until


class Opened:
    """A journal on a folder, with what it remembers."""

    def __init__(self, folder: Path, *, capacity: int = 1 << 20) -> None:
        self.ids = MemoryIds()
        self.journal = Journal(folder, capacity=capacity, ids=self.ids)
        self.journal.open()

    def append(self, *numbers: int, size: int = 100) -> Any:
        """Waits for the outcome: a position or Unavailable."""
        outcome: queue.Queue[Any] = queue.Queue()
        self.journal.append([entry(number, size=size) for number in numbers], outcome.put)
        return outcome.get(timeout=10)

    def numbers(self, position: int = 0) -> list[int]:
        found: list[int] = []
        while records := self.journal.read(position):
            found += [number_of(record) for record in records]
            position = records[-1].end
        return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def opened(folder: Path) -> Iterator[Opened]:
    found = Opened(folder)
    yield found
    found.journal.close()


def test_what_is_appended_is_read_in_order(opened: Opened) -> None:
    positions = [opened.append(*range(start, start + 10)) for start in range(0, 100, 10)]
    assert opened.numbers() == list(range(100))
    assert positions == sorted(positions)
    assert positions[-1] == opened.journal.durable
    assert opened.ids.known_ids.keys() == {number.to_bytes(16, "big") for number in range(100)}


def test_a_record_comes_back_as_it_was(opened: Opened) -> None:
    opened.append(7)
    record = opened.journal.read(0)[0]
    assert record.message.topic == "feedback-received"
    assert record.message.value is not None
    assert record.message.value.startswith(b"7:")
    assert record.digest == (8).to_bytes(16, "big")


def test_a_large_record_is_read_whole(folder: Path) -> None:
    opened = Opened(folder, capacity=16 << 20)
    opened.append(1, 2, 3, size=600_000)
    opened.append(4, size=1_500_000)
    assert opened.numbers() == [1, 2, 3, 4]
    opened.journal.close()


def test_it_goes_on_where_it_was_closed(folder: Path) -> None:
    first = Opened(folder)
    first.append(1, 2)
    middle = first.append(3)
    first.journal.acknowledge(middle)
    first.append(4)
    first.journal.close()
    second = Opened(folder)
    assert second.journal.resend_from == middle
    assert second.numbers(middle) == [4]
    assert second.journal.pending_events == 1
    assert len(second.ids.known_ids) == 4
    assert second.append(5) == second.journal.durable
    assert second.numbers(middle) == [4, 5]
    second.journal.close()


def test_a_tail_torn_at_any_byte_is_cut_and_all_before_it_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("fsync", "fdatasync"):  # six hundred starts: what is synced when is not what this is about
        monkeypatch.setattr(segments.os, name, lambda _: None)
    written = b"".join(entry(number, size=20).frame for number in range(3))
    whole = [record.end for record in scan(written, 0)]
    for cut in range(len(written) + 1):
        folder.mkdir(exist_ok=True)
        for path in folder.iterdir():
            path.unlink()
        (folder / f"{0:020d}.journal").write_bytes(written[:cut])
        found: list[int] = []
        files = Segments(folder, size=1 << 16)
        recovered = files.recover(lambda record, found=found: found.append(number_of(record)))
        kept = [end for end in whole if end <= cut]
        assert found == list(range(len(kept)))
        assert files.end == (kept[-1] if kept else 0)
        assert recovered.cut_bytes == cut - files.end
        end = files.append(entry(9, size=20).frame)
        assert number_of(files.read(files.end - len(entry(9, size=20).frame), end)[0]) == 9
        files.close()


@pytest.mark.parametrize("tail", [bytes(500), b"\xff" * 500, frame(at_ms=1, id=bytes(16), digest=bytes(16),
                         message=scan(entry(1).frame, 0).__next__().message)[:-1] + b"\x00"])  # fmt: skip
def test_garbage_at_the_end_is_cut(folder: Path, tail: bytes) -> None:
    folder.mkdir()
    (folder / f"{0:020d}.journal").write_bytes(entry(1).frame + tail)
    opened = Opened(folder)
    assert opened.numbers() == [1]
    assert opened.journal.cut_bytes == len(tail)
    opened.journal.close()


def test_damage_in_the_middle_costs_only_its_segment(folder: Path) -> None:
    opened = Opened(folder)
    for number in range(100):
        opened.append(number, size=5_000)
    opened.journal.close()
    files = sorted(folder.glob("*.journal"))
    assert len(files) > 2
    with files[0].open("r+b") as file:
        file.seek(6_000)
        file.write(b"\x00" * 10)
    again = Opened(folder)
    found = again.numbers()
    assert found[0] == 0
    first_of_second = number_of(next(scan(files[1].read_bytes(), 0)))
    assert found[1:] == list(range(first_of_second, 100))
    again.journal.close()


def test_a_full_journal_refuses_and_takes_again_when_kafka_has_caught_up(folder: Path) -> None:
    opened = Opened(folder, capacity=1 << 20)
    last = [opened.append(number, size=10_000) for number in range(100)][-1]
    last = opened.append(100, size=30_000)
    with pytest.raises(Unavailable, match="full") as refused:
        opened.append(101, size=30_000)
    assert refused.value.retry_after >= 1
    assert opened.journal.pending_bytes <= 1 << 20
    opened.journal.acknowledge(last)
    assert opened.append(1_001) > last
    opened.journal.close()


def test_acknowledged_segments_go_after_a_minute_and_ids_are_synced_before(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Opened(folder)
    for number in range(60):
        opened.append(number, size=5_000)
    before = len(list(folder.glob("*.journal")))
    opened.journal.acknowledge(opened.journal.durable)
    opened.journal._tidy()
    assert len(list(folder.glob("*.journal"))) == before
    monkeypatch.setattr(segments, "KEPT_SECONDS", 0.0)
    opened.journal._tidy()
    assert len(list(folder.glob("*.journal"))) == 1
    assert opened.ids.synced == before - 1
    assert opened.append(61) > 0
    opened.journal.close()


def test_acknowledged_segments_go_at_once_where_they_take_more_room_than_the_bound(folder: Path) -> None:
    opened = Opened(folder, capacity=256 << 10)
    for number in range(100):
        opened.journal.acknowledge(opened.append(number, size=10_000))
    opened.journal._tidy()
    assert sum(path.stat().st_size for path in folder.glob("*.journal")) < 512 << 10
    opened.journal.close()


# ---- ends -----------------------------------------------------------------------------------------------------------


def _minutes(folder: Path, *, boot: str | None) -> tuple[list[int], Opened]:
    """Three records, of minute 0, 1.5 and 2, all acknowledged; then an end that is not in order."""
    files = Segments(folder, size=1 << 16)
    files.recover(lambda _: None)
    starts = []
    for number, at_ms in enumerate((0, 90_000, 120_000)):
        starts.append(files.end)
        files.append(entry(number, at_ms=at_ms).frame)
    files.acknowledge(files.end)
    os.close(files._held)
    if boot is not None:
        (folder / "open").write_text(boot, encoding="ascii")
    return starts, Opened(folder)


@pytest.mark.parametrize("boot", ["another-start-of-the-machine", "unknown", ""])
def test_after_a_power_cut_the_last_minute_is_sent_again(folder: Path, boot: str) -> None:
    starts, opened = _minutes(folder, boot=boot)
    assert opened.journal.resend_from == starts[1]
    opened.journal.close()


@pytest.mark.skipif(segments.boot_id() == "unknown", reason="this system does not tell its starts apart")
def test_after_kill_9_only_what_was_not_acknowledged_is_sent_again(folder: Path) -> None:
    _, opened = _minutes(folder, boot=None)
    assert opened.journal.resend_from == opened.journal.durable
    opened.journal.close()


@pytest.mark.parametrize("mark", [b"", b"\x01", b"\xff" * 12])
def test_a_broken_mark_sends_everything_again(folder: Path, mark: bytes) -> None:
    first = Opened(folder)
    first.journal.acknowledge(first.append(1, 2))
    first.journal.close()
    (folder / "acknowledged").write_bytes(mark)
    second = Opened(folder)
    assert second.journal.resend_from == 0
    assert second.journal.pending_events == 2
    second.journal.close()


def test_two_processes_cannot_write_to_one_journal(folder: Path) -> None:
    first = Opened(folder)
    with pytest.raises(Misconfigured, match="Another ingest"):
        Opened(folder)
    first.journal.close()


# ---- a disk that refuses --------------------------------------------------------------------------------------------


def test_a_full_disk_fails_the_whole_group_and_leaves_no_half(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Opened(folder)
    opened.append(1)
    write = os.write

    def full(file: int, data: Any) -> int:
        write(file, bytes(data)[:30])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(segments.os, "write", full)
    outcome = opened.append(2, 3)
    assert isinstance(outcome, Unavailable)
    assert opened.journal.trouble == "the disk is full"
    with pytest.raises(Unavailable, match="the disk is full"):
        opened.append(4)
    monkeypatch.setattr(segments.os, "write", write)
    until(lambda: not opened.journal.trouble, what="the journal to try again")
    opened.append(5)
    assert opened.numbers() == [1, 5]
    opened.journal.close()
    again = Opened(folder)
    assert again.numbers() == [1, 5]
    assert again.journal.cut_bytes == 0
    again.journal.close()


def test_ids_that_cannot_be_written_stop_the_intake_but_lose_nothing(folder: Path) -> None:
    opened = Opened(folder)
    opened.ids.full = True
    assert isinstance(opened.append(1), int)
    with pytest.raises(Unavailable):
        opened.append(2)
    opened.ids.full = False
    until(lambda: not opened.journal.trouble, what="the journal to try again")
    opened.append(3)
    assert opened.numbers() == [1, 3]
    opened.journal.close()


def test_a_writer_that_dies_is_told_of(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    died: list[BaseException] = []
    journal = Journal(folder, capacity=1 << 20, ids=MemoryIds(), crashed=died.append)
    journal.open()
    monkeypatch.setattr(journal._segments, "append", lambda _: 1 / 0)
    journal.append([entry(1)], lambda _: None)
    until(lambda: died, what="the crash to be told of")
    assert isinstance(died[0], ZeroDivisionError)


def test_nothing_is_written_behind_what_is_half_written(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    opened.append(1)

    def away(*_: object) -> None:
        raise OSError(5, "Input/output error")

    def torn(file: int, data: Any, write: Any = os.write) -> int:
        write(file, bytes(data)[:10])
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as disk:
        disk.setattr(os, "ftruncate", away)
        disk.setattr(Segments, "roll", away)
        with monkeypatch.context() as half:
            half.setattr(os, "write", torn)
            assert isinstance(opened.append(2), Unavailable)
        opened.journal.trouble = ""
        assert isinstance(opened.append(3), Unavailable)

    opened.journal.trouble = ""
    opened.append(4)
    assert opened.numbers() == [1, 4]


def test_what_was_refused_and_could_not_be_cut_off_is_not_remembered(folder: Path) -> None:
    before = Opened(folder)
    before.append(1)
    before.journal._segments.roll()
    before.append(2)
    before.journal.close()
    first, _ = sorted(folder.glob("*.journal"))
    with first.open("ab") as file:
        file.write(entry(9).frame)

    after = Opened(folder)

    assert after.numbers() == [1, 2]
    assert (9).to_bytes(16, "big") not in after.ids.known_ids
    after.journal.close()
