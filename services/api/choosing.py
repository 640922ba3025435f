"""Which texts a person should label first: those that teach most. Knows candidates; knows no store and no model.

Uncertain ones, because there an answer changes something; diverse ones, because thirty answers about one cell teach one
cell: each further text of a source, stage, area, theme or length adds less. Of near-duplicates one is asked.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from services.api.near_duplicates import clusters
from services.api.shapes import Voice

_SHORT, _LONG = 60, 300
_WEIGHTS = {"source": 1.0, "stage": 1.2, "area": 0.8, "theme": 0.6, "length": 0.5}
_UNCERTAIN = 1.6
_SELDOM = 0.5


class Candidate(msgspec.Struct, frozen=True):
    """An event that nobody has labelled, as the model sees it. Confidences are of the best guess."""

    id: str
    text: str
    source: str
    stage: str
    stage_confidence: float
    area: str
    area_confidence: float
    theme: str = ""
    severity: int = 0

    @property
    def doubt(self) -> float:
        """How likely it is that the cell is wrong, by the model's own account: 0 to 1."""
        return 1 - self.stage_confidence * self.area_confidence


class Chosen(msgspec.Struct, frozen=True):
    """A candidate and why it was chosen: reasons as words of the page's phrases, the strongest first."""

    candidate: Candidate
    reasons: tuple[str, ...]
    value: float


def candidate(voice: Voice) -> Candidate | None:
    """The candidate that a stored event is; None without text or tags, and for what employees wrote, which is not shown
    one by one."""
    event, tagged = voice.event, voice.tagged
    if tagged is None or event.author == "employee" or not (event.text or "").strip():
        return None
    tags = tagged.tags
    return Candidate(
        id=event.id,
        text=event.text or "",
        source=event.source,
        stage=tags.stage,
        stage_confidence=tags.stage_confidence,
        area=tags.areas[0].area if tags.areas else "unknown",
        area_confidence=tags.areas[0].confidence if tags.areas else 0.0,
        theme=tags.themes[0] if tags.themes else "",
        severity=tags.severity,
    )


def choose(candidates: Sequence[Candidate], *, number: int, labelled: Sequence[Candidate] = ()) -> list[Chosen]:
    """So many of the candidates, the one that teaches most first, given what is labelled already."""
    near = clusters([item.text for item in (*labelled, *candidates)])
    taken = set(near[: len(labelled)])
    left = dict(enumerate(candidates, start=len(labelled)))
    seen = Counter(trait for item in labelled for trait in _traits(item))
    found: list[Chosen] = []
    while len(found) < number:
        open_places = [place for place in left if near[place] not in taken]
        if not open_places:
            break
        best = max(open_places, key=lambda place: (_value(left[place], seen), left[place].id))
        item = left.pop(best)
        found.append(Chosen(item, tuple(_reasons(item, seen)), round(_value(item, seen), 4)))
        taken.add(near[best])
        seen.update(_traits(item))
    return found


def _value(item: Candidate, seen: Counter[tuple[str, str]]) -> float:
    fresh = sum(_WEIGHTS[trait[0]] / math.sqrt(1 + seen[trait]) for trait in _traits(item))
    return _UNCERTAIN * item.doubt + fresh


def _reasons(item: Candidate, seen: Counter[tuple[str, str]]) -> Iterable[str]:
    if item.doubt >= 0.5:
        yield "unsure"
    for trait in _traits(item):
        if not seen[trait]:
            yield f"first_of_its_{trait[0]}"
        elif 1 / math.sqrt(1 + seen[trait]) >= _SELDOM:
            yield f"few_of_its_{trait[0]}"


def _traits(item: Candidate) -> tuple[tuple[str, str], ...]:
    length = "short" if len(item.text) < _SHORT else "long" if len(item.text) > _LONG else "middle"
    traits = [("source", item.source), ("stage", item.stage), ("area", item.area), ("length", length)]
    return (*traits, ("theme", item.theme)) if item.theme else tuple(traits)
