"""Asking a person about one text after another and taking the answers: what the rooms of teaching and of review have in
common. Each room has one `Lessons`, with its own piles."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from fastapi import Request
from starlette.responses import Response

from services.api import learning_words
from services.api.io import feedback as read_feedback
from services.api.io import labels, reviews
from services.api.io.desk import Desk
from services.api.io.pages.forms import shown_at
from services.api.io.pages.piles import Next, Piles
from services.api.io.people import caller_of, person_of
from services.api.io.policy import PolicyWatcher
from services.api.io.store import Store
from services.api.queries import BadQuery
from services.api.teaching import Lesson, Purpose, answer, area_choices, feeling_choices, stage_choices
from services.contracts.errors import Unavailable


class Lessons:
    """Fetches texts to ask about and takes what people say of them. `path` is the room's address, `asked` what its
    answers are for, `texts` (person, how many) -> what `/v1/review/next` tells of the texts worth most now."""

    def __init__(
        self,
        path: str,
        asked: Purpose,
        texts: Callable[[str, int], Mapping[str, Any]],
        *,
        store: Store,
        desk: Desk,
        watcher: PolicyWatcher,
    ) -> None:
        self._path = path
        self._asked: Purpose = asked
        self._piles = Piles(lambda by, number: _chosen(texts(by, number)))
        self._store = store
        self._desk = desk
        self._watcher = watcher

    def lesson(self, request: Request, by: str, *, more: bool) -> Lesson | None:
        """What this person is shown: the answer that they want to change, else, if there is to be `more`, the text that
        they are asked about now."""
        if not by:
            return None
        again = request.query_params.get("again", "")
        lesson = self._again(again, by) if again else None
        return self._next(by) if lesson is None and more else lesson

    def shown(self, request: Request, by: str, lesson: Lesson | None) -> dict[str, Any]:
        """What the page of either room is drawn with."""
        known = self._watcher.names()
        return {
            "known": known,
            "words": learning_words,
            "by": by,
            "lesson": lesson,
            "last": _last_of(request),
            "stages": stage_choices(known.stages),
            "areas": area_choices(known.areas),
            "feelings": feeling_choices(),
        }

    def answer(self, request: Request, form: Mapping[str, str]) -> Response:
        """A name, an answer, or a text that is put aside."""
        by = person_of(request, form)
        if not by:
            return shown_at(f"{self._path}?said=name", "")
        if form.get("answer") == "begin":
            return shown_at(self._path, by)
        event = form.get("id", "")
        if form.get("answer") == "skip":
            self._piles.away(by, event, skipped=True)
            return shown_at(f"{self._path}?said=skipped", by)
        word = self._take(request, form, by=by)
        if word in {"kept", "keeping", "taken", "untagged"}:
            self._piles.away(by, event, skipped=word != "kept")
        last = f"&last={quote(event, safe='')}" if word in {"kept", "keeping"} else ""
        return shown_at(f"{self._path}?said={word}{last}", by)

    def _next(self, by: str) -> Lesson | None:
        """A text that somebody labelled since it was chosen is passed over."""
        while (item := self._piles.top(by)) is not None:
            lesson = self._fresh(item, by)
            if lesson is not None:
                return lesson
            self._piles.away(by, item.event, skipped=True)
        return None

    def _again(self, event: str, by: str) -> Lesson | None:
        """A text that this person has labelled, with their answer standing; None where they have not."""
        with self._store.reading() as connection:
            voice = read_feedback.get_voice(connection, event)
            said = labels.said_of(connection, event)
            first = reviews.first_tags(connection, [event]).get(event)
        if voice is None or voice.tagged is None or first is None or said[-1].correction.by != by:
            return None
        return Lesson(voice, guess=first.of.tags, standing=voice.tagged.tags, again=True)

    def _fresh(self, item: Next, by: str) -> Lesson | None:
        with self._store.reading() as connection:
            voice = read_feedback.get_voice(connection, item.event)
            said = labels.said_of(connection, item.event)
            first = reviews.first_tags(connection, [item.event]).get(item.event)
        if voice is None or voice.tagged is None:
            return None
        if (said and not item.second) or any(one.correction.by == by for one in said):
            return None
        # for a second look, what the first person said must not show: the model's own guess stands in its place
        guess = first.of.tags if first is not None else voice.tagged.tags
        return Lesson(voice, guess=guess, standing=guess, reasons=item.reasons, second=item.second)

    def _take(self, request: Request, form: Mapping[str, str], *, by: str) -> str:
        """Hands an answer in; the word for what became of it."""
        event = form.get("id", "")
        with self._store.reading() as connection:
            voice = read_feedback.get_voice(connection, event)
            first = reviews.first_tags(connection, [event]).get(event)
            mine = any(one.correction.by == by for one in labels.said_of(connection, event))
        if voice is None or voice.tagged is None:
            return "untagged"
        standing = first.of.tags if first is not None and not mine else voice.tagged.tags
        try:
            body = answer(form, standing, by=by, asked=self._asked)
            done = self._desk.correct(voice, body, names=self._watcher.names(), caller=caller_of(request))
        except BadQuery as error:
            return "name" if error.problems[0].pointer == "/by" else "unreadable"
        except Unavailable:
            return "away"
        return {"done": "kept", "pending": "keeping"}.get(done.state, done.state)


def _chosen(found: Mapping[str, Any]) -> list[Next]:
    return [Next(item["id"], tuple(item["reasons"]), item["second_look"]) for item in found["items"]]


def _last_of(request: Request) -> str:
    """The text that was answered last, so that the answer can be changed. Only what has the form of an id."""
    name = request.query_params.get("last", "")
    return name if len(name) == 36 and name.replace("-", "").isalnum() else ""
