"""What the API itself says on topics: commands, corrections, policy activations. One message at a time, awaited."""

import threading
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError

from services.contracts.codec import Outbound, encode, new_trace
from services.contracts.errors import Unavailable
from services.kit.kafka import producer
from services.kit.settings import Settings

_SEND_SECONDS = 5.0


class Publisher:
    """Answers only when Kafka has acknowledged. After a failure the next call builds a new producer."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._producer: KafkaProducer | None = None

    def publish(self, event: Any) -> None:
        """Writes an event to its topic. Raises Unavailable when Kafka does not take it within 5 s."""
        self.send(encode(event, trace=new_trace()))

    def send(self, message: Outbound) -> None:
        """Writes a message. Raises Unavailable."""
        with self._lock:
            if self._producer is None:
                self._producer = producer(
                    self._settings, linger_ms=0, max_block_ms=3_000, request_timeout_ms=4_000, delivery_timeout_ms=5_000
                )
            try:
                sent(self._producer, message).get(timeout=_SEND_SECONDS)
            except KafkaError as error:
                self._close()
                raise Unavailable(f"Kafka did not take the message ({type(error).__name__})", retry_after=2) from None

    def close(self) -> None:
        with self._lock:
            self._close()

    def _close(self) -> None:
        broken, self._producer = self._producer, None
        if broken is not None:
            broken.close(timeout=1)


def sent(to: KafkaProducer, message: Outbound) -> Any:
    """Hands a message to a producer; the future of its acknowledgement."""
    return to.send(
        message.topic,
        key=message.key,
        value=message.value,
        headers=list(message.headers),
        partition=message.partition,
    )
