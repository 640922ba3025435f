"""The rooms of what customers say: the list, one voice, one customer, and the form that corrects a tag."""

from collections.abc import Mapping
from urllib.parse import quote, urlencode

from fastapi import Request
from starlette.responses import Response

from services.api import learning_words, present
from services.api.ask import MAX_NAME, CorrectionBody, expected_revision
from services.api.io import actions as read_actions
from services.api.io import feedback as read_feedback
from services.api.io import labels
from services.api.io.desk import Desk
from services.api.io.gather import Gather
from services.api.io.pages.forms import one_of, said, shown_at
from services.api.io.pages.renderer import PER_PAGE, Renderer, older
from services.api.io.people import caller_of
from services.api.io.policy import PolicyWatcher
from services.api.io.store import Store
from services.api.queries import BadQuery, after_of, feedback_filter, limit_of
from services.api.shapes import Voice
from services.contracts.errors import Unavailable
from services.contracts.events import Pseudonym


class Voices:
    """What came in, as it was said."""

    def __init__(
        self,
        renderer: Renderer,
        *,
        store: Store,
        desk: Desk,
        gather: Gather,
        watcher: PolicyWatcher,
    ) -> None:
        self._renderer = renderer
        self._store = store
        self._desk = desk
        self._gather = gather
        self._watcher = watcher

    def feedback(self, request: Request) -> Response:
        known = self._watcher.names()
        asked = present.asked(known, feedback_filter(request.query_params))
        with self._store.reading() as connection:
            page = read_feedback.list_feedback(
                connection,
                self._store,
                asked,
                limit=_limit_of(request),
                after=after_of(request.query_params),
                names=known,
            )
            named = read_actions.actions_of(connection, [voice.event.id for voice in page.items])
        active = asked.active()
        heading = "What customers say, the latest to arrive first" if not active else "Voices that you asked for"
        if asked.status == "unsure" and len(active) == 1:
            heading = "Voices that need a look"
        return self._renderer.page(
            request,
            "feedback.html",
            "/feedback",
            heading,
            known=known,
            voices=page.items,
            named=named,
            asked=active,
            query=urlencode(active),
            more=older("/feedback", active, page.next),
            themes=sorted(((theme.id, theme.name) for theme in known.themes.values()), key=lambda item: item[1]),
        )

    def one_feedback(self, request: Request, name: str) -> Response:
        known = self._watcher.names()
        with self._store.reading() as connection:
            voice = read_feedback.get_voice(connection, name)
            if voice is None:
                return self._renderer.nothing(request)
            head = read_feedback.head_of(connection, voice)
            parts = read_feedback.conversation(connection, voice)
            ids = read_actions.actions_of(connection, [head or name]).get(head or name, [])
            actions = read_actions.actions_by_id(connection, ids)
            said_before = labels.said_of(connection, name)
        return self._renderer.page(
            request,
            "one_feedback.html",
            "/feedback",
            "A conversation" if parts else "Part of a conversation" if voice.is_part else "One voice",
            known=known,
            voice=voice,
            head=head,
            parts=parts,
            stories=self._gather.stories(known, actions),
            result=said(request),
            said_before=[(one, learning_words.said(one, known)) for one in reversed(said_before)],
        )

    def customer(self, request: Request, pseudonym: str) -> Response:
        known = self._watcher.names()
        with self._store.reading() as connection:
            page = read_feedback.timeline(
                connection, Pseudonym(pseudonym), limit=PER_PAGE, after=after_of(request.query_params)
            )
            named = read_actions.actions_of(connection, [voice.event.id for voice in page.items])
        return self._renderer.page(
            request,
            "voices.html",
            "/feedback",
            "One customer over time",
            known=known,
            intro="Palette knows this customer only by a pseudonym; the sender's own case leads to them.",
            voices=page.items,
            named=named,
            more=older(f"/customers/{quote(pseudonym, safe='')}", {}, page.next),
        )

    def correct(self, request: Request, name: str, form: Mapping[str, str]) -> Response:
        with self._store.reading() as connection:
            voice = read_feedback.get_voice(connection, name)
        if voice is None:
            return self._renderer.nothing(request)
        by = form.get("by", "").strip()[:MAX_NAME]
        try:
            body = _correction(form, voice, by=by)
            done = self._desk.correct(voice, body, names=self._watcher.names(), caller=caller_of(request))
            word = {"done": "corrected", "pending": "correcting"}.get(done.state, done.state)
        except BadQuery as error:
            word = "name" if error.problems[0].pointer == "/by" else "nothing"
        except Unavailable:
            word = "away"
        return shown_at(f"/feedback/{quote(name, safe='')}?said={quote(word)}", by)


def _correction(form: Mapping[str, str], voice: Voice, *, by: str) -> CorrectionBody:
    """What the form says; "all right" says of step and part what the tags say. Raises BadQuery."""
    revision = expected_revision(form.get("revision") or None)
    if form.get("answer") == "right" and voice.tagged is not None:
        tags = voice.tagged.tags
        areas = tuple(tag.area for tag in tags.areas)
        return CorrectionBody(by=by, revision=revision, stage=tags.stage, areas=areas or None)
    severity = form.get("severity", "")
    return CorrectionBody(
        by=by,
        revision=revision,
        stage=form.get("stage") or None,
        areas=(form["areas"],) if form.get("areas") else None,
        sentiment=one_of(form.get("sentiment", ""), ("negative", "neutral", "positive", "mixed")),
        severity=int(severity) if severity in {"0", "1", "2", "3"} else None,
    )


def _limit_of(request: Request) -> int:
    return limit_of(request.query_params) if "limit" in request.query_params else PER_PAGE
