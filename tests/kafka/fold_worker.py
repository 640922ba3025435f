"""A worker that folds for the tests: counts per key, repeats each value, and does what some values say.

Run as a process: `python -m tests.kafka.fold_worker INPUT STATE OUTPUT`. Values are `name-00001`, `name-die` and so on.
"""

import asyncio
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from starlette.applications import Starlette

from services.contracts.codec import Outbound, RawMessage, dead_letter
from services.kit.fold import Fold, run_fold
from services.kit.http import ops_routes
from services.kit.metrics import ConsumerMetrics
from services.kit.process import Process, run
from services.kit.server import ThreadedServer
from services.kit.worker import Halt

INPUT, STATE, OUTPUT = sys.argv[1:4] if len(sys.argv) > 3 else ("", "", "")


class Counting:
    """Counts the messages of each key."""

    def __init__(self, partition: int, process: Process) -> None:
        self._partition = partition
        self._process = process
        self._counts: Counter[bytes] = Counter()

    def restore(self, key: bytes, value: bytes | None) -> None:
        self._counts[key] = int(value or b"0")

    def fold(self, messages: Sequence[RawMessage], now: datetime) -> Sequence[Outbound]:
        out = []
        for message in messages:
            assert message.key is not None
            match (message.value or b"").partition(b"-")[2]:
                case b"die":
                    os._exit(9)
                case b"raise":
                    raise KeyError("a bug")
                case b"hold":
                    (self._process.settings.data_dir / f"held-{self._process.settings.worker}").touch()
                    time.sleep(1)
                case b"poison":
                    out.append(dead_letter(message, service="router", version="t", code="bad", detail="", at=now))
                    continue
            self._counts[message.key] += 1
            out.append(Outbound(OUTPUT, message.key, message.value))
        out += [
            Outbound(STATE, key, str(self._counts[key]).encode(), partition=self._partition)
            for key in {message.key for message in messages if message.key}
        ]
        return out


def serve(process: Process) -> None:
    metrics = ConsumerMetrics(process.registry, [INPUT])
    fold = Fold(
        process=process,
        group=f"fold-{INPUT}",
        topic=INPUT,
        state_topic=STATE,
        make=lambda partition: Counting(partition, process),
        metrics=metrics,
        batch_size=100,
    )
    halt = Halt(fold)
    app = Starlette(routes=ops_routes(process.health, process.registry, controls={"resume": halt.resume}))
    ThreadedServer(app, host="127.0.0.1", port=process.settings.router_metrics_port).start()

    async def beating() -> None:
        while True:
            process.health.beat()
            await asyncio.sleep(0.5)

    async def both() -> None:
        beat = asyncio.create_task(beating())
        await run_fold(fold, halt)
        beat.cancel()

    asyncio.run(both())


if __name__ == "__main__":
    assert Path("services").is_dir()
    run("router", serve)
