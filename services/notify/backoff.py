"""When to try again, and when to stop: pure, the clock and the dice are handed in.

Own arithmetic and not a retrying library, because a library's schedule lives in a call that sleeps, and ours has to
outlive kill -9: the next time is a number in the outbox.
"""

import msgspec

BASE_SECONDS = 5.0
CAP_SECONDS = 3_600.0
LONGEST_RETRY_AFTER_SECONDS = 3_600.0
OPENS_AFTER = 5
OPEN_SECONDS = 30.0
OPEN_CAP_SECONDS = 600.0


def delay(attempts: int, *, dice: float) -> float:
    """Seconds to wait after the given number of failed attempts: doubling, at most an hour, half of it by chance.

    `dice` lies in [0, 1); it keeps many messages for one receiver from coming back at the same moment.
    """
    whole = min(CAP_SECONDS, BASE_SECONDS * 2.0 ** min(attempts - 1, 20))
    return whole * (0.5 + dice / 2)


class Breaker(msgspec.Struct, frozen=True, kw_only=True):
    """Spares a receiver that is down: closed → five failures in a row → open → one try (half-open) → closed or open.

    Times are seconds of any clock that the caller sticks to. The caller makes one attempt at a time.
    """

    failures: int = 0
    openings: int = 0
    open_until: float = 0.0
    failing_since: float | None = None

    def wait(self, now: float) -> float:
        """Seconds until an attempt is allowed; 0 when closed or half-open."""
        return max(0.0, self.open_until - now)

    def is_closed(self) -> bool:
        """Whether the receiver is thought to be well."""
        return self.failures < OPENS_AFTER and self.open_until == 0.0

    def failing_for(self, now: float) -> float:
        """Seconds since the first failure after the last success; 0 when the last attempt succeeded."""
        return 0.0 if self.failing_since is None else now - self.failing_since

    def failed(self, now: float, *, retry_after: float | None = None) -> "Breaker":
        """After a failure that the receiver is to blame for. What it asked for with Retry-After is honoured at once."""
        failures = self.failures + 1
        openings = self.openings + (failures >= OPENS_AFTER)
        pause = min(OPEN_CAP_SECONDS, OPEN_SECONDS * 2.0 ** min(openings - 1, 20)) if failures >= OPENS_AFTER else 0.0
        asked = min(retry_after or 0.0, LONGEST_RETRY_AFTER_SECONDS)
        until = now + max(pause, asked) if pause or asked else 0.0
        since = now if self.failing_since is None else self.failing_since
        return Breaker(failures=failures, openings=openings, open_until=until, failing_since=since)
