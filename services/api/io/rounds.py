"""Looking again and again on a thread of its own. Knows nothing of what is looked at."""

import threading
from abc import ABC, abstractmethod

from services.contracts.errors import Unavailable
from services.kit.process import Process

_END_SECONDS = 10.0


class Rounds(ABC):
    """Looks, pauses, looks again, until it is stopped. What is away is looked for in the next round; any other error is
    told as a bug, and the rounds go on."""

    def __init__(self, process: Process, name: str, *, every: float) -> None:
        self._process = process
        self._every = every
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(timeout=_END_SECONDS)

    @abstractmethod
    def _round(self) -> None:
        """Looks once. May raise anything."""

    def _pause(self) -> float:
        """Seconds until the next round."""
        return self._every

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._round()
            except Unavailable as error:
                self._process.log.debug(f"{self._thread.name}: looks again", error=str(error))
            except Exception as error:
                self._process.log.bug(f"{self._thread.name}: a round failed", error)
            self._stopping.wait(self._pause())
