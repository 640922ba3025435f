"""What a death leads to, with the time in the test's hand."""

import pytest

from services.contracts.errors import EXIT_DEPENDENCY_AWAY, EXIT_MISCONFIGURED
from services.launcher.deaths import LIMIT, WINDOW_S, DeathReason, Deaths


def test_the_eighth_death_within_a_minute_ends_the_launcher() -> None:
    deaths = Deaths()
    verdicts = [deaths.record("classify", -9, now=float(second)) for second in range(LIMIT)]
    assert [v.reason for v in verdicts] == [DeathReason.DIED] * 7 + [DeathReason.TOO_MANY]
    assert verdicts[-1].restart_after_s is None
    assert verdicts[-1].deaths == LIMIT


def test_deaths_are_counted_per_process() -> None:
    deaths = Deaths()
    for second in range(LIMIT - 1):
        deaths.record("classify", 1, now=float(second))
    assert deaths.record("router", 1, now=float(LIMIT)).reason is DeathReason.DIED


def test_deaths_older_than_a_minute_are_forgotten() -> None:
    deaths = Deaths()
    for number in range(100):
        assert deaths.record("classify", 1, now=number * (WINDOW_S / (LIMIT - 1) + 0.01)).reason is DeathReason.DIED


def test_a_dependency_that_is_away_is_never_counted() -> None:
    deaths = Deaths()
    for second in range(100):
        verdict = deaths.record("ingest", EXIT_DEPENDENCY_AWAY, now=float(second) / 10)
        assert verdict.reason is DeathReason.DEPENDENCY_AWAY
        assert verdict.deaths == 0
    assert deaths.record("ingest", 1, now=10.0).deaths == 1


def test_a_wrong_configuration_ends_the_launcher_at_once() -> None:
    verdict = Deaths().record("router", EXIT_MISCONFIGURED, now=0.0)
    assert (verdict.reason, verdict.restart_after_s) == (DeathReason.MISCONFIGURED, None)


@pytest.mark.parametrize(
    ("exit_code", "pauses"),
    [(1, [0.25, 0.5, 1, 2, 3, 3, 3]), (EXIT_DEPENDENCY_AWAY, [1, 2, 4, 8, 10, 10, 10])],
)
def test_pauses_between_restarts_grow_to_a_limit(exit_code: int, pauses: list[float]) -> None:
    deaths = Deaths()
    assert [deaths.record("api", exit_code, now=float(n)).restart_after_s for n in range(len(pauses))] == pauses


def test_a_child_that_dies_as_soon_as_it_starts_reaches_the_limit_inside_the_window() -> None:
    deaths, now, seconds_to_start = Deaths(), 0.0, 5.0
    while (pause := deaths.record("notify", 1, now=now).restart_after_s) is not None:
        now += pause + seconds_to_start
        assert now < 2 * WINDOW_S
