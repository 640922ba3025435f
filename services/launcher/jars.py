"""The locked list of jars that make up Apache Kafka: fetched, verified, kept in the cache.

Knows `runtime.sha256` (one SHA-256 and one Maven coordinate a line) and the cache folder; knows nothing of brokers.
A jar lies in the cache under its final name only after its digest was right, and every start checks all of them again,
so a complete cache needs no network and a damaged one mends itself.
"""

import errno
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from services.launcher.refusal import CannotStart

LOCK_FILE = Path(__file__).with_name("runtime.sha256")
PARALLEL_DOWNLOADS = 8
DOWNLOAD_TIMEOUT_S = 60
_SCRATCH = ".fetching-"
_ABANDONED_AFTER_S = 3600.0

Download = Callable[["Jar", Path], Path]
"""Fetches one jar into a scratch folder and answers where it lies; raises any exception when it cannot."""

Progress = Callable[[int, int], None]
"""Told (jars done, jars wanted) after each download."""


@dataclass(frozen=True)
class Jar:
    """One line of the lock file."""

    sha256: str
    group: str
    artifact: str
    version: str

    @property
    def file_name(self) -> str:
        return f"{self.artifact}-{self.version}.jar"


def locked_jars(lock_file: Path = LOCK_FILE) -> tuple[Jar, ...]:
    """The jars of the lock file, in its order, which is also their order on the class path."""
    return tuple(
        Jar(digest, *coordinate.split(":"))
        for digest, coordinate in (line.split() for line in lock_file.read_text(encoding="ascii").splitlines())
    )


def ensure_jars(
    cache_dir: Path,
    *,
    wanted: Iterable[Jar] | None = None,
    download: Download | None = None,
    progress: Progress = lambda _done, _total: None,
) -> tuple[Path, ...]:
    """Paths of all jars, verified; what is missing or damaged is fetched first. Raises CannotStart."""
    jars = tuple(wanted) if wanted is not None else locked_jars()
    folder = (cache_dir / "jars").absolute()
    with ThreadPoolExecutor(PARALLEL_DOWNLOADS) as pool:
        intact = list(pool.map(lambda jar: _is_intact(folder / jar.file_name, jar.sha256), jars))
    missing = [jar for jar, ok in zip(jars, intact, strict=True) if not ok]
    if missing:
        _fetch(missing, folder, download or _download_with_jgo, progress)
    return tuple(folder / jar.file_name for jar in jars)


def _is_intact(path: Path, sha256: str) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except OSError:
        return False


def _fetch(missing: list[Jar], folder: Path, download: Download, progress: Progress) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _clear_abandoned(folder)
        scratch = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=folder))
    except OSError as error:
        raise CannotStart(
            f"The cache folder {folder} cannot be written ({error.strerror}): "
            "make room or set PALETTE_CACHE_DIR to a folder that can."
        ) from error
    try:
        progress(0, len(missing))
        with ThreadPoolExecutor(PARALLEL_DOWNLOADS) as pool:
            futures = [pool.submit(_fetch_one, jar, scratch, folder, download) for jar in missing]
            try:
                for done, future in enumerate(as_completed(futures), start=1):
                    future.result()
                    progress(done, len(missing))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _clear_abandoned(folder: Path) -> None:
    """Remove what fetches that were killed left; one that is under way elsewhere is younger."""
    for scratch in folder.glob(f"{_SCRATCH}*"):
        if time.time() - scratch.stat().st_mtime > _ABANDONED_AFTER_S:
            shutil.rmtree(scratch, ignore_errors=True)


def _fetch_one(jar: Jar, scratch: Path, folder: Path, download: Download) -> None:
    try:
        fetched = download(jar, scratch)
        if not _is_intact(fetched, jar.sha256):
            raise CannotStart(
                f"{jar.file_name} was downloaded but its SHA-256 is not the one in {LOCK_FILE.name}: "
                "a proxy or mirror changed it; fetch it from Maven Central and try again."
            )
        os.replace(fetched, folder / jar.file_name)
    except CannotStart:
        raise
    except Exception as error:
        raise CannotStart(_why_not(jar, folder, error)) from error


def _why_not(jar: Jar, folder: Path, error: Exception) -> str:
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES}:
        return (
            f"{jar.file_name} could not be written to {folder} ({error.strerror}): "
            "make room or set PALETTE_CACHE_DIR to a folder with 100 MB free."
        )
    what = f"{jar.file_name} of Apache Kafka is not in the cache and could not be downloaded from Maven Central"
    if type(error).__name__ == "SSLError":
        return (
            f"{what}, because the certificate shown is not trusted: behind a proxy that opens TLS, "
            "set REQUESTS_CA_BUNDLE to its certificate file."
        )
    return (
        f"{what} ({type(error).__name__}): connect to the network (HTTPS_PROXY is honoured), "
        "or copy the .cache folder of a machine that has it."
    )


def _download_with_jgo(jar: Jar, scratch: Path) -> Path:
    # One exact version each and a scratch repository of our own: jgo resolves dependencies to mixed versions, writes to
    # the final name while it downloads and only warns about a wrong checksum.
    from jgo.maven import MavenContext

    context = MavenContext(repo_cache=scratch, local_repos=[], timeout=DOWNLOAD_TIMEOUT_S)
    path: Path = context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()
    return path
