"""The router on the real Kafka: kills, joins, leaves and frozen workers, against ground truth."""

import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.contracts.events import ActionCommand, FeedbackClassified
from services.contracts.topics import ROUTING_SIGNALS
from services.launcher.kafka import EmbeddedKafka
from tests.kafka.routers import Bench
from tests.ports import free_port
from tests.unit.router.builders import classified, tags
from tests.waiting import until

REGIONS = 24
NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, kafka_cache: Path) -> Iterator[EmbeddedKafka]:
    """A broker of this module's own: the router's topics have fixed names."""
    with EmbeddedKafka(tmp_path_factory.mktemp("router kafka"), kafka_cache, free_port()) as kafka:
        yield kafka


@pytest.fixture(scope="module")
def bench(broker: EmbeddedKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    bench = Bench(broker.bootstrap_servers, tmp_path_factory.mktemp("router data"))
    bench.activate_policy()
    yield bench
    bench.close()


@pytest.fixture(autouse=True)
def no_worker_left(bench: Bench) -> Iterator[None]:
    yield
    while bench.workers:
        bench.workers.pop().kill()


def complaints(count: int, name: str) -> list[FeedbackClassified]:
    """Distinct parcel complaints over the regions of a story of their own."""
    moment = datetime.now(UTC)
    return [
        classified(
            id=f"{name}-{n}",
            customer=f"{name}-c{n}",
            occurred_at=moment - timedelta(seconds=n % 100),
            received_at=moment,
            tagged_at=moment,
            attributes={"region": f"{name}-{n % REGIONS}"},
        )
        for n in range(count)
    ]


def group(name: str, region: int) -> str:
    return f"cause.improvement/theme:driver-marked-delivered/region:{name}-{region}"


def truth(count: int, name: str) -> dict[str, int]:
    return {group(name, region): len(range(region, count, REGIONS)) for region in range(REGIONS)}


def counted(bench: Bench, name: str) -> dict[str, int]:
    return {g: n for g, n in bench.signals_by_group().items() if f"region:{name}-" in g}


def assert_exact(bench: Bench, count: int, name: str) -> None:
    """Counts are the truth; no change came out twice; members are the distinct ids; refolding gives the same."""
    until(lambda: counted(bench, name) == truth(count, name), seconds=60, every=0.5, what="every signal to be counted")
    changes = bench.changes()
    ids = [change.id for change in changes]
    assert len(ids) == len(set(ids))
    members = {
        event
        for change in changes
        if f"region:{name}-" in change.group
        for event in (*change.members, *((change.event,) if change.event else ()))
    }
    assert members == {f"{name}-{n}" for n in range(count)}
    actions, refolded = bench.refolded()
    assert bench.actions() == actions
    assert sorted(ids) == sorted(refolded)


def test_a_worker_that_is_killed_again_and_again_loses_and_doubles_nothing(bench: Bench) -> None:
    events = complaints(3_000, "kill")
    bench.send(events[:1_000])
    for start in (1_000, 2_000):
        worker = bench.worker().ready()
        bench.send(events[start : start + 500])
        worker.kill()
        bench.send([*events[start + 500 : start + 1_000], *events[start : start + 50]])
    bench.worker().ready()

    assert_exact(bench, 3_000, "kill")


def test_two_workers_join_and_leave_in_mid_stream(bench: Bench) -> None:
    events = complaints(3_000, "share")
    one = bench.worker("one").ready()
    bench.send(events[:1_000])
    two = bench.worker("two")
    bench.send(events[1_000:2_000])
    two.ready()
    until(lambda: "4 partitions" not in one.checks()["state restored"]["message"], what="the work to be shared")
    one.signal(signal.SIGTERM)
    bench.send(events[2_000:])

    assert one.ended() == 0
    assert_exact(bench, 3_000, "share")


def test_a_frozen_worker_is_fenced_and_cannot_spoil_what_another_did(bench: Bench) -> None:
    events = complaints(2_400, "ice")
    frozen = bench.worker("frozen").ready()
    bench.send(events[:800])
    frozen.signal(signal.SIGSTOP)
    bench.send(events[800:1_600])
    other = bench.worker("other").ready()
    until(lambda: counted(bench, "ice") == truth(1_600, "ice"), seconds=60, every=0.5, what="the other to take over")
    frozen.signal(signal.SIGCONT)
    bench.send(events[1_600:])

    assert_exact(bench, 2_400, "ice")
    assert other.process.poll() is None


def test_commands_are_done_and_refused_with_their_reason(bench: Bench) -> None:
    bench.worker().ready()
    bench.send(complaints(3 * REGIONS, "ask"))
    until(lambda: counted(bench, "ask") == truth(3 * REGIONS, "ask"), what="the actions to open")
    action = next(a for a in bench.actions().values() if a.group == group("ask", 0))
    asked = [
        ActionCommand(id=f"ask-{n}", action=action.id, group=action.group, command=name, by="ann", at=NOW, to=to)
        for n, (name, to) in enumerate(
            [("acknowledge", None), ("acknowledge", None), ("assign", "billing"), ("start", None), ("resolve", None)]
        )
    ]
    bench.send(asked)

    def answers() -> dict[str | None, tuple[str, str]]:
        return {c.command: (c.change, c.reason) for c in bench.changes() if c.command in {a.id for a in asked}}

    until(lambda: len(answers()) == 5, what="an answer to each command")
    assert answers() == {
        "ask-0": ("acknowledged", "asked"),
        "ask-1": ("refused", "already_acknowledged"),
        "ask-2": ("handed_over", "asked"),
        "ask-3": ("started", "asked"),
        "ask-4": ("resolved", "asked"),
    }
    now = bench.actions()[action.id]
    assert (now.state, now.plan.team) == ("resolved", "billing")
    assert now.expectation is not None


def test_a_promise_that_comes_due_is_noted(bench: Bench) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=20)
    danger = classified(
        id="due-1",
        customer="due-c",
        occurred_at=long_ago,
        received_at=long_ago,
        tagged_at=long_ago,
        tags=tags(severity=3, severity_kind="safety", themes=()),
        attributes={},
    )
    bench.worker().ready()
    bench.send([danger])

    def breached() -> list[tuple[str, ...]]:
        return [a.breached for a in bench.actions().values() if a.group == "recovery.improvement/customer:due-c"]

    until(
        lambda: [sorted(timers) for timers in breached()] == [["acknowledge_due", "resolve_due"]], what="two breaches"
    )


def test_without_a_policy_nothing_is_decided_and_the_router_is_not_ready(tmp_path: Path, kafka_cache: Path) -> None:
    with EmbeddedKafka(tmp_path / "kafka", kafka_cache, free_port()) as untouched:
        bench = Bench(untouched.bootstrap_servers, tmp_path / "data")
        try:
            worker = bench.worker("waiting")
            until(lambda: worker.get("/health/live")[0] == 200, what="the router to be live")
            until(lambda: worker.checks().get("state restored", {}).get("ok"), what="the fold to be ready")
            assert worker.get("/health/ready")[0] == 503
            assert worker.checks()["policy in force"]["message"] == "no policy was activated yet"
        finally:
            bench.close()


def test_a_bad_policy_leaves_the_old_one_in_force(bench: Bench) -> None:
    worker = bench.worker().ready()
    version = worker.checks()["policy in force"]["message"]
    before = len(bench.read(ROUTING_SIGNALS))
    bench.activate_policy(rules="rules: [{name: x, team: nobody}]\n")
    bench.send(complaints(REGIONS, "bad"))

    until(lambda: len(bench.read(ROUTING_SIGNALS)) == before + REGIONS, what="events to be decided")
    assert worker.checks()["policy in force"]["message"] == version
    assert 'palette_policy_last_reload_successful{file="rules.yaml"} 0.0' in worker.get("/metrics")[1]
    assert 'palette_policy_last_reload_successful{file="teams.yaml"} 1.0' in worker.get("/metrics")[1]
