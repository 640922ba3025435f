"""The store made anew from the topics, held against the one that is there, and put in its place.

The new file reads exactly as far as the old one had read, so that the two can be compared byte for byte. The running
API takes it over when it starts, and is asked to start again; nobody swaps a file under open connections.
"""

import contextlib
import hashlib
from collections.abc import Mapping
from pathlib import Path

import httpx2
import msgspec
from sqlalchemy import select

from services.api.io import tables as db
from services.api.io.projection import Projection
from services.api.io.store import NOT_DUMPED, open_file
from services.api.io.topic_reader import TopicReader
from services.api.project import TOPICS, read
from services.kit.settings import Settings, url_host

REBUILT = "rebuilt.sqlite"
"""The new store, beside the one it is to replace."""


class Snapshot(msgspec.Struct, frozen=True):
    """How far a store has read, and the digest of each of its tables, at one moment."""

    positions: dict[tuple[str, int], int]
    digests: dict[str, str]


def snapshot(path: Path) -> Snapshot:
    """A store as it is now, even while another process writes to it."""
    store = open_file(path)
    found = {table.name: hashlib.sha256() for table in db.metadata.sorted_tables if table.name not in NOT_DUMPED}
    try:
        with store.reading() as connection:
            positions = {(row.topic, row.partition): row.next for row in connection.execute(select(db.offsets))}
            for name, line in store.dump(connection):
                found[name].update(line)
    finally:
        store.close()
    return Snapshot(positions, {name: digest.hexdigest() for name, digest in sorted(found.items())})


def rebuild_file(settings: Settings, path: Path, *, like: Snapshot | None) -> Snapshot:
    """A new store at `path` that has read as far as the one it is to be like. Raises Unavailable."""
    remove(path)
    store = open_file(path)
    reader = TopicReader(settings, TOPICS)
    try:
        ends = reader.ends()
        if like is not None:
            ends = {place: min(end, like.positions.get(place, 0)) for place, end in ends.items()}
        projection = Projection(store, owner="rebuild")
        projection.claim(ends)
        for batch in reader.batches(ends):
            projection.write(read(batch))
    finally:
        reader.close()
        store.close()
    return snapshot(path)


def swap_in(settings: Settings, fresh: Path, *, headers: Mapping[str, str]) -> str:
    """Asks the running API to start again with the new file, or says that its next start will take it."""
    address = f"http://{url_host(settings.bind)}:{settings.api_port}/control/restart"
    with contextlib.suppress(httpx2.HTTPError):
        answer = httpx2.post(address, headers=dict(headers), trust_env=False, timeout=5)
        if answer.status_code == 200:
            return "The API starts again with the new store."
        return f"The API answered {answer.status_code} and goes on as it is; its next start takes {fresh.name}."
    return f"The API does not run; its next start takes {fresh.name}."


def take_over(current: Path) -> bool:
    """At a start: puts a rebuilt file in the place of the current one. Nothing may have either of them open."""
    fresh = current.with_name(REBUILT)
    if not fresh.exists() or fresh.with_name(fresh.name + "-wal").exists():
        return False  # none, or one that is still being written
    remove(current)
    fresh.rename(current)
    return True


def remove(path: Path) -> None:
    """Removes an SQLite file and what SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
