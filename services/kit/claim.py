"""Owning one input partition: a transactional producer of its own, the state as the last owner left it, exact writing.

The broker fences: whoever begins with the transactional id of a partition ends every older owner's transactions. The
claim record, written by the new owner, marks up to where the state must be read; a position record says where to go on.
Readers of anything written here must read committed.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from services.contracts.codec import Outbound
from services.contracts.errors import Unavailable
from services.kit.kafka import partition_of

CLAIM_KEY = b"\x00claim"
POSITION_KEY = b"\x00position"

TRANSACTION_TIMEOUT_SECONDS = 15.0
_RESTORE_LIMIT_SECONDS = 120.0
_BATCH_BYTES = 512 * 1024
_LARGEST_REQUEST = 2_000_000

Restore = Callable[[bytes, bytes | None], None]
"""Takes each state record, the last one of a key winning by coming last."""


class Claim:
    """One partition, owned until somebody else claims it. Every call raises aiokafka's ProducerFenced after that."""

    def __init__(self, connection: dict[str, Any], *, name: str, owner: str, state_topic: str, partition: int) -> None:
        self._connection = connection
        self._owner = owner
        self._state = TopicPartition(state_topic, partition)
        self._counts: dict[str, int] = {}
        self._producer = AIOKafkaProducer(
            **connection,
            transactional_id=f"{name}-{partition}",
            transaction_timeout_ms=int(TRANSACTION_TIMEOUT_SECONDS * 1000),
            acks="all",
            linger_ms=0,
            max_batch_size=_BATCH_BYTES,
            max_request_size=_LARGEST_REQUEST,
            request_timeout_ms=30_000,
        )

    async def take(self, restore: Restore) -> int | None:
        """Claims the partition and hands its whole state to `restore`; answers the next input offset, None at first."""
        await self._producer.start()
        async with self._producer.transaction():
            claim = await self._producer.send_and_wait(
                self._state.topic, self._owner.encode(), key=CLAIM_KEY, partition=self._state.partition
            )
        return await self._read_up_to(claim.offset, restore)

    async def write(self, outputs: Sequence[Outbound], *, position: int) -> None:
        """Everything a batch led to and the next input offset, in one transaction: all of it or nothing."""
        mark = Outbound(self._state.topic, POSITION_KEY, str(position).encode(), partition=self._state.partition)
        async with self._producer.transaction():
            await asyncio.gather(*[await sending for sending in self._sendings(await self._placed([*outputs, mark]))])

    async def release(self) -> None:
        """Closes the connection. The claim stands until another one is made."""
        await self._producer.stop()

    async def _read_up_to(self, claim: int, restore: Restore) -> int | None:
        """Reads committed records before the claim, straight from the partition, without a group."""
        reader = AIOKafkaConsumer(
            **self._connection,
            isolation_level="read_committed",
            enable_auto_commit=False,
            max_partition_fetch_bytes=4 * 1024 * 1024,
        )
        await reader.start()
        try:
            reader.assign([self._state])
            await reader.seek_to_beginning(self._state)
            position: int | None = None
            deadline = time.monotonic() + _RESTORE_LIMIT_SECONDS
            while True:
                found = await reader.getmany(self._state, timeout_ms=500)
                for record in found.get(self._state, ()):
                    if record.offset >= claim:
                        return position
                    if record.key == POSITION_KEY:
                        position = int(record.value)
                    elif record.key != CLAIM_KEY:
                        restore(record.key, record.value)
                if time.monotonic() > deadline:
                    raise Unavailable("the state could not be read back in time")
        finally:
            await reader.stop()

    async def _placed(self, outputs: Iterable[Outbound]) -> dict[TopicPartition, list[Outbound]]:
        """Outputs by where they go, in their order: whole batches are several times cheaper than single sends."""
        placed: dict[TopicPartition, list[Outbound]] = {}
        for output in outputs:
            partition = output.partition
            if partition is None:
                if output.topic not in self._counts:
                    self._counts[output.topic] = len(await self._producer.partitions_for(output.topic))
                partition = partition_of(output.key or b"", self._counts[output.topic])
            placed.setdefault(TopicPartition(output.topic, partition), []).append(output)
        return placed

    def _sendings(self, placed: dict[TopicPartition, list[Outbound]]) -> Iterable[Any]:
        for place, outputs in placed.items():
            batch = self._producer.create_batch()
            for output in outputs:
                if not _appended(batch, output):
                    yield self._sent(batch, place)
                    batch = self._producer.create_batch()
                    if not _appended(batch, output):
                        raise ValueError("a record is larger than a batch")
            yield self._sent(batch, place)

    async def _sent(self, batch: Any, place: TopicPartition) -> Any:
        batch.close()
        return await self._producer.send_batch(batch, place.topic, partition=place.partition)


def _appended(batch: Any, output: Outbound) -> bool:
    added = batch.append(key=output.key, value=output.value, timestamp=None, headers=list(output.headers))
    return added is not None
