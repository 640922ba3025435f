"""All groups of one partition: signals as bytes in, outputs and state records as bytes out. Pure; no Kafka.

State records are msgpack, for this service's eyes only: one per group, and one per segment of its memory. Groups are
decoded when they are first touched, so that a restore reads no more than it must.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from services.contracts.codec import Outbound, RawMessage, dead_letter, decode, encode, trace_of
from services.contracts.errors import BadMessage
from services.contracts.events import ActionChanged, RoutingSignal
from services.contracts.topics import ROUTER_STATE
from services.router.groups import Group, Head
from services.router.memory import Member, Memory

Observe = Callable[[RoutingSignal, ActionChanged], None]
"""Told of every change while it is folded, for metrics. Must not fail."""

_SEGMENT_MARK = b"\x1f"  # in no group: attribute values are percent-encoded

_heads = msgspec.msgpack.Decoder(Head)
_segments = msgspec.msgpack.Decoder(list[Member])
_encoder = msgspec.msgpack.Encoder()


class GroupsOfPartition:
    """Folds the signals of one partition. What it answers must be written in one transaction, or not at all and the
    process ended: it has already moved on."""

    def __init__(self, partition: int, *, version: str, observe: Observe = lambda _signal, _change: None) -> None:
        self._partition = partition
        self._version = version
        self._observe = observe
        self._groups: dict[str, Group] = {}
        self._written: dict[bytes, bytes] = {}

    def restore(self, key: bytes, value: bytes | None) -> None:
        """A state record as it was last written, in any order of keys."""
        if value is None:
            self._written.pop(key, None)
        else:
            self._written[key] = value

    def fold(self, messages: Sequence[RawMessage], now: datetime) -> list[Outbound]:
        """Everything that a batch leads to: changes, notifications, newest actions, dead letters, state records.

        `now` only dates dead letters.
        """
        out: list[Outbound] = []
        touched: dict[str, Group] = {}
        traces: dict[str, bytes | None] = {}
        for message in messages:
            try:
                signal: RoutingSignal = decode(message, RoutingSignal)
                group = self._group(signal.group)
                touched[signal.group] = group
                trace = trace_of(message)
                before = group.head.action
                for outcome in group.take(signal):
                    out.append(encode(outcome, trace=trace))
                    if isinstance(outcome, ActionChanged):
                        traces[signal.group] = trace
                        self._observe(signal, outcome)
                if before is not None and group.head.action is not None and before.id != group.head.action.id:
                    # a new episode began in mid-batch: this is the last that anybody hears of the one before
                    out.append(encode(before, trace=trace, partition=self._partition))
            except BadMessage as error:
                out.append(self._letter(message, error.code, error.message, now))
        for name, group in touched.items():
            if name in traces and group.head.action is not None:
                out.append(encode(group.head.action, trace=traces[name], partition=self._partition))
            out += self._records(group)
        return out

    def actions(self) -> int:
        """How many groups are held."""
        return len(self._groups)

    def _group(self, name: str) -> Group:
        group = self._groups.get(name)
        if group is None:
            group = self._groups[name] = self._decoded(name) or Group.new(name)
        return group

    def _decoded(self, name: str) -> Group | None:
        key = name.encode()
        raw = self._written.pop(key, None)
        if raw is None:
            return None
        head = _heads.decode(raw)
        segments = {}
        for number in range(head.first_segment, head.last_segment + 1):
            segment = self._written.pop(_segment_key(key, number), None)
            if segment is not None:
                segments[number] = _segments.decode(segment)
        return Group(head, Memory.restored(head.first_segment, head.last_segment, segments))

    def _records(self, group: Group) -> list[Outbound]:
        key = group.head.group.encode()
        records = [
            self._record(_segment_key(key, number), None if members is None else _encoder.encode(members))
            for number, members in group.memory.changed_segments()
        ]
        group.head.first_segment, group.head.last_segment = group.memory.first, group.memory.last
        records.append(self._record(key, _encoder.encode(group.head)))
        return records

    def _record(self, key: bytes, value: bytes | None) -> Outbound:
        return Outbound(ROUTER_STATE, key, value, partition=self._partition)

    def _letter(self, message: RawMessage, code: str, detail: str, now: datetime) -> Outbound:
        return dead_letter(message, service="router", version=self._version, code=code, detail=detail, at=now)


def _segment_key(group: bytes, number: int) -> bytes:
    return group + _SEGMENT_MARK + str(number).encode()
