"""Reads topics from their first message to where they end now, without a group. For the operators' commands."""

from collections.abc import Iterable, Iterator, Mapping

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from services.api.io.fetch import raw
from services.contracts.codec import RawMessage
from services.contracts.errors import Unavailable
from services.contracts.topics import load_topics
from services.kit.kafka import client_settings, partitions_of
from services.kit.settings import Settings

_BATCH = 1_000
_PATIENCE = 40


class TopicReader:
    """A consumer for one reading. Everything raises Unavailable while Kafka is away."""

    def __init__(self, settings: Settings, topics: Iterable[str]) -> None:
        self._partitions = [
            TopicPartition(name, number)
            for name in sorted(topics)
            for number in range(partitions_of(load_topics()[name], settings))
        ]
        try:
            self._consumer = KafkaConsumer(
                **client_settings(settings),
                client_id="palette-command",
                enable_auto_commit=False,
                isolation_level="read_committed",
                auto_offset_reset="earliest",
                max_poll_records=_BATCH,
            )
        except KafkaError as error:
            raise Unavailable(f"Kafka does not answer ({type(error).__name__})") from None

    def ends(self) -> dict[tuple[str, int], int]:
        """Where each partition ends now."""
        try:
            return {(p.topic, p.partition): at for p, at in self._consumer.end_offsets(self._partitions).items()}
        except KafkaError as error:
            raise Unavailable(f"Kafka does not answer ({type(error).__name__})") from None

    def batches(self, ends: Mapping[tuple[str, int], int]) -> Iterator[list[RawMessage]]:
        """All messages below the ends, in batches."""
        try:
            self._consumer.assign(self._partitions)
            for partition in self._partitions:
                self._consumer.seek_to_beginning(partition)
            idle = 0
            while idle < _PATIENCE and not self._done(ends):
                found = self._consumer.poll(timeout_ms=250)
                batch = [
                    raw(record)
                    for place, records in found.items()
                    for record in records
                    if record.offset < ends.get((place.topic, place.partition), 0)
                ]
                idle = 0 if found else idle + 1
                if batch:
                    yield batch
            if idle == _PATIENCE:
                raise Unavailable("Kafka did not give all messages in time")
        except KafkaError as error:
            raise Unavailable(f"Kafka does not answer ({type(error).__name__})") from None

    def _done(self, ends: Mapping[tuple[str, int], int]) -> bool:
        return all(self._consumer.position(p) >= ends.get((p.topic, p.partition), 0) for p in self._partitions)

    def close(self) -> None:
        self._consumer.close(timeout_ms=1_000)
