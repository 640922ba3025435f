"""The targets file on disk, while notify runs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from services.contracts.errors import Misconfigured
from services.kit.logs import Log
from services.kit.metrics import PolicyMetrics
from services.notify.io.outbox import Outbox
from services.notify.io.targets import TargetsInForce
from services.notify.metrics import NotifyMetrics
from services.notify.targets import FILE, Target
from tests.unit.notify.builders import NOON, notification

ONE = "targets:\n  - {name: actions, kind: jsonlines}\n"
TWO = ONE + "  - {name: others, kind: jsonlines}\n"


class RecordingQueue:
    """Stands for a queue; notes what it is asked."""

    def __init__(self, target: Target, calls: list[str]) -> None:
        self.target = target
        self._calls = calls

    def start(self) -> None:
        self._calls.append(f"start {self.target.name}")

    def stop(self) -> None:
        self._calls.append(f"stop {self.target.name}")

    def wake(self) -> None:
        self._calls.append(f"wake {self.target.name}")


class Bench:
    def __init__(self, folder: Path) -> None:
        self.file = folder / FILE
        self.calls: list[str] = []
        self.now = NOON
        self.outbox = Outbox(folder / "outbox.sqlite")
        self.registry = CollectorRegistry()
        self.counts = NotifyMetrics(self.registry)
        queue: Any = RecordingQueue
        self.targets = TargetsInForce(
            folder,
            queue_for=lambda target: queue(target, self.calls),
            outbox=self.outbox,
            metrics=PolicyMetrics(self.registry, [FILE]),
            counts=self.counts,
            log=Log("notify"),
            clock=lambda: self.now,
            allow_private=False,
        )
        self.counts.watch_pending(self.targets.oldest_age)

    def metric(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.outbox.close()


def test_a_target_that_is_added_starts_and_one_that_is_removed_stops(bench: Bench) -> None:
    bench.file.write_text(ONE, encoding="utf-8")
    bench.targets.start()
    bench.targets.refresh()
    assert bench.calls == ["start actions"]
    bench.file.write_text(TWO, encoding="utf-8")
    bench.targets.refresh()
    assert bench.calls == ["start actions", "start others"]
    bench.file.write_text(TWO.replace("name: actions", "name: renamed"), encoding="utf-8")
    bench.targets.refresh()
    assert bench.calls[2:] == ["stop actions", "start renamed"]


def test_a_file_with_a_mistake_leaves_the_targets_as_they_were_and_a_metric_says_so(bench: Bench) -> None:
    bench.file.write_text(ONE, encoding="utf-8")
    bench.targets.start()
    assert bench.metric("palette_policy_last_reload_successful", file=FILE) == 1
    bench.file.write_text("targets: 3\n", encoding="utf-8")
    bench.targets.refresh()
    assert bench.metric("palette_policy_last_reload_successful", file=FILE) == 0
    bench.file.unlink()
    bench.targets.refresh()
    bench.targets.wake(["actions"])
    assert bench.calls == ["start actions", "wake actions"]
    bench.file.write_text(ONE, encoding="utf-8")
    bench.targets.refresh()
    assert bench.metric("palette_policy_last_reload_successful", file=FILE) == 1


def test_the_first_file_must_be_right(bench: Bench) -> None:
    with pytest.raises(Misconfigured, match="PALETTE_POLICY_DIR"):
        bench.targets.start()
    bench.file.write_text("targets:\n  - {name: actions, kind: smoke}\n", encoding="utf-8")
    with pytest.raises(Misconfigured, match=r"targets\.yaml:2: `smoke` is not allowed"):
        bench.targets.start()


def test_the_age_of_what_waits_is_seen_by_kind_of_target_unknown_ones_too(bench: Bench) -> None:
    bench.file.write_text(ONE, encoding="utf-8")
    bench.targets.start()
    taken = NOON.timestamp()
    bench.outbox.take([(notification(target="actions"), None)], now=taken - 60)
    bench.outbox.take([(notification(target="nobody"), None)], now=taken - 90)
    ages = {c: bench.metric("palette_delivery_oldest_pending_age_seconds", channel=c) for c in ("jsonlines", "unknown")}
    assert ages == {"jsonlines": 60.0, "unknown": 90.0}
    assert bench.metric("palette_delivery_oldest_pending_age_seconds", channel="webhook") == 0.0


def test_what_waits_a_day_for_a_target_that_nobody_knows_is_given_up_loudly(bench: Bench) -> None:
    bench.file.write_text(ONE, encoding="utf-8")
    bench.targets.start()
    told = notification(target="nobody")
    bench.outbox.take([(told, None)], now=NOON.timestamp() - 86_399)
    bench.targets.give_up_unknown()
    assert bench.outbox.unreported() == []
    bench.outbox.take([(notification(target="noone"), None)], now=NOON.timestamp() - 86_401)
    bench.targets.give_up_unknown()
    [finished] = bench.outbox.unreported()
    assert (finished.target, finished.outcome, finished.attempts) == ("noone", "gave_up", 0)
    assert bench.metric("palette_deliveries_total", channel="unknown", outcome="gave_up") == 1
