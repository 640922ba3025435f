"""An outage is Kafka's fault: the messages in hand are not suspected of it, however often it comes."""

import asyncio
import dataclasses
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    NotEnoughReplicasError,
    ProducerFenced,
)
from prometheus_client import CollectorRegistry

from services.contracts.codec import Outbound, RawMessage
from services.contracts.errors import EXIT_DEPENDENCY_AWAY
from services.kit.logs import Log
from services.kit.metrics import ConsumerMetrics
from services.kit.outage import is_outage
from services.kit.poison import BegunNote
from services.kit.process import EXIT_BUG, Process
from services.kit.settings import Settings
from services.kit.worker import Halt, Worker, _Loop

MESSAGE = RawMessage("feedback-received", 0, 7, b"k", b"{}")


class Ended(Exception):
    """The process is gone, with this exit code."""


@dataclasses.dataclass(frozen=True)
class Mortal(Process):
    def end(self, code: int) -> None:
        raise Ended(code)


class FailingProducer:
    def __init__(self, error: Exception) -> None:
        self._error = error

    async def send(self, *_: Any, **__: Any) -> None:
        raise self._error


@pytest.mark.parametrize(
    "error", [KafkaTimeoutError(), KafkaConnectionError(), NotEnoughReplicasError(), ProducerFenced()], ids=repr
)
def test_kafka_away_is_an_outage(error: Exception) -> None:
    assert is_outage(error)


@pytest.mark.parametrize("error", [MessageSizeTooLargeError(), ValueError(), asyncio.CancelledError()], ids=repr)
def test_what_the_message_or_we_did_is_none(error: BaseException) -> None:
    assert not is_outage(error)


@pytest.mark.parametrize(
    ("error", "code", "is_suspected"),
    [(KafkaTimeoutError(), EXIT_DEPENDENCY_AWAY, False), (MessageSizeTooLargeError(), EXIT_BUG, True)],
    ids=["outage", "oversize output"],
)
def test_a_batch_is_suspected_only_of_what_it_did(
    tmp_path: Path, error: Exception, code: int, is_suspected: bool
) -> None:
    (tmp_path / "worker").mkdir()
    settings = Settings(data_dir=tmp_path)
    for _ in range(3):
        registry = CollectorRegistry()
        worker = Worker(
            process=Mortal("classify", settings, Log("classify"), registry),
            topics=("feedback-received",),
            step=lambda _messages, _now: [Outbound("feedback-classified", b"k", b"{}")],
            metrics=ConsumerMetrics(registry, ["feedback-received"]),
            group="classify",
        )

        async def batch(worker: Worker = worker) -> None:
            await _Loop(worker, Halt(worker))._batch([MESSAGE], FailingProducer(error))

        with pytest.raises(Ended) as ended:
            asyncio.run(batch())
        assert ended.value.args == (code,)

    note = BegunNote(tmp_path / "worker" / f"classify-{settings.worker}.begun")
    assert note.one_by_one([MESSAGE]) is is_suspected
