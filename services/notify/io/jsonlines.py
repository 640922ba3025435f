"""A target that is a file: one JSON line per message, appended and fsynced. Blocking, one writer.

A line that a crash tore is cut off at the next start: its message was not counted as told and comes again. A message
whose line is there already is not written twice. Customers' texts are never written: they are kept in one place only.
"""

import os
from collections import deque
from pathlib import Path

import msgspec

from services.notify.delivery import Answer, Reason
from services.notify.messages import Message

_REMEMBERED = 2_000
_TAIL_BYTES = 4 << 20


class _Line(msgspec.Struct):
    id: str = ""


class _Body(msgspec.Struct):
    data: _Line = msgspec.field(default_factory=_Line)


class JsonLinesFile:
    """Appends to one file; made at the first message."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._recent: deque[str] | None = None

    def tell(self, message: Message) -> Answer:
        """Appends the message. Answers `not_written` where the disk refuses."""
        try:
            return self._append(message)
        except OSError as error:
            self._recent = None  # the end of the file may be torn: look again before the next line
            return Answer(
                reason=Reason.NOT_WRITTEN, detail=f"{self._path.name} could not be written ({error.strerror})"
            )

    def close(self) -> None:
        """Nothing is kept open between messages, so that the file may be moved away at any time."""

    def _append(self, message: Message) -> Answer:
        created = not self._path.exists()
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            if self._recent is None or created:
                self._recent = deque(_known_ids(file), maxlen=_REMEMBERED)
            if message.id in self._recent:
                return Answer(reason=Reason.DELIVERED, detail="it was in the file already")
            line = message.body() + b"\n"
            if os.write(file, line) != len(line):
                raise OSError(0, "the disk took only a part of the line")
            os.fsync(file)
        finally:
            os.close(file)
        if created:
            _sync_folder(self._path.parent)
        self._recent.append(message.id)
        return Answer(reason=Reason.DELIVERED)


def _known_ids(file: int) -> list[str]:
    """Ids of the last lines; cuts off a torn one."""
    size = os.fstat(file).st_size
    start = max(0, size - _TAIL_BYTES)
    tail = os.pread(file, size - start, start)
    whole = tail.rfind(b"\n") + 1
    if whole < len(tail):
        os.ftruncate(file, start + whole)
    decoder = msgspec.json.Decoder(_Body)
    found = []
    for line in tail[:whole].splitlines():
        try:
            found.append(decoder.decode(line).data.id)
        except msgspec.DecodeError:
            continue  # the first line of the tail may begin in its middle; people may have edited others
    return found[-_REMEMBERED:]


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
