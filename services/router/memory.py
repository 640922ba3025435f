"""The events that one group counted: a repeat counts once, and a newer tag revision takes back what an older one gave.

Kept in segments, because the whole would be written again with every batch: a batch writes only the segments that it
touched. Remembers for 48 hours and at least the last 2,000 events.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec

SEGMENT = 32
LEAST = 2_000
KEPT = timedelta(hours=48)


class Member(msgspec.Struct, frozen=True, array_like=True):
    """One event of a group. `episode` 0: in none; not `counted`: taken back at `revision`."""

    event: str
    revision: int
    at: datetime
    occurred_at: datetime
    severity: int
    customer: str | None
    counted: bool
    episode: int


class Memory:
    """Members in the order in which they first came. Mutable; one per group."""

    def __init__(self) -> None:
        self.first = 0
        self.last = 0
        self._segments: dict[int, list[Member]] = {0: []}
        self._places: dict[str, tuple[int, int]] = {}
        self._customers: Counter[tuple[int, str]] = Counter()
        self._touched: set[int] = set()

    @staticmethod
    def restored(first: int, last: int, segments: dict[int, list[Member]]) -> "Memory":
        """A memory as it was written."""
        memory = Memory()
        memory.first, memory.last = first, last
        memory._segments = {number: segments.get(number, []) for number in range(first, last + 1)}
        for number, members in memory._segments.items():
            for index, member in enumerate(members):
                memory._places[member.event] = (number, index)
                memory._count(member, 1)
        return memory

    def __len__(self) -> int:
        return len(self._places)

    def get(self, event: str) -> Member | None:
        """What is known of an event."""
        place = self._places.get(event)
        return None if place is None else self._segments[place[0]][place[1]]

    def put(self, member: Member) -> None:
        """Remembers an event, or what is new about it."""
        place = self._places.get(member.event)
        if place is None:
            segment = self._segments[self.last]
            if len(segment) >= SEGMENT:
                self.last += 1
                segment = self._segments[self.last] = []
            self._places[member.event] = (self.last, len(segment))
            segment.append(member)
            self._touched.add(self.last)
        else:
            number, index = place
            self._count(self._segments[number][index], -1)
            self._segments[number][index] = member
            self._touched.add(number)
        self._count(member, 1)

    def forget(self, now: datetime) -> None:
        """Drops the oldest segments that are past both bounds."""
        while len(self) - len(self._segments[self.first]) >= LEAST and self.first < self.last:
            oldest = self._segments[self.first]
            if max(member.at for member in oldest) > now - KEPT:
                return
            for member in oldest:
                del self._places[member.event]
                self._count(member, -1)
            del self._segments[self.first]
            self._touched.add(self.first)
            self.first += 1

    def knows_customer(self, episode: int, customer: str) -> bool:
        """Whether a remembered member of the episode is this customer's."""
        return self._customers[episode, customer] > 0

    def of_episode(self, episode: int) -> Iterator[Member]:
        """The remembered members of an episode."""
        for members in self._segments.values():
            for member in members:
                if member.counted and member.episode == episode:
                    yield member

    def changed_segments(self) -> list[tuple[int, list[Member] | None]]:
        """The segments to write since the last call; None for one that is gone."""
        changed: list[tuple[int, list[Member] | None]] = [(n, self._segments.get(n)) for n in sorted(self._touched)]
        self._touched.clear()
        return changed

    def _count(self, member: Member, by: int) -> None:
        if member.counted and member.episode and member.customer is not None:
            key = (member.episode, member.customer)
            self._customers[key] += by
            if not self._customers[key]:
                del self._customers[key]
