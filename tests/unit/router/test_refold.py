"""Folding routing-signals again gives the same actions: whatever the batching, the repeats, the restarts."""

from collections.abc import Sequence
from datetime import timedelta

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.contracts.codec import Outbound, RawMessage, encode
from services.contracts.events import Action, ActionChanged, Command, RoutingSignal
from services.contracts.ids import action_id
from services.contracts.topics import ACTION_CHANGES, ACTIONS, NOTIFICATIONS, ROUTER_DLQ, ROUTER_STATE
from services.router.partition import GroupsOfPartition
from tests.unit.router.builders import START, at, command, join, plan, retract

GROUPS = ("one", "two")

hours = st.integers(min_value=0, max_value=600)
events = st.sampled_from([f"e{n}" for n in range(12)])
groups = st.sampled_from(GROUPS)


@st.composite
def commands(draw: st.DrawFn) -> Command:
    group, event = draw(groups), draw(events)
    name = draw(st.sampled_from(["acknowledge", "resolve", "reopen", "verdict", "start", "comment"]))
    verdict = draw(st.sampled_from(["back_to_normal", "no_effect", "too_early"]))
    number = draw(st.integers(0, 40))
    signal = command(name, action_id(group, event), draw(hours), verdict=verdict, id=f"c{number}")
    asked = msgspec.structs.replace(signal.command, group=group)
    return msgspec.structs.replace(signal, group=group, command=asked)


@st.composite
def signals(draw: st.DrawFn) -> RoutingSignal:
    kind = draw(st.sampled_from(["join", "join", "join", "join", "retract", "command"]))
    if kind == "command":
        return draw(commands())
    group, event, revision, when = draw(groups), draw(events), draw(st.integers(1, 4)), draw(hours)
    if kind == "retract":
        return msgspec.structs.replace(retract(event, when, revision=revision), group=group)
    joined = join(
        event,
        when,
        revision=revision,
        severity=draw(st.integers(0, 3)),
        mode=draw(st.sampled_from(["live", "live", "backfill", "rehearsal"])),
        occurred_at=at(draw(hours)),
        customer=draw(st.sampled_from([None, "p1", "p2", "p3"])),
        plan=plan(threshold=draw(st.integers(1, 4)), window_hours=draw(st.sampled_from([24.0, 400.0]))),
    )
    return msgspec.structs.replace(joined, group=group)


def as_messages(given: Sequence[RoutingSignal]) -> list[RawMessage]:
    sent = [encode(signal) for signal in given]
    return [RawMessage(s.topic, 0, offset, s.key, s.value, s.headers) for offset, s in enumerate(sent)]


def folded(messages: Sequence[RawMessage], cuts: Sequence[int] = (), *, restart: bool = False) -> list[Outbound]:
    """All outputs; a batch ends at each cut, where the worker may also die and be restored from what it wrote."""
    fold = GroupsOfPartition(0, version="test")
    out: list[Outbound] = []
    state: dict[bytes, bytes | None] = {}
    start = 0
    for cut in [*sorted(cuts), len(messages)]:
        batch = fold.fold(messages[start:cut], START)
        start = max(start, cut)
        out += batch
        for record in batch:
            if record.topic == ROUTER_STATE:
                assert record.key is not None
                state[record.key] = record.value
        if restart:
            fold = GroupsOfPartition(0, version="test")
            for key, value in state.items():
                fold.restore(key, value)
    return out


def on(topic: str, out: Sequence[Outbound]) -> list[bytes | None]:
    return [message.value for message in out if message.topic == topic]


def newest_actions(out: Sequence[Outbound]) -> dict[bytes | None, bytes | None]:
    return {message.key: message.value for message in out if message.topic == ACTIONS}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(signals(), max_size=60), st.lists(st.integers(0, 60), max_size=12), st.booleans())
def test_batching_and_restarts_change_nothing(
    given_signals: list[RoutingSignal], cuts: list[int], restart: bool
) -> None:
    messages = as_messages(given_signals)
    whole = folded(messages)
    parts = folded(messages, cuts, restart=restart)

    assert on(ACTION_CHANGES, parts) == on(ACTION_CHANGES, whole)
    assert on(NOTIFICATIONS, parts) == on(NOTIFICATIONS, whole)
    assert newest_actions(parts) == newest_actions(whole)
    assert on(ROUTER_DLQ, whole) == []


@st.composite
def streams(draw: st.DrawFn) -> list[RoutingSignal]:
    """What step one sends: each event's revisions in order, each leaving the groups of the one before."""
    out: list[RoutingSignal] = []
    left: dict[str, tuple[int, set[str]]] = {}
    for _ in range(draw(st.integers(0, 40))):
        if draw(st.integers(0, 5)) == 0:
            out.append(draw(commands()))
            continue
        event, when = draw(events), draw(hours)
        revision, before = left.get(event, (0, set()))
        now = set(draw(st.lists(groups, max_size=2)))
        for group in before - now:
            out.append(msgspec.structs.replace(retract(event, when, revision=revision + 1), group=group))
        for group in now:
            told = join(event, when, revision=revision + 1, severity=draw(st.integers(0, 3)), plan=plan(threshold=2))
            out.append(msgspec.structs.replace(told, group=group))
        left[event] = (revision + 1, now)
    return out


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(streams(), st.integers(1, 40))
def test_a_stretch_that_is_sent_again_changes_nothing(given_signals: list[RoutingSignal], again: int) -> None:
    """Step one may do a stretch of its input twice; what it sends then has the same ids in the same order."""
    once = folded(as_messages(given_signals))
    twice = folded(as_messages([*given_signals, *given_signals[-again:]]))
    assert on(ACTION_CHANGES, twice) == on(ACTION_CHANGES, once)
    assert newest_actions(twice) == newest_actions(once)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(signals(), max_size=60))
def test_revisions_grow_by_one_and_counts_are_distinct_members(given_signals: list[RoutingSignal]) -> None:
    out = folded(as_messages(given_signals))
    changes = [msgspec.json.decode(value or b"", type=ActionChanged) for value in on(ACTION_CHANGES, out)]
    assert len({change.id for change in changes}) == len(changes)

    members: dict[str | None, set[str]] = {}
    revisions: dict[str | None, int | None] = {}
    for change in changes:
        if change.change == "refused":
            continue
        assert change.revision == (revisions.get(change.action) or 0) + 1
        revisions[change.action] = change.revision
        of_action = members.setdefault(change.action, set())
        of_action.update(change.members)
        if change.change in {"opened", "joined", "reopened"} and change.event is not None:
            of_action.add(change.event)
        if change.change in {"left", "closed"} and change.event is not None:
            of_action.discard(change.event)
    for value in newest_actions(out).values():
        action = msgspec.json.decode(value or b"", type=Action)
        assert action.signals == len(members[action.id])
        assert action.revision == revisions[action.id]


def test_poison_is_put_aside_and_its_neighbours_count() -> None:
    good = as_messages([join(f"e{n}") for n in range(3)])
    bad = [
        msgspec.structs.replace(good[0], value=value, offset=50 + n)
        for n, value in enumerate((None, b"\xff\xfe", b"{}", b'{"a":' * 100_000, b'{"kind": "join"}'))
    ]
    out = folded([good[0], *bad, *good[1:]])

    assert len(on(ROUTER_DLQ, out)) == len(bad)
    assert len(newest_actions(out)) == 1
    codes = [dict(m.headers)["dl_code"] for m in out if m.topic == ROUTER_DLQ]
    assert codes == [b"empty", b"not_json", b"schema", b"too_deep", b"schema"]


def test_an_action_is_written_once_per_batch_to_its_groups_partition() -> None:
    fold = GroupsOfPartition(3, version="test")
    out = fold.fold(as_messages([join(f"e{n}", n) for n in range(9)]), START)

    assert [message.partition for message in out if message.topic == ACTIONS] == [3]
    assert {message.partition for message in out if message.topic == ROUTER_STATE} == {3}
    assert len(on(ACTION_CHANGES, out)) == 7


def test_a_batch_writes_only_the_part_of_the_memory_that_it_touched() -> None:
    fold = GroupsOfPartition(0, version="test")
    fold.fold(as_messages([join(f"e{n}", n / 100) for n in range(1_000)]), START)
    out = fold.fold(as_messages([join("late", 20)]), START)

    written = [message for message in out if message.topic == ROUTER_STATE]
    assert len(written) == 2
    assert sum(len(message.value or b"") for message in written) < 12_000


def test_a_memory_that_was_forgotten_leaves_no_record_behind() -> None:
    fold = GroupsOfPartition(0, version="test")
    fold.fold(as_messages([join(f"e{n}", 0) for n in range(2_200)]), START)
    out = fold.fold(as_messages([join(f"l{n}", 100) for n in range(64)]), START)

    gone = [message for message in out if message.topic == ROUTER_STATE and message.value is None]
    assert gone
    assert START + timedelta(hours=100) == at(100)
