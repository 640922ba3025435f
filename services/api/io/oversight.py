"""Puts into Prometheus, once a minute, how right the tags are where people were asked, and how far people agree."""

from services.api.agreement import kappas
from services.api.calibration import calibrations
from services.api.io.reviews import opinions
from services.api.io.rounds import Rounds
from services.api.io.store import Store
from services.api.metrics import ReviewMetrics
from services.api.reviewed import by_person
from services.kit.process import Process

_EVERY_SECONDS = 60.0


class Oversight(Rounds):
    """A thread that looks once a minute; `look` does it once."""

    def __init__(self, process: Process, store: Store, metrics: ReviewMetrics) -> None:
        super().__init__(process, "oversight", every=_EVERY_SECONDS)
        self._store = store
        self._metrics = metrics

    def _round(self) -> None:
        self.look()

    def look(self) -> None:
        """Reads every answer and shows what follows."""
        with self._store.reading() as connection:
            said = opinions(connection)
        for found in calibrations(said):
            self._metrics.calibrated(found)
        for kappa in kappas(by_person(said)):
            self._metrics.agreed(kappa.head, kappa.events, kappa.kappa)
