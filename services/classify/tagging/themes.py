"""Which themes a text tells of, among those whose phrases stand in it or that its sentences are like.

Knows the taxonomy, the lexicon's labels and what the model made of the text; finds no phrases itself.
"""

from collections import defaultdict
from collections.abc import Sequence

from services.classify.model.probabilities import Model
from services.classify.reading.features import Floats
from services.classify.reading.lexicon import Hit, Lexicon
from services.classify.taxonomy.labels import UNKNOWN, Taxonomy, Theme
from services.contracts.events import Sentiment

MOST_THEMES = 4
_PLACE_FROM = 0.15
"""How probable the model must find a theme's stage and area: a phrase alone is often said in passing."""
_PLAINLY = 0.7
_LONG = 4


class Themes:
    """Decides on themes for one model and one taxonomy. Stateless after construction."""

    def __init__(self, model: Model, lexicon: Lexicon, taxonomy: Taxonomy) -> None:
        self._labels = lexicon.labels
        self._taxonomy = taxonomy
        self._stages = {label: number for number, label in enumerate(model.head("stage").labels)}
        self._areas = {label: number for number, label in enumerate(model.head("areas").labels)}

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
    ) -> tuple[Hit, ...]:
        """One hit per theme that is meant and likely, the theme that says most first: longer phrases, in the predicted
        place."""
        weight: dict[str, float] = defaultdict(float)
        best: dict[str, Hit] = {}
        for hit in hits:
            theme = self.of(hit)
            if theme is None or not self.is_meant(theme.id, silent=silent, own_work=own_work):
                continue
            if not self._is_likely(theme, chances):
                continue
            weight[theme.id] += min(hit.words, _LONG)
            if theme.id not in best:
                weight[theme.id] += 2 * (theme.stage == stage) + (theme.area in areas) + (theme.area == areas[0])
            if theme.id not in best or hit.words > best[theme.id].words:
                best[theme.id] = hit
        ranked = sorted(best, key=lambda label: (-weight[label], best[label].first, label))
        return tuple(best[label] for label in ranked[:MOST_THEMES])

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
