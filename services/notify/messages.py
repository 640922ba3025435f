"""What a team reads: one notification in plain words, and the same facts for programs. Pure.

Knows the words of people in customer service and none of Palette's own. Verbatims are handed in by whoever delivers;
they are part of no stored thing.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from services.contracts.events import Action, Notification, Plan
from services.notify.names import Names

MOST_VERBATIMS = 3
_LONGEST_VERBATIM = 600
_LONGEST_ATTRIBUTE = 80
_LONGEST_ASK = 600
_NOTHING_KNOWN = "unknown"
_OWN_PEOPLE = "engagement"
_CRITICAL = 3


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message. `data` is what programs read; `text` says all of it to a person."""

    id: str
    type: str
    at: datetime
    title: str
    text: str
    link: str
    data: dict[str, Any]

    def body(self) -> bytes:
        """The message as JSON, in the form that Standard Webhooks asks for."""
        facts = {"id": self.id, "title": self.title, "text": self.text, "url": self.link, **self.data}
        return msgspec.json.encode({"type": self.type, "timestamp": self.at, "data": facts})


def compose(told: Notification, *, names: Names, page_url: str, verbatims: Sequence[str] = ()) -> Message:
    """The message of a notification. `verbatims` are masked texts of customers, worst first; at most three are used."""
    action = told.action
    link = f"{page_url.rstrip('/')}/actions/{action.id}"
    quotes = _quotes(action.plan, verbatims)
    title = f"{_OPENINGS[told.why]}{_capital(what(action.plan, names))}{where(action.plan)}: {how_many(action)}"
    due = f"It is due by {moment(action.resolve_due_at)}"
    if action.state == "open":
        due += f"; please say by {moment(action.acknowledge_due_at)} who takes it"
    sentences = [
        f"{title} since {day(action.first_occurred_at)}.",
        *(["At least one of them is critical."] if action.severity >= _CRITICAL else []),
        *_late(told),
        f"For {names.team(told.team)}: {expected(action.plan)}",
        f"{due}.",
        *([f"{action.owner} has it."] if action.owner else []),
    ]
    text = " ".join(sentences)
    if quotes:
        text += "\n\n" + "\n".join(f"“{quote}”" for quote in quotes)
    return Message(
        id=told.id,
        type=f"action.{told.why}",
        at=told.at,
        title=title,
        text=f"{text}\n\n{link}",
        link=link,
        data=_facts(told, names, quotes),
    )


def what(plan: Plan, names: Names) -> str:
    """The problem in words: its theme where one is known, else the part of the business and the step."""
    if plan.theme:
        return names.theme(plan.theme)
    area = names.area(plan.area) if plan.area and plan.area != _NOTHING_KNOWN else ""
    stage = names.stage(plan.stage) if plan.stage and plan.stage != _NOTHING_KNOWN else ""
    if area and stage:
        return f"{area}, while {stage}"
    return area or stage or "something customers complain of"


def where(plan: Plan) -> str:
    """The product, region or site, in brackets; empty where the problem is everywhere."""
    parts = [f"{_plain(key)} {_plain(value)}" for key, value in sorted(plan.attributes.items())]
    return f" ({', '.join(parts)})" if parts else ""


def how_many(action: Action) -> str:
    """Messages and people. People who cannot be told apart are not counted."""
    messages = f"{action.signals:,} message{'' if action.signals == 1 else 's'}"
    if action.customers < 1:
        return messages
    one, more = ("person", "people") if action.plan.part == _OWN_PEOPLE else ("customer", "customers")
    return f"{messages} from {action.customers:,} {one if action.customers == 1 else more}"


def expected(plan: Plan) -> str:
    """What is asked for, as whole sentences: policy's own words, else what the kind of action means."""
    ask = _cut(plan.ask, _LONGEST_ASK)
    if not ask:
        ask = "Put this right for the customer" if plan.action == "recovery" else "Find the cause and fix it"
    return ask if ask.endswith((".", "!", "?", "…")) else f"{ask}."


def day(at: datetime) -> str:
    """3 Nov 2026."""
    return f"{at.day} {at:%b %Y}"


def moment(at: datetime) -> str:
    """3 Nov 2026, 14:00 UTC; times on topics are in UTC, and a message says so."""
    return f"{day(at)}, {at:%H:%M} UTC"


_OPENINGS = {"opened": "", "reopened": "Back again: ", "escalated": "Still waiting: "}


def _late(told: Notification) -> list[str]:
    action = told.action
    if told.why == "reopened":
        verdict = action.expectation.verdict if action.expectation else None
        return ["The last fix had no effect." if verdict == "no_effect" else "It had been resolved before."]
    if told.why == "opened":
        return []
    if "resolve_due" in action.breached:
        return [f"It should have been resolved by {moment(action.resolve_due_at)}."]
    return [f"Nobody has taken it; that was due by {moment(action.acknowledge_due_at)}."]


def _quotes(plan: Plan, verbatims: Sequence[str]) -> list[str]:
    """What customers said. What our own people said about their work is quoted to nobody: few of them are few enough
    to be recognised."""
    if plan.part == _OWN_PEOPLE:
        return []
    return [_cut(text, _LONGEST_VERBATIM) for text in verbatims if text.strip()][:MOST_VERBATIMS]


def _facts(told: Notification, names: Names, quotes: list[str]) -> dict[str, Any]:
    action, plan = told.action, told.action.plan
    return {
        "target": told.target,
        "team": {"id": told.team, "name": names.team(told.team)},
        "why": told.why,
        "action": {
            "id": action.id,
            "revision": action.revision,
            "state": action.state,
            "kind": "put right" if plan.action == "recovery" else "fix",
            "part": plan.part,
            "severity": action.severity,
            "severity_name": names.severity(action.severity),
            "priority": action.priority,
            "owner": action.owner,
            "what": what(plan, names),
            "theme": plan.theme,
            "stage": plan.stage,
            "area": plan.area,
            "where": plan.attributes,
            "messages": action.signals,
            "customers": action.customers,
            "since": action.first_occurred_at,
            "latest": action.last_occurred_at,
            "opened_at": action.opened_at,
            "acknowledge_by": action.acknowledge_due_at,
            "resolve_by": action.resolve_due_at,
            "expected": expected(plan),
            "rule": plan.rule,
            "policy": plan.policy,
            "reason": action.reason,
        },
        "verbatims": quotes,
    }


def _plain(text: str) -> str:
    return _cut(text.replace("_", " "), _LONGEST_ATTRIBUTE)


def _cut(text: str, longest: int) -> str:
    """On one line, without control characters, at most so long."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
