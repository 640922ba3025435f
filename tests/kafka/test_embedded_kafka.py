"""The embedded broker on its own: what it acknowledged is still there after kill -9."""

from pathlib import Path

from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient, NewTopic

from services.launcher.kafka import EmbeddedKafka
from tests.ports import free_port


def test_a_topic_is_created_and_read_back(kafka: EmbeddedKafka) -> None:
    _create_topic(kafka, "embedded-hello")
    _produce(kafka, "embedded-hello", range(10))
    assert _read_all(kafka, "embedded-hello") == list(range(10))


def test_what_was_acknowledged_survives_kill_9_and_a_restart_in_order(tmp_path: Path, kafka_cache: Path) -> None:
    with EmbeddedKafka(tmp_path / "with a spâce", kafka_cache, free_port()) as broker:
        _create_topic(broker, "numbers")
        _produce(broker, "numbers", range(2_000))
        broker.kill()
        assert not broker.answers()
        broker.start()
        _produce(broker, "numbers", range(2_000, 2_100))
        broker.stop()
        broker.start()
        assert _read_all(broker, "numbers") == list(range(2_100))


def _create_topic(broker: EmbeddedKafka, topic: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap_servers)
    admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    admin.close()


def _produce(broker: EmbeddedKafka, topic: str, numbers: range) -> None:
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap_servers, acks="all", enable_idempotence=True)
    for sent in [producer.send(topic, b"%d" % number) for number in numbers]:
        sent.get(timeout=20)
    producer.close()


def _read_all(broker: EmbeddedKafka, topic: str) -> list[int]:
    consumer = KafkaConsumer(
        topic, bootstrap_servers=broker.bootstrap_servers, auto_offset_reset="earliest", consumer_timeout_ms=1_500
    )
    numbers = [int(message.value) for message in consumer]
    consumer.close()
    return numbers
