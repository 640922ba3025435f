"""Which themes a text tells of: those that the model finds likely enough, and of those that it never learnt (the
company's own) the ones whose phrases stand in the text.

Knows the taxonomy, the lexicon's labels and what the model made of the text; finds no phrases itself.
"""

from collections import defaultdict
from collections.abc import Sequence

import msgspec
import numpy as np

from services.classify.model.probabilities import Model
from services.classify.model.theme_chances import FEWEST_TEXTS
from services.classify.reading.features import Floats
from services.classify.reading.lexicon import Hit, Lexicon
from services.classify.taxonomy.labels import UNKNOWN, Taxonomy, Theme
from services.contracts.events import Sentiment

MOST_THEMES = 4
_PLACE_FROM = 0.15
"""How probable the model must find the stage and area of a theme that it never learnt: a phrase alone is often said in
passing."""
_PLAINLY = 0.7
_LONG = 4


class Told(msgspec.Struct, frozen=True):
    """A theme that is told of, and the longest phrase that says so, where there is one."""

    theme: str
    hit: Hit | None


class Themes:
    """Decides on themes for one model and one taxonomy. Stateless after construction."""

    def __init__(self, model: Model, lexicon: Lexicon, taxonomy: Taxonomy) -> None:
        self._labels = lexicon.labels
        self._taxonomy = taxonomy
        self._stages = {label: number for number, label in enumerate(model.head("stage").labels)}
        self._areas = {label: number for number, label in enumerate(model.head("areas").labels)}
        self._least = model.themes.least
        self._ids, texts = model.themes.ids, model.themes.texts
        self._learnt = {theme for theme, count in zip(self._ids, texts, strict=True) if count >= FEWEST_TEXTS}

    def of(self, hit: Hit) -> Theme | None:
        """The theme in use that a hit speaks for, if it speaks for one."""
        head, label, _ = self._labels[hit.label]
        return self._taxonomy.theme.get(label) if head == "theme" else None

    def is_own_work(self, hit: Hit) -> bool:
        """Whether a hit speaks for what concerns employees' own work."""
        theme = self.of(hit)
        return theme is not None and theme.stage == UNKNOWN

    def is_meant(self, theme: str, *, silent: str, own_work: bool) -> bool:
        """Whether somebody who feels so may mean a theme: none of the `silent` kind, and none of employees' own work
        unless that is what the text is about."""
        known = self._taxonomy.theme.get(theme)
        return known is not None and known.kind != silent and (known.stage != UNKNOWN or own_work)

    def chosen(
        self,
        hits: Sequence[Hit],
        chances: dict[str, Floats],
        *,
        stage: str,
        areas: Sequence[str],
        silent: str,
        own_work: bool,
    ) -> tuple[Told, ...]:
        """The themes that are meant and likely, the likeliest first; then those never learnt whose phrases were found,
        the one that says most first: longer phrases, in the predicted place."""
        phrases = self._phrases(hits)
        row = chances["themes"]
        likely = sorted(np.flatnonzero(row >= self._least).tolist(), key=lambda number: -row[number])
        meant = [
            theme
            for theme in dict.fromkeys(self._ids[number] for number in likely)
            if theme in self._learnt and self.is_meant(theme, silent=silent, own_work=own_work)
        ]
        found = [Told(theme, _longest(phrases.get(theme, ()))) for theme in meant]
        weight: dict[str, float] = {}
        for name, said in phrases.items():
            theme = self._taxonomy.theme[name]
            if name in self._learnt or not self.is_meant(name, silent=silent, own_work=own_work):
                continue
            if self._is_likely(theme, chances):
                place = 2 * (theme.stage == stage) + (theme.area in areas) + (theme.area == areas[0])
                weight[name] = sum(min(hit.words, _LONG) for hit in said) + place
        found += [
            Told(name, _longest(phrases[name])) for name in sorted(weight, key=lambda name: (-weight[name], name))
        ]
        return tuple(found[:MOST_THEMES])

    def _phrases(self, hits: Sequence[Hit]) -> dict[str, list[Hit]]:
        found: dict[str, list[Hit]] = defaultdict(list)
        for hit in hits:
            theme = self.of(hit)
            if theme is not None:
                found[theme.id].append(hit)
        return found

    def _is_likely(self, theme: Theme, chances: dict[str, Floats]) -> bool:
        stage, area = self._stages.get(theme.stage), self._areas.get(theme.area)
        return not (
            (stage is not None and chances["stage"][stage] < _PLACE_FROM)
            or (area is not None and chances["areas"][area] < _PLACE_FROM)
        )


def silent_kind(sentiment: Sentiment, confidence: float) -> str:
    """The kind of theme that nobody means who feels so: praise in an unhappy text, problems in a plainly happy one."""
    if sentiment in {"negative", "neutral"}:
        return "strength"
    return "problem" if sentiment == "positive" and confidence >= _PLAINLY else ""


def _longest(hits: Sequence[Hit]) -> Hit | None:
    return max(hits, key=lambda hit: (hit.words, -hit.first), default=None)
