"""The small clock beside step one: reads the newest actions, writes a tick when a promise comes due.

Every worker runs one over all actions; that ticks come twice does no harm, that none comes would.
"""

import asyncio
from collections.abc import Callable

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from services.contracts.codec import RawMessage, decode, encode
from services.contracts.errors import BadMessage, Unavailable
from services.contracts.events import Action
from services.contracts.topics import ACTIONS, load_topics
from services.kit.clock import Clock
from services.kit.kafka import for_aiokafka, partitions_of
from services.kit.process import Process
from services.router.clocks import Clocks


async def run_clock(process: Process, *, clock: Clock, saw: Callable[[Action], None]) -> None:
    """Runs until cancelled; `saw` is told of each newest action. Raises Unavailable when Kafka is away."""
    connection = for_aiokafka(process.settings)
    consumer = AIOKafkaConsumer(**connection, enable_auto_commit=False, isolation_level="read_committed")
    producer = AIOKafkaProducer(**connection, acks="all", enable_idempotence=True)
    clocks = Clocks()
    try:
        await consumer.start()
        await producer.start()
        places = [TopicPartition(ACTIONS, n) for n in range(partitions_of(load_topics()[ACTIONS], process.settings))]
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        ends = await consumer.end_offsets(places)
        caught_up = False
        while True:
            found = await consumer.getmany(timeout_ms=1_000)
            for records in found.values():
                for record in records:
                    _take(
                        process,
                        RawMessage(record.topic, record.partition, record.offset, record.key, record.value),
                        clocks,
                        saw,
                    )
            if not caught_up:
                # before that, an old state of an action would tick for a promise that was kept long ago
                caught_up = all([await consumer.position(place) >= ends[place] for place in places])
                continue
            sent = [
                await producer.send(o.topic, o.value, key=o.key, headers=list(o.headers))
                for o in map(encode, clocks.due(clock()))
            ]
            await asyncio.gather(*sent)
    except KafkaError as error:
        raise Unavailable(f"Kafka is away ({type(error).__name__})") from None
    finally:
        await producer.stop()
        await consumer.stop()


def _take(process: Process, message: RawMessage, clocks: Clocks, saw: Callable[[Action], None]) -> None:
    if message.value is None:
        return
    try:
        action: Action = decode(message, Action)
    except BadMessage as error:
        # our own fold wrote it: a newer one did, then, and its promises are its to keep
        process.log.error("action not readable", offset=message.offset, detail=error.message)
        return
    clocks.saw(action)
    saw(action)
