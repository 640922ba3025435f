"""The classifier watches itself: is what comes in still like what it was taught, and can it read it at all?

Knows tag revisions and, of one live event in sixteen, its words; remembers counts only, never a text. Only first tags
of live events count: an import is another time, and a correction is a person's.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from services.classify.drift import Adwin, Mix, Shift
from services.classify.reading.language import ENGLISH, language_of
from services.classify.reading.language import UNKNOWN as NO_LANGUAGE
from services.classify.reading.tokens import UNKNOWN as UNKNOWN_WORD
from services.classify.tagging.tagger import Tagger
from services.contracts import topics
from services.contracts.codec import RawMessage, decode
from services.contracts.errors import BadMessage
from services.contracts.events import FeedbackClassified, FeedbackReceived, Tags

HEADS = ("stage", "areas", "sentiment", "intent", "severity")
TRAINING, BEFORE = "training", "before"
ONE_IN = 16
_READ = 2_000


class Looked(NamedTuple):
    """What one text is made of: its language, its words, and those that no feature and no phrase knows."""

    language: str
    words: int
    unknown: int


class Oversight:
    """Mixes and the mean confidence since a model came into force. `training` is the mix that it was taught."""

    def __init__(self, training: Mapping[str, Mapping[str, float]]) -> None:
        self._training = training
        self._mixes = {head: Mix() for head in HEADS}
        self._stage = Adwin()

    @property
    def events(self) -> int:
        """How many events the newest mix is of."""
        return len(self._mixes["stage"])

    @property
    def mean_confidence(self) -> float:
        """Of the stage, since it moved last."""
        return self._stage.mean

    def saw(self, classified: Sequence[FeedbackClassified]) -> list[Shift]:
        """Takes tag revisions in; answers the shifts of confidence that came to light."""
        shifts = []
        for event in classified:
            if event.mode != "live" or event.revision > 1 or not event.counts:
                continue
            for head, mix in self._mixes.items():
                mix.add(labels_of(event.tags, head))
            if (shift := self._stage.add(event.tags.stage_confidence)) is not None:
                shifts.append(shift)
        return shifts

    def indices(self) -> dict[tuple[str, str], float | None]:
        """The stability index by head, against the training mix and against the events before."""
        found: dict[tuple[str, str], float | None] = {}
        for head, mix in self._mixes.items():
            found[head, TRAINING] = mix.against(self._training.get(head, {}))
            found[head, BEFORE] = mix.against_before()
        return found


def labels_of(tags: Tags, head: str) -> tuple[str, ...]:
    """The labels that an event has in a head."""
    if head == "areas":
        return tuple(tag.area for tag in tags.areas)
    return (str(getattr(tags, head)),)


def looked_at(messages: Sequence[RawMessage], tagger: Tagger) -> list[Looked]:
    """A sixteenth of the live texts of a batch, chosen by their offsets. What cannot be read is left to the step."""
    events = []
    for message in messages:
        if message.topic == topics.FEEDBACK_RECEIVED and message.offset % ONE_IN == 0:
            try:
                event = decode(message, FeedbackReceived)
            except BadMessage:
                continue
            if event.mode == "live" and event.text and not event.text.isspace():
                events.append(event)
    if not events:
        return []
    reading = tagger.read([(event.text or "")[:_READ] for event in events])
    is_word = reading.tokens.stem >= 0
    words = np.bincount(reading.tokens.doc[is_word], minlength=len(events))
    unknown = np.bincount(reading.tokens.doc[reading.tokens.stem == UNKNOWN_WORD], minlength=len(events))
    languages = [language_of(text.text, event.language) for text, event in zip(reading.texts, events, strict=True)]
    return [
        # words of another language are unknown, of course: that is told by the language
        Looked(language, int(w), int(u)) if language in {ENGLISH, NO_LANGUAGE} else Looked(language, 0, 0)
        for language, w, u in zip(languages, words, unknown, strict=True)
    ]
