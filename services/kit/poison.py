"""Which message killed the worker, and when a consumer must stand still. Decisions and one small file; no Kafka.

A segfault or an out-of-memory kill raises nothing, so each batch is noted before it begins. What was begun three times
is done again one by one, each message noted alone; what then kills the worker is known by its note.
"""

import os
from collections import deque
from collections.abc import Iterable
from pathlib import Path

import msgspec

from services.contracts.codec import RawMessage

_STARTS_BEFORE_ONE_BY_ONE = 3
_WINDOW, _LEAST, _SHARE = 1000, 50, 0.2


class _Note(msgspec.Struct):
    """Per `topic-partition` the first and last offset that was begun; how often; whether one message stood alone."""

    ranges: dict[str, tuple[int, int]]
    starts: int = 1
    alone: bool = False


class BegunNote:
    """The note of what was begun. A note that is still there at a start is of a batch that ended the worker."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._left = self._read()
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)

    def _read(self) -> _Note | None:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_Note)
        except (OSError, msgspec.DecodeError):
            return None

    def culprit(self, message: RawMessage) -> bool:
        """Whether this message, processed alone, ended the worker before."""
        return self._left is not None and self._left.alone and _within(self._left, message)

    def one_by_one(self, messages: Iterable[RawMessage]) -> bool:
        """Whether these were begun often enough that each must be done alone."""
        if self._left is None or not any(_within(self._left, m) for m in messages):
            return False
        return self._left.alone or self._left.starts >= _STARTS_BEFORE_ONE_BY_ONE

    def begin(self, messages: Iterable[RawMessage], *, alone: bool = False) -> None:
        """Notes what is begun now. Not fsynced: it is for deaths of this process, not of the machine."""
        note = _Note(ranges={}, alone=alone)
        for message in messages:
            place = f"{message.topic}-{message.partition}"
            low, high = note.ranges.get(place, (message.offset, message.offset))
            note.ranges[place] = (min(low, message.offset), max(high, message.offset))
            if self._left is not None and _within(self._left, message):
                note.starts = self._left.starts + 1
        self._write(msgspec.json.encode(note))

    def done(self) -> None:
        """What was begun is done. Suspicion of the last death ends only with `cleared`."""
        self._write(b"")

    def cleared(self, messages: Iterable[RawMessage]) -> None:
        """These are done for good: nothing left over is suspected if they cover it."""
        if self._left is None:
            return
        for message in messages:
            place = f"{message.topic}-{message.partition}"
            span = self._left.ranges.get(place)
            if span is not None and message.offset >= span[1]:
                del self._left.ranges[place]
        if not self._left.ranges:
            self._left = None

    def _write(self, content: bytes) -> None:
        # truncated last, so that a death in between leaves a note that decodes or one that reads as none
        os.pwrite(self._fd, content, 0)
        os.ftruncate(self._fd, len(content))


def _within(note: _Note, message: RawMessage) -> bool:
    span = note.ranges.get(f"{message.topic}-{message.partition}")
    return span is not None and span[0] <= message.offset <= span[1]


class HaltDecision:
    """Stands still when too much of the recent past could not be read: then the reader is broken, not the messages."""

    def __init__(self) -> None:
        self._recent: deque[bool] = deque(maxlen=_WINDOW)
        self._bad = 0

    def saw(self, *, good: int, bad: int) -> bool:
        """Counts a batch and answers whether to halt: at least 50 and 20 % of the last 1,000 were dead letters."""
        for is_bad in [True] * bad + [False] * good:
            if len(self._recent) == _WINDOW:
                self._bad -= self._recent[0]
            self._recent.append(is_bad)
            self._bad += is_bad
        return self._bad >= _LEAST and self._bad >= _SHARE * len(self._recent)

    def forget(self) -> None:
        """Starts counting anew, after a person said go on."""
        self._recent.clear()
        self._bad = 0
