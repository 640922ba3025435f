"""Reads history for `palette retag`: partitions from a time to where they end, and on. No group, nothing committed."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from services.contracts.codec import RawMessage, decode
from services.contracts.errors import BadMessage, Unavailable
from services.contracts.events import ActionChanged, ModelActivated
from services.contracts.topics import ACTION_CHANGES, MODEL_ACTIVATIONS, load_topics
from services.kit.kafka import client_settings, partitions_of
from services.kit.settings import Settings

_AT_ONCE = 500
_PATIENCE = 40
_POLL_MS = 250
_OVER = "verified"


class HistoryReader:
    """One consumer for one partition of a topic at a time. Everything blocks and raises Unavailable while Kafka is
    away."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        try:
            self._consumer: Any = KafkaConsumer(
                **client_settings(settings),
                client_id="palette-retag",
                enable_auto_commit=False,
                isolation_level="read_committed",
                auto_offset_reset="earliest",
                max_poll_records=_AT_ONCE,
            )
        except KafkaError as error:
            raise Unavailable(f"Kafka does not answer ({type(error).__name__})") from None

    def partitions(self, topic: str) -> range:
        """The partitions that a topic has here."""
        return range(partitions_of(load_topics()[topic], self._settings))

    def span(self, topic: str, partition: int, *, since: datetime | None = None) -> tuple[int, int]:
        """The offset of the first message written since then, and the end now."""
        place = TopicPartition(topic, partition)
        try:
            end = int(self._consumer.end_offsets([place])[place])
            if since is None:
                return int(self._consumer.beginning_offsets([place])[place]), end
            found = self._consumer.offsets_for_times({place: max(0, int(since.timestamp() * 1000))})[place]
        except KafkaError as error:
            raise Unavailable(f"Kafka does not answer ({type(error).__name__})") from None
        return (end if found is None else int(found.offset)), end

    def batches(self, topic: str, partition: int, begin: int, end: int) -> Iterator[list[RawMessage]]:
        """The messages from one offset up to another. Between two batches nothing else may be read with this."""
        place = TopicPartition(topic, partition)
        try:
            self._consumer.assign([place])
            self._consumer.seek(place, begin)
            idle = 0
            while self._consumer.position(place) < end:
                records = self._consumer.poll(timeout_ms=_POLL_MS).get(place, ())
                idle = 0 if records else idle + 1
                if idle == _PATIENCE:
                    raise Unavailable("Kafka did not give all messages in time")
                found = [
                    RawMessage(r.topic, r.partition, r.offset, r.key, r.value, tuple(r.headers), r.timestamp)
                    for r in records
                    if r.offset < end
                ]
                if found:
                    yield found
        except KafkaError as error:
            raise Unavailable(f"Kafka does not answer ({type(error).__name__})") from None

    def close(self) -> None:
        """Closes the connection."""
        self._consumer.close(timeout_ms=1_000)


def read(messages: Sequence[RawMessage], kind: Any) -> Iterator[Any]:
    """The events of messages; what cannot be read became a dead letter when it was read first."""
    for message in messages:
        try:
            yield decode(message, kind)
        except BadMessage:
            continue


def in_open_cases(reader: HistoryReader) -> set[str]:
    """Ids of the events that count in an action that is not over: it keeps the version that it opened with."""
    members: dict[str, set[str]] = {}
    states: dict[str, str] = {}
    for partition in reader.partitions(ACTION_CHANGES):
        for batch in reader.batches(ACTION_CHANGES, partition, *reader.span(ACTION_CHANGES, partition)):
            for change in read(batch, ActionChanged):
                _follow(change, members, states)
    return {event for action, found in members.items() if states.get(action) != _OVER for event in found}


def _follow(change: ActionChanged, members: dict[str, set[str]], states: dict[str, str]) -> None:
    if change.action is None:
        return
    if change.state is not None and change.change != "refused":
        states[change.action] = change.state
    joined = members.setdefault(change.action, set())
    if change.change == "left" and change.event is not None:
        joined.discard(change.event)
    elif change.change != "refused":
        joined.update(change.members if change.event is None else (change.event, *change.members))


def model_in_force(reader: HistoryReader) -> ModelActivated | None:
    """The activation that counts; None where nothing but the shipped model ever did."""
    newest: ModelActivated | None = None
    for batch in reader.batches(MODEL_ACTIVATIONS, 0, *reader.span(MODEL_ACTIVATIONS, 0)):
        for activation in read(batch, ModelActivated):
            newest = activation
    return newest
