"""A store full of the bundled sample, made in seconds without a broker: the router's real rules and fold, and tags by a
table instead of the model. For tests of the page, and for looking at it."""

import json
import zlib
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import yaml

from services.api.io.judge import verdicts
from services.api.io.store import Store
from services.contracts import events as e
from services.contracts import ids
from services.contracts.policy import Policy
from services.contracts.policyfiles import load_policy, read_folder
from services.contracts.rules import decide, groups_of
from services.launcher.sample.build import read_texts
from services.router.groups import Group
from tests.unit.api.builders import Topics, project

ROOT = Path(__file__).parents[3]
SAMPLE = ROOT / "services" / "launcher" / "sample"
POLICY = ROOT / "deploy" / "policy"
_DAYS = 84

_THEMES = {
    "parcels-north": ["driver-marked-delivered"],
    "parcels-elsewhere": ["driver-marked-delivered", "delivery-late"],
    "delivery": ["delivery-good", "delivery-late", "arrived-damaged", "delivery-good"],
    "app-logout": ["app-logs-out"],
    "installation": ["installer-good", "installer-no-show", "installer-good"],
    "shop-praise": ["staff-friendly"],
    "shop-places": ["parking-hard", "shop-untidy", "shop-queue"],
    "safety": ["unsafe-product"],
    "billing": ["charged-twice", "bill-unclear", "unexpected-fee"],
    "returns-refunds": ["refund-missing", "return-hard"],
    "care-plan": ["care-plan-useless", "claim-refused"],
    "discover-choose": ["value-good", "website-confusing"],
    "loyalty": ["would-return", "loyalty-points"],
    "product-use": ["product-good", "poor-material", "broke-soon", "product-good"],
    "get-help": ["long-hold", "nobody-answers", "support-good"],
    "ordering": ["checkout-fails", "app-easy"],
    "employees": ["work-tools", "work-rota", "work-tools"],
    "mystery-shop": ["shop-queue", "staff-friendly", "hard-to-get-around"],
}


def fill(store: Store, *, now: datetime, topics: Topics | None = None) -> dict[str, Group]:
    """Puts the whole sample into a store, as if it ended yesterday; answers the groups as the router has them."""
    files = read_folder(POLICY)
    policy = load_policy(files)
    topics = topics or Topics()
    topics.put(e.PolicyActivated(version=policy.version, at=now - timedelta(hours=1), by="files", files=files))
    groups: dict[str, Group] = {}
    for at, event, command in _timeline(policy, now=now):
        if event is not None:
            received, tagged = event
            topics.put(received, tagged)
            for group, plan in groups_of(decide(tagged, policy)).items():
                join = e.Join(
                    id=ids.signal_id(tagged.id, 1, "join", group),
                    group=group,
                    at=tagged.occurred_at,
                    event=tagged.id,
                    revision=1,
                    occurred_at=tagged.occurred_at,
                    severity=tagged.tags.severity,
                    plan=plan,
                    customer=tagged.customer,
                    mode="rehearsal",
                )
                _fold(topics, groups.setdefault(group, Group.new(group)), join)
        elif command is not None:
            _obey(topics, groups, command, at)
    project(store, topics.messages)
    topics.messages.clear()
    _judge(store, topics, groups, now=now)
    project(store, topics.messages)
    topics.messages.clear()
    return groups


def _fold(topics: Topics, group: Group, signal: e.RoutingSignal) -> None:
    changed = [outcome for outcome in group.take(signal) if isinstance(outcome, e.ActionChanged)]
    if changed and group.head.action is not None:
        topics.put(group.head.action)
    topics.put(*changed)


def _obey(topics: Topics, groups: dict[str, Group], told: dict[str, Any], at: datetime) -> None:
    meant = [g for g in groups.values() if g.head.action and _matches(g.head.action, told["action"])]
    if not meant:
        return
    group = max(meant, key=lambda g: g.head.action.opened_at if g.head.action else at)
    action = group.head.action
    assert action is not None
    command = e.ActionCommand(
        id=ids.command_id(f"sample-{told['command']}-{at.isoformat()}", action.id),
        action=action.id,
        group=action.group,
        command=told["command"],
        by=told["by"],
        at=at,
        comment=told.get("comment"),
        to=told.get("to"),
        mode="rehearsal",
    )
    topics.put(command)
    _fold(topics, group, e.Command(id=command.id, group=action.group, at=at, command=command))


def _judge(store: Store, topics: Topics, groups: dict[str, Group], *, now: datetime) -> None:
    """The proof, as of the sample's end."""
    with store.reading() as connection:
        for command in verdicts(connection, now=now):
            topics.put(command)
            signal = e.Command(id=command.id, group=command.group, at=command.at, command=command)
            _fold(topics, groups[command.group], signal)


def _matches(action: e.Action, meant: dict[str, str]) -> bool:
    plan = action.plan
    known = plan.attributes | {"theme": plan.theme, "stage": plan.stage, "area": plan.area}
    return all(known.get(name) == value for name, value in meant.items())


def _timeline(policy: Policy, *, now: datetime) -> Iterator[tuple[datetime, Any, Any]]:
    strands = {
        " ".join(text.split()): path.stem for path in (SAMPLE / "texts").glob("*.txt") for _, text in read_texts(path)
    }
    plan = yaml.safe_load((SAMPLE / "plan.yaml").read_text(encoding="utf-8"))
    story = yaml.safe_load((SAMPLE / "story.yaml").read_text(encoding="utf-8"))
    end = date.fromisoformat(str(plan["end"]))
    shift = (now.date() - timedelta(days=1)) - end
    found: list[tuple[datetime, Any, Any]] = []
    for line in (SAMPLE / "events.jsonl").read_text(encoding="utf-8").splitlines():
        event = _event(json.loads(line), shift, strands, policy)
        found.append((event[0].occurred_at, event, None))
    first = end - timedelta(days=_DAYS - 1)
    for command in story["commands"]:
        day = first + timedelta(weeks=command["week"] - 1, days=command["day"] - 1) + shift
        hour, minute = command["at"].split(":")
        at = datetime(day.year, day.month, day.day, int(hour), int(minute), tzinfo=UTC)
        found.append((at, None, command))
    yield from sorted(found, key=lambda moment: moment[0])


def _event(
    raw: dict[str, Any], shift: timedelta, strands: dict[str, str], policy: Policy
) -> tuple[e.FeedbackReceived, e.FeedbackClassified]:
    at = datetime.fromisoformat(raw["occurred_at"]) + shift
    text = raw.get("text")
    customer = raw.get("customer", {}).get("id")
    received = msgspec.convert(
        {
            **{k: v for k, v in raw.items() if k not in {"customer", "id"}},
            "id": ids.event_id(raw["source"], raw["id"]),
            "source_id": raw["id"],
            "occurred_at": at,
            "received_at": at + timedelta(seconds=2),
            "customer": f"p-{zlib.crc32(customer.encode()):08x}" if customer else None,
            "solicited": raw.get("solicited", raw["channel"] == "survey"),
            "author": raw.get("author", "employee" if raw["channel"] == "employee" else "customer"),
            "mode": "rehearsal",
        },
        e.FeedbackReceived,
    )
    return received, _tagged(received, text, strands.get(" ".join((text or "").split()), ""), policy)


def _tagged(event: e.FeedbackReceived, text: str | None, strand: str, policy: Policy) -> e.FeedbackClassified:
    digest = zlib.crc32((text or event.id).encode())
    choices = _THEMES.get(strand, [])
    theme = choices[digest % len(choices)] if choices else None
    known = policy.taxonomy.themes.get(theme or "")
    praise = known.kind == "strength" if known else bool(event.rating and event.rating.value >= 4)
    own = event.author == "employee"
    words = (text or "").split(" ")
    start = len(" ".join(words[:2])) + 1
    end = min(len(text or ""), len(" ".join(words[:6])))
    evidence = (
        (e.Evidence(head="theme", label=known.id, start=start, end=end),) if known and text and start < end else ()
    )
    tags = e.Tags(
        stage="unknown" if own or not known else known.stage,
        stage_confidence=0.5 + (digest % 50) / 100,
        areas=(e.AreaTag(area=known.area if known else "unknown", confidence=0.6 + (digest % 40) / 100),),
        sentiment="positive" if praise else "negative",
        sentiment_confidence=0.9,
        intent="praise" if praise else "complaint",
        intent_confidence=0.8,
        severity=3 if strand == "safety" else 0 if praise else 1 + digest % 2,
        severity_confidence=0.8,
        severity_kind="safety" if strand == "safety" else None,
        status="unsure" if strand == "unclear" else "tagged",
        unsure=(e.Unsure(head="stage", reason="too_short"),) if strand == "unclear" else (),
        themes=(theme,) if known and theme else (),
        evidence=evidence,
        versions=e.Versions(model="table", taxonomy=policy.taxonomy.version),
    )
    return e.FeedbackClassified(
        id=event.id,
        revision=1,
        tags=tags,
        source=event.source,
        channel=event.channel,
        occurred_at=event.occurred_at,
        received_at=event.received_at,
        tagged_at=event.received_at,
        customer=event.customer,
        rating=event.rating,
        attributes=event.attributes,
        solicited=event.solicited,
        author=event.author,
        mode=event.mode,
    )
