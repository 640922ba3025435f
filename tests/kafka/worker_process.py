"""A real worker in a process of its own, around a step whose behaviour the messages themselves ask for.

Run as `python -m tests.kafka.worker_process`; `PALETTE_TEST_GROUP` names its group. A message is JSON with a number
`n` and perhaps `do`: `die` (the process kills itself), `poison` (a dead letter), `bug` (the step raises), `away` (a
dependency is away for the first three tries). The answer goes to `feedback-classified` under the same key.
"""

import os
import signal
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from starlette.applications import Starlette

from services.contracts.codec import Outbound, RawMessage, dead_letter
from services.contracts.errors import Unavailable
from services.contracts.topics import FEEDBACK_CLASSIFIED, FEEDBACK_RECEIVED
from services.kit.http import Guard, ops_routes
from services.kit.metrics import ConsumerMetrics
from services.kit.process import Process, run
from services.kit.server import ThreadedServer
from services.kit.worker import Halt, Worker, run_worker

GROUP = "PALETTE_TEST_GROUP"
SECONDS_PER_BATCH = "PALETTE_TEST_SECONDS_PER_BATCH"

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_tries: dict[int, int] = {}


def step(messages: Sequence[RawMessage], at: datetime) -> list[Outbound]:
    """One answer per message, after the time that the work is said to take."""
    time.sleep(float(os.environ.get(SECONDS_PER_BATCH, "0")))  # the work itself, not a wait for anything
    return [_answer(message, at) for message in messages]


def _answer(message: RawMessage, at: datetime) -> Outbound:
    assert message.value is not None
    asked = _decode(message.value)
    match asked.get("do"):
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "bug":
            raise RuntimeError("as asked")
        case "poison":
            return dead_letter(message, service="classify", version="0", code="poison", detail="as asked", at=at)
        case "away" if _tries.setdefault(asked["n"], 0) < 3:
            _tries[asked["n"]] += 1
            raise Unavailable("as asked")
    return Outbound(FEEDBACK_CLASSIFIED, message.key, b'{"n":%d}' % asked["n"])


def main(process: Process) -> None:
    worker = Worker(
        process=process,
        topics=(FEEDBACK_RECEIVED,),
        step=step,
        metrics=ConsumerMetrics(process.registry, [FEEDBACK_RECEIVED]),
        group=os.environ[GROUP],
    )

    def server(halt: Halt) -> ThreadedServer:
        routes = ops_routes(process.health, process.registry, controls={"resume": halt.resume})
        app = Guard(Starlette(routes=routes), settings=process.settings)
        return ThreadedServer(app, host="127.0.0.1", port=process.settings.classify_metrics_port)

    run_worker(worker, server=server)


if __name__ == "__main__":
    run("classify", main)
