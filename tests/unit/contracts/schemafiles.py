"""The schema files, their examples and the structs that they describe, as the tests of this folder need them."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs

from services.contracts import events as e
from services.contracts.topics import SCHEMAS

EXAMPLES = SCHEMAS / "examples"
RELEASED = SCHEMAS / "released"

STRUCTS: dict[str, Any] = {
    "action": e.Action,
    "action-changed": e.ActionChanged,
    "action-command": e.ActionCommand,
    "feedback-classified": e.FeedbackClassified,
    "feedback-corrected": e.FeedbackCorrected,
    "feedback-received": e.FeedbackReceived,
    "feedback-rejected": e.FeedbackRejected,
    "model-activated": e.ModelActivated,
    "notification": e.Notification,
    "notification-outcome": e.NotificationOutcome,
    "policy-activated": e.PolicyActivated,
    "routing-signal": e.RoutingSignal,
}
"""What travels on a topic. `feedback-event` is not among them: it is what a sender posts, and has no struct."""

INTAKE = "feedback-event"


def event_names() -> list[str]:
    """Every event that has a schema."""
    return sorted(path.stem for path in (SCHEMAS / "events").glob("*.json"))


@cache
def schema_of(event: str) -> Any:
    """The closed schema, as producers are held to it."""
    return read(SCHEMAS / "events" / f"{event}.json")


@cache
def validator_of(event: str) -> Any:
    """Checks a document against the closed schema, formats too."""
    return jsonschema_rs.Draft202012Validator(schema_of(event), validate_formats=True, ignore_unknown_formats=False)


def examples(event: str, kind: str) -> list[Path]:
    """Example files of an event; `kind` is valid or invalid."""
    return sorted((EXAMPLES / event).glob(f"{kind}-*.json"))


def all_examples(kind: str) -> list[Any]:
    """The example files of all events as pairs of event and path."""
    return [(event, path) for event in event_names() for path in examples(event, kind)]


def example_id(value: Any) -> str:
    """How a test of an example is called."""
    return value.stem if isinstance(value, Path) else str(value)


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def pointer_of(error: Any) -> str:
    """The JSON pointer of what an error of the validator is about."""
    return "".join(f"/{part}" for part in error.instance_path)
