"""The targets in force: the file on disk, read again when it changes, and a running queue for each target of it."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from services.contracts.errors import Misconfigured
from services.contracts.yamlfile import PolicyRefused
from services.kit.clock import Clock
from services.kit.logs import Log
from services.kit.metrics import PolicyMetrics
from services.notify.delivery import Reason
from services.notify.io.outbox import Outbox
from services.notify.io.queue import TargetQueue
from services.notify.metrics import CHANNELS, NotifyMetrics
from services.notify.targets import FILE, Target, load_targets

_PATIENCE_SECONDS = 86_400.0
_Stamp = tuple[int, int, int]


class TargetsInForce:
    """Queues by target name. `refresh` is called by the main loop; the queues run beside it."""

    def __init__(
        self,
        folder: Path,
        *,
        queue_for: Callable[[Target], TargetQueue],
        outbox: Outbox,
        metrics: PolicyMetrics,
        counts: NotifyMetrics,
        log: Log,
        clock: Clock,
        allow_private: bool,
    ) -> None:
        self._path = folder / FILE
        self._queue_for = queue_for
        self._outbox = outbox
        self._metrics = metrics
        self._counts = counts
        self._log = log
        self._clock = clock
        self._allow_private = allow_private
        self._stamp: _Stamp | None = None
        self._queues: dict[str, TargetQueue] = {}

    def start(self) -> None:
        """Reads the file for the first time. Raises Misconfigured with every problem in it."""
        self._stamp = self._stamp_now()
        try:
            targets = self._load()
        except PolicyRefused as refused:
            raise Misconfigured([str(problem) for problem in refused.problems]) from None
        except OSError as error:
            raise Misconfigured([f"{self._path} cannot be read ({error.strerror}); see PALETTE_POLICY_DIR."]) from None
        self._take_into_force(targets)

    def refresh(self) -> None:
        """Takes a changed file into force; one with a mistake leaves everything as it was, and says so."""
        stamp = self._stamp_now()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            targets = self._load()
        except PolicyRefused as refused:
            self._metrics.refused(FILE)
            for problem in refused.problems:
                self._log.error("targets refused", problem=str(problem))
            return
        except (OSError, UnicodeDecodeError) as error:
            self._metrics.refused(FILE)
            self._log.error("targets refused", problem=f"{FILE} cannot be read ({type(error).__name__})")
            return
        self._take_into_force(targets)

    def wake(self, targets: Iterable[str]) -> None:
        """New notifications for these targets are in the outbox."""
        for name in set(targets):
            if name in self._queues:
                self._queues[name].wake()
            else:
                self._log.error("a message waits for a target that the file does not have", target=name)

    def oldest_age(self, channel: str) -> float:
        """Seconds that the oldest message for a kind of target has been waiting. Targets that nobody knows count."""
        now = self._clock().timestamp()
        queues = self._queues
        ages = [
            now - since
            for name, since in self._outbox.pending_targets().items()
            if (queues[name].target.kind if name in queues else CHANNELS[-1]) == channel
        ]
        return max(0.0, *ages, 0.0)

    def give_up_unknown(self) -> None:
        """Gives up what has waited a day for a target that the file does not have."""
        now = self._clock().timestamp()
        for name in self._outbox.pending_targets().keys() - self._queues.keys():
            count = self._outbox.give_up(
                name, taken_before=now - _PATIENCE_SECONDS, detail=f"{FILE} has no target of this name", now=now
            )
            if count:
                self._counts.deliveries.labels(CHANNELS[-1], "gave_up").inc(count)
                self._log.error("gave_up", target=name, messages=count, reason=Reason.UNKNOWN_TARGET.value)

    def stop(self) -> None:
        for queue in self._queues.values():
            queue.stop()

    def _take_into_force(self, targets: dict[str, Target]) -> None:
        kept = {name: queue for name, queue in self._queues.items() if targets.get(name) == queue.target}
        for name, queue in self._queues.items():
            if name not in kept:
                queue.stop()
        started = {name: self._queue_for(target) for name, target in targets.items() if name not in kept}
        self._queues = kept | started
        for queue in started.values():
            queue.start()
        self._metrics.loaded(FILE, self._clock().timestamp())
        self._log.info("targets in force", targets=sorted(self._queues))

    def _load(self) -> dict[str, Target]:
        return load_targets(
            self._path.read_text(encoding="utf-8"),
            environment=os.environ,
            read_file=lambda path: Path(path).read_text(encoding="utf-8"),
            allow_private=self._allow_private,
        )

    def _stamp_now(self) -> _Stamp | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return (found.st_mtime_ns, found.st_size, found.st_ino)
