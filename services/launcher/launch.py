"""The life of one launch: Kafka, topics, services, readiness, the sample, the ready line, and the end.

Knows the order of things; what each of them is was chosen in `app`.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from services.contracts.errors import Unavailable
from services.kit.kafka import create_topics
from services.kit.logs import Log
from services.kit.settings import Settings
from services.launcher.console import Console
from services.launcher.folder import DataFolder
from services.launcher.greeting import greeting
from services.launcher.readiness import ask, health_ports
from services.launcher.refusal import CannotStart
from services.launcher.supervise import Supervisor
from services.launcher.wakeup import Wakeup

KAFKA_TIMEOUT_S = 60.0
READY_TIMEOUT_S = 240.0
SAY_WHAT_IS_AWAITED_S = 20.0


@dataclass(frozen=True)
class Launch:
    """Everything that was chosen; `began` is when, in monotonic seconds."""

    settings: Settings
    supervisor: Supervisor
    folder: DataFolder
    console: Console
    wakeup: Wakeup
    log: Log
    began: float

    def run(self) -> bool:
        """Until somebody asks for the end; False when that had to be forced. Raises CannotStart, Misconfigured."""
        try:
            for step in (self._start_kafka, self._start_services, self._play_sample, self._greet):
                if not self.wakeup.asked_to_end:
                    step()
            while not self.wakeup.asked_to_end:
                self.supervisor.tick()
            self.console.say("Stopping; a second Ctrl-C forces it.")
        finally:
            in_order = self.supervisor.stop()
            self.log.info("stopped", in_order=in_order)
        self.console.say("Stopped." if in_order else "Stopped by force.")
        return in_order

    def _start_kafka(self) -> None:
        self.console.say(f"Starting Kafka at {self.settings.bootstrap_servers} …")
        self.supervisor.start_engine()
        self._tick_until(self.supervisor.engine_answers, timeout_s=KAFKA_TIMEOUT_S, otherwise=self._no_kafka)
        if self.wakeup.asked_to_end:
            return
        try:
            create_topics(self.settings)
        except Unavailable as error:
            raise CannotStart(f"{error}. {self._no_kafka()}") from error

    def _no_kafka(self) -> str:
        if self.settings.kafka_bootstrap_servers:
            return (
                f"No server of KAFKA_BOOTSTRAP_SERVERS={self.settings.kafka_bootstrap_servers} can be used: "
                "correct it, or unset it to run the embedded Kafka."
            )
        return f"The embedded Kafka does not answer; {self.settings.data_dir / 'kafka/logs/kafka.log'} says why."

    def _start_services(self) -> None:
        waiting = dict.fromkeys(health_ports(self.settings), "has not been asked yet")
        said = time.monotonic()

        def all_ready() -> bool:
            nonlocal said
            for name in list(waiting):
                readiness = ask(self.settings.bind, health_ports(self.settings)[name])
                waiting[name] = readiness.message
                if readiness.is_ready:
                    del waiting[name]
            if waiting and time.monotonic() - said > SAY_WHAT_IS_AWAITED_S:
                said = time.monotonic()
                for name, message in waiting.items():
                    self.console.note(name, f"is not ready: {message}")
            return not waiting

        def otherwise() -> str:
            states = ", ".join(f"{name} ({message})" for name, message in waiting.items())
            return f"Not ready within {READY_TIMEOUT_S:.0f} s: {states}; {self.folder.log_dir} says why."

        self.console.say(f"Starting {', '.join(waiting)} …")
        self.supervisor.start_children()
        self._tick_until(all_ready, timeout_s=READY_TIMEOUT_S, otherwise=otherwise)

    def _tick_until(self, condition: Callable[[], bool], *, timeout_s: float, otherwise: Callable[[], str]) -> None:
        deadline = time.monotonic() + timeout_s
        while not self.wakeup.asked_to_end and not condition():
            if time.monotonic() > deadline:
                raise CannotStart(otherwise())
            self.supervisor.tick()

    def _play_sample(self) -> None:
        """Play the bundled sample into an empty folder; what was cut short is made up for by the next start."""
        if not self.folder.sample_pending:
            return
        # Once in the life of a data folder: the other starts do not pay for it.
        from services.launcher.sample.player import play

        failures: list[str] = []

        def work() -> None:
            try:
                with self.console.progress("Playing the sample", "events") as progress:
                    failures.extend(play(self.settings, progress))
                self.folder.sample_played()
            except Exception as error:
                self.log.bug("sample", error)
                failures.append(f"could not be played ({type(error).__name__}); the next start tries again")

        # Beside the supervisor, which goes on watching; a daemon, so that Ctrl-C need not wait for it.
        player = threading.Thread(target=work, name="sample", daemon=True)
        player.start()
        while player.is_alive() and not self.wakeup.asked_to_end:
            self.supervisor.tick()
        for failure in failures:
            self.console.note("sample", failure)

    def _greet(self) -> None:
        seconds = time.monotonic() - self.began
        self.log.info("ready", seconds=round(seconds, 1))
        self.console.say(greeting(self.settings, seconds=seconds, now=datetime.now(UTC)))
