"""Models as people see them: which are to be had, which is in force, and making one from what people said.

The classifier makes and judges, over its internal port; the word that a version comes into force is said here, on the
topic. One is made at a time, on a thread; whoever asks waits a while and may look again.
"""

import threading
from typing import Any, Final, Literal

import msgspec

from services.api.io import reviews
from services.api.io.classifier import ClassifierPort
from services.api.io.publisher import Publisher
from services.api.io.store import Store
from services.api.reviewed import latest, lines
from services.api.versions import Versions, Way, read_versions, way_to
from services.contracts.errors import Unavailable
from services.contracts.events import ModelActivated
from services.kit.clock import Clock, utc_now

WAIT_SECONDS = 20.0
_ACTIVATION_SECONDS = 8.0
_LOOK_SECONDS = 0.2
_MAKING_SECONDS = 1_800.0
CHOSEN: Final = "chosen"
ROLLED_BACK: Final = "rolled_back"


class Judgement(msgspec.Struct, frozen=True):
    """The verdict as far as something is done about it here."""

    promote: bool
    reason: str
    figures: dict[str, float] = {}


class Made(msgspec.Struct, frozen=True):
    """What the classifier made of labels, if anything."""

    champion: str
    verdict: Judgement
    version: str | None = None
    digest: str | None = None


class Making(msgspec.Struct, frozen=True):
    """How far the making of a challenger is. `made` is the classifier's answer whole, `activated` what came into
    force."""

    state: Literal["none", "running", "done", "failed"]
    by: str = ""
    labels: int = 0
    made: dict[str, Any] | None = None
    activated: str | None = None
    detail: str = ""


class Activated(msgspec.Struct, frozen=True):
    """What became of an activation: in force in the classifier that was asked, or said and not seen there yet, or
    refused because the version was judged worse than the one in force."""

    version: str
    state: Literal["in_force", "pending", "unknown", "refused"]
    parent: str | None = None


class Classifier(ClassifierPort):
    """What the classifier says and does of models. Everything raises Unavailable while it is away."""

    def models(self) -> dict[str, Any]:
        """`in_force` and the cards of all versions."""
        try:
            return self._told("GET", "/internal/models")
        except Unavailable:
            # a kept connection to a classifier that has started again since is only found out by using it
            return self._told("GET", "/internal/models")

    def challenge(self, labels: list[bytes], *, by: str, first: bool) -> dict[str, Any]:
        """Makes and judges. Takes up to minutes."""
        return self._told(
            "POST",
            "/internal/challenger",
            params={"by": by, "first": "1" if first else "0"},
            content=b"\n".join(labels),
            headers={"content-type": "application/x-ndjson"},
            timeout=_MAKING_SECONDS,
        )

    def _told(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        status, found = self._asked(method, path, **request)
        if status != 200:
            detail = found.get("detail") or found.get("title") or ""
            raise Unavailable(f"the classifier answered {status}: {detail}", retry_after=5)
        return found


class Models:
    """Lists, makes, activates."""

    def __init__(self, store: Store, publisher: Publisher, classifier: Classifier, *, clock: Clock = utc_now) -> None:
        self._store = store
        self._publisher = publisher
        self._classifier = classifier
        self._clock = clock
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._making = Making("none")
        self._said: ModelActivated | None = None  # the last one from here: the store hears of it a moment later

    def listed(self) -> dict[str, Any]:
        """Every version with its card, what is in force, what was said to come into force and is not seen there yet,
        and what to go back to. Raises Unavailable."""
        found = self._classifier.models()
        with self._store.reading() as connection:
            said = reviews.activations(connection)
        activated = {activation.version: activation for activation in said}
        newest = max(filter(None, (*said[:1], self._said)), key=lambda one: one.at, default=None)
        awaited = newest.version if newest is not None and newest.version != found["in_force"] else None
        now = activated.get(found["in_force"])
        items = [
            {
                **card,
                "in_force": card["version"] == found["in_force"],
                "activated_at": entry.at if (entry := activated.get(card["version"])) else None,
                "activated_by": entry.by if entry else None,
                "reason": entry.reason if entry else None,
            }
            for card in found["items"]
        ]
        before = now.parent if now else None
        return {"in_force": found["in_force"], "awaited": awaited, "before": before, "items": items}

    def versions(self) -> Versions | None:
        """What is listed, read; None while the classifier is away."""
        try:
            return read_versions(self.listed())
        except Unavailable:
            return None

    # ---- making -----------------------------------------------------------------------------------------------------

    def make(self, *, by: str, first: bool) -> Making:
        """Makes a challenger from everything that people said, and brings it into force where the verdict says so.
        Joins one that is being made. Waits a while: the answer may be that it still runs."""
        with self._lock:
            if self._making.state != "running":
                self._making = Making("running", by)
                self._ended.clear()
                threading.Thread(target=self._run, args=(by, first), name="challenger", daemon=True).start()
        self._ended.wait(WAIT_SECONDS)
        return self._making

    def making(self) -> Making:
        """How far the last one is."""
        return self._making

    def _run(self, by: str, first: bool) -> None:
        try:
            self._making = self._made(by, first)
        except Unavailable as error:
            self._making = Making("failed", by, detail=str(error))
        except Exception as error:
            self._making = Making("failed", by, detail=f"a mistake of ours ({type(error).__name__})")
            raise
        finally:
            self._ended.set()

    def _made(self, by: str, first: bool) -> Making:
        with self._store.reading() as connection:
            labels = latest(reviews.opinions(connection))
            voices = reviews.voices_of(connection, list(labels))
            before = {activation.version for activation in reviews.activations(connection)}
        found = lines(labels, voices)
        whole = self._classifier.challenge(found, by=by, first=first)
        made = msgspec.convert(whole, Made)
        activated = None
        # what people once went back from does not return by itself with the very same labels
        if made.verdict.promote and made.version is not None and made.version not in before:
            activated = ModelActivated(
                version=made.version,
                digest=made.digest or "",
                at=self._clock(),
                by=by,
                reason=made.verdict.reason,
                figures=made.verdict.figures,
                parent=made.champion,
            )
            self._say(activated)
            self._until_in_force(made.version)
        return Making("done", by, len(found), whole, activated.version if activated is not None else None)

    # ---- activating -------------------------------------------------------------------------------------------------

    def activate(self, version: str, *, by: str, reason: str) -> Activated:
        """Brings a version into force everywhere. Raises Unavailable."""
        found = self._classifier.models()
        card = next((card for card in found["items"] if card["version"] == version), None)
        if card is None:
            return Activated(version, "unknown")
        known = read_versions(self.listed())
        wanted = known.of(version)
        if wanted is not None and way_to(wanted, known) is Way.REFUSED:
            return Activated(version, "refused")
        # after going back, the next way back is to what that version itself came from
        parent = card.get("parent") if reason == ROLLED_BACK else found["in_force"]
        if version != found["in_force"]:
            self._say(
                ModelActivated(
                    version=version, digest=card["digest"], at=self._clock(), by=by, reason=reason, parent=parent
                )
            )
        return Activated(version, "in_force" if self._until_in_force(version) else "pending", parent)

    def _say(self, activation: ModelActivated) -> None:
        self._publisher.publish(activation)
        self._said = activation

    def _until_in_force(self, version: str) -> bool:
        """Whether the classifier has it in force within a moment."""
        waiting = threading.Event()
        for _ in range(round(_ACTIVATION_SECONDS / _LOOK_SECONDS)):
            if self._classifier.models()["in_force"] == version:
                return True
            waiting.wait(_LOOK_SECONDS)
        return False

    def close(self) -> None:
        self._classifier.close()
