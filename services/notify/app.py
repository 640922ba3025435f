"""Wires notify: Kafka into the outbox, the outbox into the targets, outcomes back to Kafka."""

import signal
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from starlette.applications import Starlette

from services.contracts.errors import Misconfigured
from services.contracts.events import Notification
from services.contracts.topics import NOTIFICATIONS
from services.kit.clock import utc_now
from services.kit.http import Guard, ops_routes
from services.kit.kafka import create_topics
from services.kit.metrics import ConsumerMetrics, PolicyMetrics
from services.kit.process import Process, WorkerLock, run
from services.kit.server import ThreadedServer
from services.kit.settings import Settings
from services.notify.io.jsonlines import JsonLinesFile
from services.notify.io.outbox import KEPT_SECONDS, Outbox
from services.notify.io.page import ActionsApi
from services.notify.io.queue import Channel, Compose, LookUp, TargetQueue
from services.notify.io.reader import NotificationReader
from services.notify.io.targets import TargetsInForce
from services.notify.io.webhook import WebhookTarget
from services.notify.messages import Message, compose
from services.notify.metrics import NotifyMetrics
from services.notify.names import TAXONOMY_FILE, TEAMS_FILE, Names, read_names
from services.notify.step import SERVICE
from services.notify.targets import FILE, Target

_TIDY_EVERY_SECONDS = 60.0


def main() -> None:
    """Runs until SIGTERM or SIGINT."""
    run(SERVICE, _serve)


def _serve(process: Process) -> None:
    settings = process.settings
    lock = WorkerLock(settings.data_dir, SERVICE, settings.worker)
    outbox = Outbox(settings.data_dir / "notify" / f"outbox-{settings.worker}.sqlite")
    counts = NotifyMetrics(process.registry)
    api = ActionsApi(settings.api_url or settings.page_url, key=_own_key(settings))
    targets = TargetsInForce(
        settings.policy_dir,
        queue_for=_queues(process, outbox=outbox, counts=counts, look_up=api.look_up),
        outbox=outbox,
        metrics=PolicyMetrics(process.registry, [FILE]),
        counts=counts,
        log=process.log,
        clock=utc_now,
        allow_private=settings.allow_private_targets,
    )
    counts.watch_pending(targets.oldest_age)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    create_topics(settings)
    reader = NotificationReader(
        process,
        outbox=outbox,
        metrics=ConsumerMetrics(process.registry, [NOTIFICATIONS]),
        clock=utc_now,
        arrived=targets.wake,
        beside=_beside(targets, outbox),
    )
    ops = _ops(process, reader).start()
    try:
        targets.start()
        reader.run(stopping)
    finally:
        targets.stop()
        ops.stop()
        api.close()
        outbox.close()
        lock.release()


def _queues(
    process: Process, *, outbox: Outbox, counts: NotifyMetrics, look_up: LookUp
) -> Callable[[Target], TargetQueue]:
    """Makes the queue of a target, with the adapter of its kind. Names are read anew, so that new ones are used."""

    def queue_for(target: Target) -> TargetQueue:
        return TargetQueue(
            target,
            _channel(target, process),
            outbox=outbox,
            compose=_composer(process.settings),
            look_up=look_up,
            metrics=counts,
            log=process.log,
            clock=utc_now,
        )

    return queue_for


def _channel(target: Target, process: Process) -> Channel:
    if target.kind == "webhook":
        return WebhookTarget(target, version=process.version, clock=utc_now)
    return JsonLinesFile(process.settings.data_dir / "notify" / f"{target.name}.jsonl")


def _composer(settings: Settings) -> Compose:
    names = _names(settings.policy_dir)

    def composed(told: Notification, verbatims: Sequence[str]) -> Message:
        return compose(told, names=names, page_url=settings.page_url, verbatims=verbatims)

    return composed


def _names(policy_dir: Path) -> Names:
    texts = {}
    for file in (TAXONOMY_FILE, TEAMS_FILE):
        try:
            texts[file] = (policy_dir / file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            texts[file] = ""  # its owner reports it; a message goes out with ids made readable
    return read_names(taxonomy=texts[TAXONOMY_FILE], teams=texts[TEAMS_FILE])


def _beside(targets: TargetsInForce, outbox: Outbox) -> Callable[[], None]:
    """What the main loop does at each turn besides reading."""
    tidied = time.monotonic()

    def beside() -> None:
        nonlocal tidied
        targets.refresh()
        if time.monotonic() - tidied > _TIDY_EVERY_SECONDS:
            tidied = time.monotonic()
            targets.give_up_unknown()
            outbox.forget(done_before=utc_now().timestamp() - KEPT_SECONDS)

    return beside


def _ops(process: Process, reader: NotificationReader) -> ThreadedServer:
    settings = process.settings
    app = Starlette(routes=ops_routes(process.health, process.registry, controls={"resume": reader.resume}))
    return ThreadedServer(Guard(app, settings=settings), host=settings.bind, port=settings.notify_metrics_port)


def _own_key(settings: Settings) -> str:
    if settings.api_key_file is None:
        return ""
    try:
        return settings.api_key_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(
            [f"PALETTE_API_KEY_FILE: {settings.api_key_file} cannot be read ({type(error).__name__})."]
        ) from None
