"""Conversations under way: which events belong together, and what was last said of them. Knows no broker and no tagger.

What is remembered is what was sent: the newest revision of each conversation's head and the ids of its parts, no text.
So memory can be lost with the process at any moment and is read back from `feedback-classified`, where everybody else
reads it too; a part that comes twice leads to what is missing there, and to nothing where nothing is. All events of a
conversation have one key, so whoever has the partition has seen all of them, in order.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol

import msgspec

from services.classify.experience.parts import MOST_PARTS, Part, part_of
from services.contracts.codec import RawMessage
from services.contracts.events import Conversation as Told
from services.contracts.events import (
    ConversationPart,
    Correction,
    FeedbackClassified,
    FeedbackReceived,
)

KEPT = timedelta(days=14)
"""After this silence, what comes under the same name is another experience."""
_MARGIN = timedelta(days=1)
_MOST_CONVERSATIONS = 30_000
_MOST_CHARACTERS = 4_000_000

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(FeedbackClassified).decode


class Log(Protocol):
    """The topics to read back from. Blocks; raises Unavailable while Kafka is away."""

    def classified(self, partition: int, *, since: datetime) -> Iterable[FeedbackClassified]:
        """Every revision of a conversation's event in a partition that was written since then, in order."""
        ...

    def received(self, partition: int, offsets: Sequence[int]) -> Mapping[int, FeedbackReceived]:
        """The events at these offsets; one that cannot be read is left out."""
        ...


class Nothing:
    """The log of a process that has none: nothing is remembered beyond the batch."""

    def classified(self, partition: int, *, since: datetime) -> Iterable[FeedbackClassified]:
        """None."""
        return ()

    def received(self, partition: int, offsets: Sequence[int]) -> Mapping[int, FeedbackReceived]:
        """None."""
        return {}


class Conversation:
    """One conversation of one customer. Mutable; `head` is None while only the company has spoken."""

    def __init__(self, partition: int, source: str, name: str) -> None:
        self.partition = partition
        self.source = source
        self.name = name
        self.customer: str | None = None
        self.head: str | None = None
        self.parts: list[ConversationPart] = []
        self.told: set[str] = set()
        self.corrections: dict[str, Correction] = {}
        self.newest = datetime(1, 1, 1, tzinfo=UTC)
        self._said = b""

    @property
    def said(self) -> FeedbackClassified | None:
        """The head's newest revision, without its evidence and what it superseded."""
        return _decode(self._said) if self._said else None

    def say(self, revision: FeedbackClassified) -> None:
        """Remembers what is sent, or was: a revision of the head, or a part's own."""
        self.told.add(revision.id)
        self.customer = self.customer or revision.customer
        if revision.id != self.head:
            return
        if revision.correction is not None:
            self.corrections.setdefault(revision.correction.id, revision.correction)
        kept = msgspec.structs.replace(revision.tags, evidence=())
        self._said = _encode(msgspec.structs.replace(revision, tags=kept, supersedes=None))

    def as_told(self, event: str) -> Told:
        """What a revision of one of its events says of the conversation."""
        if self.head is not None and event != self.head and self._said:
            return Told(id=self.name, head=self.head)
        return Told(id=self.name, head=self.head, parts=tuple(self.kept()))

    def kept(self) -> list[ConversationPart]:
        """The parts that are read: the head's own and the newest."""
        if len(self.parts) <= MOST_PARTS:
            return self.parts
        own = [part for part in self.parts[:-MOST_PARTS] if part.id == self.head]
        return [*own, *self.parts[-MOST_PARTS:]]


class Arrival(NamedTuple):
    """What an event means to its conversation: whether it is a new part, and whether its own tags are still owed."""

    conversation: Conversation
    grows: bool
    owed: bool


class Conversations:
    """The conversations of the partitions that this process reads. Not thread-safe."""

    def __init__(self, log: Log | None = None) -> None:
        self._log = log or Nothing()
        self._next: dict[tuple[str, int], int] = {}
        self._held: dict[int, OrderedDict[tuple[str, str], list[Conversation]]] = {}
        self._words: OrderedDict[tuple[int, int], Part] = OrderedDict()
        self._characters = 0

    def follow(self, messages: Sequence[RawMessage]) -> None:
        """Notices where a partition goes on elsewhere than expected: another process may have worked on it."""
        for message in messages:
            place = (message.topic, message.partition)
            if self._next.get(place) != message.offset:
                self._held.pop(message.partition, None)
            self._next[place] = message.offset + 1

    def forget(self) -> None:
        """Forgets everything; it is read back when it is needed."""
        self._next.clear()
        self._held.clear()

    def take(self, event: FeedbackReceived, message: RawMessage) -> Arrival:
        """The conversation that an event belongs to, which it then is a part of. Raises Unavailable."""
        name = event.conversation_id or ""
        held = self._of_partition(message)
        found = held.setdefault((event.source, name), [])
        held.move_to_end((event.source, name))
        conversation = _belonging(event, found)
        if conversation is None:
            conversation = Conversation(message.partition, event.source, name)
            found.append(conversation)
        grows = not conversation.parts or message.offset > conversation.parts[-1].offset
        if grows:
            conversation.parts.append(ConversationPart(id=event.id, offset=message.offset))
            conversation.newest = max(conversation.newest, event.received_at)
            conversation.customer = conversation.customer or event.customer
            if conversation.head is None and event.author != "agent":
                conversation.head = event.id
        self._remember(message.partition, message.offset, part_of(event))
        self._tidy(held, event.received_at)
        return Arrival(conversation, grows, event.id not in conversation.told)

    def find(self, told: FeedbackClassified, message: RawMessage) -> Conversation | None:
        """The conversation that a revision speaks of, if it is still under way. Raises Unavailable."""
        if told.conversation is None:
            return None
        found = self._of_partition(message).get((told.source, told.conversation.id), [])
        return next((one for one in found if one.head is not None and one.head == told.conversation.head), None)

    def parts(self, conversation: Conversation) -> list[tuple[str, Part]]:
        """What its parts say, the head first, then in order. Raises Unavailable."""
        kept = conversation.kept()
        words = {part.offset: self._words.get((conversation.partition, part.offset)) for part in kept}
        missing = [offset for offset, held in words.items() if held is None]
        fetched = self._log.received(conversation.partition, missing) if missing else {}
        for part in kept:
            event = fetched.get(part.offset)
            if event is not None and event.id == part.id:
                words[part.offset] = part_of(event)
                self._remember(conversation.partition, part.offset, part_of(event))
        order = sorted(kept, key=lambda part: (part.id != conversation.head, part.offset))
        return [(part.id, held) for part in order if (held := words[part.offset]) is not None]

    def _of_partition(self, message: RawMessage) -> OrderedDict[tuple[str, str], list[Conversation]]:
        held = self._held.get(message.partition)
        if held is None:
            held = OrderedDict()
            written = datetime.fromtimestamp(message.timestamp / 1000, UTC)
            for revision in self._log.classified(message.partition, since=written - KEPT - _MARGIN):
                _restore(held, revision, message.partition)
            self._held[message.partition] = held
        return held

    def _remember(self, partition: int, offset: int, words: Part) -> None:
        if (partition, offset) in self._words:
            return
        self._words[(partition, offset)] = words
        self._characters += len(words.text or "")
        while self._characters > _MOST_CHARACTERS:
            self._characters -= len(self._words.popitem(last=False)[1].text or "")

    @staticmethod
    def _tidy(held: OrderedDict[tuple[str, str], list[Conversation]], now: datetime) -> None:
        """Lets go of what is over, and of the longest silent where there are too many."""
        while held:
            oldest = next(iter(held.values()))
            if len(held) <= _MOST_CONVERSATIONS and any(now - one.newest <= KEPT for one in oldest):
                return
            held.popitem(last=False)


def _belonging(event: FeedbackReceived, found: Sequence[Conversation]) -> Conversation | None:
    """The conversation of the event's customer that is not over. Who is not named belongs to the newest; people who are
    named differently have conversations of their own, whatever the sender calls them."""
    for one in found:
        if one.head == event.id or any(part.id == event.id for part in one.parts):
            return one  # it comes again
    alive = [one for one in found if abs(event.received_at - one.newest) <= KEPT]
    known = [one for one in alive if one.customer == event.customer]
    unnamed = [one for one in alive if one.customer is None or event.customer is None]
    if event.author == "agent" and not known:
        unnamed = alive  # the company speaks under its own name
    candidates = known or unnamed
    return max(candidates, key=lambda one: one.newest) if candidates else None


def _restore(
    held: OrderedDict[tuple[str, str], list[Conversation]], revision: FeedbackClassified, partition: int
) -> None:
    """Takes in what was once sent, so that memory is as it was when it was."""
    told = revision.conversation
    if told is None:
        return
    key = (revision.source, told.id)
    found = held.setdefault(key, [])
    held.move_to_end(key)
    wanted = {part.id for part in told.parts} | {revision.id}
    one = next((c for c in found if c.head is not None and c.head == told.head), None)
    if one is None:
        one = next((c for c in found if c.head is None and wanted & {part.id for part in c.parts}), None)
    if one is None:
        one = Conversation(partition, revision.source, told.id)
        found.append(one)
    one.newest = max(one.newest, revision.received_at)
    one.head = one.head or told.head  # a part may have been sent before its head
    if told.head == revision.id:
        one.parts = list(told.parts)
    else:
        one.parts = sorted({part.id: part for part in (*one.parts, *told.parts)}.values(), key=lambda p: p.offset)
    one.say(revision)
