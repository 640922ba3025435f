"""Ingest wired together: what is real is chosen here. Starts and ends in one order: ids, journal, sender, HTTP."""

import asyncio
import contextlib
import secrets
import sys
from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path

import msgspec
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Lifespan

from services.contracts import codec
from services.contracts import events as e
from services.contracts.errors import Unavailable
from services.contracts.topics import FEEDBACK_RECEIVED
from services.ingest.intake import Reason, Refused, rejection
from services.ingest.io.frames import Record
from services.ingest.io.http import Intake
from services.ingest.io.ids import SeenIds
from services.ingest.io.journal import Journal
from services.ingest.io.publisher import Publisher
from services.ingest.io.reception import Policy, Reception
from services.ingest.io.sources_file import SourcesFile
from services.ingest.masking import Pseudonyms
from services.ingest.metrics import IngestMetrics
from services.ingest.sources import FILE
from services.kit.clock import utc_now
from services.kit.files import write_whole
from services.kit.health import Check, Health
from services.kit.http import Guard, HttpMetrics, ops_routes, problem
from services.kit.kafka import producer
from services.kit.metrics import PolicyMetrics
from services.kit.process import Process, run
from services.kit.server import serve
from services.kit.settings import Settings


def main(process: Process) -> None:
    """Runs ingest until it is told to stop."""
    sys.setswitchinterval(0.001)  # the sender computes much; the loop must not wait five milliseconds for its turn
    settings, log = process.settings, process.log
    metrics = IngestMetrics(process.registry)
    sources = SourcesFile(
        settings.policy_dir, metrics=PolicyMetrics(process.registry, [FILE]), log=log, changed=metrics.declare
    )
    sources.load()
    folder = settings.data_dir / "ingest"
    pseudonyms = Pseudonyms(pseudonym_key(settings, folder))
    try:
        ids, journal = _opened(process, folder)
    except OSError as error:
        raise Unavailable(f"the journal cannot be opened ({error.strerror or error}); is the disk full?") from None
    if journal.cut_bytes:
        log.warning("a torn tail was cut off the journal", bytes=journal.cut_bytes)
    metrics.watch_journal(
        events=lambda: journal.pending_events,
        size=lambda: journal.pending_bytes,
        oldest_age=lambda: journal.oldest_age,
        capacity=journal.capacity,
    )
    loop: list[asyncio.AbstractEventLoop] = []

    def acknowledged(position: int) -> None:
        if loop and not loop[0].is_closed():
            loop[0].call_soon_threadsafe(reception.published, position)

    publisher = Publisher(
        journal,
        connect=lambda: _connect(settings),
        reject=_refused_by_kafka,
        acknowledged=acknowledged,
        metrics=metrics,
        log=log,
        begin=journal.resend_from,
    )
    journal.on_durable = publisher.wake
    reception = Reception(
        journal=journal,
        ids=ids,
        pseudonyms=pseudonyms,
        policy=lambda: Policy(sources.sources, sources.masker),
        reject=publisher.offer,
        metrics=metrics,
        log=log,
        clock=utc_now,
    )
    watch = _Watch(process.health, journal, publisher, sources)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        loop.append(asyncio.get_running_loop())
        publisher.start()
        turning = asyncio.create_task(watch.turn())
        yield
        turning.cancel()
        await asyncio.to_thread(publisher.stop)
        await asyncio.to_thread(journal.close)
        ids.close()

    app = _app(process, reception, lifespan)
    serve(app, host=settings.bind, port=settings.ingest_port)


def _opened(process: Process, folder: Path) -> tuple[SeenIds, Journal]:
    ids = SeenIds(folder / "ids")
    journal = Journal(
        folder / "journal",
        capacity=process.settings.journal_capacity_bytes,
        ids=ids,
        crashed=lambda error: process.crash("the journal failed", error),
    )
    journal.open()
    return ids, journal


def _app(process: Process, reception: Reception, lifespan: Lifespan[FastAPI]) -> ASGIApp:
    app = FastAPI(
        title="Palette intake",
        version=process.version,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.add_exception_handler(HTTPException, _plain_problem)
    app.include_router(Intake(reception).routes())
    app.router.routes.extend(ops_routes(process.health, process.registry))
    guarded = Guard(app, settings=process.settings)
    return HttpMetrics(process.registry).middleware(guarded, routes=app.routes)


async def _plain_problem(_: Request, error: Exception) -> Response:
    """404 and 405 in the same form as every other answer."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    return problem(status, HTTPStatus(status).phrase, headers=getattr(error, "headers", None))


class _Watch:
    """Once a second: the loop turned, the policy file, whether there is room, whether Kafka answers."""

    def __init__(self, health: Health, journal: Journal, publisher: Publisher, sources: SourcesFile) -> None:
        self._health = health
        self._journal = journal
        self._publisher = publisher
        self._sources = sources
        self._room: Check = health.check("journal")
        self._kafka: Check = health.check("kafka")

    async def turn(self) -> None:
        while True:
            self._health.beat()
            self._sources.look()
            trouble = self._journal.trouble
            if not trouble and self._journal.pending_bytes > 0.95 * self._journal.capacity:
                trouble = "the journal is full"
            if trouble:
                self._room.failed(trouble)
            else:
                self._room.passed(f"{self._journal.pending_events:,} events wait for Kafka")
            # Kafka away only degrades: what is accepted is kept and sent later
            self._kafka.passed(f"away: {self._publisher.trouble}" if self._publisher.trouble else "")
            await asyncio.sleep(1)


def _connect(settings: Settings) -> object:
    """A producer that has met its topic, so that no request pays for the first metadata."""
    made = producer(
        settings,
        client_id="palette-ingest",
        linger_ms=2,
        batch_size=128 << 10,
        request_timeout_ms=15_000,
        bootstrap_timeout_ms=5_000,
        max_block_ms=5_000,
        reconnect_backoff_max_ms=1_000,
        metrics_enabled=False,
    )
    made.partitions_for(FEEDBACK_RECEIVED)
    return made


_as_received = msgspec.json.Decoder(e.FeedbackReceived)


def _refused_by_kafka(record: Record) -> codec.Outbound:
    """The record of an accepted event that the broker itself would not take."""
    value = record.message.value or b""
    event = _as_received.decode(value)
    why = e.Problem(pointer="", code="refused_by_kafka", message="Kafka does not take a message like this.")
    refused = Refused(Reason.REFUSED_BY_KAFKA, (why,), id=event.id, source=event.source, channel=event.channel)
    return codec.encode(rejection(refused, raw=value, received_at=event.received_at))


def pseudonym_key(settings: Settings, folder: Path) -> bytes:
    """The key of pseudonyms: as configured, else made at the first start and kept beside the journal."""
    if settings.pseudonym_key is not None:
        return settings.pseudonym_key.get_secret_value().encode()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "pseudonym.key"
    # an empty one is what a start left that was killed: nothing can have been accepted with it
    if not path.exists() or not path.stat().st_size:
        write_whole(path, secrets.token_hex(32).encode(), mode=0o600)
    return path.read_bytes()


def start() -> None:
    """Entry of `python -m services.ingest`."""
    run("ingest", main)
