"""What the router counts, declared once. Team names come from loaded policy, `other` for the rest."""

from collections.abc import Sequence
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge

from services.contracts.events import (
    Action,
    ActionChanged,
    Command,
    CommandName,
    FeedbackClassified,
    Join,
    RoutingSignal,
    State,
    Tick,
    Timer,
)
from services.contracts.policy import Policy
from services.contracts.rules import REASONS, Decision
from services.kit.clock import Clock
from services.kit.metrics import ConsumerMetrics

_OTHER = "other"


class RouterMetrics:
    """Counters of decisions, commands and broken promises, and how many actions there are."""

    def __init__(self, registry: CollectorRegistry, consumer: ConsumerMetrics, clock: Clock) -> None:
        self._consumer = consumer
        self._clock = clock
        self._teams: frozenset[str] = frozenset()
        self._seen: dict[str, tuple[str, str]] = {}
        self._decisions = Counter(
            "palette_decisions", "What rules made of tagged events, by reason.", ["reason"], registry=registry
        )
        self._actions = Gauge("palette_actions", "Actions by state and team.", ["state", "team"], registry=registry)
        self._breaches = Counter(
            "palette_sla_breaches", "Promises that were not kept in time.", ["clock", "team"], registry=registry
        )
        self._commands = Counter(
            "palette_commands", "Commands by what became of them.", ["command", "outcome"], registry=registry
        )
        for reason in REASONS:
            self._decisions.labels(reason)
        for command in get_args(CommandName):
            for outcome in ("done", "refused"):
                self._commands.labels(command, outcome)

    def knows(self, policy: Policy) -> None:
        """A policy came into force: its teams become labels."""
        self._teams |= set(policy.teams)
        for team in (*policy.teams, _OTHER):
            for timer in get_args(Timer):
                self._breaches.labels(timer, team)
            for state in get_args(State):
                self._actions.labels(state, team)

    def decided(self, _event: FeedbackClassified, decisions: Sequence[Decision]) -> None:
        """Rules were applied to an event."""
        for decision in decisions:
            self._decisions.labels(decision.reason).inc()

    def changed(self, signal: RoutingSignal, change: ActionChanged) -> None:
        """A signal changed an action, or a command was refused."""
        if isinstance(signal, Command):
            self._commands.labels(signal.command.command, "refused" if change.change == "refused" else "done").inc()
        elif isinstance(signal, Join) and signal.mode == "live" and signal.received_at is not None:
            seconds = (self._clock() - signal.received_at).total_seconds()
            self._consumer.latency.labels("action").observe(max(0.0, seconds))
        elif isinstance(signal, Tick):
            self._breaches.labels(signal.timer, self._label(self._seen.get(signal.action, ("", _OTHER))[1])).inc()

    def saw(self, action: Action) -> None:
        """The newest state of an action."""
        now = (action.state, action.plan.team)
        before = self._seen.get(action.id)
        if before == now:
            return
        if before is not None:
            self._actions.labels(before[0], self._label(before[1])).dec()
        self._actions.labels(now[0], self._label(now[1])).inc()
        self._seen[action.id] = now

    def _label(self, team: str) -> str:
        return team if team in self._teams else _OTHER
