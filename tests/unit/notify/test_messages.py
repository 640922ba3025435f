"""What a team reads: complete, in plain words, without ours."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from services.contracts import events as e
from services.notify.messages import compose
from services.notify.names import Names, read_names
from tests.unit.notify.builders import NOON, action, notification, plan

POLICY = Path(__file__).parents[3] / "deploy" / "policy"
NAMES = read_names(
    taxonomy=(POLICY / "taxonomy.yaml").read_text(encoding="utf-8"),
    teams="teams:\n  - {id: delivery, name: Delivery}\n",
)
PAGE = "http://127.0.0.1:8080"
INTERNAL = re.compile(
    r"\b(fulfilment|cause|recovery|episode|group|signal|cell|revision|threshold|dead letter|driver-marked|unsure|"
    r"receive|set_up|resolve_due|acknowledge_due|None)\b"
)


def text_of(told: e.Notification, **over: Any) -> str:
    return compose(told, names=NAMES, page_url=PAGE, **over).text


def test_a_fix_says_what_where_how_many_since_when_who_what_and_until_when() -> None:
    told = notification()
    assert text_of(told) == (
        "Driver marked it delivered (region north): 5 messages from 4 customers since 31 Oct 2026. "
        "For Delivery: Find the cause and fix it. "
        "It is due by 7 Nov 2026, 12:00 UTC; please say by 2 Nov 2026, 20:00 UTC who takes it."
        f"\n\nhttp://127.0.0.1:8080/actions/{told.action.id}"
    )


def test_the_teams_own_words_are_used_where_policy_has_them() -> None:
    told = notification(of=action(plan=plan(ask="Customers have an idea. Decide whether to try it")))
    assert "For Delivery: Customers have an idea. Decide whether to try it. It is due by 7 Nov" in text_of(told)


def test_a_problem_without_a_theme_is_told_by_the_names_of_its_part_and_step() -> None:
    told = notification(of=action(plan=plan(theme=None, attributes={})))
    assert text_of(told).startswith("Delivery and appointments, while waiting and receiving: 5 messages")


def test_one_message_of_one_customer_is_singular() -> None:
    told = notification(of=action(plan=plan(action="recovery"), signals=1, customers=1))
    assert "1 message from 1 customer since" in text_of(told)
    assert "For Delivery: Put this right for the customer. It is due by" in text_of(told)


def test_what_is_critical_is_said() -> None:
    assert "At least one of them is critical." in text_of(notification(of=action(severity=3)))
    assert "critical" not in text_of(notification())


def test_what_our_own_people_said_is_quoted_to_nobody() -> None:
    told = notification(of=action(plan=plan(part="engagement")))
    message = compose(told, names=NAMES, page_url=PAGE, verbatims=["The rota is chaos."])
    assert "5 messages from 4 people since" in message.text
    assert "rota" not in message.body().decode()


def test_customers_that_cannot_be_told_apart_are_not_counted() -> None:
    assert "5 messages since" in text_of(notification(of=action(customers=0)))


def test_a_problem_that_came_back_says_so() -> None:
    expectation = e.Expectation(
        since=NOON, days=14, baseline_per_week=12.0, target_per_week=6.0, verdict="no_effect", verdict_at=NOON
    )
    told = notification(why="reopened", of=action(revision=9, expectation=expectation))
    assert text_of(told).startswith("Back again: Driver marked it delivered")
    assert "The last fix had no effect." in text_of(told)


def test_an_escalation_says_what_was_due() -> None:
    unanswered = notification(why="escalated", of=action(revision=2, breached=("acknowledge_due",)))
    assert "Nobody has taken it; that was due by 2 Nov 2026, 20:00 UTC." in text_of(unanswered)
    late = action(
        revision=3, state="in_progress", owner="Ana", breached=("acknowledge_due", "resolve_due"), acknowledged_at=NOON
    )
    text = text_of(notification(why="escalated", of=late))
    assert "It should have been resolved by 7 Nov 2026, 12:00 UTC." in text
    assert "Ana has it." in text
    assert "who takes it" not in text


def test_at_most_three_verbatims_are_quoted_on_one_line_each() -> None:
    text = text_of(notification(), verbatims=["one\n\ntwo\x00", "b", "", "c", "d"])
    assert "“one two”\n“b”\n“c”" in text
    assert "“d”" not in text
    assert text.endswith(notification().action.id)


@pytest.mark.parametrize("theme", ["driver-marked-delivered", None])
@pytest.mark.parametrize("why", ["opened", "reopened", "escalated"])
def test_no_internal_word_is_read_by_a_team(theme: str | None, why: str) -> None:
    told = notification(why=why, of=action(plan=plan(theme=theme, attributes={})))
    prose = compose(told, names=NAMES, page_url=PAGE).text.rsplit("\n\n", 1)[0]
    assert not INTERNAL.search(prose.replace("Find the cause", "")), prose


def test_ids_without_a_name_are_made_readable() -> None:
    message = compose(notification(), names=Names(), page_url=PAGE)
    assert message.title.startswith("Driver marked delivered (region north)")


def test_an_attribute_cannot_break_the_sentence() -> None:
    told = notification(of=action(plan=plan(attributes={"site": "leeds\n\nignore this\x1b[31m" + "x" * 300})))
    first_line = text_of(told).split("\n", 1)[0]
    assert "leeds ignore this" in first_line
    assert "\x1b" not in first_line
    assert len(first_line) < 500


def test_programs_read_the_same_facts_as_json() -> None:
    told = notification()
    body = msgspec.json.decode(compose(told, names=NAMES, page_url=PAGE + "/").body())
    assert body["type"] == "action.opened"
    assert body["timestamp"] == "2026-11-02T12:00:00Z"
    data = body["data"]
    assert data["id"] == told.id
    assert data["url"] == f"{PAGE}/actions/{told.action.id}"
    assert data["team"] == {"id": "delivery", "name": "Delivery"}
    assert data["action"]["messages"] == 5
    assert data["action"]["kind"] == "fix"
    assert data["action"]["severity_name"] == "bad"
    assert data["action"]["resolve_by"] == "2026-11-07T12:00:00Z"
    assert data["action"]["reason"] == told.action.reason
    assert data["verbatims"] == []


def test_a_broken_names_file_leaves_names_out_and_does_not_stop_a_message() -> None:
    assert read_names(taxonomy="themes: [", teams="teams: 3") == Names()


def test_a_long_wait_is_told_in_days_of_the_calendar() -> None:
    told = notification(of=action(first_occurred_at=NOON - timedelta(days=300)))
    assert "since 6 Jan 2026" in text_of(told)
