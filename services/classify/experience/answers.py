"""The answers of a survey or checklist, question by question. Knows what questions ask for; knows no model.

A number says how the customer feels about what its question asks for; words count with the subject of their question.
What a question is about, the tagger says of it as of any text: `subject_of` takes its word where it is sure.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, cast

import msgspec

from services.classify.experience.scales import share_of
from services.classify.taxonomy.labels import UNKNOWN
from services.contracts.events import Answer, AreaTag, Rating, Tags

MOST_AREAS = 3
_SURE_SUBJECT = 0.55
_LOW, _HIGH = 0.35, 0.7
_WISH_GIVES_WAY_FROM = 0.85
_WISH_CONFIDENCE = 0.7
_MIXED_CONFIDENCE = 0.7

_NOTHING = re.compile(
    r"\W*(?:n\W?a|not applicable|none|no|nope|nil|nothing|nothing (?:really|else|at all|to add|comes to mind)|"
    r"nothing i can think of|"
    r"no (?:comments?|thanks?|thank you|idea|answer)|not (?:really|sure)|idk|i don'?t know|as above|see above|test|x+|"
    r"keine?|nichts|rien|aucun|nada|ninguno?|niente|geen|niets)?\W*",
    re.IGNORECASE,
)
_OF_THE_WHOLE = re.compile(
    r"overall|in general|all in all|recommend|how (?:satisfied|happy) (?:are|were) you(?: with (?:us|"
    r"your (?:visit|experience|purchase)))?\W*$|(?:your|the) (?:whole |entire |general )?experience(?: with us)?\W*$|"
    r"insgesamt|weiterempfehl",
    re.IGNORECASE,
)
_SUGGESTION = re.compile(
    r"\b(?:improve|improvements?|do better|done better|do differently|do to (?:make|earn)|change|"
    r"suggestions?|suggest|ideas?|missing|wish|should we|verbesser\w*|anders machen|améliorer|mejorar)\b",
    re.IGNORECASE,
)
_PRAISE = re.compile(
    r"\b(?:(?:did|do) (?:you|we) (?:like|love|enjoy|do well)|like (?:most|best)|(?:do|did|went|going) well|"
    r"best (?:part|thing)|highlights?|compliment|hat ihnen gefallen)\b",
    re.IGNORECASE,
)
Wish = Literal["suggestion", "praise"]


class Asked(NamedTuple):
    """One answer as it is read. `share` is 0 (worst) to 1 (best); `wish` is what the question asks to be told."""

    question: str
    share: float | None
    text: str | None
    wish: Wish | None
    of_the_whole: bool


class Subject(NamedTuple):
    """What a question is about, as far as that is sure."""

    stage: str | None
    stage_confidence: float
    area: str | None
    area_confidence: float


def read(answers: Sequence[Answer]) -> list[Asked]:
    """The answers that say something, in their order."""
    found = []
    for answer in answers:
        share, worded = share_of(answer)
        text = _something(answer.text) or _something(worded)
        if share is not None or text is not None:
            found.append(
                Asked(answer.question, share, text, _wish(answer.question), bool(_OF_THE_WHOLE.search(answer.question)))
            )
    return found


def texts_of(asked: Sequence[Asked]) -> tuple[str, ...]:
    """The words among the answers."""
    return tuple(one.text for one in asked if one.text is not None)


def rating_of(asked: Sequence[Asked]) -> Rating | None:
    """How the customer feels altogether: the answer about the whole, else the mean where all lean the same way."""
    whole = [one.share for one in asked if one.of_the_whole and one.share is not None]
    shares = whole[:1] or [one.share for one in asked if one.share is not None]
    if not shares or (min(shares) <= _LOW and max(shares) >= _HIGH):
        return None
    return Rating(kind="csat", value=round(1 + 4 * sum(shares) / len(shares), 2), max=5)


def questions_of(asked: Sequence[Asked]) -> list[str]:
    """The questions whose subject matters: not those about the whole."""
    return [one.question for one in asked if not one.of_the_whole]


def subject_of(tags: Tags) -> Subject:
    """What the tags of a question say it is about."""
    area = tags.areas[0]
    stage_known = tags.stage != UNKNOWN and tags.stage_confidence >= _SURE_SUBJECT
    area_known = area.area != UNKNOWN and area.confidence >= _SURE_SUBJECT
    return Subject(
        tags.stage if stage_known else None,
        tags.stage_confidence,
        area.area if area_known else None,
        area.confidence,
    )


def adjusted(tags: Tags, asked: Sequence[Asked], subjects: Mapping[str, Subject], *, has_text: bool) -> Tags:
    """Tags with what the answers add. `has_text`: there are words beside the answers, and those come first."""
    if not asked:
        return tags
    telling = _telling(asked, subjects)
    unsure = {doubt.head for doubt in tags.unsure}
    changes: dict[str, Any] = {}
    sure_of = set()
    stage = next((s for one in telling if (s := subjects[one.question]).stage is not None), None)
    if stage is not None and (tags.stage == UNKNOWN or "stage" in unsure):
        sure_of.add("stage")
        changes |= {
            "stage": stage.stage,
            "stage_confidence": stage.stage_confidence,
            "secondary": tuple(name for name in tags.secondary if name != stage.stage),
        }
    areas = _areas(tags, telling, subjects, certain="areas" not in unsure)
    if areas != tags.areas:
        changes["areas"] = areas
        if areas[0] != tags.areas[0]:
            sure_of.add("areas")
    shares = [one.share for one in asked if one.share is not None]
    if not has_text and not texts_of(asked) and shares and min(shares) <= _LOW and max(shares) >= _HIGH:
        changes |= {"sentiment": "mixed", "sentiment_confidence": _MIXED_CONFIDENCE}
        sure_of.add("sentiment")
    wish = None if has_text else _wished(asked)
    if wish is not None and tags.intent != wish and tags.intent_confidence < _WISH_GIVES_WAY_FROM:
        changes |= {"intent": wish, "intent_confidence": _WISH_CONFIDENCE}
        sure_of.add("intent")
    left = tuple(doubt for doubt in tags.unsure if doubt.head not in sure_of)
    doubted = any(doubt.head in {"stage", "areas"} for doubt in left)
    if tags.status == "unsure" and not doubted:
        changes["status"] = "tagged"
    result: Tags = msgspec.structs.replace(tags, unsure=left, **changes)
    return msgspec.structs.replace(
        result, evidence=tuple(e for e in result.evidence if e.head not in sure_of or _holds(result, e.head, e.label))
    )


def _holds(tags: Tags, head: str, label: str) -> bool:
    if head == "areas":
        return any(tag.area == label for tag in tags.areas)
    return label in {tags.stage, tags.intent, tags.sentiment}


def _telling(asked: Sequence[Asked], subjects: Mapping[str, Subject]) -> list[Asked]:
    """Answers that say something about the subject of their question: the worst first, then the best, then words.
    Where nothing stands out, all of them."""
    about = [one for one in asked if not one.of_the_whole and subjects.get(one.question, _NO_SUBJECT) != _NO_SUBJECT]
    rated = sorted((one for one in about if one.share is not None), key=lambda one: one.share or 0.0)
    low = [one for one in rated if one.share is not None and one.share <= _LOW]
    high = [one for one in reversed(rated) if one.share is not None and one.share >= _HIGH]
    words = [one for one in about if one.text is not None and one.wish is None and one not in low and one not in high]
    return [*low, *high, *words] or rated


_NO_SUBJECT = Subject(None, 0.0, None, 0.0)


def _areas(
    tags: Tags, telling: Sequence[Asked], subjects: Mapping[str, Subject], *, certain: bool
) -> tuple[AreaTag, ...]:
    asked = [
        AreaTag(area=subject.area, confidence=subject.area_confidence)
        for one in telling
        if (subject := subjects[one.question]).area is not None
    ]
    told = [tag for tag in tags.areas if tag.area != UNKNOWN]
    best: dict[str, AreaTag] = {}
    for tag in (*told, *asked) if certain and told else (*asked, *told):
        best.setdefault(tag.area, tag)
    return tuple(best.values())[:MOST_AREAS] or tags.areas


def _wish(question: str) -> Wish | None:
    if _SUGGESTION.search(question):
        return "suggestion"
    return "praise" if _PRAISE.search(question) else None


def _wished(asked: Sequence[Asked]) -> Wish | None:
    """What the questions asked to be told, where all the words answer such a question."""
    wishes = {one.wish for one in asked if one.text is not None}
    return cast(Wish, wishes.pop()) if len(wishes) == 1 and None not in wishes else None


def _something(text: str | None) -> str | None:
    """The text, unless it says that there is nothing to say."""
    return None if text is None or _NOTHING.fullmatch(text) else text
