"""How every page is drawn: the templates, what they may call, and the frame around each room.

Knows no room: a room brings its template, its heading and its figures.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import Response

from services.api import figures, names, phrases, wording
from services.api.cases import next_step, subject
from services.api.io import figures as sums
from services.api.io.people import person_of
from services.api.io.policy import PolicyWatcher
from services.api.io.store import Store
from services.api.marked import Run, runs, sure, telling
from services.api.names import Names
from services.api.queries import Cursor
from services.api.rollups import OWN_WORK, voice_of
from services.api.shapes import Voice
from services.contracts.events import Tags
from services.kit.clock import Clock

HERE = Path(__file__).resolve().parents[2]
ROOMS = (
    ("/", "This week"),
    ("/palette", "Palette"),
    ("/journey", "Journey"),
    ("/feedback", "Voices"),
    ("/actions", "Cases"),
    ("/review", "Teach"),
    ("/try", "Try it"),
    ("/health", "Health"),
)
PER_PAGE = 30


class Renderer:
    """Draws pages with the names in force."""

    def __init__(self, *, store: Store, watcher: PolicyWatcher, version: str, clock: Clock) -> None:
        self._store = store
        self._watcher = watcher
        self._clock = clock
        self._templates = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals.update(
            static=lambda name: f"/static/{name}?{version}",
            rooms=ROOMS,
            tone=tone,
            standing=figures.standing,
            kinds=names.RATING_NAMES,
            channels=names.CHANNELS,
            spoke=names.spoke,
            severities=names.SEVERITIES,
            states=names.STATES,
            verdicts=names.VERDICTS,
            kinds_of_action=names.KINDS,
            parts_of_frame=names.PARTS,
            about=wording.about,
            cap=wording.cap,
            subject=subject,
            signed=wording.signed,
            count=wording.count,
            change=wording.change,
            confidence=wording.confidence,
            percent=wording.percent,
            percent_range=wording.percent_range,
            checked=phrases.checked,
            why_unsure=phrases.unsure,
            reason_of=phrases.opening,
            span_words=phrases.span,
            no_action=phrases.NO_ACTION,
            own_work=own_work,
            runs_of=_runs_of,
            runs_in=_runs_in,
            new_key=lambda: str(uuid4()),
        )

    def page(
        self,
        request: Request,
        template: str,
        room: str,
        heading: str,
        *,
        known: Names,
        status: int = 200,
        **context: Any,
    ) -> Response:
        now = self._clock()
        with self._store.reading() as connection:
            sample = sums.is_sample(connection)

        def label_of(run: Run) -> str:
            return _label(run, known)

        html = self._templates.get_template(template).render(
            now=now,
            room=room,
            heading=heading,
            names=known,
            sample=sample,
            person=person_of(request),
            ago=lambda at: wording.ago(at, now=now),
            since=lambda at: wording.day(at.date(), today=now.date()),
            due=lambda at: wording.due(at, now=now),
            next_step=lambda action: next_step(action, now=now),
            because=lambda told: phrases.because(told, known),
            change_words=lambda entry: phrases.change(entry, known),
            label_of=label_of,
            **context,
        )
        return Response(html, status, {"Cache-Control": "no-cache"}, "text/html; charset=utf-8")

    def nothing(self, request: Request) -> Response:
        """The page for an address that leads nowhere."""
        return self.error(
            request, 404, "There is nothing here", "It may not have arrived yet, or the address is wrong."
        )

    def error(self, request: Request, status: int, heading: str, detail: str) -> Response:
        """A page that says what is wrong and what to do."""
        return self.page(request, "error.html", "", heading, known=self._watcher.names(), status=status, detail=detail)


def tone(value: float) -> str:
    """The class of a place on the scale from bad (-1) to good (1)."""
    step = min(3, round(abs(value) * 3.2))
    return "tone-0" if step == 0 else f"tone-{'g' if value > 0 else 'b'}{step}"


def own_work(voice: Voice) -> bool:
    """Whether one of our own people speaks of their work: shown with others only."""
    if voice.tagged is not None:
        return voice_of(voice.tagged) == OWN_WORK
    return voice.event.author == "employee"


def _runs_of(voice: Voice, with_evidence: bool) -> list[Run]:
    if voice.tagged is None or not with_evidence:
        return runs(voice.event.text or "", (), voice.event.masks)
    evidence = voice.tagged.tags.evidence
    return runs(voice.event.text or "", telling(evidence, _heads(voice.tagged.tags)), voice.event.masks)


def _runs_in(text: str, tags: Tags) -> list[Run]:
    return runs(text, sure(tags.evidence, _heads(tags)), ())


def _heads(tags: Tags) -> set[str]:
    return {entry.head for entry in tags.unsure}


def _label(run: Run, known: Names) -> str:
    head = run.head.removesuffix("s")
    if head == "theme":
        return known.theme(run.label)
    if head == "stage":
        return known.stage(run.label)
    if head == "area":
        return known.area(run.label)
    if head == "severity":
        return names.SEVERITIES[int(run.label)] if run.label in {"0", "1", "2", "3"} else known.severity_kind(run.label)
    return run.label


def older(path: str, query: Mapping[str, str], cursor: Cursor | None) -> str:
    """The address of the next page; empty where there is none."""
    return f"{path}?{urlencode({**query, 'after': cursor.text()})}" if cursor is not None else ""
