"""Makes `events.jsonl`, the bundled sample, of `plan.yaml` and the texts: `python -m services.launcher.sample.build`.

Knows the form that senders use and the calendar of the story; knows nothing of tags, actions or Kafka. The same plan
and texts give the same bytes on every Python: draws are hashes of what they are for, not a generator's stream.

A line of a text file is `WEEK [channel] [key=value ...] | text`: a dot instead of the week spreads a file's lines over
all weeks, `day` (1-7) sets the day, `nps`, `csat`, `ces` and `stars` give the rating, `who` is one customer under one
name in every file, and `¶` begins a new paragraph.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
EVENTS = HERE / "events.jsonl"
_SCALES = {"nps": (0, 10), "csat": (1, 5), "ces": (1, 7), "stars": (1, 5)}
_ATTRIBUTES = ("product", "region", "site", "touchpoint", "platform")
_OPEN_FOR = timedelta(days=21)


def build(folder: Path = HERE) -> str:
    """The whole sample as JSON lines in order of time."""
    plan = yaml.safe_load((folder / "plan.yaml").read_text(encoding="utf-8"))
    start = first_day(plan)
    events = [*_told(plan, folder / "texts", start), *_rated(plan, start)]
    events.sort(key=lambda event: (event["occurred_at"], event["source"], event["text"] or "", event["draw"]))
    return "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in _numbered(plan, events))


def first_day(plan: Mapping[str, Any]) -> datetime:
    """Midnight at which week 1 begins."""
    end = datetime.fromisoformat(plan["end"]).replace(tzinfo=UTC)
    return end + timedelta(days=1) - timedelta(weeks=plan["weeks"])


def read_texts(path: Path) -> list[tuple[dict[str, str], str]]:
    """The lines of one file of texts: what stands before the bar as a mapping, and the text."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        head, _, text = line.partition(" | ")
        week, *words = head.split()
        facts = {"week": week}
        for word in words:
            name, equals, value = word.partition("=")
            facts |= {name: value} if equals else {"channel": name}
        lines.append((facts, text.replace(" ¶ ", "\n\n")))
    return lines


def draw(*what: object, below: int) -> int:
    """A number in [0, below) that depends on nothing but what it is drawn for."""
    key = "\x1f".join(map(str, what)).encode()
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big") % below


# ---- events with a text ---------------------------------------------------------------------------------------------


def _told(plan: Mapping[str, Any], folder: Path, start: datetime) -> Iterator[dict[str, Any]]:
    for strand, usual in plan["strands"].items():
        lines = read_texts(folder / f"{strand}.txt")
        weeks = _weeks(plan, strand, lines)
        for week in range(1, plan["weeks"] + 1):
            of_week = [line for line, its_week in zip(lines, weeks, strict=True) if its_week == week]
            days = usual.get("days", {}).get(week, (1, 7))
            monday = start + timedelta(weeks=week - 1)
            given = [({**usual, **facts}, text, (plan["seed"], strand, text)) for facts, text in of_week]
            # A strand tells its week in the order of its file: a call about a complaint comes after the complaint.
            moments = sorted(_moment_of(plan, facts, monday, days, key) for facts, _, key in given)
            for (facts, text, key), moment in zip(given, moments, strict=True):
                yield _event(plan, facts, text, moment, key)


def _weeks(plan: Mapping[str, Any], strand: str, lines: Sequence[tuple[dict[str, str], str]]) -> list[int]:
    """The week of each line; lines with a dot are shuffled and dealt evenly."""
    dotted = [index for index, line in enumerate(lines) if line[0]["week"] == "."]
    dotted.sort(key=lambda index: draw(plan["seed"], strand, "week", lines[index][1], below=2**32))
    dealt = {index: 1 + place * plan["weeks"] // len(dotted) for place, index in enumerate(dotted)}
    return [dealt.get(index) or int(line[0]["week"]) for index, line in enumerate(lines)]


def _event(
    plan: Mapping[str, Any], given: Mapping[str, Any], text: str, moment: datetime, key: Sequence[object]
) -> dict[str, Any]:
    channel = given["channel"]
    rating = next((_rating(kind, int(given[kind])) for kind in _SCALES if kind in given), None)
    if channel == "mystery_shop":
        rating = _rating("csat", min(5, max(1, 4 + len(_rows(given, "good")) // 2 - len(_rows(given, "poor")))))
    event = _blank(moment, key) | {
        "channel": channel,
        "source": plan["sources"][channel]["source"],
        "text": text,
        "rating": rating,
        "customer": _customer(plan, channel, given, key),
        "language": given.get("language", "en"),
        "attributes": _attributes(plan, given, key),
        "author": given.get("author"),
    }
    if channel == "mystery_shop":
        event["answers"] = list(_answers(plan, given))
    if channel == "complaint" or "case" in given:
        older = moment < first_day(plan) + timedelta(weeks=plan["weeks"]) - _OPEN_FOR
        number = given.get("case", f"C-{61000 + draw('case', *key, below=8000)}")
        event["case"] = {"id": number, "state": "closed" if older else "open"}
    if channel == "chat":
        event["conversation_id"] = f"cv-{draw('conversation', *key, below=10**6):06}"
    if channel in ("survey", "complaint", "email"):
        event["may_contact"] = draw("may_contact", *key, below=10) < 7
    return event


def _attributes(plan: Mapping[str, Any], given: Mapping[str, Any], key: Sequence[object]) -> dict[str, str]:
    found = {name: str(given[name]) for name in _ATTRIBUTES if name in given}
    if "site" in found:
        found["region"] = plan["sites"][found["site"]] or found.get("region", "")
    elif "region" not in found and given["channel"] not in ("social", "employee"):
        found["region"] = _weighted(plan["regions"], "region", *key)
    if given["channel"] != "survey":
        found.pop("touchpoint", None)
    if given.get("product") == "app" and "platform" not in found:
        found["platform"] = ("android", "ios")[draw("platform", *key, below=2)]
    if given["channel"] in ("complaint", "email", "chat") and draw("order", *key, below=10) < 6:
        found["order_id"] = f"T-{40000 + draw('order number', *key, below=9999)}"
    return {name: value for name, value in sorted(found.items()) if value not in ("", "none")}


def _customer(
    plan: Mapping[str, Any], channel: str, given: Mapping[str, Any], key: Sequence[object]
) -> dict[str, str] | None:
    if given.get("author") == "agent":  # staff who pass a customer's trouble on: we know that one by no id
        return None
    if "who" in given:
        staff = str(given["who"]).startswith("staff-")
        return {"id": given["who"] if staff else f"TW-{20000 + draw('who', given['who'], below=9999)}"}
    if draw("named", *key, below=10) >= plan["named"][channel]:
        return None
    return {"id": f"TW-{30000 + draw('customer', *key, below=4000)}"}


def _answers(plan: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for item in plan["checklist"]:
        verdict = next((name for name in ("good", "poor") if item["row"] in _rows(given, name)), "usual")
        answer = {"question": item["question"], "kind": item["kind"], "value": item[verdict]}
        yield answer | ({"max": item["max"]} if "max" in item else {})


def _rows(given: Mapping[str, Any], verdict: str) -> list[str]:
    return [row for row in str(given.get(verdict, "")).split(",") if row]


# ---- ratings without a word -----------------------------------------------------------------------------------------


def _rated(plan: Mapping[str, Any], start: datetime) -> Iterator[dict[str, Any]]:
    shops = [site for site, region in plan["sites"].items() if region and not site.startswith("depot")]
    for asked in plan["ratings"]:
        for week in range(1, plan["weeks"] + 1):
            for place in range(asked["a_week"]):
                key = (plan["seed"], asked["touchpoint"], week, place)
                attributes = {"touchpoint": asked["touchpoint"]}
                if asked.get("in_shop"):
                    attributes["site"] = shops[draw("site", *key, below=len(shops))]
                    attributes["region"] = plan["sites"][attributes["site"]]
                else:
                    attributes["region"] = _weighted(plan["regions"], "region", *key)
                value = _value(asked, week, attributes["region"], key)
                scale = _SCALES[asked["kind"]][1]
                monday = start + timedelta(weeks=week - 1)
                yield _blank(_moment(monday, (1, 7), plan["sources"]["survey"]["hours"], key), key) | {
                    "channel": "survey",
                    "source": plan["sources"]["survey"]["source"],
                    "rating": _rating(asked["kind"], value),
                    "customer": _customer(plan, "survey", {}, key),
                    "attributes": dict(sorted(attributes.items())),
                    "answers": [{"question": asked["question"], "kind": "score", "value": value, "max": scale}],
                }


def _value(asked: Mapping[str, Any], week: int, region: str, key: Sequence[object]) -> int:
    around = float(asked["around"])
    for other in asked.get("but", ()):
        if other["weeks"][0] <= week <= other["weeks"][1] and other.get("region", region) == region:
            around = other["around"]
    low, high = _SCALES[asked["kind"]]
    # The sum of three dice is near enough to how people rate: many near the middle of their mood, a few far off.
    spread = (sum(draw("die", die, *key, below=1001) for die in range(3)) - 1500) / 1500
    value: int = round(around + spread * (high - low) * 0.55)
    return min(high, max(low, value))


# ---- small parts ----------------------------------------------------------------------------------------------------


def _blank(moment: datetime, key: Sequence[object]) -> dict[str, Any]:
    return {"occurred_at": moment.strftime("%Y-%m-%dT%H:%M:%SZ"), "text": None, "draw": draw(*key, below=2**32)}


def _rating(kind: str, value: int) -> dict[str, Any]:
    return {"kind": kind, "value": value, "max": _SCALES[kind][1]}


def _weighted(weights: Mapping[str, int], *what: object) -> str:
    place = draw(*what, below=sum(weights.values()))
    names = [name for name, weight in weights.items() for _ in range(weight)]
    return names[place]


def _moment_of(
    plan: Mapping[str, Any], given: Mapping[str, Any], monday: datetime, days: Sequence[int], key: Sequence[object]
) -> datetime:
    if "day" in given:
        days = (int(given["day"]), int(given["day"]))
    return _moment(monday, days, plan["sources"][given["channel"]]["hours"], key)


def _moment(monday: datetime, days: Sequence[int], hours: Sequence[int], key: Sequence[object]) -> datetime:
    day = days[0] - 1 + draw("day", *key, below=days[1] - days[0] + 1)
    second = hours[0] * 3600 + draw("time", *key, below=(hours[1] - hours[0]) * 3600)
    return monday + timedelta(days=day, seconds=second)


_ORDER = (
    "source", "id", "channel", "occurred_at", "text", "rating", "customer", "language", "attributes", "answers",
    "case", "may_contact", "author", "conversation_id",
)  # fmt: skip


def _numbered(plan: Mapping[str, Any], events: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The events with ids as their systems would have given them, in the order of fields that design.md shows."""
    counts: Counter[str] = Counter()
    for event in events:
        counts[event["source"]] += 1
        event["id"] = f"{plan['sources'][event['channel']]['prefix']}-{1000 + counts[event['source']]}"
        yield {name: event[name] for name in _ORDER if event.get(name) is not None}


if __name__ == "__main__":
    EVENTS.write_text(build(), encoding="utf-8")
