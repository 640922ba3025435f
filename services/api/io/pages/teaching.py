"""The room of the first labels at a new company: one text at a time, and what the labels did at each step."""

from collections.abc import Mapping

from fastapi import Request
from starlette.responses import Response

from services.api import learning_words
from services.api.io import labels
from services.api.io.desk import Desk
from services.api.io.learning_routes import first_texts
from services.api.io.models import Making, Models
from services.api.io.pages.forms import shown_at
from services.api.io.pages.lessons import Lessons
from services.api.io.pages.renderer import Renderer
from services.api.io.people import caller_of, person_of
from services.api.io.policy import PolicyWatcher
from services.api.io.store import Store
from services.kit.clock import Clock


class Teaching:
    """`/teach`: the name once, then texts until the last step."""

    def __init__(
        self,
        renderer: Renderer,
        *,
        store: Store,
        desk: Desk,
        models: Models,
        watcher: PolicyWatcher,
        clock: Clock,
    ) -> None:
        self._renderer = renderer
        self._store = store
        self._lessons = Lessons(
            "/teach",
            "onboarding",
            lambda by, number: first_texts(store, watcher.learning(), clock, by, number),
            store=store,
            desk=desk,
            watcher=watcher,
        )
        self._models = models
        self._watcher = watcher

    def teach(self, request: Request) -> Response:
        by = person_of(request)
        with self._store.reading() as connection:
            progress = labels.progress(connection, self._watcher.learning())
        making = self._models.making()  # before the versions: what is done by now is among them
        versions = self._models.versions() if progress.given >= min(progress.steps) else None
        due = progress.due(learnt=versions.most_labels) if versions is not None else None
        told = request.query_params.get("said", "")
        if told == "learning":
            told = _outcome(making)
        if told == "too-few":
            due = None  # what could not be judged just now must not stand in the way of the next text
        ready = due is None and progress.next is not None
        lesson = self._lessons.lesson(request, by, more=ready)
        made = versions.items[0] if versions is not None and versions.items[0].judged else None
        awaited = made is not None and versions is not None and made.version == versions.awaited
        return self._renderer.page(
            request,
            "teach.html",
            "/review",
            "Ten minutes: is Palette right about these texts?",
            **self._lessons.shown(request, by, lesson),
            own_key=caller_of(request) is not None,
            progress=progress,
            learning=making.state == "running",
            step=due,
            made=made,
            awaited=awaited,
            told=learning_words.told(told),
        )

    def answer(self, request: Request, form: Mapping[str, str]) -> Response:
        """A name, an answer, or a text that is put aside."""
        return self._lessons.answer(request, form)

    def learn(self, request: Request, form: Mapping[str, str]) -> Response:
        """Learns from the first labels."""
        by = person_of(request, form)
        if not by:
            return shown_at("/teach?said=name", "")
        made = self._models.make(by=by, first=True)
        return shown_at(f"/teach?said={_outcome(made)}", by)


def _outcome(making: Making) -> str:
    """What became of the learning, as a word of an address."""
    if making.state == "running":
        return "learning"
    if making.state != "done" or making.made is None:
        return "not-learnt"
    return "learnt" if making.made.get("version") is not None else "too-few"
