"""Asking a person about one text and handing in the answer: what the rooms of teaching and of review have in common."""

from collections.abc import Mapping
from urllib.parse import unquote

from fastapi import Request

from services.api.ask import MAX_NAME
from services.api.io import feedback as read_feedback
from services.api.io import labels, reviews
from services.api.io.desk import Desk
from services.api.io.pages.forms import PERSON, caller_of
from services.api.io.pages.piles import Next, Piles
from services.api.io.policy import PolicyWatcher
from services.api.io.store import Store
from services.api.queries import BadQuery
from services.api.teaching import Lesson, Purpose, answer
from services.contracts.errors import Unavailable


class Lessons:
    """Fetches texts to ask about and takes what people say of them."""

    def __init__(self, *, store: Store, desk: Desk, watcher: PolicyWatcher) -> None:
        self._store = store
        self._desk = desk
        self._watcher = watcher

    def next_of(self, piles: Piles, by: str) -> Lesson | None:
        """What this person is asked now. A text that somebody labelled since it was chosen is passed over."""
        while (item := piles.top(by)) is not None:
            lesson = self._fresh(item, by)
            if lesson is not None:
                return lesson
            piles.away(by, item.event, skipped=True)
        return None

    def again(self, event: str, by: str) -> Lesson | None:
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

    def take(self, request: Request, form: Mapping[str, str], *, by: str, asked: Purpose) -> str:
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
            body = answer(form, standing, by=by, asked=asked)
            done = self._desk.correct(voice, body, names=self._watcher.names(), caller=caller_of(request))
        except BadQuery as error:
            return "name" if error.problems[0].pointer == "/by" else "unreadable"
        except Unavailable:
            return "away"
        return {"done": "kept", "pending": "keeping"}.get(done.state, done.state)


def name_in(form: Mapping[str, str]) -> str:
    """The name that a form brings."""
    return "".join(letter for letter in form.get("by", "") if letter.isprintable()).strip()[:MAX_NAME]


def person_of(request: Request) -> str:
    """Who speaks: the owner of the API key, else the name that was given once."""
    return caller_of(request) or unquote(request.cookies.get(PERSON, "")).strip()


def last_of(request: Request) -> str:
    """The text that was answered last, so that the answer can be changed. Only what has the form of an id."""
    name = request.query_params.get("last", "")
    return name if len(name) == 36 and name.replace("-", "").isalnum() else ""
