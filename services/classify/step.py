"""The step: raw messages in, messages out. Received events become tag revisions; so do corrections, and conversations
that grow.

Knows topics and tags; knows no Kafka client, no clock. What cannot be read becomes a dead letter and stops nothing. Of
a conversation its head says what the whole tells, with a new revision for each batch in which it grew; every other part
is tagged once, as a part that does not count.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from services.classify.experience.conversations import Arrival, Conversation, Conversations
from services.classify.experience.parts import Part, Told, of_part, part_of, tag
from services.classify.revisions import (
    first_revision,
    grown_revision,
    next_revision,
    part_revision,
    refuse_unknown,
)
from services.classify.tagging.tagger import Tagger
from services.contracts import topics
from services.contracts.codec import Outbound, RawMessage, dead_letter, decode, encode, trace_of
from services.contracts.errors import BadMessage, Unavailable
from services.contracts.events import FeedbackClassified, FeedbackCorrected, FeedbackReceived

SERVICE = "classify"
INPUTS = (topics.FEEDBACK_RECEIVED, topics.FEEDBACK_CORRECTIONS)


class Outcome(msgspec.Struct, frozen=True):
    """What a batch led to: messages to send, in the order of the inputs, and the events among them, for the metrics."""

    outbound: tuple[Outbound, ...]
    classified: tuple[FeedbackClassified, ...]


def classify(
    messages: Sequence[RawMessage],
    *,
    tagger: Tagger,
    now: datetime,
    version: str,
    conversations: Conversations | None = None,
) -> Outcome:
    """Tags a batch. What it answers must be sent before the next one, or the process ended: memory has moved on.

    Raises Unavailable where a conversation cannot be read back now; then nothing is remembered of the batch.
    """
    memory = conversations or Conversations()
    memory.follow(messages)
    batch = _Batch(tagger, memory, now)
    letters: dict[int, Outbound] = {}
    try:
        for place, message in enumerate(messages):
            try:
                batch.take(place, message)
            except BadMessage as error:
                letters[place] = dead_letter(
                    message, service=SERVICE, version=version, code=error.code, detail=error.message, at=now
                )
        revisions = batch.revisions()
    except Unavailable:
        memory.forget()
        raise
    outbound: list[Outbound] = []
    for place, message in enumerate(messages):
        if place in letters:
            outbound.append(letters[place])
        outbound += (encode(revision, trace=trace_of(message)) for revision in revisions.get(place, ()))
    return Outcome(tuple(outbound), tuple(one for place in sorted(revisions) for one in revisions[place]))


class _Batch:
    """One batch: first everything is taken in, then tagged at once, then put into revisions in the order it came."""

    def __init__(self, tagger: Tagger, memory: Conversations, now: datetime) -> None:
        self._tagger = tagger
        self._memory = memory
        self._now = now
        self._single: dict[int, FeedbackReceived] = {}
        self._arrived: dict[int, tuple[FeedbackReceived, Arrival]] = {}
        self._corrected: dict[int, tuple[FeedbackCorrected, Conversation | None]] = {}
        self._grew: set[int] = set()

    def take(self, place: int, message: RawMessage) -> None:
        """Takes a message in. Raises BadMessage, Unavailable."""
        if message.topic == topics.FEEDBACK_CORRECTIONS:
            corrected = decode(message, FeedbackCorrected)
            refuse_unknown(corrected.correction, self._tagger.taxonomy)
            self._corrected[place] = corrected, self._memory.find(corrected.of, message)
            return
        event: FeedbackReceived = decode(message, FeedbackReceived)
        if event.conversation_id is None:
            self._single[place] = event
            return
        arrival = self._memory.take(event, message)
        if arrival.grows or arrival.owed:
            self._arrived[place] = event, arrival
        if arrival.grows:
            self._grew.add(id(arrival.conversation))

    def revisions(self) -> dict[int, list[FeedbackClassified]]:
        """What each message leads to. Raises Unavailable."""
        singles, wholes = self._told()
        found: dict[int, list[FeedbackClassified]] = {}
        for place in sorted({*self._single, *self._arrived, *self._corrected}):
            if place in self._single:
                found[place] = [first_revision(self._single[place], singles[place].tags, now=self._now)]
            elif place in self._corrected:
                found[place] = self._next(*self._corrected[place])
            else:
                event, arrival = self._arrived[place]
                found[place] = self._of_part(event, arrival.conversation, *wholes[place])
        return found

    def _told(self) -> tuple[dict[int, Told], dict[int, tuple[Told, dict[str, int]]]]:
        """The tags of the events on their own; those of the conversations, with the number of each part in them."""
        experiences: list[list[Part]] = [[part_of(event)] for event in self._single.values()]
        known: dict[int, tuple[int, dict[str, int]]] = {}
        wanted: dict[int, tuple[int, dict[str, int]]] = {}
        for place, (event, arrival) in self._arrived.items():
            conversation = arrival.conversation
            if conversation.head is None:  # nobody answered yet: it is read on its own
                wanted[place] = len(experiences), {event.id: 0}
                experiences.append([part_of(event)])
                continue
            if id(conversation) not in known:
                parts = self._memory.parts(conversation)
                known[id(conversation)] = len(experiences), {name: number for number, (name, _) in enumerate(parts)}
                experiences.append([words for _, words in parts] or [part_of(event)])
            wanted[place] = known[id(conversation)]
        told = tag(experiences, self._tagger)
        singles = dict(zip(self._single, told, strict=False))
        return singles, {place: (told[number], places) for place, (number, places) in wanted.items()}

    def _of_part(
        self, event: FeedbackReceived, conversation: Conversation, told: Told, places: Mapping[str, int]
    ) -> list[FeedbackClassified]:
        """The head's next revision at the first new part of the batch, and the part's own where it is owed."""
        found: list[FeedbackClassified] = []
        before, head = conversation.said, conversation.head
        if head is not None and (before is not None or event.id == head):
            about, tags = conversation.as_told(head), of_part(told, places.get(head))
            if before is None:
                found.append(first_revision(event, tags, now=self._now, conversation=about))
            elif id(conversation) in self._grew:
                said = list(conversation.corrections.values())
                found.append(
                    grown_revision(before, tags, now=self._now, conversation=about, by=event, corrections=said)
                )
            self._grew.discard(id(conversation))
        if event.id != head and event.id not in conversation.told:
            own = of_part(told, places.get(event.id))
            found.append(part_revision(event, own, now=self._now, conversation=conversation.as_told(event.id)))
        for revision in found:
            conversation.say(revision)
        return found

    def _next(self, corrected: FeedbackCorrected, conversation: Conversation | None) -> list[FeedbackClassified]:
        """What a correction leads to. Said of a part, it is said of the whole conversation too."""
        of, name = corrected.of, corrected.correction.id
        newest = conversation.said if conversation is not None else None
        if conversation is None or newest is None:
            return [next_revision(corrected, now=self._now)]
        found = []
        if name not in conversation.corrections:  # else it came twice, and what it led to was sent
            seen = of.tags.evidence if of.id == newest.id else ()
            newest = msgspec.structs.replace(newest, tags=msgspec.structs.replace(newest.tags, evidence=seen))
            found.append(next_revision(corrected, now=self._now, newest=newest))
            conversation.say(found[0])
        if of.id != newest.id:
            found.append(next_revision(corrected, now=self._now))
        return found
