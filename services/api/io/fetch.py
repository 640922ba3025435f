"""What the projection reads from Kafka: partitions from given positions, gathered into batches, progress shown.

Knows the client; knows nothing of what the messages mean.
"""

import time
from collections.abc import Mapping
from threading import Event
from typing import Any, Self

from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition

from services.contracts.codec import RawMessage
from services.kit.kafka import client_settings
from services.kit.settings import Settings

BATCH = 500
_POLL_MS = 250
_SHOW_SECONDS = 1.0
_BUSY_FROM = 3
_GATHER_SECONDS = 0.15


class Fetch:
    """A reader of partitions; `stopping` cuts its waits short. Everything raises KafkaError while Kafka is away."""

    def __init__(
        self, settings: Settings, *, group: str, positions: Mapping[TopicPartition, int], stopping: Event
    ) -> None:
        self._partitions = list(positions)
        self._stopping = stopping
        self._busy = False
        self._shown: dict[TopicPartition, int] = {}
        self._shown_at = 0.0
        self._consumer = KafkaConsumer(
            **client_settings(settings),
            client_id=f"palette-{group}",
            group_id=group,
            enable_auto_commit=False,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            max_poll_records=BATCH,
            fetch_max_wait_ms=500,
            max_partition_fetch_bytes=4_000_000,
        )
        self._consumer.assign(self._partitions)
        for partition, position in positions.items():
            self._consumer.seek(partition, position)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close(timeout_ms=2_000)

    def read(self) -> list[RawMessage]:
        """What there is, at most a batch. While traffic is dense it gathers for a moment: a message of a batch of 500
        costs a sixth of one of a batch of 20, in the store and at the broker. A single event is read at once."""
        messages: list[RawMessage] = []
        deadline = time.monotonic() + _GATHER_SECONDS
        wait = _POLL_MS
        while True:
            found = self._consumer.poll(timeout_ms=wait, max_records=BATCH - len(messages))
            messages += [raw(record) for records in found.values() for record in records]
            left = deadline - time.monotonic()
            if not self._busy or not messages or len(messages) >= BATCH or left <= 0:
                break
            self._stopping.wait(left / 2)
            wait = 0
        self._busy = len(messages) >= _BUSY_FROM
        return messages

    def show_positions(self) -> None:
        """Commits where reading stands, at most once a second, for visibility. The position counts transaction markers
        too, which no message's offset does: without it the lag of a transactional topic would never be 0."""
        if time.monotonic() < self._shown_at + _SHOW_SECONDS:
            return
        self._shown_at = time.monotonic()
        moved = {p: at for p in self._partitions if (at := self._consumer.position(p, timeout_ms=1_000)) is not None}
        changed = {p: OffsetAndMetadata(at, "", -1) for p, at in moved.items() if self._shown.get(p) != at}
        if changed:
            self._consumer.commit_async(changed)
            self._shown = moved


def raw(record: Any) -> RawMessage:
    """A record as the client gives it, as a message."""
    return RawMessage(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=record.key,
        value=record.value,
        headers=tuple(record.headers or ()),
        timestamp=record.timestamp or 0,
    )
