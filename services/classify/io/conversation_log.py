"""Reads conversations back from Kafka: revisions of a partition since a time, and single events by their offset."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from services.contracts.codec import RawMessage, decode
from services.contracts.errors import BadMessage, Unavailable
from services.contracts.events import FeedbackClassified, FeedbackReceived
from services.contracts.topics import FEEDBACK_CLASSIFIED, FEEDBACK_RECEIVED
from services.kit.kafka import client_settings
from services.kit.settings import Settings

MOST_MESSAGES = 60_000
"""How far a partition is read back at most: about eight seconds, while the batch that needs it waits."""
_MARK = b'"conversation":{'
_AT_ONCE = 500
_PATIENCE = 20
_POLL_MS = 500


class KafkaLog:
    """Connects when it is first asked. Blocks; everything raises Unavailable while Kafka is away."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._consumer: Any = None

    def classified(self, partition: int, *, since: datetime) -> Iterator[FeedbackClassified]:
        """Every revision of a conversation's event that was written since then, in order."""
        place = TopicPartition(FEEDBACK_CLASSIFIED, partition)
        try:
            consumer = self._connected()
            end = consumer.end_offsets([place])[place]
            found = consumer.offsets_for_times({place: max(0, int(since.timestamp() * 1000))})[place]
            start = end if found is None else found.offset
            for record in self._records(place, max(start, end - MOST_MESSAGES), end):
                if record.value is not None and _MARK in record.value and (event := _read(record, FeedbackClassified)):
                    yield event
        except KafkaError as error:
            raise Unavailable(f"Kafka does not answer ({type(error).__name__})") from None

    def received(self, partition: int, offsets: Sequence[int]) -> Mapping[int, FeedbackReceived]:
        """The events at these offsets; one that cannot be read is left out."""
        place = TopicPartition(FEEDBACK_RECEIVED, partition)
        found: dict[int, FeedbackReceived] = {}
        try:
            for run in _runs(offsets):
                for record in self._records(place, run[0], run[-1] + 1):
                    if record.offset in run and (event := _read(record, FeedbackReceived)):
                        found[record.offset] = event
        except KafkaError as error:
            raise Unavailable(f"Kafka does not answer ({type(error).__name__})") from None
        return found

    def close(self) -> None:
        """Closes the connection, if there is one."""
        if self._consumer is not None:
            self._consumer.close()

    def _connected(self) -> Any:
        if self._consumer is None:
            self._consumer = KafkaConsumer(
                **client_settings(self._settings),
                client_id="palette-classify-conversations",
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                max_poll_records=_AT_ONCE,
            )
        return self._consumer

    def _records(self, place: TopicPartition, start: int, end: int) -> Iterator[Any]:
        """The records of a partition from `start` up to `end`."""
        consumer = self._connected()
        consumer.assign([place])
        consumer.seek(place, start)
        idle = 0
        while consumer.position(place) < end:
            records = consumer.poll(timeout_ms=_POLL_MS).get(place, ())
            for record in records:
                if record.offset >= end:
                    return
                yield record
            idle = 0 if records else idle + 1
            if idle == _PATIENCE:
                raise Unavailable("Kafka did not give the conversations back in time")


def _runs(offsets: Sequence[int]) -> list[list[int]]:
    """Offsets in order, those together that one fetch brings anyway."""
    runs: list[list[int]] = []
    for offset in sorted(offsets):
        if runs and offset - runs[-1][-1] < _AT_ONCE:
            runs[-1].append(offset)
        else:
            runs.append([offset])
    return runs


def _read(record: Any, kind: Any) -> Any:
    """The event of a record; None for what became a dead letter when it was read first."""
    try:
        return decode(RawMessage(record.topic, record.partition, record.offset, record.key, record.value), kind)
    except BadMessage:
        return None
