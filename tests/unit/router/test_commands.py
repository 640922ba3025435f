"""`palette rules check` and `palette rules explain`."""

import json
import shutil
from pathlib import Path

import pytest

from services.contracts.errors import Misconfigured
from services.router.commands import check, explain
from tests.unit.router.builders import POLICY_FOLDER

LINE = {
    "id": "t-1",
    "stage": "receive",
    "stage_confidence": 0.91,
    "secondary": [],
    "areas": [{"area": "fulfilment", "confidence": 0.9}],
    "themes": ["driver-marked-delivered"],
    "sentiment": "negative",
    "intent": "complaint",
    "severity": 1,
    "status": "tagged",
    "unsure": [],
    "evidence": [{"head": "stage", "label": "receive", "start": 0, "end": 4}],
    "versions": {"model": "m", "taxonomy": "t"},
}


def test_the_shipped_files_are_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    assert check(POLICY_FOLDER) == 0
    assert capsys.readouterr().out.startswith("In order: 16 rules, 10 teams, ")


def test_each_problem_is_a_line_with_file_and_number(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = shutil.copytree(POLICY_FOLDER, tmp_path / "policy")
    rules = folder / "rules.yaml"
    rules.write_text(rules.read_text(encoding="utf-8").replace("team: care", "team: caer"), encoding="utf-8")

    assert check(folder) == 1
    told = capsys.readouterr()
    assert [line.split(": ", 1)[1] for line in told.out.splitlines()] == [
        "teams.yaml has no team caer. Did you mean care?"
    ] * 2
    assert told.err == "2 problems found; the version in force stays.\n"


def test_a_folder_that_is_none_is_said(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="is not a folder"):
        check(tmp_path / "nowhere")


def test_a_line_of_the_tagger_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    line = json.dumps(LINE | {"attributes": {"region": "north"}, "channel": "survey", "customer": "p1"})
    assert explain(POLICY_FOLDER, [line, "\n"]) == 0

    told = capsys.readouterr().out.splitlines()
    assert told[0] == "t-1"
    assert "  · danger: severity is 1, below 3" in told
    assert "  ✓ whoever-owns-it: sentiment is negative" in told
    assert told[-2].startswith("      → Delivery, after 3 signals within 7 days: Find out what is behind")
    assert told[-1] == "        group cause.improvement/theme:driver-marked-delivered/region:north"


def test_what_asks_nothing_of_anybody_is_told_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(POLICY_FOLDER, [json.dumps(LINE | {"status": "unsure", "unsure": ["stage"]})]) == 0
    assert "nobody is asked (needs a look)" in capsys.readouterr().out


@pytest.mark.parametrize("line", ["nonsense", "[]", '{"id": "x", "error": "no text"}', '{"severity": "high"}'])
def test_a_bad_line_is_told_and_the_others_are_explained(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(POLICY_FOLDER, [line, json.dumps(LINE)]) == 1

    told = capsys.readouterr()
    assert told.err.startswith("line 1: ")
    assert told.out.startswith("t-1\n")
