"""Logs: one JSON object a line, five files of 20 MB, and never the words of an exception."""

import json
import logging
import logging.handlers
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.kit.logs import Log, start_logging

WORDS = "what the customer said, 4111 1111 1111 1111"


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    hooks = sys.excepthook, threading.excepthook
    yield
    sys.excepthook, threading.excepthook = hooks
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers, root.level = handlers, level
    logging.captureWarnings(False)


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log" / "classify.log").read_text(encoding="utf-8").splitlines()]


def test_a_line_is_an_object_with_time_level_service_event_and_facts(tmp_path: Path) -> None:
    log = start_logging("classify", tmp_path)

    log.info("batch", messages=256, ms=12.5, event_id="e")

    (line,) = lines(tmp_path)
    assert line["at"].endswith("+00:00")
    assert {name: line[name] for name in line if name != "at"} == {
        "level": "info",
        "service": "classify",
        "event": "batch",
        "messages": 256,
        "ms": 12.5,
        "event_id": "e",
    }


def test_a_percent_sign_in_an_event_is_only_a_percent_sign(tmp_path: Path) -> None:
    start_logging("classify", tmp_path).info("100 % done, %s", share=1)

    assert lines(tmp_path)[0]["event"] == "100 % done, %s"


def test_facts_of_any_kind_can_be_written(tmp_path: Path) -> None:
    start_logging("classify", tmp_path).info("odd", path=Path("/x"), error=ValueError, new_line="a\nb")

    assert len(lines(tmp_path)) == 1


def test_a_bug_says_what_and_where_and_not_what_it_choked_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = start_logging("classify", tmp_path)
    try:
        raise ValueError(WORDS)
    except ValueError as error:
        log.bug("step failed", error)

    (line,) = lines(tmp_path)
    assert line["error"] == "ValueError"
    assert line["where"][-1].startswith("test_logs.py:")
    assert WORDS not in (tmp_path / "log" / "classify.log").read_text(encoding="utf-8")
    assert WORDS not in capsys.readouterr().err


def test_an_exception_that_a_library_logs_is_cut_to_its_type(tmp_path: Path) -> None:
    start_logging("classify", tmp_path)
    try:
        raise KeyError(WORDS)
    except KeyError:
        logging.getLogger("library").exception("it failed")

    (line,) = lines(tmp_path)
    assert (line["error"], line["logger"], line["event"]) == ("KeyError", "library", "it failed")
    assert WORDS not in json.dumps(line)


def test_only_warnings_of_palette_reach_the_console(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = start_logging("classify", tmp_path)
    log.info("quiet")
    log.warning("dead letter", id="t-0-1")
    logging.getLogger("aiokafka").error("wolf")

    assert capsys.readouterr().err == "warning dead letter id=t-0-1\n"


def test_warnings_of_python_become_lines(tmp_path: Path) -> None:
    start_logging("classify", tmp_path)

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("old", DeprecationWarning, stacklevel=1)

    assert lines(tmp_path)[0]["logger"] == "py.warnings"


def test_the_level_is_a_setting(tmp_path: Path) -> None:
    log = start_logging("classify", tmp_path, "error")
    log.warning("not now")
    log.error("now")

    assert [line["event"] for line in lines(tmp_path)] == ["now"]


def test_five_files_of_20_mb_are_kept(tmp_path: Path) -> None:
    start_logging("classify", tmp_path)

    handlers = logging.getLogger().handlers
    (rotating,) = [h for h in handlers if isinstance(h, logging.handlers.RotatingFileHandler)]
    assert (rotating.maxBytes, rotating.backupCount) == (20_000_000, 4)


def test_a_log_without_set_up_says_nothing_to_nobody() -> None:
    Log("tool").debug("fine")


def test_what_libraries_say_of_an_exception_is_its_kind_not_its_words(tmp_path: Path) -> None:
    start_logging("classify", tmp_path)

    logging.getLogger("stream").error("agent crashed: %r", ValueError(WORDS))
    try:
        raise ValueError(WORDS)
    except ValueError as error:
        logging.getLogger("asyncio").error(f"Task exception was never retrieved\nfuture: {error!r}", exc_info=error)

    first, second = lines(tmp_path)
    assert first["event"] == "agent crashed: 'ValueError'"
    assert (second["event"], second["error"]) == ("Task exception was never retrieved", "ValueError")


def test_what_nobody_caught_is_logged_without_its_words(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def break_down() -> None:
        raise ValueError(WORDS)

    start_logging("classify", tmp_path)
    thread = threading.Thread(target=break_down, name="beside")
    thread.start()
    thread.join()
    sys.excepthook(ValueError, ValueError(WORDS), None)

    in_thread, in_main = lines(tmp_path)
    assert (in_thread["event"], in_thread["thread"], in_thread["error"]) == (
        "uncaught in a thread",
        "beside",
        "ValueError",
    )
    assert (in_main["event"], in_main["error"]) == ("uncaught", "ValueError")
    assert "customer" not in capfd.readouterr().err
