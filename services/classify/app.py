"""Wires classify: the tagger into the Faust loop, models that come into force and are made, metrics, health, and one
sentence tagged on request for the page."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.classify.experience.conversations import Conversations
from services.classify.io.activations import ModelWatch
from services.classify.io.conversation_log import KafkaLog
from services.classify.io.craft import FILES, craft_on, digest_of, with_version
from services.classify.io.versions import MODELS, Versions
from services.classify.io.workshop import Workshop, workshop_routes
from services.classify.loading import PHRASES, load_tagger
from services.classify.metrics import ClassifyMetrics
from services.classify.model.artefact import FOLDER
from services.classify.oversight import looked_at
from services.classify.step import INPUTS, SERVICE, classify
from services.classify.tag_command import tag_lines
from services.classify.tagging.tagger import Tagger
from services.classify.taxonomy.labels import FILE
from services.contracts.codec import Outbound, RawMessage
from services.contracts.events import ModelActivated
from services.contracts.learning import FILE as LEARNING
from services.contracts.learning import Learning, read_learning
from services.contracts.policyfiles import read_folder
from services.contracts.yamlfile import PolicyRefused
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
    policy = PolicyMetrics(process.registry, [FILE, PHRASES, LEARNING])
    tagger = load_tagger(process.settings.policy_dir)
    shipped = tagger.versions
    for file in (FILE, PHRASES):
        policy.loaded(file, utc_now().timestamp())
    process.log.info("model loaded", model=shipped.model, taxonomy=shipped.taxonomy)
    metrics = ClassifyMetrics(process.registry, consumer, tagger)
    versions = Versions(process.settings.data_dir / MODELS, shipped=FOLDER, version=shipped.model, files=FILES)
    versions.sweep()

    def load(activation: ModelActivated) -> Tagger:
        return with_version(watch.tagger, versions.folder_of(activation.version, digest=activation.digest))

    watch = ModelWatch(process, tagger, digest_of(FOLDER), load=load, metrics=metrics)
    del tagger  # the watch holds the one in force; here the first would stay in memory for ever
    workshop = Workshop(
        versions,
        craft=lambda: craft_on(watch.tagger),
        bounds=lambda: _bounds(process, policy),
        clock=utc_now,
    )
    conversations = Conversations(KafkaLog(process.settings))
    one_at_a_time = threading.Lock()
    return_freed_memory()

    def step(messages: Sequence[RawMessage], now: datetime) -> Sequence[Outbound]:
        with one_at_a_time:
            outcome = classify(
                messages, tagger=watch.tagger, now=now, version=process.version, conversations=conversations
            )
            sample = looked_at(messages, watch.tagger)
        metrics.saw(outcome.classified)
        metrics.looked(sample)
        return outcome.outbound

    def tagged(line: bytes) -> bytes:
        with one_at_a_time:
            return tag_lines([line], watch.tagger)[0]

    def server(halt: Halt) -> ThreadedServer:
        routes = [
            *ops_routes(process.health, process.registry, controls={"resume": halt.resume}),
            *workshop_routes(workshop, versions, lambda: watch.tagger.versions.model),
            Route("/internal/tag", _tag_route(tagged), methods=["POST"]),
        ]
        app = Guard(Starlette(routes=routes), settings=process.settings)
        return ThreadedServer(app, host=process.settings.bind, port=process.settings.classify_metrics_port)

    worker = Worker(
        process=process,
        topics=INPUTS,
        step=step,
        metrics=consumer,
        group=SERVICE,
        gate=watch.settled,
        assigned=watch.settled,
        beside=(watch.follow,),
    )
    run_worker(worker, server=server)


def _bounds(process: Process, policy: PolicyMetrics) -> Learning:
    """The bounds in the policy folder now; while they cannot be read, the ones that Palette ships with."""
    try:
        found = read_learning(read_folder(process.settings.policy_dir))
    except PolicyRefused as refused:
        policy.refused(LEARNING)
        process.log.error("learning.yaml refused; defaults count", problems=[str(p) for p in refused.problems])
        return Learning()
    policy.loaded(LEARNING, utc_now().timestamp())
    return found


def _tag_route(tagged: Callable[[bytes], bytes]) -> Callable[[Request], Awaitable[Response]]:
    async def tag(request: Request) -> Response:
        """One line as of `palette tag` in, one out. Nothing is stored, sent or logged."""
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MOST_BYTES:
                return problem(413, "Too large", code="size")
        return Response(await asyncio.to_thread(tagged, bytes(body)), media_type="application/json")

    return tag
