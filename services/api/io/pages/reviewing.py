"""The room of the daily labels: a few texts for this person, what their answers did, and how far people agree."""

from collections.abc import Mapping
from datetime import datetime

import msgspec
from fastapi import Request
from sqlalchemy import Connection
from starlette.responses import Response

from services.api import learning_words
from services.api.agreement import Kappa, Question, kappas, questions
from services.api.io import labels, reviews
from services.api.io.desk import Desk
from services.api.io.learning_routes import days_texts
from services.api.io.pages.lessons import Lessons
from services.api.io.pages.renderer import Renderer
from services.api.io.people import person_of
from services.api.io.policy import PolicyWatcher
from services.api.io.store import Store
from services.api.reviewed import by_person
from services.api.shapes import Voice
from services.kit.clock import Clock

_EXAMPLES = 2


class Today(msgspec.Struct, frozen=True):
    """What a person answered today: for the daily texts, in all, how many of those said that the tags are right."""

    asked: int
    given: int
    right: int


class People(msgspec.Struct, frozen=True):
    """How far people agree. `examples`: texts for each question, without what employees say of their work."""

    answered: int
    twice: int
    people: int
    heads: list[Kappa]
    questions: list[tuple[Question, list[Voice]]]


class Reviewing:
    """`/review`."""

    def __init__(
        self,
        renderer: Renderer,
        *,
        store: Store,
        desk: Desk,
        watcher: PolicyWatcher,
        clock: Clock,
    ) -> None:
        self._renderer = renderer
        self._store = store
        self._lessons = Lessons(
            "/review",
            "review",
            lambda by, number: days_texts(store, watcher.learning(), clock, by, number),
            store=store,
            desk=desk,
            watcher=watcher,
        )
        self._watcher = watcher
        self._clock = clock

    def review(self, request: Request) -> Response:
        bounds = self._watcher.learning()
        by = person_of(request)
        with self._store.reading() as connection:
            progress = labels.progress(connection, bounds)
            today = _today(connection, by, self._clock())
            people = _people(connection)
        lesson = self._lessons.lesson(request, by, more=today.asked < bounds.review.a_day)
        return self._renderer.page(
            request,
            "review.html",
            "/review",
            _heading(by, today, bounds.review.a_day),
            **self._lessons.shown(request, by, lesson),
            progress=progress,
            today=today,
            a_day=bounds.review.a_day,
            wanted=bounds.promotion.least_reviewed,
            people=people,
            told=learning_words.told(request.query_params.get("said", "")),
        )

    def answer(self, request: Request, form: Mapping[str, str]) -> Response:
        """A name, an answer, or a text that is put aside."""
        return self._lessons.answer(request, form)


def _heading(by: str, today: Today, a_day: int) -> str:
    left = a_day - today.asked
    if not by or today.asked == 0:
        return f"{a_day} texts for today" if a_day > 1 else "One text for today"
    if left > 0:
        return f"{left} more for today" if left > 1 else "One more for today"
    return "Done for today, thank you"


def _today(connection: Connection, by: str, now: datetime) -> Today:
    said = labels.said_by(connection, by=by, day=now) if by else []
    first = reviews.first_tags(connection, [one.of.id for one in said])
    return Today(
        asked=sum(one.correction.asked == "review" for one in said),
        given=len(said),
        right=sum(learning_words.confirms(one, first[one.of.id].of.tags) for one in said),
    )


def _people(connection: Connection) -> People:
    opinions = by_person(reviews.opinions(connection))
    asked = questions(opinions)
    named = [event for question in asked for event in question.events]
    voices = reviews.voices_of(connection, list(dict.fromkeys(named)))
    shown = {name: voice for name, voice in voices.items() if voice.event.text and voice.event.author != "employee"}
    return People(
        answered=len(opinions),
        twice=sum(len(answers) > 1 for answers in opinions.values()),
        people=len({by for answers in opinions.values() for by in answers}),
        heads=kappas(opinions),
        questions=[(q, [shown[name] for name in q.events if name in shown][:_EXAMPLES]) for q in asked],
    )
