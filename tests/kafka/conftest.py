"""The embedded Kafka for every test that needs a broker: one for the whole session, empty at its start."""

import gc
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.launcher.kafka import EmbeddedKafka
from tests.ports import free_port

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def kafka_cache() -> Path:
    """Where the jars are kept between runs."""
    return Path(os.environ.get("PALETTE_CACHE_DIR") or CHECKOUT / ".cache")


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory, kafka_cache: Path) -> Iterator[EmbeddedKafka]:
    """A running broker; `kafka.bootstrap_servers` is all that most tests need. It is shared: use topics of your own."""
    with EmbeddedKafka(tmp_path_factory.mktemp("kafka data"), kafka_cache, free_port()) as broker:
        yield broker


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.kafka)


@pytest.fixture(scope="module", autouse=True)
def sockets_left_by_the_kafka_client_are_gone() -> Iterator[None]:
    """kafka-python leaves sockets to the collector when a broker goes away; here, not in somebody else's test."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
