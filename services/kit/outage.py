"""Whose fault a failed exchange with Kafka is: Kafka's, then nothing is wrong with the messages in hand, or theirs."""

from aiokafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError, ProducerFenced

_OUTAGES = (KafkaTimeoutError, KafkaConnectionError, ProducerFenced)


def is_outage(error: BaseException) -> bool:
    """Whether Kafka was away, busy or taken over by another worker: the same messages may succeed the next time."""
    return isinstance(error, _OUTAGES) or (isinstance(error, KafkaError) and bool(error.retriable))
