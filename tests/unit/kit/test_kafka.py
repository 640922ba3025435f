"""Where keys live, and how both libraries are told of a cluster."""

import random

import pytest
from aiokafka.partitioner import DefaultPartitioner as AiokafkaPartitioner
from hypothesis import given
from hypothesis import strategies as st
from kafka.partitioner.default import DefaultPartitioner as KafkaPythonPartitioner
from pydantic import SecretStr

from services.contracts.errors import Misconfigured
from services.contracts.topics import load_topics
from services.kit.kafka import client_settings, for_aiokafka, partition_of, partitions_of
from services.kit.settings import Settings


class _Cluster:
    """A cluster with one topic, as far as the partitioner asks."""

    def __init__(self, partitions: list[int]) -> None:
        self._partitions = set(partitions)

    def topics(self) -> set[str]:
        return {"t"}

    def partitions_for_topic(self, _topic: str) -> set[int]:
        return self._partitions

    available_partitions_for_topic = partitions_for_topic


@given(key=st.binary(max_size=60), partitions=st.sampled_from([1, 4, 12]))
def test_a_key_lives_where_both_libraries_put_it(key: bytes, partitions: int) -> None:
    every = list(range(partitions))
    theirs = KafkaPythonPartitioner().partition("t", None, key, None, b"", _Cluster(every))

    assert partition_of(key, partitions) == theirs
    assert partition_of(key, partitions) == AiokafkaPartitioner()(key, every, every)


def test_a_key_lives_where_java_puts_it() -> None:
    # from Kafka's own UtilsTest: murmur2 of these strings
    known = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536}
    for key, hashed in known.items():
        assert partition_of(key, 12) == (hashed & 0x7FFFFFFF) % 12


def test_keys_spread_over_all_partitions() -> None:
    chosen = random.Random(7)
    keys = [chosen.randbytes(16) for _ in range(4_000)]
    counts = [sum(partition_of(key, 4) == p for key in keys) for p in range(4)]

    assert all(850 < count < 1150 for count in counts)


def test_a_topic_is_born_with_the_partitions_of_its_place() -> None:
    topic = load_topics()["feedback-received"]

    assert partitions_of(topic, Settings()) == 4
    assert partitions_of(topic, Settings().model_copy(update={"topic_partitions": "cluster"})) == 12


def test_without_further_settings_both_libraries_speak_plainly_to_the_embedded_kafka() -> None:
    assert client_settings(Settings()) == {
        "bootstrap_servers": ["127.0.0.1:9092"],
        "security_protocol": "PLAINTEXT",
    }
    assert for_aiokafka(Settings())["bootstrap_servers"] == "127.0.0.1:9092"


def test_a_cluster_with_sasl_and_tls_is_told_to_both() -> None:
    settings = Settings().model_copy(
        update={
            "kafka_bootstrap_servers": "a:1,b:2",
            "kafka_security_protocol": "SASL_SSL",
            "kafka_sasl_mechanism": "PLAIN",
            "kafka_sasl_username": "palette",
            "kafka_sasl_password": SecretStr("s"),
        }
    )

    assert client_settings(settings)["bootstrap_servers"] == ["a:1", "b:2"]
    assert client_settings(settings)["sasl_plain_password"] == "s"
    assert for_aiokafka(settings)["sasl_mechanism"] == "PLAIN"
    assert for_aiokafka(settings)["ssl_context"].check_hostname


@pytest.mark.parametrize("settings_for", [client_settings, for_aiokafka])
def test_sasl_without_a_password_says_what_is_missing(settings_for: object) -> None:
    settings = Settings().model_copy(update={"kafka_sasl_mechanism": "PLAIN"})

    with pytest.raises(Misconfigured, match="KAFKA_SASL_PASSWORD"):
        settings_for(settings)  # type: ignore[operator]
