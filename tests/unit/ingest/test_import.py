"""Somebody's files: read, mapped, sent as backfill; bad rows named by line; cut imports go on where they stopped."""

import json
from datetime import UTC
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx2
import pytest

from services.contracts.errors import Misconfigured, Unavailable
from services.ingest import commands
from services.ingest.io import importer as importer_module
from services.ingest.io.files import rows
from services.ingest.io.importer import Importer
from services.ingest.mapping import BadRow, ColumnMap, content_id, guess, guess_kind, parse_pairs
from services.kit.settings import Settings
from tests.unit.ingest.builders import write

# ---- files ----------------------------------------------------------------------------------------------------------


def test_csv_rows_know_the_line_they_begin_on(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'Ref,Words\n1,"two\nlines"\n2,"a, b"\n\n3,x,extra\n4\n')
    assert [(row.line, row.fields) for row in rows(path)] == [
        (2, {"Ref": "1", "Words": "two\nlines"}),
        (4, {"Ref": "2", "Words": "a, b"}),
        (5, {"Ref": "3", "Words": "x"}),
        (7, {"Ref": "4", "Words": None}),
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_any_usual_delimiter_is_found(tmp_path: Path, delimiter: str) -> None:
    text = "\n".join(delimiter.join(row) for row in [("Ref", "Words"), ("1", "hello there"), ("2", "and you")])
    assert [row.fields["Words"] for row in rows(write(tmp_path / "a.csv", text))] == ["hello there", "and you"]


def test_what_spreadsheets_write_is_read(tmp_path: Path) -> None:
    windows, marked = tmp_path / "w.csv", tmp_path / "m.csv"
    windows.write_bytes("Ref,Words\n1,Café – schön\n".encode("cp1252"))
    marked.write_bytes("\ufeffRef,Words\n1,Café\n".encode())
    assert [row.fields for row in rows(windows)] == [{"Ref": "1", "Words": "Café – schön"}]
    assert [row.fields for row in rows(marked)] == [{"Ref": "1", "Words": "Café"}]


def test_json_lines_name_the_line_that_is_none(tmp_path: Path) -> None:
    found = list(rows(write(tmp_path / "a.jsonl", '{"a": 1}\n\n{bad\n[1]\n{"b": 2}\n')))
    assert [(row.line, row.fields, bool(row.problem)) for row in found] == [
        (1, {"a": 1}, False), (3, {}, True), (4, {}, True), (5, {"b": 2}, False),
    ]  # fmt: skip


MBOX = """From a@b Mon Nov  2 10:00:00 2026
From: Jo Bloggs <Jo@mail.example>
Date: Mon, 02 Nov 2026 10:00:00 +0100
Message-ID: <abc@x>
References: <first@x> <second@x>
Subject: =?utf-8?q?Sch=C3=B6n?= late
Content-Type: text/plain; charset=utf-8

Still nothing here.

On Mon, 1 Nov 2026 help@x wrote:
> We are sorry

From a@b Mon Nov  2 11:00:00 2026
From: x@y
Date: Mon, 02 Nov 2026 11:00:00 +0100
Message-ID: <def@x>
Content-Type: text/html; charset=utf-8

<p>Hello <b>there</b></p>

From a@b Mon Nov  2 11:00:00 2026
Content-Type: text/plain; charset=no-such

broken
"""


def test_a_mail_becomes_what_this_person_wrote(tmp_path: Path) -> None:
    first, second, third = rows(write(tmp_path / "a.mbox", MBOX))
    assert first.fields == {
        "id": "abc@x", "occurred_at": "2026-11-02T10:00:00+01:00", "customer.id": "jo@mail.example",
        "conversation_id": "first@x", "text": "Schön late\n\nStill nothing here.",
    }  # fmt: skip
    assert second.fields["text"] == "Hello there"
    assert third.problem


@pytest.mark.parametrize("name", ["a.xlsx", "a", "missing.csv"])
def test_a_file_that_cannot_be_read_is_refused_in_a_sentence(tmp_path: Path, name: str) -> None:
    if name != "missing.csv":
        write(tmp_path / name, "x")
    with pytest.raises(Misconfigured):
        list(rows(tmp_path / name))


# ---- mapping --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "field"),
    [("Ref", "id"), ("Response ID", "id"), ("ticket_no", "id"), ("Visited at", "occurred_at"), ("Date", "occurred_at"),
     ("created_at", "occurred_at"), ("Their words", "text"), ("Comment", "text"), ("NPS score", "rating.value"),
     ("Score out of 10", "rating.value"), ("Member no", "customer.id"), ("Branch", "attributes.site"),
     ("Asked about", "attributes.product")],
)  # fmt: skip
def test_names_of_columns_are_understood(column: str, field: str) -> None:
    assert guess([column], given={}, constants={}) == {field: column}


def test_what_is_told_wins_over_guesses_and_no_column_is_used_twice() -> None:
    assert guess(["Ref", "Number"], given={"customer.id": "Ref"}, constants={}) == {
        "customer.id": "Ref",
        "id": "Number",
    }
    assert guess(["Channel"], given={}, constants={"channel": "call"}) == {}
    assert guess(["Shoe size", "Name"], given={}, constants={}) == {}


def test_the_scale_is_guessed_from_the_name() -> None:
    assert [guess_kind(name) for name in ("Score out of 10", "CSAT", "Effort", "Stars", "Score")] == [
        "nps", "csat", "ces", "stars", None,
    ]  # fmt: skip


def column_map(**over: Any) -> ColumnMap:
    whole: dict[str, Any] = {
        "columns": {"text": "Words", "occurred_at": "When", "rating.value": "Score", "may_contact": "May"},
        "constants": {"source": "s", "channel": "survey", "rating.kind": "nps"},
        "zone": UTC,
    }
    return ColumnMap(**whole | over)


def test_a_row_becomes_an_event() -> None:
    row = {"Words": " hello ", "When": "2026-11-02 10:00", "Score": "7,0", "May": "yes", "Other": "x"}
    assert column_map().event(row) == {
        "source": "s", "channel": "survey", "text": "hello", "occurred_at": "2026-11-02T10:00:00+00:00",
        "rating": {"kind": "nps", "value": 7}, "may_contact": True, "id": content_id(row),
    }  # fmt: skip


def test_an_empty_cell_is_no_value_and_a_scale_alone_no_rating() -> None:
    event = column_map().event({"Words": "x", "When": "2026-11-02", "Score": " ", "May": ""})
    assert "rating" not in event
    assert "may_contact" not in event


def test_times_without_offset_are_of_the_zone_that_is_told() -> None:
    london = column_map(zone=ZoneInfo("Europe/London"))
    assert london.event({"When": "2026-07-02T10:00"})["occurred_at"] == "2026-07-02T10:00:00+01:00"
    assert london.event({"When": "2026-07-02T10:00Z"})["occurred_at"] == "2026-07-02T10:00:00+00:00"
    written = column_map(date_format="%d/%m/%Y")
    assert written.event({"When": "03/11/2026"})["occurred_at"] == "2026-11-03T00:00:00+00:00"


@pytest.mark.parametrize(
    ("column", "field"), [("When", "occurred_at"), ("Score", "rating.value"), ("May", "may_contact")]
)
def test_a_bad_value_names_its_field_and_not_itself(column: str, field: str) -> None:
    with pytest.raises(BadRow) as bad:
        column_map().event({"When": "2026-11-02", column: "zanzibar"})
    assert bad.value.field == field
    assert "zanzibar" not in bad.value.message


def test_words_of_the_command_are_checked_together() -> None:
    assert parse_pairs(["rating=Score", "attributes.site=Branch"], option="--map") == {
        "rating.value": "Score", "attributes.site": "Branch",
    }  # fmt: skip
    with pytest.raises(Misconfigured) as refused:
        parse_pairs(["txt=Words", "id", "attributes.=x"], option="--map")
    assert len(refused.value.problems) == 3
    assert "Did you mean text?" in refused.value.problems[0]


# ---- sending --------------------------------------------------------------------------------------------------------


class Intake:
    """Remembers what was posted; answers as told, else accepts."""

    def __init__(self) -> None:
        self.seen: dict[str, Any] = {}
        self.batches: list[int] = []
        self.headers: Any = {}
        self.answers: list[httpx2.Response | Exception] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        events = json.loads(request.content)
        self.headers = request.headers
        self.batches.append(len(events))
        results: list[dict[str, Any]] = []
        for index, event in enumerate(events):
            if event.get("text") == "bad":
                problem = {"title": "t", "errors": [{"pointer": "/text", "code": "c", "message": "Not this."}]}
                results.append({"index": index, "id": None, "status": "rejected", "problem": problem})
                continue
            status = "duplicate" if event["id"] in self.seen else "accepted"
            self.seen[event["id"]] = event
            results.append({"index": index, "id": "x", "status": status})
        return httpx2.Response(202, json={"results": results})


def sender(intake: Intake, folder: Path) -> Importer:
    return Importer(url="http://intake", folder=folder, key="k", transport=httpx2.MockTransport(intake))


def lines(folder: Path, count: int) -> Path:
    rows_ = "".join(f"{n},2026-11-02,words {n}\n" for n in range(count))
    return write(folder / "a.csv", f"Ref,When,Words\n{rows_}")


COLUMNS = ColumnMap({"id": "Ref", "occurred_at": "When", "text": "Words"}, {"source": "s", "channel": "survey"}, UTC)


def test_a_file_is_sent_in_batches_as_backfill_and_twice_changes_nothing(tmp_path: Path) -> None:
    intake, path, done = Intake(), lines(tmp_path, 450), []
    importer = sender(intake, tmp_path / "imports")
    outcome = importer.send(path, COLUMNS, done.append)
    assert (outcome.accepted, outcome.known, outcome.bad) == (450, 0, [])
    assert intake.batches == [200, 200, 50]
    assert done == [200, 400, 450]
    assert intake.headers["palette-mode"] == "backfill"
    assert intake.headers["authorization"] == "Bearer k"
    again = importer.send(path, COLUMNS, done.append)
    assert (again.accepted, again.known, again.skipped) == (0, 450, 0)


def test_an_import_that_was_cut_goes_on_where_it_stopped(tmp_path: Path) -> None:
    intake, path = Intake(), lines(tmp_path, 450)
    first = sender(intake, tmp_path / "imports")

    def cut(done: int) -> None:
        if done == 400:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        first.send(path, COLUMNS, cut)
    outcome = sender(intake, tmp_path / "imports").send(path, COLUMNS, lambda _: None)
    assert (outcome.skipped, outcome.accepted, len(intake.seen)) == (400, 50, 450)


def test_bad_rows_are_named_by_line_and_the_others_taken(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "Ref,When,Words\n1,2026-11-02,x\n2,soon,x\n3,2026-11-02,bad\n4,2026-11-02,y\n")
    outcome = sender(Intake(), tmp_path).send(path, COLUMNS, lambda _: None)
    assert [(bad.line, bad.field) for bad in outcome.bad] == [(3, "occurred_at"), (4, "text")]
    assert outcome.accepted == 2


def test_a_busy_intake_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(importer_module.time, "sleep", waits.append)
    intake = Intake()
    intake.answers = [
        httpx2.Response(503, headers={"Retry-After": "5"}), httpx2.Response(429), httpx2.ReadTimeout("slow"),
    ]  # fmt: skip
    assert sender(intake, tmp_path).send(lines(tmp_path, 3), COLUMNS, lambda _: None).accepted == 3
    assert waits == [5.0, 1.0, 1.0]


@pytest.mark.parametrize("answer", [httpx2.ConnectError("no"), httpx2.Response(401, json={"title": "Key needed"})])
def test_an_intake_that_is_away_or_says_no_ends_the_import(tmp_path: Path, answer: Any) -> None:
    intake = Intake()
    intake.answers = [answer]
    with pytest.raises(Unavailable):
        sender(intake, tmp_path).send(lines(tmp_path, 3), COLUMNS, lambda _: None)


# ---- the command ----------------------------------------------------------------------------------------------------


@pytest.fixture
def intake(monkeypatch: pytest.MonkeyPatch) -> Intake:
    found = Intake()
    monkeypatch.setattr(
        commands,
        "Importer",
        lambda **facts: Importer(**facts, transport=httpx2.MockTransport(found)),
    )
    return found


def command(path: Path, folder: Path, **words: Any) -> int:
    return commands.import_files([path], settings=Settings(data_dir=folder / "data"), **words)


def test_the_command_says_how_it_reads_and_what_became_of_it(
    tmp_path: Path, intake: Intake, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "shop.csv", "Ref,Date,Comment,Score out of 10,Name\n1,2026-11-02,x,7,Jo\n2,soon,y,8,Al\n")
    assert command(path, tmp_path) == 1
    said = capsys.readouterr().out
    for part in ("text", "from Comment", "is   nps", "is   shop", "not taken: Name", "1 taken", "1 not taken"):
        assert part in said
    assert intake.seen["1"]["rating"] == {"kind": "nps", "value": 7}
    report = next((tmp_path / "data").rglob("*-not-taken.csv")).read_text(encoding="utf-8")
    assert report.splitlines()[1].startswith("3,occurred_at,")
    assert "soon" not in report


def test_events_as_they_are_posted_need_no_mapping(tmp_path: Path, intake: Intake) -> None:
    event = {"id": "1", "source": "s", "channel": "call", "occurred_at": "2026-11-02T09:00:00Z", "text": "x",
             "rating": {"kind": "nps", "value": 1}, "attributes": {"site": "a"}}  # fmt: skip
    assert command(write(tmp_path / "a.jsonl", json.dumps(event) + "\n"), tmp_path) == 0
    assert intake.seen["1"] == event | {"occurred_at": "2026-11-02T09:00:00+00:00"}


def test_a_mailbox_is_imported(tmp_path: Path, intake: Intake) -> None:
    assert command(write(tmp_path / "desk.mbox", MBOX), tmp_path) == 1
    assert intake.seen["abc@x"]["customer"] == {"id": "jo@mail.example"}
    assert intake.seen["abc@x"]["channel"] == "email"


@pytest.mark.parametrize(
    ("text", "words", "said"),
    [
        ("Shoe,Size\n1,2\n", {}, "--map occurred_at=COLUMN"),
        ("When,Size\n2026-11-02,2\n", {}, "--map text=COLUMN"),
        ("When,Words\n2026-11-02,2\n", {"maps": ["text=Wrds"]}, "no such column"),
        ("When,Words\n2026-11-02,2\n", {"maps": ["txt=Words"]}, "Did you mean text?"),
        ("When,Words,Points\n2026-11-02,x,2\n", {"maps": ["rating=Points", "text=Words"]}, "--set rating.kind=nps"),
        ("When,Words\n2026-11-02,2\n", {"zone": "Mars/Base"}, "Europe/London"),
        ("", {}, "header"),
    ],
)
def test_what_is_not_clear_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, words: dict[str, Any], said: str
) -> None:
    assert command(write(tmp_path / "a.csv", text), tmp_path, **words) == 78
    assert said in capsys.readouterr().err


def test_an_intake_that_is_away_is_told_with_what_to_do(
    tmp_path: Path, intake: Intake, capsys: pytest.CaptureFixture[str]
) -> None:
    intake.answers = [httpx2.ConnectError("no")]
    assert command(write(tmp_path / "a.csv", "Ref,When,Words\n1,2026-11-02,x\n"), tmp_path, maps=["text=Words"]) == 75
    assert "make run" in capsys.readouterr().err
