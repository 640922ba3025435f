"""The story is in the data: what broke, what worked, what did not, and what is too little to say."""

import json
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
import yaml

from services.launcher.sample.build import EVENTS, HERE, first_day, read_texts

PLAN = yaml.safe_load((HERE / "plan.yaml").read_text(encoding="utf-8"))
STORY = yaml.safe_load((HERE / "story.yaml").read_text(encoding="utf-8"))
SAMPLE = [json.loads(line) for line in EVENTS.read_text(encoding="utf-8").splitlines()]
STRANDS = {"driver-marked-delivered": "parcels-north", "app-logs-out": "app-logout"}
POLICY = HERE.parents[2] / "deploy" / "policy"
TAXONOMY = yaml.safe_load((POLICY / "taxonomy.yaml").read_text(encoding="utf-8"))
COMMANDS = {"acknowledge", "assign", "start", "comment", "resolve"}


def events_of(strand: str) -> list[dict[str, Any]]:
    texts = {text for _, text in read_texts(HERE / "texts" / f"{strand}.txt")}
    return [event for event in SAMPLE if event.get("text") in texts]


def per_week(events: list[dict[str, Any]]) -> Counter[int]:
    start = first_day(PLAN)
    days = [(start.fromisoformat(event["occurred_at"]) - start) // timedelta(days=1) for event in events]
    return Counter(1 + day // 7 for day in days)


@pytest.mark.parametrize("checkpoint", STORY["checkpoints"], ids=lambda point: point["name"])
def test_each_checkpoint_is_true_of_the_events(checkpoint: dict[str, Any]) -> None:
    weeks = per_week(events_of(STRANDS[checkpoint["of"]["theme"]]))
    low, high = checkpoint["a_week"]
    first, last = checkpoint["weeks"]
    assert all(low <= weeks[week] <= high for week in range(first, last + 1)), weeks


def test_every_parcel_that_was_marked_as_delivered_in_the_north_says_so() -> None:
    assert {event["attributes"]["region"] for event in events_of("parcels-north")} == {"north"}


def test_five_come_within_a_fortnight_before_anybody_acknowledges() -> None:
    for theme, strand in STRANDS.items():
        acknowledged = min(moment(command) for command in STORY["commands"] if command["action"].get("theme") == theme)
        start = first_day(PLAN)
        times = [start.fromisoformat(event["occurred_at"]) for event in events_of(strand)]
        before = sorted(time for time in times if time < acknowledged)
        assert any(later - earlier <= timedelta(days=14) for earlier, later in zip(before, before[4:], strict=False))


def test_the_quiet_weeks_are_too_quiet_to_open_a_case_or_to_open_it_again() -> None:
    start = first_day(PLAN)
    times = sorted(start.fromisoformat(event["occurred_at"]) for event in events_of("parcels-north"))
    for first, last in ((1, 3), (9, 12)):
        quiet = [t for t in times if start + timedelta(weeks=first - 1) <= t < start + timedelta(weeks=last)]
        assert all(later - earlier > timedelta(days=7) for earlier, later in zip(quiet, quiet[2:], strict=False))


def test_nothing_of_the_strand_comes_between_the_fix_and_the_end_of_its_week() -> None:
    resolved = next(moment(command) for command in STORY["commands"] if command["command"] == "resolve")
    start = first_day(PLAN)
    times = [start.fromisoformat(event["occurred_at"]) for event in events_of("parcels-north")]
    assert not [time for time in times if resolved <= time < start + timedelta(weeks=8)]


def test_commands_are_in_order_of_time_within_their_action_and_name_people_of_the_team() -> None:
    last: dict[str, Any] = {}
    people = {team: {facts["lead"], *facts["people"]} for team, facts in STORY["teams"].items()}
    for command in STORY["commands"]:
        assert command["command"] in COMMANDS
        key = json.dumps(command["action"])
        assert moment(command) >= last.get(key, moment(command))
        last[key] = moment(command)
        assert command["command"] != "assign" or command["to"] in people[command["team"]]
        assert command["command"] != "resolve" or "We expect" in command["comment"]


def test_every_theme_and_rule_of_the_story_is_in_the_policy() -> None:
    themes = {theme["id"] for theme in TAXONOMY["themes"]}
    rules = {rule["name"] for rule in yaml.safe_load((POLICY / "rules.yaml").read_text(encoding="utf-8"))["rules"]}
    meant = [command["action"] for command in STORY["commands"]]
    assert {action["theme"] for action in meant if "theme" in action} <= themes
    assert {action["rule"] for action in meant if "rule" in action} <= rules
    assert all("theme" in action or "rule" in action for action in meant)


def test_the_teams_of_the_story_and_the_sources_of_the_events_are_those_of_the_policy() -> None:
    teams = {team["id"] for team in yaml.safe_load((POLICY / "teams.yaml").read_text(encoding="utf-8"))["teams"]}
    sources = yaml.safe_load((POLICY / "sources.yaml").read_text(encoding="utf-8"))["sources"]
    assert set(STORY["teams"]) <= teams
    assert {command["team"] for command in STORY["commands"]} <= teams
    assert all(event["channel"] in sources[event["source"]]["channels"] for event in SAMPLE)


def test_at_least_five_employees_tell_of_the_scanners_and_none_of_them_is_a_customer() -> None:
    told = [event for event in events_of("employees") if "scanner" in event["text"].lower()]
    assert len({event["customer"]["id"] for event in told}) >= 5
    assert all(event["customer"]["id"].startswith("staff-") for event in told)


def test_the_child_is_hurt_before_the_second_call_about_it() -> None:
    complaint, call, *_ = events_of("safety")
    assert (complaint["channel"], call["channel"]) == ("complaint", "call")
    assert complaint["case"]["id"] == call["case"]["id"]
    assert complaint["customer"] == call["customer"]


def moment(command: dict[str, Any]) -> Any:
    hours, minutes = map(int, command["at"].split(":"))
    days = 7 * (command["week"] - 1) + command["day"] - 1
    return first_day(PLAN) + timedelta(days=days, hours=hours, minutes=minutes)
