"""The room where a sentence is tried: nothing of it is stored."""

from collections.abc import Mapping

from fastapi import Request
from starlette.responses import Response

from services.api import wording
from services.api.io.pages.renderer import Renderer
from services.api.io.policy import PolicyWatcher
from services.api.io.tagger import Tagger
from services.api.queries import BadQuery
from services.api.trial import PLACES, TrialBody, checked, trial
from services.contracts.errors import Unavailable
from services.kit.clock import Clock


class Trying:
    """One page: the form, and below it what would be read and decided."""

    def __init__(
        self,
        renderer: Renderer,
        *,
        watcher: PolicyWatcher,
        tagger: Tagger,
        clock: Clock,
    ) -> None:
        self._renderer = renderer
        self._watcher = watcher
        self._tagger = tagger
        self._clock = clock

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
        return self._renderer.page(
            request, "try.html", "/try", "Try a sentence", known=known, body=body, trial=found, result=result
        )
