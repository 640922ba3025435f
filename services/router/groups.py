"""Step two: the fold of one group. One signal in, the changes of its action out; the order of signals decides all.

Pure apart from its own state: no clock (every `at` comes with the signal), no policy (the plan comes with the join). A
signal that changes an action gives exactly one `ActionChanged` and one revision, whatever the batching; a repeat none.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from services.contracts.events import (
    Action,
    ActionChanged,
    Change,
    Command,
    Join,
    Notification,
    Retract,
    RoutingSignal,
    Tick,
)
from services.contracts.ids import action_id, change_id
from services.router.episodes import Refused, Told, is_due, is_over, obey, priority_of, reopened, with_change
from services.router.expectations import DAYS_KEPT, expect
from services.router.memory import Member, Memory
from services.router.openings import is_critical, new_action, notifications, opens

WORST_KEPT = 5
_WAITING_KEPT = 1_000
_COMMANDS_KEPT = 100
_SYSTEM = "palette"

Outcome = ActionChanged | Notification


class Head(msgspec.Struct, array_like=True):
    """State of a group but for the members that it remembers."""

    group: str
    action: Action | None = None
    episode: int = 0
    waiting: list[Member] = []
    worst: list[tuple[int, datetime, str]] = []
    days: dict[int, int] = {}
    commands: list[str] = []
    first_segment: int = 0
    last_segment: int = 0


class Group:
    """One group and what it remembers. Mutable; owned by one partition's fold."""

    def __init__(self, head: Head, memory: Memory) -> None:
        self.head = head
        self.memory = memory

    @staticmethod
    def new(name: str) -> "Group":
        return Group(Head(name), Memory())

    def take(self, signal: RoutingSignal) -> list[Outcome]:
        """Folds one signal in. Empty: it changed no action."""
        if isinstance(signal, Join):
            return self._join(signal)
        if isinstance(signal, Retract):
            return self._retract(signal)
        if isinstance(signal, Command):
            return self._command(signal)
        return self._tick(signal)

    # ---- joins ------------------------------------------------------------------------------------------------------

    def _join(self, join: Join) -> list[Outcome]:
        known = self.memory.get(join.event)
        if known is not None and join.revision <= known.revision:
            return []
        member = Member(
            event=join.event,
            revision=join.revision,
            at=join.at,
            occurred_at=join.occurred_at,
            severity=join.severity,
            customer=join.customer,
            counted=True,
            episode=known.episode if known is not None and known.counted else 0,
        )
        if known is not None and known.counted:
            return self._update(join, known, member)
        self._count_day(join.occurred_at, 1)
        outcomes = self._place(join, member)
        self.memory.forget(join.at)
        return outcomes

    def _place(self, join: Join, member: Member) -> list[Outcome]:
        """Where an event that was not counted so far belongs: to the episode, among those that wait, or to history."""
        action = self.head.action
        if action is None:
            return self._wait(join, member)
        # what happened before a resolution is no sign that it failed; danger is told whenever it comes
        past = action.resolved_at is not None and join.occurred_at <= action.resolved_at and not is_critical(join)
        if is_over(action):
            if not past:
                return self._wait(join, member)
            self.memory.put(member)
            return []
        if action.resolved_at is not None and not past:
            return self._wait(join, member)
        if join.mode == "backfill" and join.occurred_at < action.first_occurred_at:
            self.memory.put(member)
            return []
        return self._add(join, member, action)

    def _add(self, join: Join, member: Member, action: Action) -> list[Outcome]:
        changed = self._with_members(action, [member])
        return self._changed(changed, join, change="joined", by=_SYSTEM, reason="same_problem", event=join.event)

    def _wait(self, join: Join, member: Member) -> list[Outcome]:
        self.memory.put(member)
        head = self.head
        head.waiting.append(member)
        newest = max(waiting.occurred_at for waiting in head.waiting)
        window = timedelta(hours=join.plan.window_hours)
        # the distance, not the moment a window ago: an event of the year 1, as some systems send, has none before it
        head.waiting = [waiting for waiting in head.waiting if newest - waiting.occurred_at < window][-_WAITING_KEPT:]
        if newest - join.occurred_at < window:
            return self._perhaps_open(join)
        if not is_critical(join):
            return []  # too old to count with the newest
        head.waiting.append(member)
        return self._perhaps_open(join)

    def _perhaps_open(self, join: Join) -> list[Outcome]:
        why = opens(join, self.head.waiting)
        if why is None:
            return []
        members, self.head.waiting = self.head.waiting, []
        action = self.head.action
        name = action_id(self.head.group, join.event)
        if action is not None and (not is_over(action) or action.id == name):
            changed = self._with_members(reopened(action, at=join.at, mode=join.mode), members)
            return self._changed(
                changed,
                join,
                change="reopened",
                by=_SYSTEM,
                reason="recurrence",
                event=join.event,
                members=members,
                told="reopened",
            )
        self.head.episode += 1
        self.head.worst = []
        opened = self._with_members(new_action(name, join, why, members), members)
        return self._changed(
            opened, join, change="opened", by=_SYSTEM, reason=why, event=join.event, members=members, told="opened"
        )

    def _update(self, join: Join, known: Member, member: Member) -> list[Outcome]:
        """A newer tag revision that leads to the same group."""
        if known.occurred_at.toordinal() != member.occurred_at.toordinal():
            self._count_day(known.occurred_at, -1)
            self._count_day(member.occurred_at, 1)
        self.memory.put(member)
        if any(waiting.event == member.event for waiting in self.head.waiting):
            self.head.waiting = [member if waiting.event == member.event else waiting for waiting in self.head.waiting]
            return self._perhaps_open(join)
        if not member.episode and is_critical(join):
            return self._place(join, member)
        action = self.head.action
        if (
            action is None
            or not member.episode
            or member.episode != self.head.episode
            or member.severity == known.severity
        ):
            return []
        changed = self._recounted(action, signals=action.signals, customers=action.customers)
        return self._changed(changed, join, change="updated", by=_SYSTEM, reason="retagged", event=join.event)

    # ---- retractions ------------------------------------------------------------------------------------------------

    def _retract(self, retract: Retract) -> list[Outcome]:
        known = self.memory.get(retract.event)
        if known is None or retract.revision <= known.revision:
            return []  # a stranger, or a repeat
        gone = msgspec.structs.replace(known, revision=retract.revision, counted=False, episode=0)
        self.memory.put(gone)
        if not known.counted:
            return []
        self._count_day(known.occurred_at, -1)
        self.head.waiting = [waiting for waiting in self.head.waiting if waiting.event != retract.event]
        action = self.head.action
        if action is None or not known.episode or known.episode != self.head.episode:
            return []
        lost = known.customer is not None and not self.memory.knows_customer(known.episode, known.customer)
        changed = self._recounted(action, signals=action.signals - 1, customers=action.customers - lost)
        if changed.signals == 0 and not is_over(changed):
            closed = msgspec.structs.replace(changed, state="verified", verified_at=retract.at)
            return self._changed(
                closed, retract, change="closed", by=_SYSTEM, reason="nothing_left", event=retract.event
            )
        return self._changed(changed, retract, change="left", by=_SYSTEM, reason="retagged", event=retract.event)

    # ---- commands and ticks -----------------------------------------------------------------------------------------

    def _command(self, signal: Command) -> list[Outcome]:
        asked = signal.command
        if asked.id in self.head.commands:
            return []
        self.head.commands = [*self.head.commands, asked.id][-_COMMANDS_KEPT:]
        action = self.head.action
        if action is None or action.id != asked.action:
            return [self._refusal(signal, None, "unknown_action")]
        promise = None
        if asked.command == "resolve" and action.plan.action == "cause":
            promise = expect(self.head.days, action, at=signal.at)
        answer = obey(action, signal, expectation=promise)
        if isinstance(answer, Refused):
            return [self._refusal(signal, action, answer.reason)]
        members: list[Member] = []
        if answer.change == "reopened":
            members, self.head.waiting = self.head.waiting, []  # they came after the resolution, so they belong to it
        return self._changed(
            self._with_members(answer.action, members),
            signal,
            change=answer.change,
            by=asked.by,
            reason=answer.reason,
            members=members,
            told=answer.told,
            command=signal,
        )

    def _refusal(self, signal: Command, action: Action | None, reason: str) -> ActionChanged:
        return ActionChanged(
            id=change_id(signal.command.action, signal.id),
            group=self.head.group,
            at=signal.at,
            change="refused",
            by=signal.command.by,
            reason=reason,
            action=signal.command.action,
            revision=None if action is None else action.revision,
            state=None if action is None else action.state,
            command=signal.command.id,
            mode=signal.command.mode,
        )

    def _tick(self, tick: Tick) -> list[Outcome]:
        action = self.head.action
        if action is None or action.id != tick.action or not is_due(action, tick.timer, tick.at):
            return []
        changed = msgspec.structs.replace(action, breached=(*action.breached, tick.timer))
        return self._changed(changed, tick, change="breached", by=_SYSTEM, reason=tick.timer, told="escalated")

    # ---- what every change does -------------------------------------------------------------------------------------

    def _changed(
        self,
        action: Action,
        signal: RoutingSignal,
        *,
        change: str,
        by: str,
        reason: str,
        event: str | None = None,
        members: Sequence[Member] = (),
        told: Told | None = None,
        command: Command | None = None,
    ) -> list[Outcome]:
        before = self.head.action
        revision = before.revision + 1 if before is not None and before.id == action.id else 1
        asked = None if command is None else command.command
        action = msgspec.structs.replace(
            action,
            revision=revision,
            updated_at=signal.at,
            priority=priority_of(severity=action.severity, signals=action.signals, ease=action.plan.ease),
        )
        if change not in {"joined", "left", "updated"}:
            line = Change(
                revision=revision,
                at=signal.at,
                change=change,
                by=by,
                reason=reason,
                comment=None if asked is None else asked.comment,
                to=None if asked is None else asked.to,
            )
            action = with_change(action, line)
        self.head.action = action
        outcomes: list[Outcome] = [
            ActionChanged(
                id=change_id(action.id, signal.id),
                group=self.head.group,
                at=signal.at,
                change=change,
                by=by,
                reason=reason,
                action=action.id,
                revision=revision,
                state=action.state,
                event=event,
                members=tuple(member.event for member in members if member.event != event),
                command=None if asked is None else asked.id,
                comment=None if asked is None else asked.comment,
                to=None if asked is None else asked.to,
                mode=action.mode,
            )
        ]
        if told is not None and action.mode == "live":
            outcomes += notifications(action, told, at=signal.at)
        return outcomes

    def _with_members(self, action: Action, members: Sequence[Member]) -> Action:
        """The action with more members: counts, span, severity, the worst five."""
        if not members:
            return action
        episode, worst = self.head.episode, self.head.worst
        customers, severity = action.customers, action.severity
        first, last = action.first_occurred_at, action.last_occurred_at
        for member in members:
            if member.customer is not None and not self.memory.knows_customer(episode, member.customer):
                customers += 1
            self.memory.put(msgspec.structs.replace(member, episode=episode))
            severity = max(severity, member.severity)
            first, last = min(first, member.occurred_at), max(last, member.occurred_at)
            rank = (member.severity, member.occurred_at, member.event)
            if len(worst) < WORST_KEPT or rank > worst[-1]:
                worst = sorted([*worst, rank], reverse=True)[:WORST_KEPT]
        changed = worst is not self.head.worst
        self.head.worst = worst
        return msgspec.structs.replace(
            action,
            signals=action.signals + len(members),
            customers=customers,
            severity=severity,
            first_occurred_at=first,
            last_occurred_at=last,
            worst=self._worst() if changed else action.worst,
        )

    def _recounted(self, action: Action, *, signals: int, customers: int) -> Action:
        """The action after a member left or changed: severity and the worst five from the members remembered."""
        members = list(self.memory.of_episode(self.head.episode))
        self.head.worst = sorted(((m.severity, m.occurred_at, m.event) for m in members), reverse=True)[:WORST_KEPT]
        return msgspec.structs.replace(
            action,
            signals=signals,
            customers=customers,
            severity=max((member.severity for member in members), default=0),
            worst=self._worst(),
        )

    def _worst(self) -> tuple[str, ...]:
        return tuple(event for _, _, event in self.head.worst)

    def _count_day(self, occurred_at: datetime, by: int) -> None:
        days, day = self.head.days, occurred_at.toordinal()
        days[day] = days.get(day, 0) + by
        if days[day] <= 0:
            del days[day]
        while len(days) > DAYS_KEPT:
            del days[min(days)]
