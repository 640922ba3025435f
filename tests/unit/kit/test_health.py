"""Live and ready, with the moment since when."""

from services.kit.health import Health
from tests.unit.kit.conftest import HeldClock


def test_a_check_fails_until_it_is_told_otherwise(clock: HeldClock) -> None:
    health = Health(clock)
    check = health.check("store open")

    ok, body = health.ready()
    assert (ok, body["status"]) == (False, "not ready")
    assert body["checks"] == [
        {"name": "store open", "ok": False, "since": "2026-11-02T09:00:00+00:00", "message": "starting"}
    ]

    clock.pass_seconds(5)
    check.passed("4 partitions")
    ok, body = health.ready()
    assert (ok, body["status"]) == (True, "ready")
    assert body["checks"][0]["since"] == "2026-11-02T09:00:05+00:00"


def test_since_is_when_it_changed_not_when_it_was_last_said(clock: HeldClock) -> None:
    health = Health(clock)
    check = health.check("kafka")
    check.passed()
    clock.pass_seconds(60)
    check.passed("still")

    assert health.ready()[1]["checks"][0]["since"] == "2026-11-02T09:00:00+00:00"
    assert health.ready()[1]["checks"][0]["message"] == "still"


def test_one_failing_check_is_enough(clock: HeldClock) -> None:
    health = Health(clock)
    health.check("one").passed()
    other = health.check("other")
    other.passed()
    assert health.ready()[0]

    other.failed("halted")

    assert not health.ready()[0]
    assert not other.is_ok


def test_a_loop_that_has_not_turned_for_30_seconds_is_not_live(clock: HeldClock) -> None:
    health = Health(clock)
    clock.pass_seconds(29.9)
    assert health.live()[0]

    clock.pass_seconds(0.2)
    ok, body = health.live()
    assert (ok, body["status"]) == (False, "not live")
    assert body["checks"][0]["message"] == "the loop has not turned for 30 s"

    health.beat()
    assert health.live()[0]
