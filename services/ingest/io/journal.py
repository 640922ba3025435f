"""The journal: accepted events on disk, in one order, before anyone is told that they are safe.

One writer thread takes everything that waits, writes it in one go, syncs once and then tells the waiting (group
commit). The sender reads the same files from the acknowledged position, so that the live path is the recovery path.
"""

import errno
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from services.contracts.errors import Unavailable
from services.ingest.io.frames import Record
from services.ingest.io.segments import Segments

_ROLL_SECONDS = 60.0
_TIDY_SECONDS = 1.0


class Entry(NamedTuple):
    """What is to be written: the frame, and the id and digest that are remembered once it is durable."""

    frame: bytes
    id: bytes
    digest: bytes


Done = Callable[[int | Unavailable], None]
"""Told the position after the last entry once all are durable, or why none is. Called in the writer's thread."""


class Ids(Protocol):
    """Remembers what was accepted (`io/ids.py`)."""

    def add(self, entries: Sequence[tuple[bytes, bytes]]) -> None: ...
    def sync(self) -> None: ...


class _Group(NamedTuple):
    end: int
    at: float
    events: int


class _Waiting(NamedTuple):
    entries: Sequence[Entry]
    size: int
    done: Done


class Journal:
    """A bounded journal with a writer thread; one process per folder. What is acknowledged is kept for a minute more,
    at most as much again as the bound."""

    def __init__(
        self, folder: Path, *, capacity: int, ids: Ids, crashed: Callable[[BaseException], None] | None = None
    ) -> None:
        self._crashed = crashed
        self.capacity = capacity
        self._segments = Segments(folder, size=max(64 << 10, min(64 << 20, capacity // 8)))
        self._ids = ids
        self._lock = threading.Condition()
        self._waiting: list[_Waiting] = []
        self._unwritten_bytes = 0
        self._groups: deque[_Group] = deque()
        self._stopping = False
        self._tidied_at = 0.0
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self.resend_from = 0
        self.cut_bytes = 0
        self.pending_events = 0
        self.trouble = ""
        """Why nothing can be written; empty while all is well."""
        self.on_durable: Callable[[], None] = lambda: None

    def open(self) -> None:
        """Recovers what is there, remembers its ids again, and starts the writer. Raises Misconfigured, OSError."""
        found: list[tuple[bytes, bytes]] = []

        def seen(record: Record) -> None:
            found.append((record.id, record.digest))
            if len(found) >= 10_000:
                self._ids.add(found)
                found.clear()
            if record.end > self._segments.acknowledged:
                self._count(record.end, record.at_ms / 1000, 1)

        recovered = self._segments.recover(seen)
        self._ids.add(found)
        self.resend_from, self.cut_bytes = recovered
        self._thread.start()

    def close(self) -> None:
        """Writes what waits, then ends in order. The sender must have ended before."""
        with self._lock:
            self._stopping = True
            self._lock.notify_all()
        self._thread.join(timeout=30)
        self._segments.close()

    # ---- writing ----------------------------------------------------------------------------------------------------

    def append(self, entries: Sequence[Entry], done: Done) -> None:
        """Hands entries to the writer; all or none become durable. Raises Unavailable when there is no room."""
        size = sum(len(entry.frame) for entry in entries)
        with self._lock:
            if self._stopping:
                raise Unavailable("the intake is ending")
            if self.trouble:
                raise Unavailable(self.trouble, retry_after=5)
            if self.pending_bytes + self._unwritten_bytes + size > self.capacity:
                raise Unavailable("the journal is full", retry_after=5)
            self._waiting.append(_Waiting(entries, size, done))
            self._unwritten_bytes += size
            self._lock.notify_all()

    def _run(self) -> None:
        try:
            self._write_for_ever()
        except BaseException as error:  # a writer that died in silence would leave every sender waiting
            if self._crashed is None:
                raise
            self._crashed(error)

    def _write_for_ever(self) -> None:
        while True:
            with self._lock:
                if not self._waiting and not self._stopping:
                    self._lock.wait(timeout=_TIDY_SECONDS)
                taken, self._waiting = self._waiting, []
                if not taken and self._stopping:
                    return
            if taken:
                self._commit(taken)
            if time.monotonic() - self._tidied_at > _TIDY_SECONDS:
                self._tidied_at = time.monotonic()
                self._tidy()

    def _commit(self, taken: Sequence[_Waiting]) -> None:
        entries = [entry for waiting in taken for entry in waiting.entries]
        begin = self._segments.end
        try:
            end = self._segments.append(b"".join(entry.frame for entry in entries))
        except OSError as error:
            self.trouble = _in_words(error)
            with self._lock:
                self._unwritten_bytes -= sum(waiting.size for waiting in taken)
            for waiting in taken:
                waiting.done(Unavailable(self.trouble, retry_after=5))
            return
        with self._lock:
            self._unwritten_bytes -= end - begin
            self._count(end, time.time(), len(entries))
        try:
            self._ids.add([(entry.id, entry.digest) for entry in entries])
        except OSError as error:
            self.trouble = _in_words(error)  # these are safe; nothing more is taken until their ids are written
        for waiting in taken:
            begin += waiting.size
            waiting.done(begin)
        self.on_durable()

    def _tidy(self) -> None:
        """Tries again after trouble, rolls by age, removes what nobody needs."""
        try:
            if self.trouble:
                self._ids.add(())
                self._segments.probe()
            if time.monotonic() - self._segments.rolled_at > _ROLL_SECONDS:
                self._segments.roll()
            self._segments.retire(most_bytes=self.capacity, before=self._ids.sync)
            self.trouble = ""
        except OSError as error:
            self.trouble = _in_words(error)

    # ---- reading and acknowledging, by the sender -------------------------------------------------------------------

    def read(self, position: int) -> list[Record]:
        """Durable records from a position on, some of them; empty at the end, or where the file is damaged."""
        return self._segments.read(position, self.durable)

    def acknowledge(self, position: int) -> None:
        """Everything before the position is in Kafka."""
        if position <= self._segments.acknowledged:
            return
        self._segments.acknowledge(position)
        with self._lock:
            self._uncount(position)

    # ---- how it stands ----------------------------------------------------------------------------------------------

    def _count(self, end: int, at: float, events: int) -> None:
        last = self._groups[-1] if self._groups else None
        if last is not None and at - last.at < 0.1 and last.events < 1_000:
            self._groups[-1] = _Group(end, last.at, last.events + events)
        else:
            self._groups.append(_Group(end, at, events))
        self.pending_events += events

    def _uncount(self, position: int) -> None:
        while self._groups and self._groups[0].end <= position:
            self.pending_events -= self._groups.popleft().events

    @property
    def durable(self) -> int:
        """The position after the last event that is safe."""
        return self._segments.end

    @property
    def pending_bytes(self) -> int:
        """Durable, not yet acknowledged by Kafka."""
        return self._segments.end - self._segments.acknowledged

    @property
    def oldest_age(self) -> float:
        """Seconds since the oldest of the pending was written; 0 when none is."""
        with self._lock:
            return max(0.0, time.time() - self._groups[0].at) if self._groups else 0.0


def _in_words(error: OSError) -> str:
    return "the disk is full" if error.errno in {errno.ENOSPC, errno.EDQUOT} else "the disk is away"
