"""Plays the sample through the running product, from outside: events to the intake, commands to the API, in the order
in which they happened and as of their time, delivery off. Knows HTTP and consumer groups; nothing of any service.

Everything moves once, so that the last day is yesterday; the move is kept in the data folder. Playing again after a
cut is harmless: events are duplicates by then, commands carry idempotency keys.
"""

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import yaml
from kafka import TopicPartition
from kafka.admin import KafkaAdminClient, OffsetSpec
from kafka.errors import KafkaError

from services.contracts import topics
from services.kit.files import write_whole
from services.kit.kafka import client_settings
from services.kit.logs import Log
from services.kit.settings import Settings, url_host

_FOLDER = Path(__file__).parent
_DAYS = 84
_BATCH = 200
_PATIENCE_S = 120.0
_COMMAND_S = 10.0
_HEADERS = {"Palette-Mode": "rehearsal"}
_UPSTREAM = (("classify", topics.FEEDBACK_RECEIVED), ("router", topics.FEEDBACK_CLASSIFIED))
_log = Log("sample")

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Moment:
    """One thing that happened: an event that was sent, or a command that somebody gave."""

    at: datetime
    event: dict[str, Any] | None = None
    command: dict[str, Any] | None = None


def play(settings: Settings, progress: Progress, *, today: date | None = None) -> list[str]:
    """Plays all of it and answers what did not go as the story tells, a sentence each. Raises httpx2.HTTPError when
    the product does not answer, TimeoutError when it does not get on."""
    moments = timeline(shift=_shift(settings.data_dir / "sample.json", today or datetime.now(UTC).date()))
    problems: list[str] = []
    events = sum(m.event is not None for m in moments)
    sent = 0
    with httpx2.Client(trust_env=False, timeout=30.0, headers=_HEADERS) as client:
        waiting: list[dict[str, Any]] = []
        for moment in moments:
            if moment.event is not None:
                waiting.append(moment.event)
            if len(waiting) == _BATCH or (moment.command is not None and waiting):
                problems += _send(client, settings, waiting)
                sent += len(waiting)
                waiting = []
                progress(sent, events)
            if moment.command is not None:
                _settle(settings)
                problems += _command(client, settings, moment.command, moment.at)
        if waiting:
            problems += _send(client, settings, waiting)
            progress(events, events)
        _settle(settings)
    for sentence in problems:
        _log.warning("sample", problem=sentence)
    return problems


def timeline(*, shift: timedelta) -> list[Moment]:
    """Events and commands in the order of their times, moved by `shift`."""
    first_day = _reference_end() - timedelta(days=_DAYS - 1)
    moments = []
    for event in _events():
        at = datetime.fromisoformat(event["occurred_at"]) + shift
        moments.append(Moment(at, event={**event, "occurred_at": at.isoformat().replace("+00:00", "Z")}))
    for command in _story()["commands"]:
        day = first_day + timedelta(weeks=command["week"] - 1, days=command["day"] - 1)
        clock = datetime.strptime(command["at"], "%H:%M").time()  # noqa: DTZ007 - a time of day, not a time
        moments.append(Moment(datetime.combine(day, clock, UTC) + shift, command=command))
    return sorted(moments, key=lambda m: m.at)


def _shift(path: Path, today: date) -> timedelta:
    """How far everything moves, decided at the first load and kept, so that a second try sends the same events."""
    if path.exists() and path.stat().st_size:
        return timedelta(days=json.loads(path.read_text(encoding="utf-8"))["moved_days"])
    moved = (today - timedelta(days=1)) - _reference_end()
    write_whole(path, json.dumps({"moved_days": moved.days}).encode())
    return moved


def _events() -> Iterable[dict[str, Any]]:
    with (_FOLDER / "events.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def _story() -> dict[str, Any]:
    story: dict[str, Any] = yaml.safe_load((_FOLDER / "story.yaml").read_text(encoding="utf-8"))
    return story


def _reference_end() -> date:
    plan = yaml.safe_load((_FOLDER / "plan.yaml").read_text(encoding="utf-8"))
    return date.fromisoformat(str(plan["end"]))


def _send(client: httpx2.Client, settings: Settings, events: list[dict[str, Any]]) -> list[str]:
    url = f"http://{url_host(settings.bind)}:{settings.ingest_port}/v1/feedback/batch"
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        answer = client.post(url, json=events)
        if answer.status_code not in {429, 503} or time.monotonic() > deadline:
            break
        time.sleep(float(answer.headers.get("Retry-After", "1")))
    answer.raise_for_status()
    return [
        f"event {events[r['index']]['id']} was refused: {r.get('problem')}"
        for r in answer.json()["results"]
        if r["status"] == "rejected"
    ]


def _settle(settings: Settings) -> None:
    """Waits until what was sent has been tagged and routed: then a command finds the action it means."""
    admin = KafkaAdminClient(**client_settings(settings), client_id="palette-sample")
    try:
        deadline = time.monotonic() + _PATIENCE_S
        while any(_behind(admin, group, topic) for group, topic in _UPSTREAM):
            if time.monotonic() > deadline:
                raise TimeoutError("the sample is not being tagged and routed")
            time.sleep(0.1)
    finally:
        admin.close()


def _behind(admin: KafkaAdminClient, group: str, topic: str) -> bool:
    """Whether a consumer group has yet to read something of a topic."""
    try:
        partitions = [
            TopicPartition(topic, p["partition_index"]) for p in admin.describe_topics([topic])[0]["partitions"]
        ]
        ends = admin.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.LATEST))
        done = admin.list_group_offsets({group: partitions})[group]
    except KafkaError:
        return True
    for partition in partitions:
        committed = done[partition].offset if partition in done else -1
        if ends[partition].offset > max(committed, 0):
            return True
    return False


def _command(client: httpx2.Client, settings: Settings, told: dict[str, Any], at: datetime) -> list[str]:
    """Gives a command to the action it means. A refusal is asked again for a while: the newest such action may still be
    on its way, and an older one that is over says no."""
    base = f"http://{url_host(settings.bind)}:{settings.api_port}"
    what = f"{told['command']} of {told['action']}"
    body = {k: told[k] for k in ("command", "by", "comment", "to") if k in told} | {"as_of": at.isoformat()}
    deadline = time.monotonic() + _COMMAND_S
    while True:
        action = _find(client, base, told["action"])
        if action is None:
            said = "no such action"
        else:
            key = f"sample-{told['command']}-{at.isoformat()}-{action}"
            answer = client.post(f"{base}/v1/actions/{action}/commands", json=body, headers={"Idempotency-Key": key})
            if answer.is_success or told.get("may_refuse"):
                return []
            said = f"answered {answer.status_code} {answer.json().get('detail') or answer.json().get('title')}"
        if time.monotonic() > deadline:
            return [f"{what}: {said}"]
        time.sleep(0.25)


def _find(client: httpx2.Client, base: str, meant: dict[str, str]) -> str | None:
    """The newest action whose plan has the theme, stage, area, rule and attributes that were told."""
    answer = client.get(f"{base}/v1/actions", params={"limit": 200})
    answer.raise_for_status()
    found = [a for a in answer.json()["items"] if _matches(a, meant)]
    return str(max(found, key=lambda a: str(a["opened_at"]))["id"]) if found else None


def _matches(action: dict[str, Any], meant: dict[str, str]) -> bool:
    known = action["attributes"] | {k: action[k] for k in ("rule", "theme", "stage", "area")}
    return all(known.get(name) == value for name, value in meant.items())
