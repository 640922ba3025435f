"""What to do about a child that died: start it again, and after how long, or give up. Pure; the caller tells the time.

Deaths are counted per process. Eight within a minute end the launcher, because a product that half works in a loop is
worse than one that says why it stopped. A child that says "what I depend on is away" (75) is not at fault and not
counted; one that says "I am configured wrongly" (78) will not get better by itself.
"""

from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum

from services.contracts.errors import EXIT_DEPENDENCY_AWAY, EXIT_MISCONFIGURED

LIMIT = 8
WINDOW_S = 60.0
FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 3.0
"""Short enough that eight deaths of a child that dies while it starts still fall into the window."""
FIRST_PAUSE_AWAY_S = 1.0
LONGEST_PAUSE_AWAY_S = 10.0


class DeathReason(StrEnum):
    """Why the verdict is what it is."""

    DIED = "died"
    DEPENDENCY_AWAY = "dependency_away"
    TOO_MANY = "too_many"
    MISCONFIGURED = "misconfigured"


@dataclass(frozen=True)
class Verdict:
    """`restart_after_s` is None when the launcher has to end. `deaths` counts those inside the window."""

    reason: DeathReason
    deaths: int
    restart_after_s: float | None


class Deaths:
    """The memory of one launcher: when which of its children died."""

    def __init__(self) -> None:
        self._counted: dict[str, list[float]] = defaultdict(list)
        self._away: dict[str, list[float]] = defaultdict(list)

    def record(self, name: str, exit_code: int, *, now: float) -> Verdict:
        """A child ended with `exit_code` (minus the signal's number when killed) at `now`, in monotonic seconds."""
        if exit_code == EXIT_MISCONFIGURED:
            return Verdict(DeathReason.MISCONFIGURED, len(self._counted[name]), None)
        if exit_code == EXIT_DEPENDENCY_AWAY:
            times = _remember(self._away[name], now)
            pause = _pause(len(times), first=FIRST_PAUSE_AWAY_S, longest=LONGEST_PAUSE_AWAY_S)
            return Verdict(DeathReason.DEPENDENCY_AWAY, len(self._counted[name]), pause)
        times = _remember(self._counted[name], now)
        if len(times) >= LIMIT:
            return Verdict(DeathReason.TOO_MANY, len(times), None)
        return Verdict(DeathReason.DIED, len(times), _pause(len(times), first=FIRST_PAUSE_S, longest=LONGEST_PAUSE_S))


def _remember(times: list[float], now: float) -> list[float]:
    times[:] = [time for time in times if now - time < WINDOW_S]
    times.append(now)
    return times


def _pause(deaths: int, *, first: float, longest: float) -> float:
    return min(longest, first * 2.0 ** min(deaths - 1, 16))
