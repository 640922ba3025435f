"""What a person at the terminal reads."""

import io
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console as Terminal

from services.kit.settings import Settings
from services.launcher import console as console_module
from services.launcher.console import Console, Tail, last_words
from services.launcher.greeting import greeting


def test_lines_of_a_child_are_shown_with_its_name_once_they_are_whole(tmp_path: Path) -> None:
    out = io.StringIO()
    console = Console(Terminal(file=out, width=200))
    path = tmp_path / "router.out"
    path.write_text("of an earlier run\n")
    console.follow("router", path)
    with path.open("a") as file:
        file.write("warning lag messages=12\nhalf a li")
        file.flush()
        console.pump()
        assert re.fullmatch(r"\d\d:\d\d:\d\d router    warning lag messages=12\n", out.getvalue())
        file.write("ne [bold]not markup[/bold]\n")
        file.flush()
        console.pump()
    assert out.getvalue().endswith("router    half a line [bold]not markup[/bold]\n")


def test_a_file_that_grew_too_large_is_emptied_and_followed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console_module, "TRUNCATE_BYTES", 100)
    path = tmp_path / "out"
    tail = Tail(path)
    assert tail.lines() == []
    with path.open("ab", buffering=0) as file:
        for number in range(50):
            file.write(b"%d: some words to fill the file\n" % number)
            assert tail.lines() == [f"{number}: some words to fill the file"]
    assert path.stat().st_size <= 150


def test_progress_without_a_terminal_is_a_plain_line_at_each_fifth() -> None:
    out = io.StringIO()
    with Console(Terminal(file=out, width=200)).progress("Fetching", "jars") as tell:
        for done in range(47):
            tell(done, 46)
    assert out.getvalue().splitlines() == [f"Fetching {n}/46 jars" for n in (0, 10, 19, 28, 37, 46)]


def test_nobody_reading_any_more_stops_nothing() -> None:
    class Gone(io.StringIO):
        def write(self, _text: str) -> int:
            raise OSError(5, "Input/output error")

    Console(Terminal(file=Gone())).say("hello")


def test_last_words_are_the_end_of_what_was_printed(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("\n".join(str(n) for n in range(10_000)))
    assert last_words(path, lines=2) == ["9998", "9999"]
    assert last_words(tmp_path / "none") == []


def test_the_ready_line_says_where_everything_is_and_how_to_stop(tmp_path: Path) -> None:
    settings = Settings.model_construct(data_dir=tmp_path, bind="127.0.0.1", api_port=8080, ingest_port=8081)
    ready, _, command = greeting(settings, seconds=12.3, now=datetime(2026, 11, 2, 9, 14, tzinfo=UTC)).splitlines()
    assert ready == (
        "Palette is ready (12 s). Page http://127.0.0.1:8080/ · intake http://127.0.0.1:8081/v1/feedback · "
        f"log {tmp_path / 'log'} · stop with Ctrl-C"
    )
    assert command.startswith("  curl -sS http://127.0.0.1:8081/v1/feedback -H 'Content-Type: application/json' -d '{")
    assert '"occurred_at": "2026-11-02T09:14:00Z"' in command
