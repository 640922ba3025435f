"""Puts into Prometheus, once a minute, how right the tags are where people were asked, and how far people agree."""

import threading

from services.api.agreement import kappas
from services.api.calibration import calibrations
from services.api.io.reviews import opinions
from services.api.io.store import Store
from services.api.metrics import ReviewMetrics
from services.api.reviewed import by_person
from services.kit.process import Process

_EVERY_SECONDS = 60.0


class Oversight:
    """A thread that looks once a minute; `look` does it once."""

    def __init__(self, process: Process, store: Store, metrics: ReviewMetrics) -> None:
        self._process = process
        self._store = store
        self._metrics = metrics
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="oversight", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(timeout=8)

    def _run(self) -> None:
        while True:
            try:
                self.look()
            except Exception as error:
                self._process.log.bug("what people said of tags could not be counted", error)
            if self._stopping.wait(_EVERY_SECONDS):
                return

    def look(self) -> None:
        """Reads every answer and shows what follows."""
        with self._store.reading() as connection:
            said = opinions(connection)
        for found in calibrations(said):
            self._metrics.calibrated(found)
        for kappa in kappas(by_person(said)):
            self._metrics.agreed(kappa.head, kappa.events, kappa.kappa)
