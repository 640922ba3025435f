"""The room of the first labels at a new company: one text at a time, and what the labels did at each step."""

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from fastapi import Request
from starlette.responses import Response

from services.api import learning_words
from services.api.io import labels
from services.api.io.learning_routes import first_texts
from services.api.io.models import Making, Models
from services.api.io.pages.forms import caller_of, shown_at
from services.api.io.pages.lessons import Lessons, last_of, name_in, person_of
from services.api.io.pages.piles import Next, Piles
from services.api.io.pages.renderer import Renderer
from services.api.io.policy import PolicyWatcher
from services.api.io.store import Store
from services.api.teaching import Progress, area_choices, feeling_choices, stage_choices
from services.api.versions import Versions, read_versions
from services.contracts.errors import Unavailable
from services.kit.clock import Clock


class Teaching:
    """`/teach`: the name once, then texts until the last step."""

    def __init__(
        self,
        renderer: Renderer,
        *,
        store: Store,
        lessons: Lessons,
        models: Models,
        watcher: PolicyWatcher,
        clock: Clock,
    ) -> None:
        self._renderer = renderer
        self._store = store
        self._lessons = lessons
        self._models = models
        self._watcher = watcher
        self._clock = clock
        self._piles = Piles(self._chosen)

    def _chosen(self, by: str, number: int) -> Sequence[Next]:
        found = first_texts(self._store, self._watcher.learning(), self._clock, by, number)
        return [Next(item["id"], tuple(item["reasons"]), item["second_look"]) for item in found["items"]]

    def teach(self, request: Request) -> Response:
        known = self._watcher.names()
        by = person_of(request)
        with self._store.reading() as connection:
            progress = Progress(
                labels.labelled(connection, one_by_one=True), self._watcher.learning().onboarding.labels
            )
        versions = self._versions() if progress.given >= min(progress.steps) else None
        due = progress.due(learnt=versions.most_labels) if versions is not None else None
        making = self._models.making()
        told = request.query_params.get("said", "")
        if told == "learning":
            told = _outcome(making)
        if told == "too-few":
            due = None  # what could not be judged just now must not stand in the way of the next text
        again = request.query_params.get("again", "")
        lesson = None
        if by and again:
            lesson = self._lessons.again(again, by)
        if by and lesson is None and due is None and progress.next is not None:
            lesson = self._lessons.next_of(self._piles, by)
        made = versions.items[0] if versions is not None and versions.items[0].judged else None
        awaited = made is not None and versions is not None and made.version == versions.awaited
        return self._renderer.page(
            request,
            "teach.html",
            "/review",
            "Ten minutes: is Palette right about these texts?",
            known=known,
            words=learning_words,
            by=by,
            own_key=caller_of(request) is not None,
            progress=progress,
            learning=making.state == "running",
            step=due,
            made=made,
            awaited=awaited,
            lesson=lesson,
            last=last_of(request),
            told=learning_words.told(told),
            stages=stage_choices(known.stages),
            areas=area_choices(known.areas),
            feelings=feeling_choices(),
        )

    def answer(self, request: Request, form: Mapping[str, str]) -> Response:
        """A name, an answer, or a text that is put aside."""
        by = caller_of(request) or name_in(form) or person_of(request)
        if form.get("answer") == "begin":
            return shown_at("/teach" if by else "/teach?said=name", by)
        if not by:
            return shown_at("/teach?said=name", "")
        event = form.get("id", "")
        if form.get("answer") == "skip":
            self._piles.away(by, event, skipped=True)
            return shown_at("/teach?said=skipped", by)
        word = self._lessons.take(request, form, by=by, asked="onboarding")
        if word in {"kept", "keeping", "taken", "untagged"}:
            self._piles.away(by, event, skipped=word != "kept")
        last = f"&last={quote(event, safe='')}" if word in {"kept", "keeping"} else ""
        return shown_at(f"/teach?said={word}{last}", by)

    def learn(self, request: Request, form: Mapping[str, str]) -> Response:
        """Learns from the first labels."""
        by = caller_of(request) or name_in(form) or person_of(request)
        if not by:
            return shown_at("/teach?said=name", "")
        made = self._models.make(by=by, first=True)
        return shown_at(f"/teach?said={_outcome(made)}", by)

    def _versions(self) -> Versions | None:
        try:
            return read_versions(self._models.listed())
        except Unavailable:
            return None


def _outcome(making: Making) -> str:
    """What became of the learning, as a word of an address."""
    if making.state == "running":
        return "learning"
    if making.state != "done" or making.made is None:
        return "not-learnt"
    return "learnt" if making.made.get("version") is not None else "too-few"
