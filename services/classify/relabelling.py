"""Two taxonomies over the same events: what is called otherwise, and how much of a change in counts is only that.

For each label the change that a chart would show between two periods, tagged before under the old version and after
under the new one, is the sum of two parts: *relabelled* (the later events under the new version against the same events
under the old one) and *real* (the later events against the earlier ones, both under the old version). Pure.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime, timedelta

import msgspec

from services.classify.taxonomy.labels import Taxonomy
from services.contracts.events import Tags

HEADS = ("stage", "areas", "theme")


class Labels(msgspec.Struct, frozen=True):
    """What an event is called, by head; renamed labels under their present ids."""

    stage: tuple[str, ...]
    areas: tuple[str, ...]
    theme: tuple[str, ...]

    def of(self, head: str) -> tuple[str, ...]:
        """The labels of a head."""
        return {"stage": self.stage, "areas": self.areas, "theme": self.theme}[head]


def labels_of(tags: Tags, taxonomy: Taxonomy) -> Labels:
    """The labels of tags. A renamed label is the same label; a retired one is not the one that took its place."""

    def present(head: str, labels: Iterable[str]) -> tuple[str, ...]:
        former = taxonomy.former[head]
        return tuple(dict.fromkeys(former.get(label, label) for label in labels))

    return Labels(
        present("stage", [tags.stage]),
        present("areas", [tag.area for tag in tags.areas]),
        present("theme", tags.themes),
    )


class Shift(msgspec.Struct, frozen=True):
    """How the count of a label changed from one period to the next, and the two parts of it."""

    head: str
    label: str
    before: int
    after: int
    relabelled: int
    real: int


class Moved(msgspec.Struct, frozen=True):
    """So many events changed a label. Of areas it is the main one."""

    head: str
    old: str
    new: str
    count: int


class Week(msgspec.Struct, frozen=True):
    """Events of one week (its Monday) that have a label, under the old and under the new version."""

    head: str
    label: str
    week: date
    old: int
    new: int


class Report(msgspec.Struct, frozen=True):
    """What became of the events: `compared` have tags of both versions; `changed` of them are called otherwise, by
    head. `only_new` were first tagged under the new version. The periods are `since` to `split` and `split` on."""

    compared: int
    only_new: int
    changed: dict[str, int]
    since: datetime
    split: datetime
    moved: tuple[Moved, ...]
    shifts: tuple[Shift, ...]
    weeks: tuple[Week, ...]


class Comparison:
    """Takes events one by one, in any order, and tells of all of them."""

    def __init__(self, *, since: datetime, split: datetime) -> None:
        self._since = since
        self._split = split
        self._compared = 0
        self._only_new = 0
        self._changed: Counter[str] = Counter()
        self._moved: Counter[tuple[str, str, str]] = Counter()
        self._counts: Counter[tuple[str, str, bool, str]] = Counter()
        self._weeks: Counter[tuple[str, str, date, str]] = Counter()

    def take(self, occurred_at: datetime, old: Labels | None, new: Labels) -> None:
        """One event. Without tags of an old version it says nothing of relabelling."""
        if old is None:
            self._only_new += 1
            return
        self._compared += 1
        day = occurred_at.date()
        week, later = day - timedelta(days=day.weekday()), occurred_at >= self._split
        for head in HEADS:
            was, now = old.of(head), new.of(head)
            self._changed[head] += set(was) != set(now)
            if head != "theme" and was[0] != now[0]:
                self._moved[head, was[0], now[0]] += 1
            for version, labels in (("old", was), ("new", now)):
                for label in labels:
                    self._counts[head, label, later, version] += 1
                    self._weeks[head, label, week, version] += 1

    def report(self) -> Report:
        """What there is to tell so far; the largest changes first."""
        moved = [Moved(*key, count) for key, count in self._moved.items()]
        named = sorted({(head, label) for head, label, _, _ in self._counts})
        shifts = [self._shift(head, label) for head, label in named]
        weeks = sorted({(head, label, week) for head, label, week, _ in self._weeks})
        return Report(
            compared=self._compared,
            only_new=self._only_new,
            changed={head: self._changed[head] for head in HEADS},
            since=self._since,
            split=self._split,
            moved=tuple(sorted(moved, key=lambda m: (HEADS.index(m.head), -m.count, m.old, m.new))),
            shifts=tuple(
                sorted(shifts, key=lambda s: (HEADS.index(s.head), -abs(s.relabelled), -abs(s.real), s.label))
            ),
            weeks=tuple(
                Week(head, label, week, self._weeks[head, label, week, "old"], self._weeks[head, label, week, "new"])
                for head, label, week in weeks
            ),
        )

    def _shift(self, head: str, label: str) -> Shift:
        def count(version: str, *, later: bool) -> int:
            return self._counts[head, label, later, version]

        return Shift(
            head=head,
            label=label,
            before=count("old", later=False),
            after=count("new", later=True),
            relabelled=count("new", later=True) - count("old", later=True),
            real=count("old", later=True) - count("old", later=False),
        )


def told(report: Report, *, most: int = 15) -> Iterable[str]:
    """The report in lines."""
    yield f"{report.compared:,} events have tags of both versions."
    if report.only_new:
        yield f"{report.only_new:,} more were first tagged under the new version: nothing to compare them with."
    if not report.compared:
        return
    for head, what in (("stage", "the stage"), ("areas", "an area"), ("theme", "a theme")):
        count = report.changed[head]
        yield f"  {what} changes in {count:,} ({count / report.compared:.1%})"
    for head, title in (("stage", "stage"), ("areas", "main area")):
        rows = [moved for moved in report.moved if moved.head == head]
        if rows:
            yield f"\n{title}: old -> new"
            yield from (f"  {row.old} -> {row.new:<24} {row.count:>8,}" for row in rows[:most])
            if len(rows) > most:
                yield f"  and {len(rows) - most} more, {sum(row.count for row in rows[most:]):,} events"
    yield f"\nbefore: from {_day(report.since)}, old version; after: from {_day(report.split)}, new version"
    yield f"  {'':<34} {'before':>8} {'after':>8} {'change':>8}   of it {'relabelled':>10} {'real':>8}"
    for head in HEADS:
        rows_of = [shift for shift in report.shifts if shift.head == head and (shift.relabelled or head != "theme")]
        for shift in rows_of[:most]:
            name = f"{head} {shift.label}"
            change = shift.after - shift.before
            yield (
                f"  {name:<34} {shift.before:>8,} {shift.after:>8,} {change:>+8,}"
                f"         {shift.relabelled:>+10,} {shift.real:>+8,}"
            )


def _day(at: datetime) -> str:
    return at.date().isoformat()
