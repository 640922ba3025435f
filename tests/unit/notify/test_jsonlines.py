"""A target that is a file."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from services.notify.delivery import Reason
from services.notify.io.jsonlines import JsonLinesFile
from services.notify.messages import Message, compose
from services.notify.names import Names
from tests.unit.notify.builders import many


def messages(count: int) -> list[Message]:
    return [compose(told, names=Names(), page_url="http://127.0.0.1:8080") for told in many(count)]


def ids_in(path: Path) -> list[str]:
    return [json.loads(line)["data"]["id"] for line in path.read_text(encoding="utf-8").splitlines()]


def test_each_message_is_one_line_and_only_the_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "actions.jsonl"
    target = JsonLinesFile(path)
    sent = messages(3)
    assert all(target.tell(message).delivered for message in sent)
    assert ids_in(path) == [message.id for message in sent]
    assert path.stat().st_mode & 0o077 == 0


def test_a_message_told_again_is_not_written_again_even_by_another_process(tmp_path: Path) -> None:
    path = tmp_path / "actions.jsonl"
    first, second = messages(2)
    JsonLinesFile(path).tell(first)
    again = JsonLinesFile(path)
    assert again.tell(first).delivered
    assert again.tell(second).delivered
    assert again.tell(first).delivered
    assert ids_in(path) == [first.id, second.id]


def test_a_line_that_a_crash_tore_is_cut_off_and_told_again(tmp_path: Path) -> None:
    path = tmp_path / "actions.jsonl"
    first, second = messages(2)
    JsonLinesFile(path).tell(first)
    with path.open("ab") as file:
        file.write(second.body()[:50])
    assert JsonLinesFile(path).tell(second).delivered
    assert ids_in(path) == [first.id, second.id]


def test_a_file_that_was_moved_away_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "actions.jsonl"
    target = JsonLinesFile(path)
    first, second = messages(2)
    target.tell(first)
    path.rename(tmp_path / "actions.jsonl.1")
    target.tell(second)
    assert ids_in(path) == [second.id]


def test_a_full_disk_is_an_answer_and_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "actions.jsonl"
    target = JsonLinesFile(path)
    first, second = messages(2)
    target.tell(first)
    write = os.write

    def half(file: int, data: Any) -> int:
        return write(file, bytes(data)[:20])

    monkeypatch.setattr(os, "write", half)
    answer = target.tell(second)
    assert answer.reason is Reason.NOT_WRITTEN
    assert answer.blames_target
    monkeypatch.undo()
    assert target.tell(second).delivered
    assert ids_in(path) == [first.id, second.id]


def test_a_folder_that_is_not_there_is_an_answer(tmp_path: Path) -> None:
    assert JsonLinesFile(tmp_path / "none" / "a.jsonl").tell(messages(1)[0]).reason is Reason.NOT_WRITTEN
