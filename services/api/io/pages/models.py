"""The room of models: which one reads now, how the others were judged, and the buttons for them."""

from collections.abc import Mapping
from urllib.parse import quote

from fastapi import Request
from starlette.responses import Response

from services.api import learning_words
from services.api.io import labels
from services.api.io.models import CHOSEN, ROLLED_BACK, Models
from services.api.io.pages.forms import shown_at
from services.api.io.pages.renderer import Renderer
from services.api.io.people import person_of
from services.api.io.policy import PolicyWatcher
from services.api.io.store import Store
from services.api.versions import Way, read_verdict, way_to
from services.contracts.errors import Unavailable


class ModelRoom:
    """`/models`."""

    def __init__(self, renderer: Renderer, *, store: Store, models: Models, watcher: PolicyWatcher) -> None:
        self._renderer = renderer
        self._store = store
        self._models = models
        self._watcher = watcher

    def models(self, request: Request) -> Response:
        versions = self._models.versions()
        with self._store.reading() as connection:
            labelled = labels.labelled(connection)
        making = self._models.making()
        found = read_verdict(making.made) if making.state == "done" else None
        now = versions.of(versions.in_force) if versions is not None else None
        return self._renderer.page(
            request,
            "models.html",
            "/review",
            "Which model reads what customers say",
            known=self._watcher.names(),
            words=learning_words,
            versions=versions,
            now_in_force=now,
            ways={item.version: way_to(item, versions) for item in versions.items} if versions is not None else {},
            labelled=labelled,
            bounds=self._watcher.learning().promotion,
            making=making,
            found=found,
            told=learning_words.told(request.query_params.get("said", "")),
        )

    def make(self, request: Request, form: Mapping[str, str]) -> Response:
        """Tries a challenger."""
        by = person_of(request, form)
        if not by:
            return shown_at("/models?said=name", "")
        made = self._models.make(by=by, first=False)
        word = {"running": "learning", "done": "judged"}.get(made.state, "not-learnt")
        return shown_at(f"/models?said={word}", by)

    def activate(self, request: Request, version: str, form: Mapping[str, str]) -> Response:
        """Brings a version into force where its verdict allows, or goes back to one."""
        by = person_of(request, form)
        if not by:
            return shown_at("/models?said=name", "")
        return shown_at(f"/models?said={quote(self._activated(version, by))}", by)

    def _activated(self, version: str, by: str) -> str:
        versions = self._models.versions()
        if versions is None:
            return "away"
        wanted = versions.of(version)
        if wanted is None:
            return "unknown"
        way = way_to(wanted, versions)
        if way is Way.IN_FORCE:
            return "already"
        if way is Way.REFUSED and wanted.last is not None:
            return f"no-{wanted.last.verdict.reason}"
        if way not in {Way.PROMOTE, Way.BACK}:
            return way
        try:
            return self._models.activate(version, by=by, reason=ROLLED_BACK if way is Way.BACK else CHOSEN).state
        except Unavailable:
            return "away"
