"""The examples of the how-to are taken as they stand."""

import json
import re
from pathlib import Path

import pytest

from services.ingest.intake import Checked
from tests.unit.ingest.builders import check, stored

HOW_TO = Path(__file__).parents[3] / "docs" / "how-to" / "send-conversations-and-surveys.md"
EXAMPLES = re.findall(r"```json\n(.*?)```", HOW_TO.read_text(encoding="utf-8"), re.DOTALL)


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 3


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: json.loads(text)["id"])
def test_an_example_is_taken(example: str) -> None:
    event = json.loads(example) | {"occurred_at": "2026-11-02T11:00:00Z"}
    assert isinstance(check(event), Checked)
    assert stored(event).source == event["source"]
