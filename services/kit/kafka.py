"""How any process reaches Kafka: connection settings for both libraries, topics, partitions, a plain producer."""

import ssl
from collections.abc import Iterable
from typing import Any

from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import KafkaError, TopicAlreadyExistsError
from kafka.partitioner.default import murmur2

from services.contracts.errors import Misconfigured, Unavailable
from services.contracts.topics import Topic, load_topics
from services.kit.settings import Settings


def client_settings(settings: Settings) -> dict[str, Any]:
    """Connection settings for kafka-python."""
    found: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap_servers.split(","),
        "security_protocol": settings.kafka_security_protocol,
    }
    if settings.kafka_sasl_mechanism:
        found["sasl_mechanism"] = settings.kafka_sasl_mechanism
        found["sasl_plain_username"] = settings.kafka_sasl_username
        found["sasl_plain_password"] = _secret(settings)
    if settings.kafka_ssl_cafile:
        found["ssl_cafile"] = str(settings.kafka_ssl_cafile)
    return found


def for_aiokafka(settings: Settings) -> dict[str, Any]:
    """Connection settings for aiokafka."""
    found: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap_servers,
        "security_protocol": settings.kafka_security_protocol,
    }
    if settings.kafka_sasl_mechanism:
        found["sasl_mechanism"] = settings.kafka_sasl_mechanism
        found["sasl_plain_username"] = settings.kafka_sasl_username
        found["sasl_plain_password"] = _secret(settings)
    if settings.kafka_security_protocol.endswith("SSL"):
        found["ssl_context"] = tls_context(settings)
    return found


def tls_context(settings: Settings) -> ssl.SSLContext:
    """TLS towards the cluster, trusting the named authority or the system's."""
    return ssl.create_default_context(cafile=str(settings.kafka_ssl_cafile) if settings.kafka_ssl_cafile else None)


def _secret(settings: Settings) -> str:
    if settings.kafka_sasl_password is None:
        raise Misconfigured(["KAFKA_SASL_MECHANISM is set, so KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD are needed."])
    return settings.kafka_sasl_password.get_secret_value()


def producer(settings: Settings, **over: Any) -> KafkaProducer:
    """An idempotent kafka-python producer that waits for all replicas. Raises Unavailable when no broker answers."""
    try:
        return KafkaProducer(
            **client_settings(settings),
            **{"acks": "all", "enable_idempotence": True, "linger_ms": 5, "max_request_size": 2_000_000} | over,
        )
    except KafkaError as error:
        raise Unavailable(f"Kafka does not answer ({type(error).__name__})") from None


def partitions_of(topic: Topic, settings: Settings) -> int:
    """How many partitions a topic is born with here; fixed for life."""
    return topic.partitions[settings.topic_partitions]


def create_topics(settings: Settings, topics: Iterable[Topic] | None = None) -> list[str]:
    """Creates what is missing and answers its names. Doing it again changes nothing.

    Raises Unavailable when Kafka does not answer, Misconfigured when a topic exists with another number of partitions:
    keys would then no longer find their partition.
    """
    wanted = list(load_topics().values() if topics is None else topics)
    try:
        admin = KafkaAdminClient(**client_settings(settings), client_id="palette-admin")
    except KafkaError as error:
        raise Unavailable(f"Kafka does not answer ({type(error).__name__})") from None
    try:
        existing = {t["name"]: len(t["partitions"]) for t in admin.describe_topics([t.name for t in wanted])}
        problems = [
            f"Topic {t.name} has {existing[t.name]} partitions, Palette was set up for {partitions_of(t, settings)}."
            for t in wanted
            if existing.get(t.name) and existing[t.name] != partitions_of(t, settings)
        ]
        if problems:
            raise Misconfigured(problems)
        missing = [t for t in wanted if not existing.get(t.name)]
        if missing:
            admin.create_topics(
                [
                    NewTopic(
                        name=t.name,
                        num_partitions=partitions_of(t, settings),
                        replication_factor=settings.topic_replicas,
                        topic_configs=t.config(replicas=settings.topic_replicas),
                    )
                    for t in missing
                ]
            )
        return [t.name for t in missing]
    except TopicAlreadyExistsError:
        return []
    except KafkaError as error:
        raise Unavailable(f"Kafka did not create the topics ({type(error).__name__})") from None
    finally:
        admin.close()


def partition_of(key: bytes, partitions: int) -> int:
    """Where a key lives (murmur2, as Java clients place it)."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)
