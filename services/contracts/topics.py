"""The topics: their names as constants, their definitions read from `schemas/topics/*.yaml`. Talks to no broker."""

from functools import cache
from pathlib import Path

import msgspec
import yaml

FEEDBACK_RECEIVED = "feedback-received"
FEEDBACK_REJECTED = "feedback-rejected"
FEEDBACK_CLASSIFIED = "feedback-classified"
FEEDBACK_CORRECTIONS = "feedback-corrections"
ACTION_COMMANDS = "action-commands"
ROUTING_SIGNALS = "routing-signals"
ROUTER_STATE = "router-state"
ACTIONS = "actions"
ACTION_CHANGES = "action-changes"
NOTIFICATIONS = "notifications"
NOTIFICATION_OUTCOMES = "notification-outcomes"
POLICY_ACTIVATIONS = "policy-activations"
MODEL_ACTIVATIONS = "model-activations"
CLASSIFY_DLQ = "classify-dlq"
ROUTER_DLQ = "router-dlq"
NOTIFY_DLQ = "notify-dlq"
API_DLQ = "api-dlq"

DEAD_LETTERS = (CLASSIFY_DLQ, ROUTER_DLQ, NOTIFY_DLQ, API_DLQ)

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"


class Topic(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One topic as its file states it. `retention_ms` -1 keeps for ever; partitions are fixed for life."""

    name: str
    purpose: str
    key: str
    writers: list[str]
    readers: list[str]
    schema: str | None
    cleanup: str
    retention_ms: int
    partitions: dict[str, int]
    read_committed: bool = False
    max_message_bytes: int = 1_048_576
    notes: str = ""

    def config(self, *, replicas: int) -> dict[str, str]:
        """Broker settings of the topic for a cluster that keeps `replicas` copies."""
        return {
            "cleanup.policy": self.cleanup,
            "retention.ms": str(self.retention_ms),
            "max.message.bytes": str(self.max_message_bytes),
            "min.insync.replicas": str(max(1, replicas - 1)),
        }


@cache
def load_topics() -> dict[str, Topic]:
    """All topics by name. Raises msgspec.ValidationError when a file does not say what it must."""
    found = {}
    for path in sorted((SCHEMAS / "topics").glob("*.yaml")):
        topic = msgspec.convert(yaml.safe_load(path.read_text(encoding="utf-8")), Topic)
        found[topic.name] = topic
    return found
