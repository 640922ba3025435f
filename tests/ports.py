"""Ports for servers that tests start: none is handed out twice, and none to two test processes that run side by side.

A port that is merely free now may be picked by a neighbour before its server, a Kafka for instance, listens on it.
"""

import itertools
import os
import random
from collections.abc import Iterator

from services.launcher.ports import is_free

_FIRST, _EACH, _PROCESSES = 20_000, 3_000, 4
"""Up to 32,000: what the launcher picks for itself lies above, what the kernel hands out above that."""


def _own() -> Iterator[int]:
    """The ports of this process, beginning anywhere, so that a second run on the machine seldom meets the first."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _PROCESSES
    ports = list(range(_FIRST + worker * _EACH, _FIRST + (worker + 1) * _EACH))
    begin = random.SystemRandom().randrange(_EACH)
    return itertools.cycle(ports[begin:] + ports[:begin])


_ports = _own()


def free_port() -> int:
    """The next port of this process that is free."""
    return next(port for port in _ports if is_free(port))
