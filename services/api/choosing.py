"""Which texts a person should label first: those that teach most. Knows candidates; knows no store and no model.

Of each source, stage, area, theme and length about as many as there are of it, because the mix is taught too; among
those the doubtful ones, because there an answer changes something. Of near-duplicates one is asked.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from services.api.near_duplicates import clusters
from services.api.shapes import Voice

_SHORT, _LONG = 60, 300
_WEIGHTS = {"source": 1.0, "stage": 1.2, "area": 0.8, "theme": 0.6, "length": 0.5}
_UNCERTAIN = 1.0

Trait = tuple[str, str]


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
    mix = _mix(candidates)
    seen = Counter(trait for item in labelled for trait in _traits(item))
    found: list[Chosen] = []
    while len(found) < number:
        open_places = [place for place in left if near[place] not in taken]
        if not open_places:
            break
        wanted = {trait: share * (len(labelled) + len(found) + 1) - seen[trait] for trait, share in mix.items()}
        best = max(open_places, key=lambda place: (_value(left[place], wanted), left[place].id))
        item = left.pop(best)
        found.append(Chosen(item, tuple(_reasons(item, seen)), round(_value(item, wanted), 4)))
        taken.add(near[best])
        seen.update(_traits(item))
    return found


def _mix(candidates: Sequence[Candidate]) -> dict[Trait, float]:
    """The share of the candidates that has each trait."""
    counted = Counter(trait for item in candidates for trait in _traits(item))
    return {trait: count / len(candidates) for trait, count in counted.items()}


def _value(item: Candidate, wanted: Mapping[Trait, float]) -> float:
    missing = sum(_WEIGHTS[trait[0]] * max(-1.0, min(1.0, wanted[trait])) for trait in _traits(item))
    return _UNCERTAIN * item.doubt + missing


def _reasons(item: Candidate, seen: Mapping[Trait, int]) -> Iterable[str]:
    if item.doubt >= 0.5:
        yield "unsure"
    for trait in _traits(item):
        if not seen.get(trait):
            yield f"first_of_its_{trait[0]}"
    yield "typical"


def _traits(item: Candidate) -> tuple[Trait, ...]:
    length = "short" if len(item.text) < _SHORT else "long" if len(item.text) > _LONG else "middle"
    traits = [("source", item.source), ("stage", item.stage), ("area", item.area), ("length", length)]
    return (*traits, ("theme", item.theme)) if item.theme else tuple(traits)
