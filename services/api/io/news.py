"""Tells waiting requests that the store may hold something new."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


class News:
    """A counter that many threads may wait on; nobody holds a lock while looking into the store."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._version = 0

    def tell(self) -> None:
        """There is something new."""
        with self._changed:
            self._version += 1
            self._changed.notify_all()

    def until(self, look: Callable[[], _T | None], *, seconds: float) -> _T | None:
        """Looks now and after each piece of news until it finds something or time is up."""
        deadline = time.monotonic() + seconds
        while True:
            seen = self._version
            found = look()
            left = deadline - time.monotonic()
            if found is not None or left <= 0:
                return found
            with self._changed:
                if self._version == seen:
                    self._changed.wait(left)
