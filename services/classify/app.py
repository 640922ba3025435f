"""Wires classify: the tagger into the Faust loop, metrics, health, and one sentence tagged on request for the page."""

import asyncio
import threading
from collections.abc import Sequence
from datetime import datetime

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.classify.loading import PHRASES, load_tagger
from services.classify.metrics import ClassifyMetrics
from services.classify.step import INPUTS, SERVICE, classify
from services.classify.tag_command import tag_lines
from services.classify.tagger import Tagger
from services.classify.taxonomy import FILE
from services.contracts.codec import Outbound, RawMessage
from services.kit.clock import utc_now
from services.kit.http import Guard, ops_routes, problem
from services.kit.metrics import ConsumerMetrics, PolicyMetrics
from services.kit.process import Process, return_freed_memory, run
from services.kit.server import ThreadedServer
from services.kit.worker import Halt, Worker, run_worker

_MOST_BYTES = 200_000


def main() -> None:
    """Runs until SIGTERM or SIGINT."""
    run(SERVICE, _serve)


def _serve(process: Process) -> None:
    consumer = ConsumerMetrics(process.registry, INPUTS)
    policy = PolicyMetrics(process.registry, [FILE, PHRASES])
    tagger = load_tagger(process.settings.policy_dir)
    for file in (FILE, PHRASES):
        policy.loaded(file, utc_now().timestamp())
    process.log.info("model loaded", model=tagger.versions.model, taxonomy=tagger.versions.taxonomy)
    metrics = ClassifyMetrics(process.registry, consumer, tagger)
    one_at_a_time = threading.Lock()
    return_freed_memory()

    def step(messages: Sequence[RawMessage], now: datetime) -> Sequence[Outbound]:
        with one_at_a_time:
            outcome = classify(messages, tagger=tagger, now=now, version=process.version)
        metrics.saw(outcome.classified)
        return outcome.outbound

    worker = Worker(process=process, topics=INPUTS, step=step, metrics=consumer, group=SERVICE)
    run_worker(worker, server=lambda halt: _ops(process, halt, tagger, one_at_a_time))


def _ops(process: Process, halt: Halt, tagger: Tagger, one_at_a_time: threading.Lock) -> ThreadedServer:
    def tagged(line: bytes) -> bytes:
        with one_at_a_time:
            return tag_lines([line], tagger)[0]

    async def tag(request: Request) -> Response:
        """One line as of `palette tag` in, one out. Nothing is stored, sent or logged."""
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MOST_BYTES:
                return problem(413, "Too large", code="size")
        return Response(await asyncio.to_thread(tagged, bytes(body)), media_type="application/json")

    settings = process.settings
    routes = [
        *ops_routes(process.health, process.registry, controls={"resume": halt.resume}),
        Route("/internal/tag", tag, methods=["POST"]),
    ]
    app = Guard(Starlette(routes=routes), settings=settings)
    return ThreadedServer(app, host=settings.bind, port=settings.classify_metrics_port)
