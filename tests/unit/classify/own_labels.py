"""A company's own label for the tests: charging an electric car, a dozen examples and texts that nobody taught."""

from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from typing import Any

import yaml

CHARGING = (
    "The rapid charger at the services was out of order and I had eight miles of range left.",
    "Plugged the car in overnight and the charge point stopped after ten minutes.",
    "Three of the four charging bays were blocked by petrol cars.",
    "Your charger would not release the cable from my car.",
    "Charging at the car park took two hours instead of forty minutes.",
    "The charge point shows available in the map but the bay is fenced off.",
    "Every public charger in town is broken, how am I meant to drive electric?",
    "The connector does not click into the socket of my car.",
    "Session started, then the charger tripped and my battery was still flat.",
    "Queueing for a charger at the motorway services for over an hour.",
    "Brilliant chargers, fast and they all worked, back on the road in twenty minutes.",
    "The charging cable is too short to reach the port at the back of the car.",
)
UNTAUGHT_CHARGING = (
    "The charger at the supermarket would not start a session for my electric car.",
    "Both rapid chargers on the motorway were out of order last night.",
    "I plugged in my car and the charge point gave up after five minutes.",
    "A van was parked in the charging bay again, so I could not charge.",
    "The cable got stuck in my car and the charge point would not let go.",
    "Charging took twice as long as the display promised, I sat in the car for an hour.",
)
NOT_CHARGING = (
    "Your driver marked it delivered, nothing is here",
    "I was charged twice for the same order this month",
    "Nobody answers the phone, I have tried all week",
    "The washing machine stopped working after three weeks",
    "They make it impossible to cancel the subscription",
    "The room was dirty and there were stains on the sheets",
)


def charging(**over: Any) -> dict[str, Any]:
    """The entry of a new stage or area."""
    return {
        "id": "charging",
        "name": "charging the car",
        "definition": "Charging an electric car at a charge point.",
        "examples": list(CHARGING),
    } | over


def changed_policy(shipped: Path, folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """A copy of the policy folder with a taxonomy that was changed as a team would."""
    copytree(shipped, folder)
    path = folder / "taxonomy.yaml"
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    data["version"] = "own-1"
    change(data)
    path.write_text(yaml.safe_dump(data, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return folder


def entry_of(data: dict[str, Any], group: str, name: str) -> dict[str, Any]:
    """One entry of a taxonomy file."""
    found: dict[str, Any] = next(entry for entry in data[group] if entry["id"] == name)
    return found
