"""Faust, set up so that it loses nothing: an app per consumer group, and its messages in batches to be acknowledged.

Faust joins the group, fetches, commits and goes back to what was committed after a rebalance. Its agents are not used:
one acknowledges what it had in hand when it raises or is cancelled, and what a rebalance made stale, and it costs four
task switches for every message. Here records come in bulk, a rebalance throws away what was not begun, and nothing but
`acknowledge` acknowledges.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import faust
from faust.transport.consumer import ensure_TP
from faust.transport.drivers import aiokafka as driver

from services.contracts.codec import RawMessage
from services.kit.kafka import tls_context
from services.kit.settings import Settings

_MOMENT_SECONDS, _MOMENTS = 0.004, 5
_ENOUGH = 4096


class Batch:
    """Messages that belong together, and what the library needs to acknowledge them."""

    def __init__(self, taken: Sequence[Any], epoch: int) -> None:
        self.taken = taken
        self.epoch = epoch
        self.messages = [_raw(message) for message in taken]


class FaustSource:
    """The topics of one consumer group. `start` joins it; then `batch`, process, `acknowledge`, again and again.

    `assigned` is awaited after each rebalance, before the first message that came with it is given out.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        group: str,
        topics: Sequence[str],
        batch_size: int,
        assigned: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._batch_size = batch_size
        self._assigned = assigned or _nothing
        self._assigned_for = -1
        self._app = _app(settings, group)
        self._app.transport = _Transport(self._app.conf.broker_consumer, self._app)
        aiter(self._app.topic(*topics, key_type=bytes, value_type=bytes, internal=False))  # which subscribes to them

    async def start(self) -> None:
        await self._app.start()

    async def batch(self) -> Batch:
        """The next messages, at least one: what has arrived, and what arrives within a moment if that is little."""
        consumer = self._app.consumer
        while not consumer.waiting or self._assigned_for != consumer.epoch:
            if not consumer.waiting:
                consumer.arrived.clear()
                await consumer.arrived.wait()
                await self._fill(consumer.waiting)
            else:
                epoch = consumer.epoch
                await self._assigned()
                self._assigned_for = epoch
        taken = [consumer.waiting.popleft() for _ in range(min(self._batch_size, len(consumer.waiting)))]
        if len(consumer.waiting) < _ENOUGH:
            consumer.room.set()
        return Batch(taken, consumer.epoch)

    async def _fill(self, waiting: Sequence[Any]) -> None:
        """Waits while more keeps arriving, for a moment and up to a full batch: single messages do not wait long."""
        for _ in range(_MOMENTS):
            before = len(waiting)
            if before >= self._batch_size:
                return
            await asyncio.sleep(_MOMENT_SECONDS)
            if len(waiting) == before:
                return

    def acknowledge(self, batch: Batch) -> None:
        """These are done for good; their offsets go with the next commit.

        Not after a rebalance: then they come again, here or elsewhere, and only what is done there counts.
        """
        consumer = self._app.consumer
        for message in batch.taken if batch.epoch == consumer.epoch else ():
            consumer.ack(message)

    async def commit(self) -> None:
        """Commits what is acknowledged, now. Twice, because the first may only wait for one that was under way."""
        with contextlib.suppress(Exception):
            for _ in range(2):
                await asyncio.wait_for(self._app.consumer.commit(), timeout=5)

    @property
    def partitions(self) -> int:
        """How many partitions this worker has now."""
        return len(self._app.consumer.assignment())

    @property
    def gave_up(self) -> bool:
        """Whether the library ended its own services, which it does after an error that it cannot mend."""
        return bool(self._app.should_stop)


async def _nothing() -> None:
    pass


class _Consumer(driver.Consumer):
    """Faust's consumer with its inner loop replaced; everything else is as it was."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.waiting: deque[Any] = deque()
        self.arrived = asyncio.Event()
        self.room = asyncio.Event()
        self.epoch = 0  # counts rebalances; the group's generation stays the same when a static member comes back

    def stop_flow(self) -> None:
        """A rebalance begins: what was fetched and not begun is forgotten, and fetched again by whoever gets it."""
        self.epoch += 1
        self.waiting.clear()
        self.room.set()
        super().stop_flow()

    async def _drain_messages(self, fetcher: Any) -> None:
        while not (self._stopped.is_set() or fetcher._stopped.is_set()):
            if not self.flow_active:
                await self.can_resume_flow.wait()
            epoch = self.epoch
            try:
                records, _ = await self._wait_next_records(timeout=1.0)
            except self.consumer_stopped_errors:
                if self.app.should_stop:
                    return
                raise
            if epoch != self.epoch:
                if self.flow_active:
                    await self._go_back()
                continue
            for tp, batch in (records or {}).items():
                place = ensure_TP(tp)
                self.waiting.extend(self._to_message(place, record) for record in batch)
            if self.waiting:
                self.arrived.set()
            while len(self.waiting) >= _ENOUGH:
                self.room.clear()
                await self.room.wait()

    async def _go_back(self) -> None:
        """A whole rebalance passed during one fetch: nobody knows whose records these are, so they are fetched anew."""
        committed = await self.seek_to_committed()
        for tp, offset in committed.items():
            if not offset:  # never committed: to the start of the log, wherever that is
                await self._seek(ensure_TP(tp), 0)

    async def verify_all_partitions_active(self) -> None:
        """Faust would look at the streams of agents here, and cry that they stand still; health is ours to tell."""


class _Transport(driver.Transport):
    Consumer = _Consumer


def _raw(message: Any) -> RawMessage:
    headers = message.headers or ()
    return RawMessage(
        message.topic,
        message.partition,
        message.offset,
        message.key,
        message.value,
        tuple(headers.items() if isinstance(headers, dict) else headers),
        int((message.timestamp or 0) * 1000),  # Faust made seconds of it
    )


def _app(settings: Settings, group: str) -> Any:
    over: dict[str, Any] = {}
    if settings.kafka_security_protocol.endswith("SSL"):
        over["ssl_context"] = tls_context(settings)
    if settings.kafka_sasl_mechanism and settings.kafka_sasl_password is not None:
        over["broker_credentials"] = faust.SASLCredentials(
            username=settings.kafka_sasl_username,
            password=settings.kafka_sasl_password.get_secret_value(),
            mechanism=settings.kafka_sasl_mechanism,
            ssl_context=over.get("ssl_context"),
        )
    return faust.App(
        group,
        broker=[f"kafka://{server}" for server in settings.bootstrap_servers.split(",")],
        datadir=settings.data_dir / "worker" / f"faust-{group}-{settings.worker}",
        store="memory://",
        web_enabled=False,
        topic_disable_leader=True,
        stream_wait_empty=False,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=f"{group}-{settings.worker}",
        broker_commit_interval=0.1,
        broker_session_timeout=6.0,
        broker_heartbeat_interval=1.5,
        # Also how long the group stands still for a member that asked to join and then went silent, as one that
        # thaws after a frost may: Faust's 60 s would be a minute without tags.
        broker_rebalance_timeout=10.0,
        broker_max_poll_interval=86_400.0,
        key_serializer="raw",
        value_serializer="raw",
        loop=asyncio.get_running_loop(),
        **over,
    )
