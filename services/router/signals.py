"""Step one: a tagged event or a command in, signals per group out. Stateless: doing a message again gives the same ids.

A newer tag revision first takes the event back from every group that its superseded tags could have led to, under every
policy version known, then lets it count in the new ones. Which version decides about an event follows from the event
alone (`Policies.deciding`), so that a redelivery after an activation does not count it in a second group.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

import msgspec

from services.contracts import ids
from services.contracts.codec import Outbound, RawMessage, dead_letter, decode, encode, trace_of
from services.contracts.errors import BadMessage
from services.contracts.events import (
    ActionCommand,
    Command,
    Event,
    FeedbackClassified,
    Join,
    Plan,
    Retract,
)
from services.contracts.policy import Policy
from services.contracts.rules import Decision, decide, groups_of
from services.contracts.topics import ACTION_COMMANDS

Observe = Callable[[FeedbackClassified, Sequence[Decision]], None]
"""Told of every decision, for metrics. Must not fail."""


class Policies:
    """Every policy version known, in the order of activation. Immutable: a new version makes a new value."""

    def __init__(self, activations: Sequence[tuple[datetime, Policy]] = ()) -> None:
        self._activations = tuple(sorted(activations, key=lambda activation: activation[0]))
        self._times = [at for at, _ in self._activations]
        self._distinct = tuple({policy.version: policy for _, policy in self._activations}.values())

    def __bool__(self) -> bool:
        return bool(self._activations)

    def with_version(self, at: datetime, policy: Policy) -> "Policies":
        """These and one more, in force for what is tagged from `at` on."""
        return Policies([*self._activations, (at, policy)])

    @property
    def newest(self) -> Policy:
        """The version that was activated last."""
        return self._activations[-1][1]

    def deciding(self, event: FeedbackClassified) -> Policy:
        """The version in force when the event was tagged; for events older than all of them the first one."""
        return self._activations[max(0, bisect_right(self._times, event.tagged_at) - 1)][1]

    def distinct(self) -> Sequence[Policy]:
        """Each version once."""
        return self._distinct


def route(
    messages: Sequence[RawMessage],
    now: datetime,
    *,
    policies: Policies,
    version: str,
    observe: Observe = lambda _event, _decisions: None,
) -> list[Outbound]:
    """The signals that a batch of classified events and commands leads to, in their order, dead letters included."""
    out: list[Outbound] = []
    for message in messages:
        try:
            trace = trace_of(message)
            for signal in _signals(message, policies, observe):
                out.append(encode(signal, trace=trace))
        except BadMessage as error:
            out.append(
                dead_letter(message, service="router", version=version, code=error.code, detail=error.message, at=now)
            )
    return out


def _signals(message: RawMessage, policies: Policies, observe: Observe) -> Iterator[Event]:
    if message.topic == ACTION_COMMANDS:
        yield _command(decode(message, ActionCommand), policies)
        return
    event: FeedbackClassified = decode(message, FeedbackClassified)
    if not event.counts:
        return  # a later part of a conversation, whose head tells all of it
    decisions = decide(event, policies.deciding(event))
    observe(event, decisions)
    joined = groups_of(decisions)
    yield from _retractions(event, joined, policies)
    for group, plan in joined.items():
        yield _join(event, group, plan)


_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


def counts_from(event: FeedbackClassified) -> datetime:
    """The time as of which an event counts: its own in a rehearsal, else when it was tagged. Never the edge of the
    calendar, from which no due time can be reckoned."""
    return max(event.occurred_at, _EARLIEST) if event.mode == "rehearsal" else event.tagged_at


def _join(event: FeedbackClassified, group: str, plan: Plan) -> Join:
    return Join(
        id=ids.signal_id(event.id, event.revision, "join", group),
        group=group,
        at=counts_from(event),
        event=event.id,
        revision=event.revision,
        occurred_at=event.occurred_at,
        severity=event.tags.severity,
        plan=plan,
        sentiment=event.tags.sentiment,
        customer=event.customer,
        # a later revision came long after the event did: it says nothing about how fast we are
        received_at=event.received_at if event.revision == 1 else None,
        mode=event.mode,
    )


def _retractions(event: FeedbackClassified, joined: dict[str, Plan], policies: Policies) -> Iterator[Retract]:
    if event.supersedes is None:
        return
    before = msgspec.structs.replace(event, tags=event.supersedes, supersedes=None)
    groups: dict[str, None] = {}
    for policy in policies.distinct():
        groups |= dict.fromkeys(groups_of(decide(before, policy)))
    for group in groups:
        if group not in joined:
            yield Retract(
                id=ids.signal_id(event.id, event.revision, "retract", group),
                group=group,
                at=counts_from(event),
                event=event.id,
                revision=event.revision,
            )


def _command(command: ActionCommand, policies: Policies) -> Command:
    """A command in its group's order. `to` is a team where policy knows one of that id, else a person."""
    team = policies.newest.teams.get(command.to) if command.to is not None and command.command == "assign" else None
    return Command(
        id=command.id,
        group=command.group,
        at=command.at,
        command=command,
        team=None if team is None else team.id,
        targets=() if team is None else team.targets,
        escalates_to=() if team is None else team.escalates_to,
    )
