"""Candidates -> verdicts: judged, claimed, journalled, awaited. Runs in the event loop; knows no HTTP.

An id is claimed from the moment it is judged until it is durable, so that the same event coming twice at once is one
event, and "duplicate" is only said of what is safe. The order of every wait is: everything judged, own entries handed
to the journal, then others' claims; so two batches cannot wait for each other.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from services.contracts import codec
from services.contracts import events as e
from services.contracts.errors import Unavailable
from services.ingest import intake
from services.ingest.intake import Accepted, Candidate, Checked, Duplicate, Reason, Refused
from services.ingest.io.frames import frame
from services.ingest.io.ids import SeenIds
from services.ingest.io.journal import Entry, Journal
from services.ingest.masking import Masker, Pseudonyms
from services.ingest.metrics import IngestMetrics
from services.ingest.pace import Pace
from services.ingest.sources import Sources
from services.kit.clock import Clock
from services.kit.logs import Log

_PATIENCE_SECONDS = 0.5


class Stored(NamedTuple):
    """Safe: it, or the same event before it."""

    id: str
    is_duplicate: bool


Verdict = Stored | Refused


class _Claim(NamedTuple):
    digest: bytes
    durable: asyncio.Future[None]


class Policy(NamedTuple):
    """What the sources file says, and what follows from it."""

    sources: Sources
    masker: Masker


class Reception:
    """The one path of every event."""

    def __init__(
        self,
        *,
        journal: Journal,
        ids: SeenIds,
        pseudonyms: Pseudonyms,
        policy: Callable[[], Policy],
        reject: Callable[[codec.Outbound], None],
        metrics: IngestMetrics,
        log: Log,
        clock: Clock,
    ) -> None:
        self._journal = journal
        self._ids = ids
        self._pseudonyms = pseudonyms
        self._policy = policy
        self._reject = reject
        self._metrics = metrics
        self._log = log
        self._clock = clock
        self._claims: dict[bytes, _Claim] = {}
        self._published = 0
        self._awaiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def receive(self, candidates: Sequence[Candidate], *, mode: e.Mode, trace: bytes | None) -> list[Verdict]:
        """A verdict for each, in order, once everything accepted is safe: durable, and acknowledged by Kafka or tried
        for half a second. Raises Unavailable when nothing of it may be counted on."""
        received_at = self._clock()
        claims = _Claims(self._claims)
        outcomes: list[Accepted | Duplicate | Refused] = []
        try:
            begin, pace = 0, Pace()
            while some := candidates[begin : begin + pace.at_once]:
                if begin:
                    await asyncio.sleep(0)
                begin += len(some)
                with pace:
                    for outcome in self._judged(some, received_at):
                        if isinstance(outcome, Checked):
                            decided = claims.compare(outcome) or self._accepted(outcome, received_at, mode, trace)
                            if isinstance(decided, Accepted):
                                claims.take(decided)
                            outcomes.append(decided)
                        else:
                            outcomes.append(outcome)
            await self._store([one for one in outcomes if isinstance(one, Accepted)], claims, received_at)
        except BaseException as error:
            claims.drop()
            if isinstance(error, Unavailable):
                self._metrics.events.labels("unknown", "unavailable").inc(len(candidates))
            raise
        self._count(candidates, outcomes, received_at)
        return [
            self._verdict(candidate, outcome, received_at)
            for candidate, outcome in zip(candidates, outcomes, strict=True)
        ]

    def _judged(self, candidates: Sequence[Candidate], now: datetime) -> list[Checked | Duplicate | Refused]:
        """Checks some candidates and compares them with what is remembered."""
        sources = self._policy().sources
        checked = [self._checked(candidate, now, sources) for candidate in candidates]
        keys = [one.key for one in checked if isinstance(one, Checked)]
        known = dict(zip(keys, self._ids.known(keys), strict=True))
        return [(intake.compare(one, known[one.key]) or one) if isinstance(one, Checked) else one for one in checked]

    def _checked(self, candidate: Candidate, now: datetime, sources: Sources) -> Checked | Refused:
        try:
            return intake.check(candidate, now=now, sources=sources, pseudonyms=self._pseudonyms)
        except Exception as error:  # a bug that one item finds must not harm its neighbours
            return self._bug(error)

    def _accepted(
        self, checked: Checked, received_at: datetime, mode: e.Mode, trace: bytes | None
    ) -> Accepted | Refused:
        policy = self._policy()
        try:
            return intake.accept(
                checked,
                received_at=received_at,
                mode=mode,
                masker=policy.masker,
                pseudonyms=self._pseudonyms,
                region=policy.sources.region(checked.event["source"]),
                trace=trace or _trace_of(checked),
            )
        except Exception as error:
            return self._bug(error)

    def _bug(self, error: Exception) -> Refused:
        self._log.bug("an event could not be judged", error)
        return Refused(
            Reason.UNEXPECTED, (e.Problem(pointer="", code="unexpected", message="A fault of this server."),)
        )

    def _count(
        self, candidates: Sequence[Candidate], outcomes: Sequence[Accepted | Duplicate | Refused], received_at: datetime
    ) -> None:
        """What was accepted or came again; refusals are counted where they are recorded."""
        label = self._policy().sources.label
        counted: Counter[tuple[str, str]] = Counter()
        heard: set[str] = set()
        for candidate, outcome in zip(candidates, outcomes, strict=True):
            if isinstance(outcome, Accepted):
                counted[outcome.event.channel, "accepted"] += 1
                heard.add(label(outcome.event.source))
            elif isinstance(outcome, Duplicate):
                counted[candidate.event["channel"], "duplicate"] += 1
        for labels, number in counted.items():
            self._metrics.events.labels(*labels).inc(number)
        for source in heard:
            self._metrics.last_received.labels(source).set(received_at.timestamp())

    def _verdict(self, candidate: Candidate, outcome: Accepted | Duplicate | Refused, received_at: datetime) -> Verdict:
        if isinstance(outcome, Refused):
            self.refused(outcome, raw=intake.raw_of(candidate), received_at=received_at)
            return outcome
        return Stored(outcome.id, isinstance(outcome, Duplicate))

    def refused(self, refused: Refused, *, raw: bytes, received_at: datetime | None = None) -> None:
        """Records a refusal: metric, log line, and a message to `feedback-rejected`."""
        outcome = "conflict" if refused.reason is Reason.CONFLICT else "refused"
        self._metrics.events.labels(refused.channel, outcome).inc()
        self._metrics.refused.labels(refused.reason.value).inc()
        record = intake.rejection(refused, raw=raw, received_at=received_at or self._clock())
        self._log.info(
            "refused",
            event_id=record.id,
            reason=record.reason,
            problems=[f"{problem.pointer}: {problem.code}" for problem in record.problems],
        )
        self._reject(codec.encode(record))

    # ---- waiting ----------------------------------------------------------------------------------------------------

    async def _store(self, accepted: Sequence[Accepted], claims: "_Claims", received_at: datetime) -> None:
        """Returns when all is safe, what others had claimed included."""
        if accepted:
            loop = asyncio.get_running_loop()
            durable: asyncio.Future[int] = loop.create_future()
            self._journal.append(_entries(accepted, received_at), lambda result: _call(loop, _settle, durable, result))
            claims.hand_over(durable)
            position = await asyncio.shield(durable)  # a caller who goes away undoes nothing
            await claims.others()
            await self._publication(position)
        else:
            await claims.others()

    async def _publication(self, position: int) -> None:
        """Returns when Kafka has it, or after half a second of trying."""
        while self._awaiting and self._awaiting[0][1].done():
            self._awaiting.popleft()
        if position > self._published:
            published: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._awaiting.append((position, published))
            await asyncio.wait([published], timeout=_PATIENCE_SECONDS)
            published.cancel()

    def published(self, position: int) -> None:
        """Kafka has everything up to here. Called in the loop."""
        self._published = max(self._published, position)
        while self._awaiting and self._awaiting[0][0] <= self._published:
            waiting = self._awaiting.popleft()[1]
            if not waiting.done():
                waiting.set_result(None)


class _Claims:
    """The ids that one request claims, and those of others that it waits for."""

    def __init__(self, held: dict[bytes, _Claim]) -> None:
        self._held = held
        self._mine: list[bytes] = []
        self._others: list[asyncio.Future[None]] = []
        self._is_handed_over = False

    def compare(self, checked: Checked) -> Duplicate | Refused | None:
        claim = self._held.get(checked.key)
        if claim is None:
            return None
        self._others.append(claim.durable)
        return intake.compare(checked, claim.digest)

    def take(self, accepted: Accepted) -> None:
        self._held[accepted.key] = _Claim(accepted.digest, asyncio.get_running_loop().create_future())
        self._mine.append(accepted.key)

    async def others(self) -> None:
        """Raises Unavailable when one of them could not be stored."""
        for durable in self._others:
            await asyncio.shield(durable)

    def hand_over(self, durable: "asyncio.Future[int]") -> None:
        """From now on the journal decides, whether or not the caller stays."""
        self._is_handed_over = True
        durable.add_done_callback(self._settle)

    def _settle(self, outcome: "asyncio.Future[int]") -> None:
        error = outcome.exception()
        for key in self._mine:
            claim = self._held.pop(key)
            if error is None:
                claim.durable.set_result(None)
            else:
                claim.durable.set_exception(Unavailable("the first of two equal events could not be stored"))
                claim.durable.exception()  # nobody need be waiting for it
        self._mine = []

    def drop(self) -> None:
        """Gives up what the journal was never asked for."""
        if self._is_handed_over:
            return
        for key in self._mine:
            claim = self._held.pop(key)
            claim.durable.set_exception(Unavailable("the first of two equal events was given up"))
            claim.durable.exception()
        self._mine = []


def _trace_of(checked: Checked) -> bytes:
    """A W3C traceparent whose trace id is the event's id: the same for every repeat, and found from the event."""
    return f"00-{checked.key.hex()}-{checked.digest[:8].hex()}-01".encode()


def _entries(accepted: Sequence[Accepted], received_at: datetime) -> list[Entry]:
    at_ms = int(received_at.timestamp() * 1000)
    return [
        Entry(frame(at_ms=at_ms, id=one.key, digest=one.digest, message=one.message), one.key, one.digest)
        for one in accepted
    ]


def _settle(future: "asyncio.Future[int]", result: int | Unavailable) -> None:
    if future.done():
        return
    if isinstance(result, Unavailable):
        future.set_exception(result)
    else:
        future.set_result(result)


def _call(loop: asyncio.AbstractEventLoop, call: Callable[..., None], *facts: object) -> None:
    """Hands over to the loop from another thread; after the loop's end nobody is waiting any more."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(call, *facts)
