"""What is due and when: each promise ticks once, kept and moved ones do not."""

import msgspec

from services.router.clocks import Clocks
from tests.unit.router.builders import at, command, opened


def test_a_promise_ticks_when_it_is_due_and_once() -> None:
    clocks = Clocks()
    clocks.saw(opened().action)

    assert clocks.due(at(23.9)) == []
    assert [(tick.timer, tick.at) for tick in clocks.due(at(24))] == [("acknowledge_due", at(24))]
    assert clocks.due(at(25)) == []
    assert [tick.timer for tick in clocks.due(at(240))] == ["resolve_due"]
    assert len(clocks) == 0


def test_the_same_promise_gives_the_same_tick_on_every_worker() -> None:
    one, other = Clocks(), Clocks()
    for clocks in (one, other):
        clocks.saw(opened().action)
    assert one.due(at(500)) == other.due(at(900))


def test_a_kept_promise_does_not_tick() -> None:
    clocks = Clocks()
    folded = opened()
    clocks.saw(folded.action)
    clocks.saw(folded.take(command("acknowledge", folded.action.id, 1)).action)
    assert [tick.timer for tick in clocks.due(at(500))] == ["resolve_due"]

    clocks.saw(folded.take(command("resolve", folded.action.id, 2)).action)
    assert clocks.due(at(500)) == []


def test_a_moved_promise_ticks_at_its_new_time_only() -> None:
    clocks = Clocks()
    folded = opened()
    clocks.saw(folded.action)
    folded.take(command("resolve", folded.action.id, 1))
    clocks.saw(folded.action)
    folded.take(command("reopen", folded.action.id, 10))
    clocks.saw(folded.action)

    assert clocks.due(at(33)) == []
    assert [tick.at for tick in clocks.due(at(34))] == [at(34)]


def test_rehearsed_and_breached_promises_have_no_clock() -> None:
    clocks = Clocks()
    clocks.saw(opened(mode="rehearsal").action)
    clocks.saw(msgspec.structs.replace(opened().action, breached=("acknowledge_due", "resolve_due")))
    assert clocks.due(at(900)) == []
