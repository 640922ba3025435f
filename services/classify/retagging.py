"""History under another taxonomy or model: what each event is called then, beside what it was called.

Knows tag revisions; knows no topics and no clock. A person's word stays: what was corrected is corrected again in the
new tags. An event that has the new versions already is left as it is, so that doing it again changes nothing.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from services.classify.experience.conversations import KEPT
from services.classify.revisions import corrected_tags
from services.classify.taxonomy.labels import Taxonomy
from services.contracts.events import Correction, FeedbackClassified, FeedbackCorrected, Tags, Versions

_ANSWERED_WITHIN = timedelta(minutes=10)
"""A correction that the classifier has not answered after this long became a dead letter."""


_encode = msgspec.json.Encoder().encode
_revision = msgspec.json.Decoder(FeedbackClassified).decode
_tags = msgspec.json.Decoder(Tags).decode


class Left(StrEnum):
    """Why an event keeps its tags."""

    DONE = "done"
    OPEN_CASE = "open_case"
    CONVERSATION = "conversation"
    BEING_CORRECTED = "being_corrected"


class Past(msgspec.Struct, frozen=True):
    """What is known of one event: its newest revision, its newest tags of other versions, and people's words."""

    newest: FeedbackClassified
    old: Tags | None
    corrections: tuple[Correction, ...]


class _Kept(msgspec.Struct):
    """The same, packed: there is one for every event of a partition."""

    revision: int
    newest: bytes = b""
    old: bytes = b""
    corrections: tuple[Correction, ...] = ()


class History:
    """The revisions of one partition, in their order; tags without evidence. Half a kilobyte for each event."""

    def __init__(self, versions: Versions) -> None:
        self._versions = versions
        self._kept: dict[str, _Kept] = {}
        self._asked: dict[str, tuple[str, datetime]] = {}

    def take(self, revision: FeedbackClassified) -> None:
        """A revision that was written; an older or equal one than is known changes nothing."""
        kept = self._kept.setdefault(revision.id, _Kept(0))
        if revision.revision <= kept.revision:
            return
        tags = msgspec.structs.replace(revision.tags, evidence=())
        kept.revision = revision.revision
        kept.newest = _encode(msgspec.structs.replace(revision, tags=tags, supersedes=None, correction=None))
        if tags.versions != self._versions:
            kept.old = _encode(tags)
        elif not kept.old and revision.supersedes is not None:
            kept.old = _encode(msgspec.structs.replace(revision.supersedes, evidence=()))
        if revision.correction is not None:
            self._asked.pop(revision.correction.id, None)
            if all(known.id != revision.correction.id for known in kept.corrections):
                kept.corrections = (*kept.corrections, revision.correction)

    def ask(self, corrected: FeedbackCorrected) -> None:
        """A correction that was handed in; it is under way until a revision names it."""
        kept, correction = self._kept.get(corrected.of.id), corrected.correction
        if kept is None or all(known.id != correction.id for known in kept.corrections):
            self._asked[correction.id] = corrected.of.id, correction.at

    def of(self, event: str) -> Past | None:
        """What is known of an event."""
        kept = self._kept.get(event)
        if kept is None:
            return None
        return Past(_revision(kept.newest), _tags(kept.old) if kept.old else None, kept.corrections)

    def being_corrected(self, event: str, *, now: datetime) -> bool:
        """Whether a correction of the event is under way."""
        return any(name == event and now - at < _ANSWERED_WITHIN for name, at in self._asked.values())


def left(past: Past, versions: Versions, *, now: datetime, in_case: bool, being_corrected: bool) -> Left | None:
    """Why an event keeps its tags; None: it is to be tagged anew. A part of a conversation counts for nothing by
    itself, and a conversation under way is tagged by the worker that follows it."""
    if past.newest.tags.versions == versions:
        return Left.DONE
    if not past.newest.counts or (past.newest.conversation is not None and now - past.newest.tagged_at < KEPT):
        return Left.CONVERSATION
    if in_case:
        return Left.OPEN_CASE
    return Left.BEING_CORRECTED if being_corrected else None


def anew(past: Past, tags: Tags, taxonomy: Taxonomy) -> Tags:
    """New tags of an event with what people said of it, under the present ids."""
    for correction in past.corrections:
        tags = corrected_tags(tags, present(correction, taxonomy))
    return tags


def retagged(past: Past, tags: Tags, *, now: datetime) -> FeedbackClassified:
    """The next revision of an event: it moves statistics, opens nothing and tells nobody."""
    return msgspec.structs.replace(
        past.newest,
        revision=past.newest.revision + 1,
        tags=tags,
        supersedes=past.newest.tags,
        correction=past.corrections[-1] if past.corrections else None,
        tagged_at=now,
        mode="backfill",
    )


def present(correction: Correction, taxonomy: Taxonomy) -> Correction:
    """What a person said, in the ids of now. Where nothing took the place of a label, nothing is said of its head."""
    areas = None if correction.areas is None else _present(correction.areas, "areas", taxonomy) or None
    return msgspec.structs.replace(
        correction,
        stage=None if correction.stage is None else taxonomy.today("stage", correction.stage),
        areas=areas,
        themes=None if correction.themes is None else _present(correction.themes, "theme", taxonomy),
    )


def _present(labels: Sequence[str], head: str, taxonomy: Taxonomy) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_in_use(labels, head, taxonomy)))


def _in_use(labels: Sequence[str], head: str, taxonomy: Taxonomy) -> Iterator[str]:
    for label in labels:
        now = taxonomy.today(head, label)
        if now is not None:
            yield now
