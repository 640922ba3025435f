"""One experience, told in one event or in the parts of a conversation -> its tags. Knows whose words count for what.

What the customer says decides everything it can; what the company says is context for stage and area alone. Answers are
read with their questions. Evidence points into the joined text of the parts; `of_part` brings it home.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from services.classify.experience.answers import adjusted, questions_of, rating_of, read, subject_of, texts_of
from services.classify.experience.said import said
from services.classify.reading.text import MAX_CHARACTERS
from services.classify.tagging.doubt import Reason
from services.classify.tagging.tagger import Tagger, TagInput
from services.classify.taxonomy.labels import UNKNOWN
from services.contracts.events import Answer, Author, FeedbackReceived, Rating, Tags, Turn, Unsure

MOST_PARTS = 40
_MOST_OF_THE_FIRST = MAX_CHARACTERS // 2
_BETWEEN = "\n\n"
_TOLD_BY_THE_CUSTOMER = ("sentiment", "intent", "severity")


class Part(NamedTuple):
    """What one event tells. `hurry`: one of many that were imported."""

    text: str | None = None
    rating: Rating | None = None
    language: str | None = None
    author: Author = "customer"
    answers: tuple[Answer, ...] = ()
    turns: tuple[Turn, ...] = ()
    hurry: bool = False


class Told(NamedTuple):
    """The tags of an experience, and where in its joined text each of its parts stands; None for one left out."""

    tags: Tags
    spans: tuple[tuple[int, int] | None, ...]


def part_of(event: FeedbackReceived) -> Part:
    """What an event tells."""
    return Part(
        text=event.text,
        rating=event.rating,
        language=event.language,
        author=event.author,
        answers=event.answers,
        turns=event.turns,
        hurry=event.mode == "backfill",
    )


def tag(experiences: Sequence[Sequence[Part]], tagger: Tagger) -> list[Told]:
    """Tags of each experience, whose first part is the one that the tags will belong to. One call of the tagger."""
    read_as = [_read(parts) for parts in experiences]
    questions = list(dict.fromkeys(name for one in read_as for name in questions_of(one.asked)))
    inputs = [one.by_customer for one in read_as]
    inputs += [one.context for one in read_as if one.context is not None]
    inputs += [TagInput(text=question, hurry=True) for question in questions]
    tags = tagger.tag(inputs)
    contexts = iter(tags[len(read_as) :])
    subjects = dict(zip(questions, map(subject_of, tags[len(inputs) - len(questions) :]), strict=True))
    told = []
    for one, own in zip(read_as, tags, strict=False):  # the customers' are the first of them
        result = _without_the_customer(own) if one.is_silent else own
        if one.context is not None:
            result = _in_context(result, next(contexts))
        told.append(Told(adjusted(result, one.asked, subjects, has_text=one.has_text), one.spans))
    return told


def of_part(told: Told, number: int | None) -> Tags:
    """The tags with the evidence that stands in one part, as spans of that part's own text; None is a part not read."""
    span = None if number is None else told.spans[number]
    if span is None:
        return msgspec.structs.replace(told.tags, evidence=())
    start, end = span
    if start == 0 and all(evidence.end <= end for evidence in told.tags.evidence):
        return told.tags
    return msgspec.structs.replace(
        told.tags,
        evidence=tuple(
            msgspec.structs.replace(e, start=e.start - start, end=e.end - start)
            for e in told.tags.evidence
            if start <= e.start and e.end <= end
        ),
    )


class _Read(NamedTuple):
    by_customer: TagInput
    context: TagInput | None
    asked: list[Any]
    spans: tuple[tuple[int, int] | None, ...]
    has_text: bool
    is_silent: bool


def _read(parts: Sequence[Part]) -> _Read:
    kept = _within_bounds(parts)
    whole: list[str] = []
    customer: list[str] = []
    spans: list[tuple[int, int] | None] = []
    length = 0
    for part, limit in zip(parts, kept, strict=True):
        if limit is None or part.text is None:
            spans.append(None)
            continue
        found = said(part.text, author=part.author, turns=part.turns)
        whole.append(found.all_of_it[:limit])
        customer.append(found.by_customer[:limit])
        spans.append((length, length + len(whole[-1])))
        length = spans[-1][1] + len(_BETWEEN) if spans[-1] is not None else length
    asked = read(
        [answer for part, limit in zip(parts, kept, strict=True) if limit is not None for answer in part.answers]
    )
    rating = next((part.rating for part in reversed(parts) if part.rating is not None), None)
    language = next((part.language for part in parts if part.language is not None), None)
    author = next((part.author for part in parts if part.author != "agent"), parts[0].author)
    hurry = all(part.hurry for part in parts)
    words, all_words = _BETWEEN.join(customer), _BETWEEN.join(whole)
    has_text = any(character.isalpha() for character in words)
    by_customer = TagInput(
        text=words if whole else None,
        rating=rating if rating is not None else rating_of(asked),
        language=language,
        author=author,
        further=texts_of(asked),
        hurry=hurry,
    )
    context = TagInput(text=all_words, language=language, author=author, hurry=hurry) if all_words != words else None
    is_silent = context is not None and not has_text and not asked and rating is None
    return _Read(by_customer, context, asked, tuple(spans), has_text, is_silent)


def _within_bounds(parts: Sequence[Part]) -> list[int | None]:
    """How many characters of each part are read: the first, because the tags are its own, then the newest that fit."""
    rest = sum(len(part.text or "") + len(_BETWEEN) for part in parts[1:])
    first = min(len(parts[0].text or ""), max(_MOST_OF_THE_FIRST, MAX_CHARACTERS - rest))
    kept: list[int | None] = [first, *[None] * (len(parts) - 1)]
    left = MAX_CHARACTERS - first
    for number in range(len(parts) - 1, max(0, len(parts) - MOST_PARTS), -1):
        needed = len(parts[number].text or "") + len(_BETWEEN)
        if needed > left:
            break
        kept[number] = needed
        left -= needed
    return kept


def _without_the_customer(tags: Tags) -> Tags:
    """Only the company has spoken: nobody knows what the customer feels."""
    doubts = {doubt.head for doubt in tags.unsure}
    more = tuple(Unsure(head=head, reason=Reason.NO_TEXT) for head in _TOLD_BY_THE_CUSTOMER if head not in doubts)
    return msgspec.structs.replace(tags, unsure=(*tags.unsure, *more))


def _in_context(tags: Tags, context: Tags) -> Tags:
    """Stage and areas from all that was said, where the customer's own words leave them open: tell nothing, or are
    in doubt where the whole is not."""
    settled = {doubt.head for doubt in tags.unsure} - {doubt.head for doubt in context.unsure}
    changes: dict[str, Any] = {}
    if ("stage" in settled or tags.stage == UNKNOWN) and context.stage != UNKNOWN:
        changes |= {
            "stage": context.stage,
            "stage_confidence": context.stage_confidence,
            "secondary": context.secondary,
        }
    if ("areas" in settled or tags.areas[0].area == UNKNOWN) and context.areas[0].area != UNKNOWN:
        changes["areas"] = context.areas
    taken = {"stage", "areas"} & changes.keys()
    if not taken:
        return tags
    unsure = tuple(
        doubt
        for source, wanted in ((context, True), (tags, False))
        for doubt in source.unsure
        if (doubt.head in taken) is wanted
    )
    evidence = tuple(
        e for source, wanted in ((context, True), (tags, False)) for e in source.evidence if (e.head in taken) is wanted
    )
    status = "unsure" if any(doubt.head in {"stage", "areas"} for doubt in unsure) else "tagged"
    result: Tags = msgspec.structs.replace(tags, unsure=unsure, evidence=evidence, status=status, **changes)
    return result
