"""What the tests of the kit share: settings that owe nothing to this machine, and a clock in the hand."""

import os
from datetime import UTC, datetime, timedelta

import pytest


class HeldClock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_seconds(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment as a fresh machine has it."""
    for name in list(os.environ):
        if name.startswith(("PALETTE_", "KAFKA_", "DATABASE_URL")):
            monkeypatch.delenv(name)
