"""The topology can be read from `schemas/topics/*.yaml` alone, and is what the code says."""

from pathlib import Path

import pytest

from services.contracts import topics as t
from services.contracts.codec import _ROUTES
from services.contracts.topics import SCHEMAS, Topic, load_topics

SERVICES = {"ingest", "classify", "router", "notify", "api"}
READERS_BESIDE_SERVICES = {"palette dead-letters", "palette retag"}

REBUILD_READS = {
    "feedback-received",
    "feedback-classified",
    "feedback-corrections",
    "action-commands",
    "routing-signals",
    "actions",
    "action-changes",
    "router-state",
    "policy-activations",
    "model-activations",
}
"""What the store, the fold and the classifier are rebuilt from: losing a part of one loses a part of the product."""

TRANSACTIONAL = {"actions", "action-changes", "notifications", "router-state"}

topics = pytest.mark.parametrize("topic", load_topics().values(), ids=lambda topic: topic.name)


def test_each_constant_has_a_file_and_each_file_a_constant() -> None:
    constants = {value for name, value in vars(t).items() if name.isupper() and isinstance(value, str)}

    assert constants == set(load_topics())
    assert {path.stem for path in (SCHEMAS / "topics").iterdir()} == set(load_topics())


@topics
def test_a_file_says_whole_sentences_about_known_services(topic: Topic) -> None:
    assert topic.purpose.endswith(".")
    assert topic.key
    assert topic.writers
    assert {_service(writer) for writer in topic.writers} <= SERVICES
    assert {_service(r) for r in topic.readers if r not in READERS_BESIDE_SERVICES} <= SERVICES
    assert topic.schema is None or (SCHEMAS / "events" / topic.schema).is_file()


@topics
def test_a_topic_has_one_writer(topic: Topic) -> None:
    assert len(topic.writers) == 1


@topics
def test_partitions_are_four_and_twelve_or_one_where_all_is_read_by_all(topic: Topic) -> None:
    single = topic.name in {*t.DEAD_LETTERS, t.POLICY_ACTIVATIONS, t.MODEL_ACTIVATIONS}

    assert topic.partitions == ({"embedded": 1, "cluster": 1} if single else {"embedded": 4, "cluster": 12})


@topics
def test_what_a_rebuild_reads_is_kept_for_ever_and_nothing_else(topic: Topic) -> None:
    assert (topic.retention_ms == -1) == (topic.name in REBUILD_READS)
    assert topic.retention_ms == -1 or topic.retention_ms >= 30 * 24 * 3_600_000


@topics
def test_only_state_is_compacted(topic: Topic) -> None:
    state = {"actions", "router-state", "policy-activations", "model-activations"}
    assert (topic.cleanup == "compact") == (topic.name in state)


@topics
def test_what_is_written_in_transactions_is_read_committed(topic: Topic) -> None:
    assert topic.read_committed == (topic.name in TRANSACTIONAL)


def test_the_folds_input_is_neither_compacted_nor_transactional() -> None:
    signals = load_topics()[t.ROUTING_SIGNALS]  # its offsets must have no gaps

    assert signals.cleanup == "delete"
    assert signals.read_committed is False


@topics
def test_a_dead_letter_topic_takes_the_longest_message_of_any_other(topic: Topic) -> None:
    longest = max(other.max_message_bytes for other in load_topics().values() if other.name not in t.DEAD_LETTERS)

    assert topic.name not in t.DEAD_LETTERS or topic.max_message_bytes > longest


def test_each_consuming_service_has_a_dead_letter_topic() -> None:
    assert {f"{service}-dlq" for service in ("classify", "router", "notify", "api")} == set(t.DEAD_LETTERS)


def test_every_topic_with_a_schema_is_written_through_the_codec_by_its_only_writer() -> None:
    routes = {(route.topic, route.source.decode().removeprefix("palette/")) for route in _ROUTES.values()}
    declared = {(topic.name, _service(topic.writers[0])) for topic in load_topics().values() if topic.schema}

    assert routes == declared


def test_broker_settings_follow_the_file_and_the_cluster() -> None:
    topic = load_topics()[t.FEEDBACK_RECEIVED]

    assert topic.config(replicas=1)["min.insync.replicas"] == "1"
    assert topic.config(replicas=3) == {
        "cleanup.policy": "delete",
        "retention.ms": "-1",
        "max.message.bytes": "1572864",
        "min.insync.replicas": "2",
    }


@pytest.mark.parametrize(
    ("struct", "writer"),
    [
        ("FeedbackReceived", "ingest"),
        ("FeedbackRejected", "ingest"),
        ("FeedbackClassified", "classify"),
        ("FeedbackCorrected", "api"),
        ("Join", "router"),
        ("Retract", "router"),
        ("Action", "router"),
        ("ActionChanged", "router"),
        ("Notification", "router"),
        ("NotificationOutcome", "notify"),
        ("ModelActivated", "api"),
    ],
)
def test_only_the_writer_of_a_topic_makes_its_events(struct: str, writer: str) -> None:
    services = Path(t.__file__).parents[1]
    dry_runs = {services / "api" / "trial.py"}  # tries a sentence out through the rules; sends nothing
    makers = {
        path.relative_to(services).parts[0]
        for path in set(services.rglob("*.py")) - dry_runs
        if any(f"{prefix}{struct}(" in path.read_text(encoding="utf-8") for prefix in (" ", "e.", "(", "[", "="))
    }

    assert makers - {"contracts"} <= {writer}


def _service(name: str) -> str:
    """`router (second step)` is the router."""
    return name.partition(" ")[0]
