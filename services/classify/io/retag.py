"""`palette retag`: history under the taxonomy and model of now, beside the tags of then; with `--apply` it counts.

Goes partition by partition, in batches. Before a batch is written, what came in since is read, so that a correction
made meanwhile is kept. May be ended at any moment and done again: what has the new versions is left as it is.
"""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

import msgspec
from kafka.errors import KafkaError
from rich.console import Console
from rich.progress import Progress

from services.classify.experience.parts import Part, of_part, part_of, tag
from services.classify.io.conversation_log import KafkaLog
from services.classify.io.craft import FILES, with_version
from services.classify.io.history import HistoryReader, in_open_cases, model_in_force, read
from services.classify.io.versions import MODELS, Versions
from services.classify.loading import load_tagger
from services.classify.model.artefact import FOLDER
from services.classify.model.cascade import ALL_FULL
from services.classify.relabelling import Comparison, Report, labels_of, told
from services.classify.retagging import History, Left, Past, anew, left, retagged
from services.classify.tagging.tagger import Tagger
from services.contracts.codec import RawMessage, encode, new_trace
from services.contracts.errors import Misconfigured, Unavailable
from services.contracts.events import FeedbackClassified, FeedbackCorrected, FeedbackReceived
from services.contracts.topics import FEEDBACK_CLASSIFIED, FEEDBACK_CORRECTIONS, FEEDBACK_RECEIVED
from services.kit.clock import Clock, utc_now
from services.kit.kafka import producer
from services.kit.settings import Settings

RATE = 200
"""Events a second that are written at most: what router and store take in beside live traffic."""
_BATCH = 64
_SEND_SECONDS = 30.0
_WORDS = {
    Left.DONE: "had the new versions already",
    Left.OPEN_CASE: "count in cases that are still open, which keep the version that they were opened with",
    Left.CONVERSATION: "are parts of conversations, or of one that is under way",
    Left.BEING_CORRECTED: "are being corrected just now; do it again for them",
}


class Outcome(msgspec.Struct, frozen=True):
    """What was compared, how many events got new tags, how many kept theirs and why, and how many have none yet."""

    report: Report
    written: int
    left: dict[Left, int]
    untagged: int


Advance = Callable[[int], None]


class Retagging:
    """One going-over of history. `apply`: new revisions are written, else only reckoned."""

    def __init__(
        self,
        settings: Settings,
        tagger: Tagger,
        *,
        since: datetime,
        split: datetime,
        rate: int,
        apply: bool,
        now: Clock,
    ) -> None:
        self._tagger = tagger
        self._since = since
        self._rate = rate
        self._apply = apply
        self._now = now
        self._settings = settings
        self._stream, self._tail = HistoryReader(settings), HistoryReader(settings)
        self._log = KafkaLog(settings)
        self._comparison = Comparison(since=since, split=split)
        self._left: Counter[Left] = Counter()
        self._written = 0
        self._untagged = 0
        self._producer = producer(settings) if apply else None

    def run(self, advance: Advance) -> Outcome:
        """Goes over everything since then. Raises Unavailable; doing it again takes it up."""
        cases = in_open_cases(self._tail)
        for partition in self._stream.partitions(FEEDBACK_RECEIVED):
            self._partition(partition, cases, advance)
        return Outcome(self._comparison.report(), self._written, dict(self._left), self._untagged)

    def count(self) -> int:
        """How many messages there are to go over."""
        spans = [
            self._tail.span(FEEDBACK_RECEIVED, partition, since=self._since)
            for partition in self._tail.partitions(FEEDBACK_RECEIVED)
        ]
        return sum(end - begin for begin, end in spans)

    def close(self) -> None:
        """Closes the connections."""
        self._stream.close()
        self._tail.close()
        self._log.close()
        if self._producer is not None:
            self._producer.close(timeout=5)

    def _partition(self, partition: int, cases: set[str], advance: Advance) -> None:
        history = History(self._tagger.versions)
        positions = {
            topic: self._tail.span(topic, partition, since=self._since)[0]
            for topic in (FEEDBACK_CLASSIFIED, FEEDBACK_CORRECTIONS)
        }
        self._catch_up(partition, history, positions)
        begin, end = self._stream.span(FEEDBACK_RECEIVED, partition, since=self._since)
        for messages in self._stream.batches(FEEDBACK_RECEIVED, partition, begin, end):
            for events in _parts(messages):
                started = time.monotonic()
                written = self._batch(partition, events, history, positions, cases)
                advance(len(events))
                if written:
                    time.sleep(max(0.0, written / self._rate - (time.monotonic() - started)))

    def _batch(
        self,
        partition: int,
        messages: Sequence[RawMessage],
        history: History,
        positions: dict[str, int],
        cases: set[str],
    ) -> int:
        now = self._now()
        wanted: list[tuple[FeedbackReceived, Past]] = []
        for event in read(messages, FeedbackReceived):
            past = history.of(event.id)
            if past is None:
                self._untagged += 1
                continue
            why = self._why_left(event.id, past, history, cases, now)
            if why is Left.DONE:
                self._compare(past, past.newest)
            if why is None or why is Left.OPEN_CASE:
                wanted.append((event, past))  # what is in an open case is compared, too
            if why is not None:
                self._left[why] += 1
        experiences = [self._experience(partition, event, past) for event, past in wanted]
        found = tag([parts for parts, _ in experiences], self._tagger)
        revisions = []
        for (event, past), (_, number), one in zip(wanted, experiences, found, strict=True):
            tags = anew(past, of_part(one, number), self._tagger.taxonomy)
            revision = retagged(past, tags, now=now)
            self._compare(past, revision)
            if event.id not in cases:
                revisions.append(revision)
        if not self._apply or not revisions:
            return 0
        self._catch_up(partition, history, positions)
        current = [r for r in revisions if self._is_current(r, history, now)]
        self._left[Left.BEING_CORRECTED] += len(revisions) - len(current)
        self._write(current)
        return len(current)

    def _why_left(self, event: str, past: Past, history: History, cases: set[str], now: datetime) -> Left | None:
        asked = history.being_corrected(event, now=now)
        return left(past, self._tagger.versions, now=now, in_case=event in cases, being_corrected=asked)

    def _is_current(self, revision: FeedbackClassified, history: History, now: datetime) -> bool:
        """Whether nothing happened to the event since it was looked at."""
        past = history.of(revision.id)
        if past is None or history.being_corrected(revision.id, now=now):
            return False
        return past.newest.revision + 1 == revision.revision

    def _experience(self, partition: int, event: FeedbackReceived, past: Past) -> tuple[list[Part], int]:
        """What was told, and which part of it the event is. It is looked at as thoroughly as it was before, or what
        changed would be the look, not the taxonomy."""
        hurry = past.newest.tags.path == "fast"
        conversation = past.newest.conversation
        parts = [(event.id, event)]
        if conversation is not None and conversation.parts:
            known = self._log.received(partition, [part.offset for part in conversation.parts])
            told_in = [(part.id, known[part.offset]) for part in conversation.parts if part.offset in known]
            parts = told_in if any(name == event.id for name, _ in told_in) else parts
        number = next(place for place, (name, _) in enumerate(parts) if name == event.id)
        return [part_of(one)._replace(hurry=hurry) for _, one in parts], number

    def _compare(self, past: Past, new: FeedbackClassified) -> None:
        taxonomy = self._tagger.taxonomy
        old = None if past.old is None else labels_of(past.old, taxonomy)
        self._comparison.take(new.occurred_at, old, labels_of(new.tags, taxonomy))

    def _catch_up(self, partition: int, history: History, positions: dict[str, int]) -> None:
        """Takes in what was written since it was last read."""
        for topic, kind, take in (
            (FEEDBACK_CLASSIFIED, FeedbackClassified, history.take),
            (FEEDBACK_CORRECTIONS, FeedbackCorrected, history.ask),
        ):
            _, end = self._tail.span(topic, partition)
            if end > positions[topic]:
                for messages in self._tail.batches(topic, partition, positions[topic], end):
                    for event in read(messages, kind):
                        take(event)
                positions[topic] = end

    def _write(self, revisions: Sequence[FeedbackClassified]) -> None:
        if self._producer is None:
            return
        try:
            sent = [
                self._producer.send(m.topic, m.value, key=m.key, headers=list(m.headers))
                for m in (encode(revision, trace=new_trace()) for revision in revisions)
            ]
            self._producer.flush(timeout=_SEND_SECONDS)
            for future in sent:
                future.get(timeout=_SEND_SECONDS)
        except KafkaError as error:
            raise Unavailable(f"Kafka did not take the tags ({type(error).__name__})") from None
        self._written += len(revisions)


def retag(
    *,
    since: datetime,
    split: datetime | None = None,
    policy: Path | None = None,
    apply: bool = False,
    rate: int = RATE,
    as_json: bool = False,
) -> int:
    """Compares, and with `apply` writes. 0; 1 when something was left that doing it again would take up."""
    settings = Settings.load()
    if apply and policy is not None and policy.resolve() != settings.policy_dir:
        raise Misconfigured(
            ["What counts is the policy in use: put the files in PALETTE_POLICY_DIR, restart classify, then apply."]
        )
    tagger = _tagger(settings, policy or settings.policy_dir)
    half = (since + (utc_now() - since) / 2).replace(hour=0, minute=0, second=0, microsecond=0)
    work = Retagging(settings, tagger, since=since, split=split or half, rate=rate, apply=apply, now=utc_now)
    try:
        with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
            task = bar.add_task("retagging" if apply else "comparing", total=work.count())
            outcome = work.run(lambda count: bar.update(task, advance=count))
    finally:
        work.close()
    if as_json:
        sys.stdout.write(msgspec.json.encode(outcome).decode() + "\n")
    else:
        sys.stdout.write("".join(f"{line}\n" for line in _told(outcome, tagger, apply=apply)))
    return 1 if outcome.left.get(Left.BEING_CORRECTED) else 0


def _tagger(settings: Settings, policy: Path) -> Tagger:
    """The tagger in force under a policy folder."""
    tagger = load_tagger(policy, cascade=ALL_FULL)
    reader = HistoryReader(settings)
    try:
        activation = model_in_force(reader)
    finally:
        reader.close()
    if activation is None or activation.version == tagger.versions.model:
        return tagger
    versions = Versions(settings.data_dir / MODELS, shipped=FOLDER, version=tagger.versions.model, files=FILES)
    return with_version(tagger, versions.folder_of(activation.version, digest=activation.digest))


def _told(outcome: Outcome, tagger: Tagger, *, apply: bool) -> Iterator[str]:
    yield f"Under model {tagger.versions.model}, taxonomy {tagger.versions.taxonomy}:"
    yield from told(outcome.report)
    yield ""
    yield f"{outcome.written:,} events got new tags." if apply else "Nothing was written; `--apply` makes it count."
    for why, count in sorted(outcome.left.items()):
        if count:
            yield f"{count:,} {_WORDS[why]}."
    if outcome.untagged:
        yield f"{outcome.untagged:,} have no tags yet."


def _parts(messages: Sequence[RawMessage]) -> Iterator[Sequence[RawMessage]]:
    for begin in range(0, len(messages), _BATCH):
        yield messages[begin : begin + _BATCH]
