"""The bundled events: the same bytes from the same files, in the form that senders use."""

import json
from collections import Counter
from datetime import datetime
from typing import Any

import pytest

from services.launcher.sample.build import EVENTS, HERE, build, draw, read_texts

CHANNELS = {"survey", "chat", "email", "complaint", "call", "social", "review", "mystery_shop", "employee"}
FIELDS = {
    "source", "id", "channel", "occurred_at", "text", "rating", "customer", "language", "attributes", "answers", "case",
    "may_contact", "segment", "solicited", "author", "conversation_id",
}  # fmt: skip
SCALES = {"nps": (0, 10), "csat": (1, 5), "ces": (1, 7), "stars": (1, 5)}


@pytest.fixture(scope="module")
def events() -> list[dict[str, Any]]:
    return [json.loads(line) for line in EVENTS.read_text(encoding="utf-8").splitlines()]


def test_building_again_gives_the_committed_bytes() -> None:
    assert build(HERE) == EVENTS.read_text(encoding="utf-8")


def test_a_draw_depends_on_what_it_is_for_and_on_nothing_else() -> None:
    assert draw("a", 1, below=1000) == draw("a", 1, below=1000)
    assert len({draw("a", number, below=1000) for number in range(50)}) > 40


def test_a_line_gives_its_facts_and_its_text(tmp_path: Any) -> None:
    path = tmp_path / "strand.txt"
    path.write_text("# why\n\n4 chat who=marsh | one | two ¶ three\n. nps=9 | x\n", encoding="utf-8")
    assert read_texts(path) == [
        ({"week": "4", "channel": "chat", "who": "marsh"}, "one | two\n\nthree"),
        ({"week": ".", "nps": "9"}, "x"),
    ]


def test_every_event_has_the_form_that_senders_use(events: list[dict[str, Any]]) -> None:
    for event in events:
        assert set(event) <= FIELDS
        assert {"source", "id", "channel", "occurred_at"} <= set(event)
        assert "text" in event or "rating" in event
        assert datetime.fromisoformat(event["occurred_at"]).tzinfo is not None
        assert all(isinstance(value, str) and value for value in event["attributes"].values())
        if rating := event.get("rating"):
            low, high = SCALES[rating["kind"]]
            assert low <= rating["value"] <= high == rating["max"]


def test_no_source_gives_an_id_twice(events: list[dict[str, Any]]) -> None:
    assert len({(event["source"], event["id"]) for event in events}) == len(events)


def test_there_are_about_a_thousand_events_of_all_nine_channels_in_twelve_weeks(events: list[dict[str, Any]]) -> None:
    days = [event["occurred_at"][:10] for event in events]
    assert len(events) >= 1000
    assert sum("text" in event for event in events) >= 600
    assert set(Counter(event["channel"] for event in events)) == CHANNELS
    assert days == sorted(days)
    assert (days[0], days[-1]) == ("2026-08-31", "2026-11-22")


def test_personal_data_is_planted_and_can_belong_to_nobody(events: list[dict[str, Any]]) -> None:
    texts = "\n".join(event.get("text", "") for event in events)
    assert "4111 1111 1111 1111" in texts  # the test number of card processors
    assert "GB82 WEST 1234 5698 7654 32" in texts  # the example of the IBAN registry
    assert "01632 960123" in texts  # kept for drama by Ofcom
    assert "07700 900461" in texts
    mails = [word for word in texts.split() if "@" in word[1:] and "." in word.rpartition("@")[2].strip(".,")]
    assert mails
    assert all(word.strip(".,").endswith(("@example.com", "@example.org")) for word in mails)


def test_mystery_shoppers_bring_their_checklist_from_every_shop(events: list[dict[str, Any]]) -> None:
    reports = [event for event in events if event["channel"] == "mystery_shop"]
    assert len({report["attributes"]["site"] for report in reports}) == 6
    assert all(len(report["answers"]) == 6 for report in reports)


def test_every_touch_point_has_ratings_that_were_asked_for(events: list[dict[str, Any]]) -> None:
    asked = Counter(event["attributes"]["touchpoint"] for event in events if event["channel"] == "survey")
    assert set(asked) == {
        "browsing", "shop-visit", "checkout", "delivery", "installation", "after-30-days", "payment", "helpline",
        "claim", "return", "membership",
    }  # fmt: skip
    assert min(asked.values()) >= 10
