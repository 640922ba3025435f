"""`palette up`: the one module of the launcher that chooses real things, and where refusals end as sentences."""

import errno
import os
import sys
import time
from pathlib import Path

from services.contracts.errors import EXIT_MISCONFIGURED, Misconfigured, PaletteError
from services.kit.logs import start_logging
from services.kit.settings import Settings
from services.launcher.cluster import ExternalKafka
from services.launcher.console import Console
from services.launcher.folder import DataFolder, open_folder, unwritable
from services.launcher.guard import Guard
from services.launcher.jars import ensure_jars
from services.launcher.kafka import EmbeddedKafka
from services.launcher.launch import Launch
from services.launcher.preflight import check_bind, check_ports, ports_of, raise_file_limit
from services.launcher.readiness import health_ports
from services.launcher.supervise import Child, Engine, Supervisor, child_environment
from services.launcher.wakeup import Wakeup

ROOT = Path(__file__).resolve().parents[2]
EXIT_FORCED = 130
_MENDABLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES}


def main() -> int:
    """Run until asked to end; answers the exit code. What a person can mend ends as a sentence, not a traceback."""
    try:
        settings = Settings.load()
        try:
            return _run(settings, Console())
        except OSError as error:
            if error.errno not in _MENDABLE:
                raise
            return _refuse(unwritable(settings.data_dir, error))
    except Misconfigured as error:
        return _refuse(*error.problems, code=EXIT_MISCONFIGURED)
    except PaletteError as error:
        return _refuse(str(error))
    except KeyboardInterrupt:  # before the signals were ours: while jars are fetched
        return EXIT_FORCED


def fetch_kafka() -> int:
    """Fill the cache, so that a later start needs no network; answers the exit code."""
    try:
        _fetch(Settings.load(), Console())
    except PaletteError as error:
        return _refuse(str(error))
    except KeyboardInterrupt:
        return EXIT_FORCED
    return 0


def services(settings: Settings) -> list[Child]:
    """The five services, in the order in which they are started and stopped: the intake closes first."""
    return [Child(name, (sys.executable, "-m", f"services.{name}")) for name in health_ports(settings)]


def _run(settings: Settings, console: Console) -> int:
    began = time.monotonic()
    check_bind(settings)
    raise_file_limit()
    folder = open_folder(settings.data_dir)
    try:
        return _launch(settings, console, folder, began=began)
    finally:
        folder.close()


def _launch(settings: Settings, console: Console, folder: DataFolder, *, began: float) -> int:
    log = start_logging("launcher", settings.data_dir, settings.log_level)
    log.info("start", **settings.shown())
    if folder.fresh and settings.sample:
        folder.await_sample()
    for name in folder.end_leftovers():
        console.note(name, "was left over from a run that had been killed; ended")
    check_ports(ports_of(settings))
    if not settings.kafka_bootstrap_servers:
        _fetch(settings, console)
    with Wakeup() as wakeup:
        guard = Guard()
        try:
            supervisor = Supervisor(
                services(settings),
                engine=_engine(settings, guard),
                folder=folder,
                console=console,
                guard=guard,
                log=log,
                wakeup=wakeup,
                cwd=ROOT,
                env=child_environment(os.environ, bootstrap_servers=settings.bootstrap_servers),
            )
            in_order = Launch(settings, supervisor, folder, console, wakeup, log, began).run()
        finally:
            guard.close()
    return 0 if in_order else EXIT_FORCED


def _engine(settings: Settings, guard: Guard) -> Engine:
    if settings.kafka_bootstrap_servers:
        return ExternalKafka(settings.kafka_bootstrap_servers)
    return EmbeddedKafka(settings.data_dir / "kafka", settings.cache_dir, settings.kafka_port, guard_fd=guard.fd)


def _fetch(settings: Settings, console: Console) -> None:
    with console.progress("Fetching Apache Kafka", "jars") as progress:
        ensure_jars(settings.cache_dir, progress=progress)


def _refuse(*sentences: str, code: int = 1) -> int:
    for sentence in sentences:
        print(sentence, file=sys.stderr)
    return code
