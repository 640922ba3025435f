"""The rooms that tell how it is as a whole: this week, the palette, the journey, the health of the machine."""

from datetime import timedelta
from typing import Any

from fastapi import Request
from starlette.responses import Response

from services.api import phrases, titles, wording
from services.api.io import figures as sums
from services.api.io import labels
from services.api.io.gather import Gather
from services.api.io.pages.renderer import Renderer
from services.api.io.policy import PolicyWatcher
from services.api.io.store import Store, moment
from services.api.io.watch import Watch
from services.api.rollups import OTHER
from services.kit.clock import Clock


class Overview:
    """This week, palette, journey, health, and the keys. `intake` is the address that newcomers are told to post to."""

    def __init__(
        self,
        renderer: Renderer,
        *,
        store: Store,
        gather: Gather,
        watcher: PolicyWatcher,
        watch: Watch,
        intake: str,
        clock: Clock,
    ) -> None:
        self._renderer = renderer
        self._store = store
        self._gather = gather
        self._watcher = watcher
        self._watch = watch
        self._intake = intake
        self._clock = clock

    def week(self, request: Request) -> Response:
        known = self._watcher.names()
        with self._store.reading() as connection:
            progress = labels.progress(connection, self._watcher.learning())
        return self._renderer.page(
            request,
            "week.html",
            "/",
            "This week",
            known=known,
            week=self._gather.week(known),
            palette=self._gather.palette(known),
            intake=self._intake,
            progress=progress,
        )

    def palette(self, request: Request) -> Response:
        known = self._watcher.names()
        found = self._gather.palette(known)
        return self._renderer.page(
            request, "palette.html", "/palette", titles.palette_title(found.areas), known=known, p=found, palette=found
        )

    def journey(self, request: Request) -> Response:
        known = self._watcher.names()
        found = self._gather.journey(known)
        stages = [(stage, name) for stage, name in known.stages.items() if stage != OTHER or stage in found.weeks]
        areas = [(area, name) for area, name in known.areas.items() if area != OTHER]
        return self._renderer.page(
            request,
            "journey.html",
            "/journey",
            titles.journey_title(found.cells, known),
            known=known,
            journey=found,
            stages=stages,
            areas=areas,
        )

    def health(self, request: Request) -> Response:
        known = self._watcher.names()
        with self._store.reading() as connection:
            unsure, waiting = sums.waiting_counts(connection)
            found = [(source, n, moment(at)) for source, n, at in sums.sources(connection)]
        seen = self._watch.last
        lines: list[tuple[bool, str]] = []
        if seen is None:
            lines.append(
                (False, "How far everything is cannot be told yet: the engine has not answered since the start.")
            )
        else:
            fresh = (self._clock() - seen.at) < timedelta(minutes=1)
            if not fresh:
                lines.append(
                    (False, f"These figures are from {wording.ago(seen.at, now=self._clock())}: the engine is away.")
                )
            lines += [phrases.missing(seen.missing), phrases.letters(seen.letters), *phrases.workings(_by_group(seen))]
        if waiting:
            lines.append((True, f"{wording.count(waiting, 'voice')} stored and still being read."))
        return self._renderer.page(
            request,
            "health.html",
            "/health",
            "All is well" if all(ok for ok, _ in lines) and not self._watcher.problems else "Something needs attention",
            known=known,
            lines=lines,
            unsure=unsure,
            sources=found,
            policy=self._watcher.in_force(),
            problems=self._watcher.problems,
        )

    def keys(self, request: Request) -> Response:
        return self._renderer.page(request, "keys.html", "", "Keys", known=self._watcher.names())


def _by_group(seen: Any) -> list[tuple[str, int, float]]:
    left: dict[str, int] = {}
    for lag in seen.lags:
        left[lag.group] = left.get(lag.group, 0) + lag.messages
    ages = {group: max((a for (g, _), a in seen.ages.items() if g == group), default=0.0) for group in left}
    return [(group, number, ages[group]) for group, number in left.items()]
