"""Waiting for a condition with a deadline: the tests' only clock."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(condition: Callable[[], T], *, seconds: float = 30.0, every: float = 0.05, what: str = "") -> T:
    """Polls until the condition answers something true and returns that; fails naming `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:g} s in vain for {what or condition}; last answer {answer!r}")
        time.sleep(every)
