"""The journal's files: segments of frames, the mark of what Kafka has, recovery. Knows no threads and no Kafka.

Positions are bytes since the first event ever; a segment file is named by its first. The writer appends, rolls and
retires; the sender reads and marks. Both may do so at once.
"""

import errno
import fcntl
import os
import time
from bisect import bisect_right
from collections.abc import Callable
from contextlib import suppress
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from crc32c import crc32c

from services.contracts.errors import Misconfigured
from services.ingest.io.frames import Record, scan, wanted

_SUFFIX = ".journal"
_CHUNK = 1 << 20
KEPT_SECONDS = 60.0
_MARK_BYTES = 12
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class _Segment(NamedTuple):
    base: int
    path: Path


class Recovered(NamedTuple):
    """What stood in the files at the start. `resend_from` is where the sender begins."""

    resend_from: int
    cut_bytes: int


class Segments:
    """Append-only files that together are one sequence of bytes. `recover` before anything else; while it runs,
    `acknowledged` is already what the mark says."""

    def __init__(self, folder: Path, *, size: int) -> None:
        self._folder = folder
        self._size = size
        self._segments: list[_Segment] = []
        self._file = self._mark = self._held = -1
        self.end = 0
        self.acknowledged = 0
        self.rolled_at = 0.0
        self._is_torn = False

    # ---- start and end ----------------------------------------------------------------------------------------------

    def recover(self, each: Callable[[Record], None]) -> Recovered:
        """Reads everything that is kept, telling `each` record, and cuts off a torn tail. Raises Misconfigured when
        another process holds the folder.

        The sender begins at the mark, or, after a power cut, a minute before the newest record: what Kafka had
        acknowledged in its last seconds may not have reached its disk.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        self._hold()
        self._mark = os.open(self._folder / "acknowledged", os.O_RDWR | os.O_CREAT, 0o600)
        marked = self.acknowledged = self._read_mark()
        self._segments = sorted(_Segment(int(p.stem), p) for p in self._folder.glob(f"*{_SUFFIX}"))
        power_cut = self._was_power_cut()
        recent: list[tuple[int, int]] = []
        cut = 0
        ends = [segment.base for segment in self._segments[1:]]
        for segment, end in zip_longest(self._segments, ends):
            data = segment.path.read_bytes()
            # what stands beyond the next one's begin was refused, and only could not be cut off
            data = data if end is None else data[: end - segment.base]
            position = segment.base
            for record in scan(data, segment.base):
                if power_cut:
                    recent.append((position, record.at_ms))
                position = record.end
                each(record)
            recent = [(start, at_ms) for start, at_ms in recent if at_ms >= recent[-1][1] - KEPT_SECONDS * 1000]
            if position < segment.base + len(data):
                cut += segment.base + len(data) - position
                _cut(segment.path, position - segment.base)
            self.end = position
        if self._segments:
            self._file = os.open(self._segments[-1].path, os.O_RDWR | os.O_APPEND)
            self.rolled_at = time.monotonic()
            self.acknowledged = min(max(marked, self._segments[0].base), self.end)
        else:
            self.end = self.acknowledged = marked
            self.roll()
        self._note_opened()
        return Recovered(min([start for start, _ in recent[:1]] + [self.acknowledged]), cut)

    def close(self) -> None:
        """Ends in order: the next start sends nothing again."""
        with suppress(OSError):
            os.fsync(self._mark)
            (self._folder / "open").unlink(missing_ok=True)
        for file in (self._file, self._mark, self._held):
            os.close(file)

    def _hold(self) -> None:
        self._held = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._held)
            raise Misconfigured([f"Another ingest writes to {self._folder}; end it first."]) from None

    def _was_power_cut(self) -> bool:
        """Whether the last run did not end in order and the machine has started anew since (or cannot tell)."""
        try:
            before = (self._folder / "open").read_text(encoding="ascii", errors="replace")
        except OSError:
            return False
        return before in {"", "unknown"} or before != boot_id()

    def _note_opened(self) -> None:
        path = self._folder / "open"
        path.write_text(boot_id(), encoding="ascii")
        _sync(path)
        _sync(self._folder)

    # ---- by the writer ----------------------------------------------------------------------------------------------

    def append(self, data: bytes) -> int:
        """Writes and syncs; answers the position after it. Raises OSError, and then nothing was appended."""
        if self._is_torn:
            self._undo()  # else this would stand behind half of another, where nobody finds it again
        if self._is_torn:
            raise OSError(errno.EIO, "what was half written cannot be cut off")
        if self.end - self._segments[-1].base + len(data) > self._size:
            self.roll()
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._file, view) :]
            os.fdatasync(self._file)
        except OSError:
            self._undo()
            raise
        self.end += len(data)
        return self.end

    def _undo(self) -> None:
        """Cuts off what was half written. After a failed sync nobody knows what the disk holds, so a new file begins
        where the old one cannot be mended."""
        self._is_torn = True
        try:
            os.ftruncate(self._file, self.end - self._segments[-1].base)
            os.fsync(self._file)
            self._is_torn = False
        except OSError:
            with suppress(OSError):
                self.roll()
                self._is_torn = self._segments[-1].base != self.end

    def roll(self) -> None:
        """Begins a new segment, unless the current one is still empty."""
        self.rolled_at = time.monotonic()
        if self._segments and self._segments[-1].base == self.end:
            return
        path = self._folder / f"{self.end:020d}{_SUFFIX}"
        file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC, 0o600)
        _sync(self._folder)
        if self._file >= 0:
            os.close(self._file)
        self._file = file
        self._segments = [*self._segments, _Segment(self.end, path)]

    def probe(self) -> None:
        """Tries to write a little. Raises OSError while the disk is full or away."""
        path = self._folder / "probe"
        try:
            path.write_bytes(bytes(1 << 16))
            _sync(path)
        finally:
            path.unlink(missing_ok=True)

    def retire(self, *, most_bytes: int, before: Callable[[], None]) -> None:
        """Removes acknowledged segments after a minute, or sooner where they take more than `most_bytes`. `before` is
        called ahead of each removal."""
        while len(self._segments) > 1 and self._segments[1].base <= self.acknowledged:
            oldest, following = self._segments[:2]
            age = time.time() - oldest.path.stat().st_mtime
            if age < KEPT_SECONDS and self.acknowledged - following.base < most_bytes:
                return
            before()
            self._segments = self._segments[1:]
            oldest.path.unlink(missing_ok=True)

    # ---- by the sender ----------------------------------------------------------------------------------------------

    def read(self, position: int, end: int) -> list[Record]:
        """Whole records between two positions, about a mebibyte of them. None although `position < end` means damage,
        which no append can heal."""
        segments = self._segments
        while position < end:
            place = max(0, bisect_right(segments, position, key=lambda segment: segment.base) - 1)
            segment = segments[place]
            after = min(end, segments[place + 1].base) if place + 1 < len(segments) else end
            position = max(position, segment.base)
            records = list(scan(_bytes(segment.path, position - segment.base, after - position), position))
            if records:
                return records
            position = after
        return []

    def acknowledge(self, position: int) -> None:
        """Everything before the position is in Kafka. Not synced: a stale mark only sends again."""
        self.acknowledged = position
        number = position.to_bytes(8, "little")
        with suppress(OSError):
            os.pwrite(self._mark, number + crc32c(number).to_bytes(4, "little"), 0)

    def _read_mark(self) -> int:
        data = os.pread(self._mark, _MARK_BYTES, 0)
        number = data[:8]
        is_whole = len(data) == _MARK_BYTES and crc32c(number).to_bytes(4, "little") == data[8:]
        return int.from_bytes(number, "little") if is_whole else 0


def boot_id() -> str:
    """Which start of the machine this is: page cache outlives a process, not a power cut."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"


def _bytes(path: Path, offset: int, most: int) -> bytes:
    with path.open("rb", buffering=0) as file:
        data = os.pread(file.fileno(), min(_CHUNK, most), offset)
        needed = wanted(data)
        return os.pread(file.fileno(), min(needed, most), offset) if needed > len(data) else data


def _cut(path: Path, size: int) -> None:
    with path.open("r+b") as file:
        file.truncate(size)
        os.fsync(file.fileno())


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
