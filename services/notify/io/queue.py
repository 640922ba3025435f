"""The queue of one target: a thread that takes what is due from the outbox, tells it, and notes what became of it.

Decides nothing itself (`delivery.py`, `backoff.py`); a slow or dead receiver holds up its own messages and no others'.
"""

import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from services.contracts.events import Notification
from services.kit.clock import Clock
from services.kit.logs import Log
from services.notify.backoff import Breaker
from services.notify.delivery import Answer, Final, Reason, after, covered
from services.notify.io.outbox import Outbox, Pending
from services.notify.io.page import NOTHING, Known
from services.notify.messages import Message
from services.notify.metrics import NotifyMetrics
from services.notify.targets import Target

_LONGEST_SLEEP_SECONDS = 60.0
_FRESH_SECONDS = 5.0


class Channel(Protocol):
    """A way to tell. `tell` blocks, is repeated after a failure, and does not raise for what the outside does."""

    def tell(self, message: Message) -> Answer: ...

    def close(self) -> None: ...


Compose = Callable[[Notification, Sequence[str]], Message]
LookUp = Callable[[str], Known]


class TargetQueue:
    """Everything that is to be told to one target, one message at a time."""

    def __init__(
        self,
        target: Target,
        channel: Channel,
        *,
        outbox: Outbox,
        compose: Compose,
        look_up: LookUp,
        metrics: NotifyMetrics,
        log: Log,
        clock: Clock,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self.target = target
        self._channel = channel
        self._outbox = outbox
        self._compose = compose
        self._look_up = look_up
        self._metrics = metrics
        self._log = log
        self._clock = clock
        self._dice = dice
        self._breaker = Breaker()
        self._gone = outbox.is_gone(target.name, target.fingerprint)
        self._stopping = False
        self._woken = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"to-{target.name}", daemon=True)

    def start(self) -> "TargetQueue":
        self._thread.start()
        return self

    def wake(self) -> None:
        """Something new is there."""
        self._woken.set()

    def stop(self, *, timeout: float = 5.0) -> None:
        """Ends after the attempt in flight; one that takes longer is abandoned and told again by whoever is next."""
        self._stopping = True
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(timeout)
        if not self._thread.is_alive():
            self._channel.close()

    def turn(self) -> float:
        """Does the next thing that is due; answers the seconds until there may be another."""
        now = self._now()
        if self._gone:
            self._give_up_all(now)
            return _LONGEST_SLEEP_SECONDS
        wait = self._breaker.wait(now)
        if wait > 0:
            self._give_up_old(now)
            return wait
        pending = self._outbox.due(self.target.name, now=now)
        if pending is None:
            next_at = self._outbox.next_due(self.target.name)
            return _LONGEST_SLEEP_SECONDS if next_at is None else max(0.0, next_at - now)
        self._tell(pending)
        return 0.0

    def _tell(self, pending: Pending) -> None:
        told = pending.told
        newest = self._outbox.newest_revision(told.action.id, told.target)
        # within seconds of its making nobody has moved on; asking then would cost more than telling
        is_fresh = pending.tried_at is None and self._now() - told.at.timestamp() < _FRESH_SECONDS
        known = NOTHING if is_fresh and not self.target.verbatims else self._look_up(told.action.id)
        final = covered(told, newest_revision=newest, now=known.now)
        if final is not None:
            self._finish(pending, final, tried=False, seconds=0.0)
            return
        started = time.monotonic()
        answer = self._attempt(told, known.verbatims if self.target.verbatims else ())
        seconds = time.monotonic() - started
        now = self._now()
        self._learn(answer, now)
        decision = after(
            answer,
            attempts=pending.attempts + 1,
            waiting_seconds=0.0 if pending.tried_at is None else now - pending.tried_at,
            give_up_after_seconds=self._patience,
            dice=self._dice(),
        )
        if isinstance(decision, Final):
            self._finish(pending, decision, tried=True, seconds=seconds)
            return
        self._outbox.retry(told.id, now=now, next_at=now + decision.seconds, detail=decision.detail)
        self._metrics.deliveries.labels(self.target.kind, "retry").inc()
        self._log.warning(
            "not delivered yet",
            target=self.target.name,
            notification=told.id,
            reason=decision.reason.value,
            detail=decision.detail,
            attempt=pending.attempts + 1,
            again_in_seconds=round(decision.seconds, 1),
        )

    def _attempt(self, told: Notification, verbatims: Sequence[str]) -> Answer:
        try:
            return self._channel.tell(self._compose(told, verbatims))
        except Exception as error:
            # a bug in one message or adapter must not silence the others; it is tried again and then given up loudly
            self._log.bug("a delivery ended by a bug", error, target=self.target.name, notification=told.id)
            return Answer(reason=Reason.UNEXPECTED, detail=f"a bug of ours ({type(error).__name__})")

    def _learn(self, answer: Answer, now: float) -> None:
        """What the answer says about the target as a whole."""
        if answer.reason is Reason.GONE:
            self._gone = True
            self._outbox.mark_gone(self.target.name, self.target.fingerprint)
            self._log.error("target is gone; it is not called again until its entry changes", target=self.target.name)
        elif answer.blames_target:
            was_closed = self._breaker.is_closed()
            self._breaker = self._breaker.failed(now, retry_after=answer.retry_after)
            if was_closed and not self._breaker.is_closed():
                self._log.warning("target is rested", target=self.target.name, reason=answer.reason.value)
        elif self._breaker != Breaker():
            if not self._breaker.is_closed():
                self._log.info("target answers again", target=self.target.name)
                self._outbox.hasten(self.target.name, now=now)
            self._breaker = Breaker()

    def _finish(self, pending: Pending, final: Final, *, tried: bool, seconds: float) -> None:
        told = pending.told
        self._outbox.finish(told.id, outcome=final.outcome, detail=final.detail, tried=tried, now=self._now())
        self._metrics.deliveries.labels(self.target.kind, final.outcome).inc()
        line = self._log.error if final.outcome == "gave_up" else self._log.info
        line(
            final.outcome,
            target=self.target.name,
            notification=told.id,
            action=told.action.id,
            reason=final.reason.value,
            detail=final.detail,
            attempts=pending.attempts + tried,
            ms=round(seconds * 1000),
        )

    def _give_up_all(self, now: float) -> None:
        self._gave_up(self._outbox.give_up(self.target.name, taken_before=now, detail="the target is gone", now=now))

    def _give_up_old(self, now: float) -> None:
        """What never had its turn, because the target has been away for as long as anything is kept for it."""
        if self._breaker.failing_for(now) < self._patience:
            return
        detail = f"the target has not answered for {self.target.give_up_after_hours:g} h"
        self._gave_up(self._outbox.give_up(self.target.name, taken_before=now - self._patience, detail=detail, now=now))

    def _gave_up(self, count: int) -> None:
        if count:
            self._metrics.deliveries.labels(self.target.kind, "gave_up").inc(count)
            self._log.error("gave_up", target=self.target.name, messages=count)

    @property
    def _patience(self) -> float:
        return self.target.give_up_after_hours * 3600

    def _now(self) -> float:
        return self._clock().timestamp()

    def _run(self) -> None:
        while not self._stopping:
            self._woken.clear()
            try:
                pause = self.turn()
            except Exception as error:
                # the outbox refused (a full disk): nothing was decided, so nothing is lost; look again in a while
                self._log.bug("a queue stumbled", error, target=self.target.name)
                pause = 5.0
            if pause > 0 and not self._stopping:
                self._woken.wait(min(pause, _LONGEST_SLEEP_SECONDS))
