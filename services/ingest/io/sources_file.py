"""`sources.yaml` in force: read at the start, again when it changes; a bad file leaves the old version in force."""

import time
from collections.abc import Callable
from pathlib import Path

from services.contracts.errors import Misconfigured
from services.contracts.yamlfile import PolicyRefused
from services.ingest.masking import Masker
from services.ingest.sources import FILE, Sources, read_sources
from services.kit.logs import Log
from services.kit.metrics import PolicyMetrics


class SourcesFile:
    """The sources and the masker that follows from them. `look` is called every second or so."""

    def __init__(
        self, folder: Path, *, metrics: PolicyMetrics, log: Log, changed: Callable[[Sources], None] = lambda _: None
    ) -> None:
        self._path = folder / FILE
        self._metrics = metrics
        self._log = log
        self._changed = changed
        self._seen: tuple[int, int] | None = None
        self.sources = Sources()
        self.masker = Masker()

    def load(self) -> None:
        """The first reading. Raises Misconfigured with every problem; without a file no source is declared."""
        if not self._path.exists():
            self._log.warning("no sources are declared", file=FILE)
            return
        self._seen = self._stamp()
        try:
            self._take(read_sources(self._path.read_text(encoding="utf-8")))
        except PolicyRefused as refused:
            raise Misconfigured([str(problem) for problem in refused.problems]) from None
        except (OSError, UnicodeDecodeError) as error:
            raise Misconfigured([f"{FILE} cannot be read ({type(error).__name__})."]) from None

    def look(self) -> None:
        """Takes a changed file into force, or says why not."""
        stamp = self._stamp()
        if stamp is None or stamp == self._seen:
            return
        self._seen = stamp
        try:
            self._take(read_sources(self._path.read_text(encoding="utf-8")))
        except PolicyRefused as refused:
            self._refuse([str(problem) for problem in refused.problems])
        except (OSError, UnicodeDecodeError) as error:
            self._refuse([f"{FILE} cannot be read ({type(error).__name__})."])
        else:
            self._log.info("sources in force", file=FILE, sources=len(self.sources.declared))

    def _take(self, sources: Sources) -> None:
        if sources.regions != self.sources.regions:
            self.masker = Masker(sources.regions)
        self.sources = sources
        self._changed(sources)
        self._metrics.loaded(FILE, time.time())

    def _refuse(self, problems: list[str]) -> None:
        self._metrics.refused(FILE)
        for problem in problems:
            self._log.error("policy refused; the old version stays in force", problem=problem)

    def _stamp(self) -> tuple[int, int] | None:
        try:
            stat = self._path.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_size
