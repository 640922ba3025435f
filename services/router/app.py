"""Wires the router: policy, step one on Faust, the fold beside it, the clock, metrics and health."""

from collections.abc import Sequence
from datetime import datetime

from starlette.applications import Starlette

from services.contracts.codec import Outbound, RawMessage
from services.contracts.topics import ACTION_COMMANDS, FEEDBACK_CLASSIFIED, ROUTER_STATE, ROUTING_SIGNALS
from services.kit.clock import utc_now
from services.kit.fold import Fold, run_fold
from services.kit.http import Guard, ops_routes
from services.kit.metrics import ConsumerMetrics
from services.kit.process import Process, run
from services.kit.server import ThreadedServer
from services.kit.worker import Halt, Worker, run_worker
from services.router.io.clock import run_clock
from services.router.io.policies import PolicyWatch
from services.router.metrics import RouterMetrics
from services.router.partition import GroupsOfPartition
from services.router.signals import route

SERVICE = "router"
FOLD_GROUP = "router-fold"


def main() -> None:
    """Runs until SIGTERM or SIGINT."""
    run(SERVICE, _serve)


def _serve(process: Process) -> None:
    consumer_metrics = ConsumerMetrics(process.registry, [FEEDBACK_CLASSIFIED, ACTION_COMMANDS, ROUTING_SIGNALS])
    metrics = RouterMetrics(process.registry, consumer_metrics, utc_now)
    watch = PolicyWatch(process, loaded=metrics.knows)

    def step(messages: Sequence[RawMessage], now: datetime) -> Sequence[Outbound]:
        return route(messages, now, policies=watch.policies, version=process.version, observe=metrics.decided)

    fold = Fold(
        process=process,
        group=FOLD_GROUP,
        topic=ROUTING_SIGNALS,
        state_topic=ROUTER_STATE,
        make=lambda number: GroupsOfPartition(number, version=process.version, observe=metrics.changed),
        metrics=consumer_metrics,
    )
    fold_halt = Halt(fold)

    async def second_step() -> None:
        await run_fold(fold, fold_halt)

    async def clock() -> None:
        await run_clock(process, clock=utc_now, saw=metrics.saw)

    worker = Worker(
        process=process,
        topics=(FEEDBACK_CLASSIFIED, ACTION_COMMANDS),
        step=step,
        metrics=consumer_metrics,
        group=SERVICE,
        gate=watch.wait,
        beside=(watch.follow, second_step, clock),
    )
    run_worker(worker, server=lambda halt: _ops(process, halt, fold_halt))


def _ops(process: Process, *halts: Halt) -> ThreadedServer:
    def resume() -> str:
        return "; ".join(halt.resume() for halt in halts)

    routes = ops_routes(process.health, process.registry, controls={"resume": resume})
    settings = process.settings
    return ThreadedServer(
        Guard(Starlette(routes=routes), settings=settings), host=settings.bind, port=settings.router_metrics_port
    )
