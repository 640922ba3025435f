"""The rooms of what is worked on: the list, one case with its proof, its voices, and the form for commands."""

from collections.abc import Mapping
from datetime import date
from urllib.parse import quote
from uuid import uuid4

from fastapi import Request
from starlette.responses import Response

from services.api import titles
from services.api.ask import MAX_NAME, CommandBody, expected_revision
from services.api.cases import title
from services.api.io import actions as read_actions
from services.api.io import feedback as read_feedback
from services.api.io.gather import HISTORY_DAYS, LEAST_EMPLOYEES, Gather, series
from services.api.io.not_ours import NotOurs
from services.api.io.pages.forms import said, shown_at
from services.api.io.pages.renderer import PER_PAGE, Renderer, older, own_work
from services.api.io.people import caller_of
from services.api.io.policy import PolicyWatcher
from services.api.io.store import Store
from services.api.not_ours import NOT_OURS
from services.api.queries import ACTIVE, BadQuery, action_filter, after_of
from services.api.rollups import weeks_of
from services.contracts.errors import Unavailable
from services.kit.clock import Clock


class Cases:
    """What teams were asked to do."""

    def __init__(
        self,
        renderer: Renderer,
        *,
        store: Store,
        not_ours: NotOurs,
        gather: Gather,
        watcher: PolicyWatcher,
        clock: Clock,
    ) -> None:
        self._renderer = renderer
        self._store = store
        self._not_ours = not_ours
        self._gather = gather
        self._watcher = watcher
        self._clock = clock

    def actions(self, request: Request) -> Response:
        known = self._watcher.names()
        asked = action_filter(request.query_params)
        area = known.present("areas", request.query_params.get("area", ""))
        with self._store.reading() as connection:
            page = read_actions.list_actions(
                connection, asked, limit=100, after=after_of(request.query_params), names=known
            )
        stories = [
            story
            for story in self._gather.stories(known, page.items)
            if not area or known.present("areas", story.action.plan.area or "") == area
        ]
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
        narrowed = bool(query or area)
        return self._renderer.page(
            request,
            "actions.html",
            "/actions",
            titles.actions_title(stories) if stories or not narrowed else "No case is like that",
            known=known,
            parts=parts,
            nothing=not stories,
            narrowed=narrowed,
            asked=query,
            more=older("/actions", query, page.next),
        )

    def one_action(self, request: Request, name: str) -> Response:
        known = self._watcher.names()
        with self._store.reading() as connection:
            action = read_actions.get_action(connection, name)
            if action is None:
                return self._renderer.nothing(request)
            changes = read_actions.history(connection, name)
            voices = read_feedback.voices_by_id(connection, action.worst)
            told = read_actions.deliveries(connection, name)
            last = self._clock().date().toordinal()
            days = series(connection, action, last - HISTORY_DAYS, last)
        (story,) = self._gather.stories(known, [action])
        hidden = action.plan.part == "engagement" and action.customers < LEAST_EMPLOYEES
        verbatims = [voices[event] for event in action.worst if event in voices and voices[event].event.text]
        weeks = weeks_of(days, last=last, weeks=titles.CHART_WEEKS)
        return self._renderer.page(
            request,
            "one_action.html",
            "/actions",
            titles.case_title(story, today=self._clock().date()),
            known=known,
            story=story,
            history=list(reversed(changes)),
            verbatims=[] if hidden else [v for v in verbatims if not own_work(v)][:3],
            hidden=hidden or any(own_work(v) for v in verbatims),
            told=told,
            weeks=weeks,
            ends=[date.fromordinal(last - 7 * back) for back in range(titles.CHART_WEEKS - 1, -1, -1)],
            marks=titles.marks(changes, last),
            proof=titles.proof_words(action, now=self._clock()),
            result=said(request),
            key=str(uuid4()),
        )

    def members(self, request: Request, name: str) -> Response:
        known = self._watcher.names()
        with self._store.reading() as connection:
            action = read_actions.get_action(connection, name)
            if action is None:
                return self._renderer.nothing(request)
            page = read_feedback.members(connection, name, limit=PER_PAGE, after=after_of(request.query_params))
        return self._renderer.page(
            request,
            "voices.html",
            "/actions",
            f"All that is said about “{title(action, known)}”",
            known=known,
            intro="",
            voices=page.items,
            named={},
            more=older(f"/actions/{name}/members", {}, page.next),
        )

    def command(self, request: Request, name: str, form: Mapping[str, str]) -> Response:
        with self._store.reading() as connection:
            action = read_actions.get_action(connection, name)
        if action is None:
            return self._renderer.nothing(request)
        by = form.get("by", "").strip()[:MAX_NAME]
        declined = form.get("command") == NOT_OURS
        body = CommandBody(
            command=form.get("command", ""),
            by=by,
            comment=form.get("comment", "").strip() or None,
            to=form.get("to", "").strip() or None,
            stage=(form.get("stage") or None) if declined else None,
            areas=(form["area"],) if declined and form.get("area") else None,
        )
        try:
            key, caller = form.get("key") or None, caller_of(request)
            expected = expected_revision(form.get("revision") or None)
            done = self._not_ours.command(
                action, body, names=self._watcher.names(), key=key, expected_revision=expected, caller=caller
            )
            word = {"done": body.command, "pending": "pending", "key_reused": "key"}.get(done.state, "")
            if done.state == "refused" and done.change is not None:
                word = f"not-{done.change.reason}"
        except BadQuery as error:
            first = error.problems[0].pointer.removeprefix("/")
            word = {"by": "name", "to": "whose" if declined else "whom", "comment": "words"}.get(first, "words")
        except Unavailable:
            word = "away"
        return shown_at(f"/actions/{quote(name, safe='')}?said={quote(word)}", by)
