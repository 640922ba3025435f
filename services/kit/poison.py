"""Which message killed the worker, and when a consumer must stand still. Decisions and one small file; no Kafka.

A segfault or an out-of-memory kill raises nothing, so each batch is noted before it begins. Where three batches died,
messages are done one by one, each noted alone; one that stood alone at two deaths is the culprit. Two, because a worker
is also killed from outside, and then the message in hand is innocent.
"""

import os
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from services.contracts.codec import RawMessage

_DEATHS_BEFORE_ONE_BY_ONE = 3
_DEATHS_ALONE = 2
_WINDOW, _LEAST, _SHARE = 1000, 50, 0.2


class _Span(msgspec.Struct, array_like=True):
    """Offsets of one partition, both ends included, and how many deaths they have seen."""

    low: int
    high: int
    deaths: int = 0


class _Note(msgspec.Struct):
    """What is being done now, and what earlier deaths left under suspicion; by `topic-partition[-offset]`."""

    begun: dict[str, _Span] = {}
    is_alone: bool = False
    spans: dict[str, _Span] = {}
    alone: dict[str, int] = {}


class BegunNote:
    """The note of what was begun. What a note still calls begun at a start is what the worker died of, or died with."""

    def __init__(self, path: Path) -> None:
        left = _read(path)
        self._spans = left.spans
        self._alone = left.alone
        for place, begun in left.begun.items():
            if left.is_alone:
                name = f"{place}-{begun.low}"
                self._alone[name] = self._alone.get(name, 0) + 1
            else:
                before = self._spans.get(place)
                again = before is not None and before.low <= begun.high and begun.low <= before.high
                self._spans[place] = _Span(begun.low, begun.high, before.deaths + 1 if before and again else 1)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self.done()

    def culprit(self, message: RawMessage) -> bool:
        """Whether this message, processed alone, ended the worker before."""
        return self._alone.get(_name(message), 0) >= _DEATHS_ALONE

    def one_by_one(self, messages: Iterable[RawMessage]) -> bool:
        """Whether the worker died of these often enough that each must be done alone."""
        return any(_name(m) in self._alone or self._is_deadly(m) for m in messages)

    def begin(self, messages: Sequence[RawMessage], *, alone: bool = False) -> None:
        """Notes what is begun now. Not fsynced: it is for deaths of this process, not of the machine."""
        begun: dict[str, _Span] = {}
        for message in messages:
            span = begun.setdefault(_place(message), _Span(message.offset, message.offset))
            span.low, span.high = min(span.low, message.offset), max(span.high, message.offset)
        self._write(_Note(begun, alone, self._spans, self._alone))

    def cleared(self, messages: Iterable[RawMessage]) -> None:
        """These are done for good: nothing that they cover is suspected any longer."""
        for message in messages if self._spans or self._alone else ():
            self._alone.pop(_name(message), None)
            span = self._spans.get(_place(message))
            if span is not None and message.offset >= span.high:
                del self._spans[_place(message)]

    def done(self) -> None:
        """Nothing is being done now. Suspicions stay until they are `cleared`."""
        self._write(_Note(spans=self._spans, alone=self._alone) if self._spans or self._alone else None)

    def _is_deadly(self, message: RawMessage) -> bool:
        span = self._spans.get(_place(message))
        return span is not None and span.deaths >= _DEATHS_BEFORE_ONE_BY_ONE and span.low <= message.offset <= span.high

    def _write(self, note: _Note | None) -> None:
        content = b"" if note is None else msgspec.json.encode(note) + b"\n"
        # truncated last, and read up to the line's end: a death in between leaves the new note, whole
        os.pwrite(self._fd, content, 0)
        os.ftruncate(self._fd, len(content))


def _read(path: Path) -> _Note:
    try:
        return msgspec.json.decode(path.read_bytes().partition(b"\n")[0], type=_Note)
    except (OSError, msgspec.DecodeError):
        return _Note()


def _place(message: RawMessage) -> str:
    return f"{message.topic}-{message.partition}"


def _name(message: RawMessage) -> str:
    return f"{message.topic}-{message.partition}-{message.offset}"


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
