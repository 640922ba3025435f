"""A text that a person is asked about: which keys mean what, what an answer says, how far the first labels are.

An answer is an ordinary correction; one that says what the tags said confirms them. Pure.
"""

from collections.abc import Iterable, Mapping
from typing import Literal, get_args

import msgspec

from services.api.ask import CorrectionBody
from services.api.marked import Run, runs
from services.api.queries import BadQuery
from services.api.rollups import OTHER
from services.api.shapes import Voice
from services.contracts.events import Problem, Sentiment, Tags

Purpose = Literal["onboarding", "review"]
MOST_AREAS = 3
_STAGE_KEYS = "abcdefghijklmnopqrtvwz"
_AREA_KEYS = "1234567890"
_FEELING_KEYS = dict(zip(get_args(Sentiment), "-=+*", strict=True))
RIGHT, SKIP, SILENT, UNDO = "y", "s", "x", "u"
"""The keys for "right", "skip", "it does not tell" and "change the last one"; no stage has one of them."""


class Lesson(msgspec.Struct, frozen=True):
    """One text to look at. `guess` is what the model said, `standing` what counts now: the same unless somebody has
    answered. `again`: this person has answered and looks once more."""

    voice: Voice
    guess: Tags
    standing: Tags
    reasons: tuple[str, ...] = ()
    second: bool = False
    again: bool = False

    @property
    def runs(self) -> list[Run]:
        """The text with the words that earned the guess, also where the guess is not sure: that is what is asked."""
        named = {self.guess.stage, *(tag.area for tag in self.guess.areas), *self.guess.themes}
        spans = [span for span in self.guess.evidence if span.label in named]
        return runs(self.voice.event.text or "", spans, self.voice.event.masks)


class Choice(msgspec.Struct, frozen=True):
    """A label to choose, and the key that chooses it; no key where they have run out."""

    id: str
    name: str
    key: str


class Progress(msgspec.Struct, frozen=True):
    """Texts that people have labelled, and the numbers of labels at which Palette learns from them."""

    given: int
    steps: tuple[int, ...]

    @property
    def last(self) -> int:
        return max(self.steps)

    @property
    def next(self) -> int | None:
        """The step ahead; None when all are behind."""
        return min((step for step in self.steps if step > self.given), default=None)

    def due(self, *, learnt: int) -> int | None:
        """The step that is reached and from whose labels no model has learnt. `learnt`: the most labels that any
        has."""
        reached = max((step for step in self.steps if step <= self.given), default=None)
        return reached if reached is not None and learnt < reached else None


def stage_choices(stages: Mapping[str, str]) -> list[Choice]:
    """The stages with their letters, in the order of the taxonomy."""
    return list(_choices(stages, _STAGE_KEYS))


def area_choices(areas: Mapping[str, str]) -> list[Choice]:
    """The areas with their digits, in the order of the taxonomy."""
    return list(_choices(areas, _AREA_KEYS))


def feeling_choices() -> list[Choice]:
    """The feelings with their signs."""
    return [Choice(feeling, feeling, key) for feeling, key in _FEELING_KEYS.items()]


def _choices(names: Mapping[str, str], keys: str) -> Iterable[Choice]:
    for place, (label, name) in enumerate(names.items()):
        yield Choice(label, name, keys[place] if place < len(keys) else "")


def answer(form: Mapping[str, str], standing: Tags, *, by: str, asked: Purpose) -> CorrectionBody:
    """What a form says of a text; what it leaves open stays as it stands. Raises BadQuery."""
    revision = form.get("revision", "")
    if not revision.isdecimal() or len(revision) > 9:
        raise BadQuery(Problem(pointer="/revision", code="body", message="say which tags were looked at"))
    if form.get("answer") == "silent":
        return CorrectionBody(by=by, revision=int(revision), stage=OTHER, areas=(OTHER,), asked=asked)
    feeling = form.get("sentiment") or standing.sentiment
    return CorrectionBody(
        by=by,
        revision=int(revision),
        stage=form.get("stage") or standing.stage,
        areas=_areas(form, standing),
        sentiment=msgspec.convert(feeling, Sentiment) if feeling in _FEELING_KEYS else standing.sentiment,
        asked=asked,
    )


def _areas(form: Mapping[str, str], standing: Tags) -> tuple[str, ...]:
    """The main area first. An area that does not tell stands alone."""
    main = form.get("area") or (standing.areas[0].area if standing.areas else OTHER)
    also = [name.removeprefix("also.") for name in form if name.startswith("also.")]
    named = tuple(dict.fromkeys((main, *also)))
    if main == OTHER:
        return (OTHER,)
    return tuple(name for name in named if name != OTHER)[:MOST_AREAS]
