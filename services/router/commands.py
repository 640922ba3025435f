"""`palette rules check` and `palette rules explain`: the team-edited files before they count. Plain functions."""

import json
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from services.contracts.errors import Misconfigured
from services.contracts.events import FeedbackClassified
from services.contracts.policy import Policy
from services.contracts.policyfiles import load_policy, read_folder
from services.contracts.rules import Tried
from services.contracts.rules import explain as explain_event
from services.contracts.yamlfile import PolicyRefused
from services.kit.settings import Settings

_SURE = 1.0
_DEFAULTS: dict[str, Any] = {
    "id": "explained",
    "revision": 1,
    "source": "explain",
    "channel": "complaint",
    "mode": "live",
}
_TAGS: dict[str, Any] = {
    "stage": "unknown",
    "sentiment": "negative",
    "intent": "complaint",
    "severity": 1,
    "status": "tagged",
    "versions": {"model": "", "taxonomy": ""},
}


def check(folder: Path | None = None) -> int:
    """Checks the files of a folder, by default the one in use.

    0 in order; 1 with one line `file:line: what is wrong. suggestion` per problem.
    """
    try:
        policy = load_policy(_files(folder))
    except PolicyRefused as refused:
        for problem in refused.problems:
            print(problem)
        print(f"{_count(len(refused.problems), 'problem')} found; the version in force stays.", file=sys.stderr)
        return 1
    print(
        f"In order: {_count(len(policy.rules) - 1, 'rule')}, {_count(len(policy.teams), 'team')}, "
        f"{_count(len(policy.taxonomy.themes), 'theme')}; version {policy.version}."
    )
    return 0


def explain(folder: Path | None = None, lines: Iterable[str] | None = None) -> int:
    """Tells for each tagged event of standard input which rules were tried, what decided each, and what comes of it.

    A line is JSON as `palette tag` writes it; `channel`, `author`, `rating`, `customer`, `attributes` may be added.
    0, or 1 when the files or a line could not be read.
    """
    try:
        policy = load_policy(_files(folder))
    except PolicyRefused as refused:
        for problem in refused.problems:
            print(problem)
        return 1
    unread = 0
    for number, line in enumerate(sys.stdin if lines is None else lines, start=1):
        if not line.strip():
            continue
        try:
            event = event_of(line)
        except (ValueError, msgspec.ValidationError) as error:
            unread += 1
            print(f"line {number}: {error}", file=sys.stderr)
            continue
        print(event.id)
        for tried in explain_event(event, policy):
            for text in _told(tried, policy):
                print(f"  {text}")
    return 1 if unread else 0


def event_of(line: str) -> FeedbackClassified:
    """A tagged event from a line of `palette tag`; what is not said gets a plain default. Raises ValueError."""
    given = json.loads(line)
    if not isinstance(given, dict):
        raise ValueError("not a JSON object")
    if isinstance(given.get("tags"), dict):
        given = given | given.pop("tags")
    if "error" in given:
        raise ValueError("the tagger could not read this event")
    now = datetime.now(UTC).isoformat()
    tags = {key: given.get(key, default) for key, default in _TAGS.items()}
    tags |= {f"{head}_confidence": _SURE for head in ("stage", "sentiment", "intent", "severity")}
    tags["areas"] = [
        area if isinstance(area, dict) else {"area": area, "confidence": _SURE}
        for area in given.get("areas") or ["unknown"]
    ]
    tags["themes"] = given.get("themes", [])
    tags["severity_kind"] = given.get("severity_kind")
    tags["unsure"] = [
        head if isinstance(head, dict) else {"head": head, "reason": ""} for head in given.get("unsure", [])
    ]
    names = {
        field for field in FeedbackClassified.__struct_fields__ if field not in {"tags", "supersedes", "correction"}
    }
    event = _DEFAULTS | dict.fromkeys(("occurred_at", "received_at", "tagged_at"), now)
    event |= {key: value for key, value in given.items() if key in names and value is not None}
    return msgspec.convert({**event, "tags": tags}, FeedbackClassified)


def _files(folder: Path | None) -> dict[str, str]:
    folder = Settings.load().policy_dir if folder is None else folder
    if not folder.is_dir():
        raise Misconfigured([f"{folder} is not a folder; name the one with rules.yaml in it."])
    return read_folder(folder)


def _told(tried: Tried, policy: Policy) -> Iterable[str]:
    yield f"{'✓' if tried.matched else '·'} {tried.rule}: {tried.because}"
    if tried.decision is None:
        return
    if not tried.decision.groups:
        yield f"    → nobody is asked ({tried.decision.reason.replace('_', ' ')})"
    for grouping in tried.decision.groups:
        plan = grouping.plan
        unit = "people" if plan.people else "signals"
        days = plan.window_hours / 24
        opens = "at once" if plan.threshold == 1 else f"after {plan.threshold} {unit} within {days:g} days"
        yield f"    → {policy.teams[plan.team].name}, {opens}: {plan.ask}"
        yield f"      group {grouping.group}"
    if not tried.stops:
        yield "    … and on to the next rule"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
