"""The queue of a target, one turn at a time under a clock that the test holds."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from services.contracts.events import Notification
from services.kit.clock import utc_now
from services.kit.logs import Log
from services.notify.backoff import OPEN_SECONDS, OPENS_AFTER
from services.notify.delivery import ActionNow, Answer, Reason
from services.notify.io.outbox import Outbox
from services.notify.io.page import NOTHING, Known
from services.notify.io.queue import TargetQueue
from services.notify.io.webhook import WebhookTarget
from services.notify.messages import Message, compose
from services.notify.metrics import NotifyMetrics
from services.notify.names import Names
from services.notify.targets import Target
from tests.unit.notify.builders import NOON, action, many, notification
from tests.unit.notify.receiver import Receiver
from tests.waiting import until

CRM = Target(name="crm", kind="webhook", url="https://crm.example.com/hook", give_up_after_hours=24.0)


class RecordingChannel:
    """Answers what the test says next, and keeps what it was told."""

    def __init__(self) -> None:
        self.answers: list[Answer | Exception] = []
        self.told: list[Message] = []
        self.closed = False

    def tell(self, message: Message) -> Answer:
        self.told.append(message)
        answer = self.answers.pop(0) if self.answers else Answer(reason=Reason.DELIVERED, detail="HTTP 204")
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        self.closed = True


class Bench:
    """A queue with everything around it in the test's hand."""

    def __init__(self, path: Path) -> None:
        self.now = NOON
        self.known: Known = NOTHING
        self.channel = RecordingChannel()
        self.outbox = Outbox(path)
        self.registry = CollectorRegistry()
        self.metrics = NotifyMetrics(self.registry)
        self.queue = self.another(CRM)

    def another(
        self, target: Target, *, channel: Any = None, clock: Callable[[], datetime] | None = None
    ) -> TargetQueue:
        def composed(told: Notification, verbatims: Any) -> Message:
            return compose(told, names=Names(), page_url="http://127.0.0.1:8080", verbatims=verbatims)

        return TargetQueue(
            target,
            channel or self.channel,
            outbox=self.outbox,
            compose=composed,
            look_up=lambda _: self.known,
            metrics=self.metrics,
            log=Log("notify"),
            clock=clock or (lambda: self.now),
            dice=lambda: 0.999999,
        )

    def take(self, *told: Notification) -> None:
        self.outbox.take([(n, None) for n in told], now=self.now.timestamp())

    def turns(self, most: int = 100) -> float:
        """Turns until there is nothing to do for now; answers how long."""
        for _ in range(most):
            wait = self.queue.turn()
            if wait > 0:
                return wait
        raise AssertionError("the queue never rests")

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def outcomes(self) -> dict[str, str]:
        return {finished.id: finished.outcome for finished in self.outbox.unreported()}

    def counted(self, outcome: str) -> float:
        labels = {"channel": "webhook", "outcome": outcome}
        return self.registry.get_sample_value("palette_deliveries_total", labels) or 0.0


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "outbox.sqlite")
    yield bench
    bench.outbox.close()


FAILED = Answer(reason=Reason.ANSWERED_ERROR, detail="HTTP 500")
REFUSED = Answer(reason=Reason.REFUSED, detail="HTTP 422")


def test_what_is_new_is_told_once(bench: Bench) -> None:
    told = notification(target="crm")
    bench.take(told)
    assert bench.turns() > 0
    assert [m.id for m in bench.channel.told] == [told.id]
    assert bench.outcomes() == {told.id: "delivered"}
    bench.later(1e6)
    bench.take(told)
    bench.turns()
    assert len(bench.channel.told) == 1
    assert bench.counted("delivered") == 1


def test_a_failure_is_told_again_with_the_same_id_when_it_is_due(bench: Bench) -> None:
    told = notification(target="crm")
    bench.take(told)
    bench.channel.answers = [FAILED]
    wait = bench.turns()
    assert 4.9 < wait <= 5.0
    assert bench.outcomes() == {}
    bench.later(wait)
    bench.turns()
    assert [m.id for m in bench.channel.told] == [told.id, told.id]
    [finished] = bench.outbox.unreported()
    assert (finished.outcome, finished.attempts) == ("delivered", 2)
    assert bench.counted("retry") == 1


def test_a_message_that_its_receiver_refuses_holds_up_no_other(bench: Bench) -> None:
    first, *others = many(12, target="crm")
    bench.take(first)
    bench.channel.answers = [REFUSED]
    bench.turns()
    bench.take(*others)
    bench.turns()
    assert set(bench.outcomes()) == {n.id for n in others}


def test_a_receiver_that_is_down_is_rested_and_catches_up_at_once_when_it_is_back(bench: Bench) -> None:
    told = many(20, target="crm")
    bench.take(*told)
    bench.channel.answers = [FAILED] * (OPENS_AFTER + 1)
    assert bench.turns() == OPEN_SECONDS
    assert len(bench.channel.told) == OPENS_AFTER
    bench.later(OPEN_SECONDS - 1)
    assert bench.turns() == pytest.approx(1.0)
    assert len(bench.channel.told) == OPENS_AFTER, "nothing is tried while it rests"
    bench.later(1)
    assert bench.turns() == 2 * OPEN_SECONDS, "one try, and it is still down"
    assert len(bench.channel.told) == OPENS_AFTER + 1
    bench.later(2 * OPEN_SECONDS)
    bench.turns()
    assert bench.outcomes() == {n.id: "delivered" for n in told}


def test_retry_after_is_kept_to(bench: Bench) -> None:
    bench.take(*many(2, target="crm"))
    bench.channel.answers = [Answer(reason=Reason.BUSY, detail="HTTP 429", retry_after=300.0)]
    assert bench.turns() == 300.0
    assert len(bench.channel.told) == 1


def test_after_a_day_it_is_given_up_and_said_so(bench: Bench) -> None:
    told = notification(target="crm")
    bench.take(told)
    bench.channel.answers = [REFUSED] * 1_000
    started = bench.now
    while not bench.outcomes():
        bench.later(bench.turns())
    assert bench.outcomes() == {told.id: "gave_up"}
    assert timedelta(hours=22) < bench.now - started <= timedelta(hours=25)
    [finished] = bench.outbox.unreported()
    assert finished.detail.startswith("HTTP 422; tried ")
    assert bench.counted("gave_up") == 1


def test_what_never_had_its_turn_is_given_up_when_the_target_was_away_for_a_day(bench: Bench) -> None:
    told = many(400, target="crm")
    bench.take(*told)
    bench.channel.answers = [FAILED] * 10_000
    started = bench.now
    while bench.outbox.next_due("crm") is not None:
        assert bench.now - started < timedelta(hours=30)
        bench.later(bench.turns())
    assert set(bench.outcomes().values()) == {"gave_up"}
    assert bench.now - started >= timedelta(hours=23)


def test_a_short_outage_gives_up_nothing_that_is_old_because_we_were_away(bench: Bench) -> None:
    told = many(8, target="crm")
    bench.take(*told)
    bench.later(3 * 86_400)
    bench.channel.answers = [FAILED] * (OPENS_AFTER + 2)
    for _ in range(5):
        bench.later(bench.turns())
    assert bench.outcomes() == {n.id: "delivered" for n in told}


def test_a_receiver_that_is_gone_is_never_called_again_until_its_entry_changes(bench: Bench) -> None:
    first, second, third = many(3, target="crm")
    bench.take(first)
    bench.channel.answers = [Answer(reason=Reason.GONE, detail="HTTP 410")]
    bench.turns()
    bench.take(second)
    bench.later(1e6)
    bench.turns()
    restarted = bench.another(CRM)
    bench.take(third)
    restarted.turn()
    assert len(bench.channel.told) == 1
    assert bench.outcomes() == {n.id: "gave_up" for n in (first, second, third)}
    moved = Target(name="crm", kind="webhook", url="https://new.example.com/hook")
    fourth = notification(target="crm", of=action(id="another"))
    bench.take(fourth)
    bench.another(moved).turn()
    assert bench.outcomes()[fourth.id] == "delivered"


def test_an_action_that_somebody_took_meanwhile_is_not_told(bench: Bench) -> None:
    told = notification(target="crm")
    bench.take(told)
    bench.known = Known(ActionNow(2, "acknowledged"))
    bench.turns()
    assert bench.channel.told == []
    [finished] = bench.outbox.unreported()
    assert (finished.outcome, finished.attempts) == ("covered", 0)


def test_only_the_newest_of_several_messages_about_one_action_is_told(bench: Bench) -> None:
    opened = notification(target="crm")
    escalated = notification(target="crm", why="escalated", of=action(revision=6, breached=("acknowledge_due",)))
    bench.take(opened)
    bench.take(escalated)
    bench.turns()
    assert [m.id for m in bench.channel.told] == [escalated.id]
    assert bench.outcomes() == {opened.id: "covered", escalated.id: "delivered"}


def test_verbatims_go_only_where_they_may(bench: Bench) -> None:
    bench.known = Known(ActionNow(1, "open"), ("Where is my parcel?",))
    bench.take(notification(target="crm"))
    bench.turns()
    assert bench.channel.told[0].data["verbatims"] == ["Where is my parcel?"]
    file = bench.another(Target(name="file", kind="jsonlines", verbatims=False))
    bench.take(notification(target="file"))
    file.turn()
    assert bench.channel.told[1].data["verbatims"] == []


def test_a_bug_in_one_delivery_neither_ends_the_queue_nor_loses_the_message(bench: Bench) -> None:
    told = notification(target="crm")
    bench.take(told)
    bench.channel.answers = [ZeroDivisionError("text of a customer")]
    bench.later(bench.turns())
    bench.turns()
    assert bench.outcomes() == {told.id: "delivered"}


def test_the_thread_delivers_what_it_is_woken_for_and_ends_when_told(bench: Bench) -> None:
    with Receiver() as receiver:
        target = Target(
            name="crm",
            kind="webhook",
            url=receiver.url,
            secrets=("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",),
            allow_private=True,
        )
        channel = WebhookTarget(target, version="1", clock=utc_now)
        queue = bench.another(target, channel=channel, clock=utc_now).start()
        told = many(5, target="crm")
        bench.take(*told)
        queue.wake()
        until(lambda: len(bench.outcomes()) == 5, seconds=10)
        queue.stop()
        assert sorted(receiver.ids) == sorted(n.id for n in told)
