"""Notices that this process stood still for long: stopped by a signal, a debugger, a sleeping machine.

The group went on without such a member long ago. To come back from there inside the libraries takes up to a minute and
a half now and then; a new process is in the group again within seconds.
"""

import time
from collections.abc import Callable

from services.contracts.errors import EXIT_DEPENDENCY_AWAY
from services.kit.process import Process

FROZEN_SECONDS = 10.0
"""Beyond the session of a member (6 s): whoever stood still for so long is no member any more."""


class Frost:
    """Asked often, it tells a long gap between two questions."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._asked = clock()

    def thawed(self) -> float:
        """For how many seconds this process stood still, 0 where it did not."""
        before, self._asked = self._asked, self._clock()
        gap = self._asked - before
        return gap if gap > FROZEN_SECONDS else 0.0

    def end_if_thawed(self, process: Process) -> None:
        """Ends a process that stood still. The note of begun messages stays: one of them may be the cause."""
        if stood_still := self.thawed():
            process.log.warning("this process stood still; it begins anew", seconds=round(stood_still, 1))
            process.end(EXIT_DEPENDENCY_AWAY)
