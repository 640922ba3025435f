"""The pages for people: rendered on the server, working without JavaScript; htmx only saves the reload.

A form is answered with a redirect to the page that shows what became of it (post, redirect, get). The name that a
person gave is kept in a cookie, so that it is typed once; where API keys are configured, the key's owner speaks.
"""

import contextlib
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qsl, quote, urlencode
from uuid import uuid4

from fastapi import APIRouter, Depends, Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from services.api import figures, names, phrases, titles, wording
from services.api.ask import MAX_NAME, CommandBody, CorrectionBody, expected_revision
from services.api.cases import next_step, title
from services.api.io import actions as read_actions
from services.api.io import feedback as read_feedback
from services.api.io import figures as sums
from services.api.io.desk import Desk
from services.api.io.gather import HISTORY_DAYS, LEAST_EMPLOYEES, Gather, series
from services.api.io.policy import PolicyWatcher
from services.api.io.store import Store, moment
from services.api.io.tagger import Tagger
from services.api.io.watch import Watch
from services.api.marked import Run, runs, telling
from services.api.names import Names
from services.api.queries import ACTIVE, BadQuery, Cursor, action_filter, after_of, feedback_filter, limit_of
from services.api.rollups import OTHER, OWN_WORK, voice_of, weeks_of
from services.api.shapes import Voice
from services.api.trial import PLACES, TrialBody, checked, trial
from services.contracts.errors import Unavailable
from services.contracts.events import Pseudonym
from services.kit.clock import Clock, utc_now

HERE = Path(__file__).resolve().parents[1]
ROOMS = (
    ("/", "This week"),
    ("/palette", "Palette"),
    ("/journey", "Journey"),
    ("/feedback", "Voices"),
    ("/actions", "Cases"),
    ("/try", "Try it"),
    ("/health", "Health"),
)
_COOKIE = "palette_name"
_PER_PAGE = 30


class Pages:
    """Renders the pages. `intake` is the address that the first page tells newcomers to post to."""

    def __init__(
        self,
        *,
        store: Store,
        desk: Desk,
        gather: Gather,
        watcher: PolicyWatcher,
        watch: Watch,
        tagger: Tagger,
        intake: str,
        version: str,
        clock: Clock = utc_now,
    ) -> None:
        self._store = store
        self._desk = desk
        self._gather = gather
        self._watcher = watcher
        self._watch = watch
        self._tagger = tagger
        self._intake = intake
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
            severities=names.SEVERITIES,
            states=names.STATES,
            verdicts=names.VERDICTS,
            kinds_of_action=names.KINDS,
            parts_of_frame=names.PARTS,
            about=wording.about,
            cap=wording.cap,
            signed=wording.signed,
            count=wording.count,
            change=wording.change,
            confidence=wording.confidence,
            reason_words=phrases.unsure,
            reason_of=phrases.opening,
            span_words=phrases.span,
            no_action=phrases.NO_ACTION,
            own_work=_own_work,
            runs_of=_runs_of,
            runs_in=lambda text, evidence: runs(text, evidence, ()),
            new_key=lambda: str(uuid4()),
        )

    # ---- rooms ------------------------------------------------------------------------------------------------------

    def week(self, request: Request) -> Response:
        known = self._watcher.names()
        return self._page(
            request,
            "week.html",
            "/",
            "This week",
            known=known,
            week=self._gather.week(known),
            palette=self._gather.palette(known),
            intake=self._intake,
        )

    def palette(self, request: Request) -> Response:
        known = self._watcher.names()
        found = self._gather.palette(known)
        return self._page(
            request, "palette.html", "/palette", titles.palette_title(found.areas), known=known, p=found, palette=found
        )

    def journey(self, request: Request) -> Response:
        known = self._watcher.names()
        found = self._gather.journey(known)
        stages = [(stage, name) for stage, name in known.stages.items() if stage != OTHER or stage in found.weeks]
        areas = [(area, name) for area, name in known.areas.items() if area != OTHER]
        return self._page(
            request,
            "journey.html",
            "/journey",
            titles.journey_title(found.cells, known),
            known=known,
            journey=found,
            stages=stages,
            areas=areas,
        )

    def feedback(self, request: Request) -> Response:
        known = self._watcher.names()
        asked = feedback_filter(request.query_params)
        with self._store.reading() as connection:
            page = read_feedback.list_feedback(
                connection, self._store, asked, limit=_limit(request), after=after_of(request.query_params)
            )
            named = read_actions.actions_of(connection, [voice.event.id for voice in page.items])
        active = asked.active()
        heading = "What customers say, newest first" if not active else "Voices that you asked for"
        if asked.status == "unsure" and len(active) == 1:
            heading = "Voices that need a look"
        return self._page(
            request,
            "feedback.html",
            "/feedback",
            heading,
            known=known,
            voices=page.items,
            named=named,
            asked=active,
            query=urlencode(active),
            more=_more("/feedback", active, page.next),
            themes=sorted(((theme.id, theme.name) for theme in known.themes.values()), key=lambda item: item[1]),
        )

    def one_feedback(self, request: Request, name: str) -> Response:
        known = self._watcher.names()
        with self._store.reading() as connection:
            voice = read_feedback.get_voice(connection, name)
            ids = read_actions.actions_of(connection, [name]).get(name, [])
            actions = read_actions.actions_by_id(connection, ids)
        if voice is None:
            return self._nothing(request)
        return self._page(
            request,
            "one_feedback.html",
            "/feedback",
            "One voice",
            known=known,
            voice=voice,
            stories=self._gather.stories(known, actions),
            result=_said(request),
        )

    def actions(self, request: Request) -> Response:
        known = self._watcher.names()
        asked = action_filter(request.query_params)
        area = request.query_params.get("area", "")
        with self._store.reading() as connection:
            page = read_actions.list_actions(connection, asked, limit=100, after=after_of(request.query_params))
        stories = [s for s in self._gather.stories(known, page.items) if not area or s.action.plan.area == area]
        parts = (
            ("Open", [s for s in stories if s.action.state in ACTIVE and s.action.plan.action == "cause"]),
            (
                "For one customer",
                [s for s in stories if s.action.state in ACTIVE and s.action.plan.action == "recovery"],
            ),
            ("Put right, being checked by the numbers", [s for s in stories if s.action.state == "resolved"]),
            ("Done and proven", [s for s in stories if s.action.state == "verified"]),
        )
        query = {name: value for name in ("team", "kind", "state") if (value := getattr(asked, name))}
        return self._page(
            request,
            "actions.html",
            "/actions",
            titles.actions_title(stories),
            known=known,
            parts=parts,
            nothing=not stories,
            asked=query,
            more=_more("/actions", query, page.next),
        )

    def one_action(self, request: Request, name: str) -> Response:
        known = self._watcher.names()
        with self._store.reading() as connection:
            action = read_actions.get_action(connection, name)
            if action is None:
                return self._nothing(request)
            changes = read_actions.history(connection, name)
            voices = read_feedback.voices_by_id(connection, action.worst)
            told = read_actions.deliveries(connection, name)
            last = self._clock().date().toordinal()
            days = series(connection, action, last - HISTORY_DAYS, last)
        (story,) = self._gather.stories(known, [action])
        hidden = action.plan.part == "engagement" and action.customers < LEAST_EMPLOYEES
        verbatims = [voices[event] for event in action.worst if event in voices and voices[event].event.text]
        weeks = weeks_of(days, last=last, weeks=titles.CHART_WEEKS)
        return self._page(
            request,
            "one_action.html",
            "/actions",
            titles.case_title(story, today=self._clock().date()),
            known=known,
            story=story,
            history=list(reversed(changes)),
            verbatims=[] if hidden else [v for v in verbatims if not _own_work(v)][:3],
            hidden=hidden or any(_own_work(v) for v in verbatims),
            told=told,
            weeks=weeks,
            ends=[date.fromordinal(last - 7 * back) for back in range(titles.CHART_WEEKS - 1, -1, -1)],
            marks=titles.marks(changes, last),
            proof=titles.proof_words(action, now=self._clock()),
            result=_said(request),
            key=str(uuid4()),
        )

    def members(self, request: Request, name: str) -> Response:
        known = self._watcher.names()
        with self._store.reading() as connection:
            action = read_actions.get_action(connection, name)
            if action is None:
                return self._nothing(request)
            page = read_feedback.members(connection, name, limit=_PER_PAGE, after=after_of(request.query_params))
        return self._page(
            request,
            "voices.html",
            "/actions",
            f"All that is said about “{title(action, known)}”",
            known=known,
            intro="",
            voices=page.items,
            named={},
            more=_more(f"/actions/{name}/members", {}, page.next),
        )

    def customer(self, request: Request, pseudonym: str) -> Response:
        known = self._watcher.names()
        with self._store.reading() as connection:
            page = read_feedback.timeline(
                connection, Pseudonym(pseudonym), limit=_PER_PAGE, after=after_of(request.query_params)
            )
            named = read_actions.actions_of(connection, [voice.event.id for voice in page.items])
        return self._page(
            request,
            "voices.html",
            "/feedback",
            "One customer over time",
            known=known,
            intro="Palette knows this customer only by a pseudonym; the sender's own case leads to them.",
            voices=page.items,
            named=named,
            more=_more(f"/customers/{quote(pseudonym, safe='')}", {}, page.next),
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
        lines.append(
            (True, f"{wording.count(unsure, 'voice')} {'needs' if unsure == 1 else 'need'} a look by a person.")
        )
        lines.append((True, f"{wording.count(waiting, 'voice')} stored and still being read."))
        return self._page(
            request,
            "health.html",
            "/health",
            "All is well" if all(ok for ok, _ in lines) and not self._watcher.problems else "Something needs attention",
            known=known,
            lines=lines,
            sources=found,
            policy=self._watcher.in_force(),
            problems=self._watcher.problems,
        )

    def keys(self, request: Request) -> Response:
        return self._page(request, "keys.html", "", "Keys", known=self._watcher.names())

    # ---- forms ------------------------------------------------------------------------------------------------------

    def command(self, request: Request, name: str, form: Mapping[str, str]) -> Response:
        with self._store.reading() as connection:
            action = read_actions.get_action(connection, name)
        if action is None:
            return self._nothing(request)
        by = form.get("by", "").strip()[:MAX_NAME]
        body = CommandBody(
            command=form.get("command", ""),
            by=by,
            comment=form.get("comment", "").strip() or None,
            to=form.get("to", "").strip() or None,
        )
        try:
            done = self._desk.command(
                action,
                body,
                key=form.get("key") or None,
                expected_revision=expected_revision(form.get("revision") or None),
                caller=_caller(request),
            )
            word = {"done": body.command, "pending": "pending", "key_reused": "key"}.get(done.state, "")
            if done.state == "refused" and done.change is not None:
                word = f"not-{done.change.reason}"
        except BadQuery as error:
            first = error.problems[0].pointer.removeprefix("/")
            word = {"by": "name", "to": "whom", "comment": "words"}.get(first, "words")
        except Unavailable:
            word = "away"
        return _seen_at(f"/actions/{quote(name, safe='')}?said={quote(word)}", by)

    def correct(self, request: Request, name: str, form: Mapping[str, str]) -> Response:
        with self._store.reading() as connection:
            voice = read_feedback.get_voice(connection, name)
        if voice is None:
            return self._nothing(request)
        by = form.get("by", "").strip()[:MAX_NAME]
        try:
            severity = form.get("severity", "")
            body = CorrectionBody(
                by=by,
                revision=expected_revision(form.get("revision") or None),
                stage=form.get("stage") or None,
                areas=(form["areas"],) if form.get("areas") else None,
                sentiment=_one_of(form.get("sentiment", ""), ("negative", "neutral", "positive", "mixed")),
                severity=int(severity) if severity in {"0", "1", "2", "3"} else None,
            )
            done = self._desk.correct(voice, body, names=self._watcher.names(), caller=_caller(request))
            word = {"done": "corrected", "pending": "correcting"}.get(done.state, done.state)
        except BadQuery as error:
            word = "name" if error.problems[0].pointer == "/by" else "nothing"
        except Unavailable:
            word = "away"
        return _seen_at(f"/feedback/{quote(name, safe='')}?said={quote(word)}", by)

    def try_it(self, request: Request, form: Mapping[str, str] | None) -> Response:
        known = self._watcher.names()
        body = TrialBody(text="")
        found, result = None, ""
        if form is not None:
            attributes = {place: form[place].strip() for place in PLACES if form.get(place, "").strip()}
            body = TrialBody(form.get("text", ""), form.get("channel") or "complaint", attributes)
            try:
                tags = self._tagger.tag(checked(body))
                if known.policy is None:
                    result = "The rules are not in force yet; try again in a moment."
                else:
                    found = trial(body, tags, known.policy, now=self._clock())
            except BadQuery as error:
                result = wording.sentence(error.problems[0].message)
            except Unavailable:
                result = "The reader is away just now; try again in a moment."
        return self._page(
            request, "try.html", "/try", "Try a sentence", known=known, body=body, trial=found, result=result
        )

    # ---- rendering --------------------------------------------------------------------------------------------------

    def _page(
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
            person=_caller(request) or request.cookies.get(_COOKIE, ""),
            ago=lambda at: wording.ago(at, now=now),
            due=lambda at: wording.due(at, now=now),
            next_step=lambda action: next_step(action, now=now),
            because=lambda told: phrases.because(told, known),
            change_words=lambda entry: phrases.change(entry, known),
            label_of=label_of,
            **context,
        )
        return Response(html, status, {"Cache-Control": "no-cache"}, "text/html; charset=utf-8")

    def _nothing(self, request: Request) -> Response:
        return self.error(
            request, 404, "There is nothing here", "It may not have arrived yet, or the address is wrong."
        )

    def error(self, request: Request, status: int, heading: str, detail: str) -> Response:
        """A page that says what is wrong and what to do."""
        return self._page(request, "error.html", "", heading, known=self._watcher.names(), status=status, detail=detail)


def page_routes(pages: Pages) -> APIRouter:
    """The addresses of the pages."""
    router = APIRouter(include_in_schema=False, default_response_class=Response)
    get: dict[str, Callable[..., Response]] = {
        "/": pages.week,
        "/palette": pages.palette,
        "/journey": pages.journey,
        "/feedback": pages.feedback,
        "/feedback/{name}": pages.one_feedback,
        "/actions": pages.actions,
        "/actions/{name}": pages.one_action,
        "/actions/{name}/members": pages.members,
        "/customers/{pseudonym}": pages.customer,
        "/health": pages.health,
        "/keys": pages.keys,
    }
    for path, answer in get.items():
        router.add_api_route(path, answer, methods=["GET"])

    @router.get("/try")
    def try_page(request: Request) -> Response:
        return pages.try_it(request, None)

    @router.post("/try")
    def try_form(request: Request, form: Annotated[dict[str, str], Depends(_form)]) -> Response:
        return pages.try_it(request, form)

    @router.post("/actions/{name}")
    def command_form(request: Request, name: str, form: Annotated[dict[str, str], Depends(_form)]) -> Response:
        return pages.command(request, name, form)

    @router.post("/feedback/{name}")
    def correct_form(request: Request, name: str, form: Annotated[dict[str, str], Depends(_form)]) -> Response:
        return pages.correct(request, name, form)

    return router


def static_files() -> StaticFiles:
    """The sheet, the script, htmx and its licence."""
    return StaticFiles(directory=HERE / "static")


async def _form(request: Request) -> dict[str, str]:
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        return {}
    body = await request.body()
    with contextlib.suppress(ValueError):
        return dict(parse_qsl(body[:64_000].decode("utf-8", "replace"), max_num_fields=40))
    return {}


def _seen_at(url: str, by: str) -> Response:
    answer = RedirectResponse(url, status_code=303)
    if by:
        answer.set_cookie(_COOKIE, quote(by), max_age=31_536_000, httponly=True, samesite="strict")
    return answer


def _said(request: Request) -> str:
    """The sentence for what a form did. Only words that are known here: nothing of the address is repeated."""
    word = request.query_params.get("said", "")
    if word.startswith("not-"):
        return phrases.refusal(word[4:]) if word[4:].replace("_", "").isalpha() and len(word) < 40 else ""
    return phrases.DONE.get(word, "")


def tone(value: float) -> str:
    """The class of a place on the scale from bad (-1) to good (1)."""
    step = min(3, round(abs(value) * 3.2))
    return "tone-0" if step == 0 else f"tone-{'g' if value > 0 else 'b'}{step}"


def _own_work(voice: Voice) -> bool:
    if voice.tagged is not None:
        return voice_of(voice.tagged) == OWN_WORK
    return voice.event.author == "employee"


def _runs_of(voice: Voice, with_evidence: bool) -> list[Run]:
    evidence = voice.tagged.tags.evidence if voice.tagged is not None and with_evidence else ()
    return runs(voice.event.text or "", telling(evidence), voice.event.masks)


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


def _limit(request: Request) -> int:
    return limit_of(request.query_params) if "limit" in request.query_params else _PER_PAGE


def _more(path: str, query: Mapping[str, str], cursor: Cursor | None) -> str:
    return f"{path}?{urlencode({**query, 'after': cursor.text()})}" if cursor is not None else ""


def _one_of(value: str, known: tuple[Any, ...]) -> Any:
    return value if value in known else None


def _caller(request: Request) -> str | None:
    return getattr(request.state, "caller", None)


def _by_group(seen: Any) -> list[tuple[str, int, float]]:
    left: dict[str, int] = {}
    for lag in seen.lags:
        left[lag.group] = left.get(lag.group, 0) + lag.messages
    ages = {group: max((a for (g, _), a in seen.ages.items() if g == group), default=0.0) for group in left}
    return [(group, number, ages[group]) for group, number in left.items()]
