"""Where models of one's own are made: labels in over the internal port, a kept version and its verdict out.

One at a time, on a thread beside the tagging, which goes on. Activates nothing: that is the API's word, on a topic.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.classify.io.versions import Card, Judged, Versions
from services.classify.learning.challenger import Adapt, Champion, Tag, challenge
from services.classify.learning.judging import Reason, Verdict, nothing_new
from services.classify.learning.reviewed import Reviewed, fingerprint, read_reviewed
from services.contracts.errors import BadMessage
from services.contracts.learning import Learning
from services.kit.clock import Clock
from services.kit.http import json_response, problem

M = TypeVar("M")
_MOST_BYTES = 64_000_000
_MOST_NAME = 100


class Craft(msgspec.Struct, Generic[M], frozen=True):
    """How models learn and answer here: the champion as it is, adapting on the shipped base, a model given its name.
    `base` names base and taxonomy, on which the same labels teach the same; `present` puts labels of earlier versions
    of the taxonomy under the ids of this one."""

    champion: M
    version: str
    base: str
    adapt: Adapt[M]
    tag: Tag[M]
    named: Callable[[M, str], M]
    present: Callable[[Sequence[Reviewed]], tuple[Reviewed, ...]] = tuple


class Challenged(msgspec.Struct, frozen=True):
    """What became of labels: the version that they made, if any, and the verdict. `made_before`: these very labels
    made it before."""

    verdict: Verdict
    champion: str
    labels: int
    version: str | None = None
    digest: str | None = None
    made_before: bool = False


class Busy(Exception):
    """A challenger is being made."""


class Workshop(Generic[M]):
    """Makes challengers, one at a time. `craft` takes up the champion of the moment; `bounds` are read each time."""

    def __init__(
        self, versions: Versions[M], *, craft: Callable[[], Craft[M]], bounds: Callable[[], Learning], clock: Clock
    ) -> None:
        self._versions = versions
        self._craft = craft
        self._bounds = bounds
        self._clock = clock
        self._one = threading.Lock()

    def challenge(self, reviewed: tuple[Reviewed, ...], *, by: str, first: bool) -> Challenged:
        """Makes, judges and keeps. Takes seconds to minutes. Raises Busy, PolicyRefused."""
        if not self._one.acquire(blocking=False):
            raise Busy
        try:
            return self._challenge(reviewed, by=by, first=first)
        finally:
            self._one.release()

    def _challenge(self, reviewed: tuple[Reviewed, ...], *, by: str, first: bool) -> Challenged:
        craft = self._craft()
        reviewed = craft.present(reviewed)
        name = f"local-{fingerprint(reviewed, base=craft.base)}"
        if name == craft.version:
            return Challenged(nothing_new(), craft.version, len(reviewed))
        now = self._versions.card(craft.version)
        champion = Champion(craft.champion, frozenset(now.learnt if now is not None else ()))
        verdict = challenge(
            reviewed, champion=champion, adapt=craft.adapt, tag=craft.tag, bounds=self._bounds(), first=first
        )
        if verdict.reason is Reason.TOO_FEW:
            return Challenged(verdict, craft.version, len(reviewed))
        before = self._versions.card(name) is not None
        card = self._versions.keep(
            craft.named(craft.adapt(reviewed), name),
            Card(
                version=name,
                digest="",
                by=by,
                at=self._clock(),
                parent=craft.version,
                labels=len(reviewed),
                learnt=tuple(item.id for item in reviewed),
            ),
            Judged(self._clock(), by, craft.version, verdict),
        )
        return Challenged(verdict, craft.version, len(reviewed), card.version, card.digest, before)


def workshop_routes(workshop: Workshop[M], versions: Versions[M], in_force: Callable[[], str]) -> list[Route]:
    """`POST /internal/challenger` and `GET /internal/models`, for the API only."""

    async def make(request: Request) -> Response:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MOST_BYTES:
                return problem(413, "Too large", code="size")
        by = request.query_params.get("by", "")[:_MOST_NAME]
        first = request.query_params.get("first") == "1"
        try:
            reviewed = await asyncio.to_thread(read_reviewed, bytes(body))
            made = await asyncio.to_thread(workshop.challenge, reviewed, by=by, first=first)
        except BadMessage as error:
            return problem(422, "These labels cannot be read", code=error.code, detail=error.message)
        except Busy:
            return problem(409, "One at a time", code="busy", detail="A challenger is being made.", retry_after=5)
        return json_response(made)

    async def models(_: Request) -> Response:
        cards = await asyncio.to_thread(lambda: [_shown(card) for card in versions.cards()])
        return json_response({"in_force": in_force(), "items": cards})

    return [
        Route("/internal/challenger", make, methods=["POST"]),
        Route("/internal/models", models, methods=["GET"]),
    ]


def _shown(card: Card) -> dict[str, Any]:
    """A card without the ids of the events, which may be thousands."""
    return {name: value for name, value in msgspec.structs.asdict(card).items() if name != "learnt"}
