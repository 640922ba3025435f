"""Looks for fixes whose time is over, counts whether they held, and sends the verdict as a command.

Live actions are judged by the wall clock, a dry run as of its newest event. A verdict's id follows from the resolution
that it judges, so sending it twice is harmless.
"""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection, func, select

from services.api.io import actions as read_actions
from services.api.io import figures as sums
from services.api.io import tables as db
from services.api.io.gather import series
from services.api.io.publisher import Publisher
from services.api.io.rounds import Rounds
from services.api.io.store import Store, moment
from services.api.proof import is_over, judge, verdict_command
from services.api.queries import ActionFilter
from services.contracts.events import Action, ActionCommand
from services.kit.clock import Clock, utc_now
from services.kit.process import Process

_EVERY_SECONDS = 3.0
_AT_ONCE = 500


class Judge(Rounds):
    """A thread that judges every three seconds; `look` does it once."""

    def __init__(
        self,
        process: Process,
        store: Store,
        publisher: Publisher,
        *,
        caught_up: Callable[[], bool],
        clock: Clock = utc_now,
    ) -> None:
        super().__init__(process, "judge", every=_EVERY_SECONDS)
        self._store = store
        self._publisher = publisher
        self._caught_up = caught_up
        self._clock = clock
        self._sent: set[str] = set()

    def _round(self) -> None:
        self.look()

    def look(self) -> list[ActionCommand]:
        """Judges what is due and sends it; answers what was sent. Raises Unavailable."""
        if not self._caught_up():
            return []  # half a store would give wrong counts
        with self._store.reading() as connection:
            due = verdicts(connection, now=self._clock())
        sent = []
        for command in due:
            if command.id not in self._sent:
                self._publisher.publish(command)
                self._sent.add(command.id)
                sent.append(command)
                self._process.log.info("verdict", action=command.action, verdict=command.verdict)
        return sent


def verdicts(connection: Connection, *, now: datetime) -> list[ActionCommand]:
    """The verdicts on all resolved actions whose time is over."""
    known = sums.days_known(connection)
    if known is None:
        return []
    resolved = read_actions.list_actions(connection, ActionFilter(state="resolved"), limit=_AT_ONCE, after=None).items
    newest = _newest_in_dry_run(connection) if any(a.mode == "rehearsal" for a in resolved) else None
    everything: dict[int, int] | None = None
    found = []
    for action in resolved:
        at = now if action.mode != "rehearsal" else newest
        if at is None or not is_over(action, now=at):
            continue
        if everything is None:
            everything = sums.all_days(connection, *known)
        found.append(_verdict(connection, action, everything, known, at=at))
    return found


def _verdict(
    connection: Connection, action: Action, everything: dict[int, int], known: tuple[int, int], *, at: datetime
) -> ActionCommand:
    ours = series(connection, action, *known)
    others = {day: n - ours.get(day, 0) for day, n in everything.items()}
    return verdict_command(action, judge(action, ours, others, first_day=known[0]), at=at)


def _newest_in_dry_run(connection: Connection) -> datetime | None:
    query = select(func.max(db.feedback.c.occurred_at)).where(db.feedback.c.mode == "rehearsal")
    newest = connection.execute(query).scalar()
    return moment(newest) if newest is not None else None
