"""Logs as JSON lines in `<data folder>/log/<service>.log` (5 files of 20 MB), warnings also to stderr as one line.

Call sites pass facts as keywords: `log.info("batch", messages=256, ms=12)`. Feedback text never goes in: `exc_info` of
third-party libraries is cut to type and place, because messages of exceptions may quote what they choked on.
"""

import logging
import logging.handlers
import sys
import threading
import traceback
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

_SIZE, _FILES = 20_000_000, 5


class Log:
    """A named source of log lines."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(f"palette.{name}")

    def debug(self, event: str, **facts: Any) -> None:
        self._logger.debug(event, extra={"facts": facts})

    def info(self, event: str, **facts: Any) -> None:
        self._logger.info(event, extra={"facts": facts})

    def warning(self, event: str, **facts: Any) -> None:
        self._logger.warning(event, extra={"facts": facts})

    def error(self, event: str, **facts: Any) -> None:
        self._logger.error(event, extra={"facts": facts})

    def bug(self, event: str, error: BaseException, **facts: Any) -> None:
        """An exception that nobody foresaw: its type and where it came from, not what it says."""
        where = [
            f"{f.filename.rsplit('/', 1)[-1]}:{f.lineno}:{f.name}" for f in traceback.extract_tb(error.__traceback__)
        ]
        self._logger.error(event, extra={"facts": {**facts, "error": type(error).__name__, "where": where[-12:]}})


class _Rotating(logging.handlers.RotatingFileHandler):
    """Decides by the size of what it wrote; the library's own asks the file system twice for every line."""

    def shouldRollover(self, record: logging.LogRecord) -> int:
        if self.stream is None:
            self.stream = self._open()
        return int(self.stream.tell() + len(record.msg) > self.maxBytes)


class _JsonLines(logging.Formatter):
    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        facts = getattr(record, "facts", None)
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service": self._service,
            "event": record.msg if facts is not None else _without_words(record),
        }
        if facts is None:
            line["logger"] = record.name
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = type(record.exc_info[1]).__name__
        return msgspec.json.encode(line | (facts or {}), enc_hook=str).decode()


def _without_words(record: logging.LogRecord) -> str:
    """A library's line without what exceptions say: they quote what they choked on. With a traceback it is cut to its
    first line, because asyncio writes the exception into the others."""
    args = record.args
    if isinstance(args, tuple):
        args = tuple(type(arg).__name__ if isinstance(arg, BaseException) else arg for arg in args)
    said = str(record.msg) % args if args else str(record.msg)
    return said.partition("\n")[0] if record.exc_info else said


class _Console(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        facts = getattr(record, "facts", {}) or {}
        event = record.msg if hasattr(record, "facts") else _without_words(record)
        return " ".join([record.levelname.lower(), str(event), *(f"{k}={v}" for k, v in facts.items() if k != "where")])


def start_logging(service: str, data_dir: Path, level: str = "info") -> Log:
    """Sets up this process's logging and answers its log. Warnings of Python become log lines."""
    folder = data_dir / "log"
    folder.mkdir(parents=True, exist_ok=True)
    to_file = _Rotating(folder / f"{service}.log", maxBytes=_SIZE, backupCount=_FILES - 1, encoding="utf-8", delay=True)
    to_file.setFormatter(_JsonLines(service))
    to_console = logging.StreamHandler(sys.stderr)
    to_console.setFormatter(_Console())
    to_console.setLevel(logging.WARNING)
    to_console.addFilter(logging.Filter("palette"))  # libraries cry wolf while a broker starts; the file has them
    root = logging.getLogger()
    root.handlers = [to_file, to_console]
    root.setLevel(logging.WARNING)
    logging.getLogger("palette").setLevel(level.upper())
    logging.captureWarnings(True)
    log = Log(service)
    _catch_the_uncaught(log)
    return log


def _catch_the_uncaught(log: Log) -> None:
    """What nobody caught is a bug in the log; Python would write the exception's words to stderr."""

    def uncaught(_kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
        if isinstance(error, Exception):
            log.bug("uncaught", error)

    def in_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
            log.bug("uncaught in a thread", args.exc_value, thread=args.thread.name if args.thread else "")

    sys.excepthook = uncaught
    threading.excepthook = in_thread
