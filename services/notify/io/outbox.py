"""What is still to be told, on disk: it survives kill -9 of this process and a power cut. Blocking, thread-safe.

A notification is here, fsynced, before Kafka hears that it was read, and stays for longer than the topic keeps it, so
that one read again is known by its id. An outcome is decided here first and marked once Kafka has it. Knows no network.
"""

import sqlite3
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from services.contracts.errors import Misconfigured
from services.contracts.events import Notification
from services.notify.delivery import Outcome

KEPT_SECONDS = 35 * 86_400.0
"""How long a finished notification is remembered; the topic keeps 30 days."""

_VERSION = 1
_SCHEMA = """
CREATE TABLE notification (
    id TEXT PRIMARY KEY,
    target TEXT NOT NULL,
    action TEXT NOT NULL,
    revision INTEGER NOT NULL,
    body BLOB NOT NULL,
    trace BLOB,
    taken_at REAL NOT NULL,
    tried_at REAL,
    next_at REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    outcome TEXT,
    detail TEXT NOT NULL DEFAULT '',
    done_at REAL,
    reported INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX pending ON notification (target, next_at) WHERE outcome IS NULL;
CREATE INDEX unreported ON notification (done_at) WHERE outcome IS NOT NULL AND reported = 0;
CREATE INDEX of_action ON notification (action, target);
CREATE INDEX finished ON notification (done_at) WHERE reported = 1;
CREATE TABLE gone (target TEXT PRIMARY KEY, fingerprint TEXT NOT NULL) WITHOUT ROWID;
PRAGMA user_version = 1;
"""


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """One notification that waits. `tried_at` is the first attempt, None before it. Times are seconds since 1970."""

    told: Notification
    trace: bytes | None
    taken_at: float
    tried_at: float | None
    attempts: int


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """One notification whose outcome Kafka does not have yet."""

    id: str
    target: str
    action: str
    outcome: Outcome
    attempts: int
    detail: str
    done_at: float
    trace: bytes | None


class Outbox:
    """The notifications of one worker. Raises Misconfigured when the file was written by a newer version."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._decoder = msgspec.json.Decoder(Notification)
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > _VERSION:
            self._db.close()
            raise Misconfigured(
                [f"{path} was written by a newer version of Palette; start that one, or name another data folder."]
            )
        if version == 0:
            self._db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def take(self, arrivals: Iterable[tuple[Notification, bytes | None]], *, now: float) -> list[Notification]:
        """Keeps what is new, durably, and answers it; what is known by its id is left alone."""
        new = []
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                for told, trace in arrivals:
                    row = (told.id, told.target, told.action.id, told.action.revision, msgspec.json.encode(told), trace)
                    done = self._db.execute(
                        "INSERT INTO notification (id, target, action, revision, body, trace, taken_at, next_at)"
                        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
                        (*row, now, now),
                    )
                    if done.rowcount:
                        new.append(told)
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        return new

    def due(self, target: str, *, now: float) -> Pending | None:
        """The notification of a target that has been due for longest."""
        row = self._one(
            "SELECT body, trace, taken_at, tried_at, attempts FROM notification"
            " WHERE target = ? AND outcome IS NULL AND next_at <= ? ORDER BY next_at LIMIT 1",
            (target, now),
        )
        if row is None:
            return None
        body, trace, taken_at, tried_at, attempts = row
        told = self._decoder.decode(body)
        return Pending(told=told, trace=trace, taken_at=taken_at, tried_at=tried_at, attempts=attempts)

    def next_due(self, target: str) -> float | None:
        """When the next notification of a target is due."""
        row = self._one("SELECT min(next_at) FROM notification WHERE target = ? AND outcome IS NULL", (target,))
        return None if row is None else row[0]

    def newest_revision(self, action: str, target: str) -> int:
        """The newest revision of an action that this target was or will be told of."""
        row = self._one("SELECT max(revision) FROM notification WHERE action = ? AND target = ?", (action, target))
        return 0 if row is None or row[0] is None else int(row[0])

    def retry(self, notification: str, *, now: float, next_at: float, detail: str) -> None:
        """Notes a failed attempt and when the next one is due."""
        self._run(
            "UPDATE notification SET attempts = attempts + 1, tried_at = coalesce(tried_at, ?), next_at = ?, detail = ?"
            " WHERE id = ? AND outcome IS NULL",
            (now, next_at, detail, notification),
        )

    def hasten(self, target: str, *, now: float) -> None:
        """Makes everything of a target due: it answers again."""
        self._run("UPDATE notification SET next_at = ? WHERE target = ? AND outcome IS NULL", (now, target))

    def finish(self, notification: str, *, outcome: Outcome, detail: str, tried: bool, now: float) -> None:
        """Decides a notification for good."""
        self._run(
            "UPDATE notification SET outcome = ?, detail = ?, done_at = ?, attempts = attempts + ?"
            " WHERE id = ? AND outcome IS NULL",
            (outcome, detail, now, int(tried), notification),
        )

    def give_up(self, target: str, *, taken_before: float, detail: str, now: float) -> int:
        """Gives up what has been waiting for a target since before a moment; answers how many."""
        return self._run(
            "UPDATE notification SET outcome = 'gave_up', detail = ?, done_at = ?"
            " WHERE target = ? AND outcome IS NULL AND taken_at <= ?",
            (detail, now, target, taken_before),
        )

    def unreported(self, limit: int = 500) -> list[Finished]:
        """Outcomes that Kafka does not have yet, oldest first."""
        with self._lock:
            rows = self._db.execute(
                "SELECT id, target, action, outcome, attempts, detail, done_at, trace FROM notification"
                " WHERE outcome IS NOT NULL AND reported = 0 ORDER BY done_at LIMIT ?",
                (limit,),
            ).fetchall()
        fields = Finished.__struct_fields__
        return [Finished(**dict(zip(fields, row, strict=True))) for row in rows]

    def reported(self, notifications: Sequence[str]) -> None:
        """Kafka has these outcomes."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("UPDATE notification SET reported = 1 WHERE id = ?", [(n,) for n in notifications])
            self._db.execute("COMMIT")

    def forget(self, *, done_before: float) -> int:
        """Removes what was finished and reported before a moment; answers how many."""
        return self._run("DELETE FROM notification WHERE reported = 1 AND done_at < ?", (done_before,))

    def pending_targets(self) -> dict[str, float]:
        """Targets with something waiting, and since when the oldest of it has been."""
        with self._lock:
            rows = self._db.execute(
                "SELECT target, min(taken_at) FROM notification WHERE outcome IS NULL GROUP BY target"
            ).fetchall()
        return dict(rows)

    # ---- receivers that said they are gone ---------------------------------------------------------------------------

    def mark_gone(self, target: str, fingerprint: str) -> None:
        """The receiver asked never to be called again; holds until its entry in the file changes."""
        self._run("INSERT OR REPLACE INTO gone (target, fingerprint) VALUES (?, ?)", (target, fingerprint))

    def is_gone(self, target: str, fingerprint: str) -> bool:
        """Whether it did."""
        return self._one("SELECT 1 FROM gone WHERE target = ? AND fingerprint = ?", (target, fingerprint)) is not None

    def _run(self, statement: str, values: tuple[object, ...]) -> int:
        with self._lock:
            return self._db.execute(statement, values).rowcount

    def _one(self, statement: str, values: tuple[object, ...]) -> tuple[Any, ...] | None:
        with self._lock:
            row: tuple[Any, ...] | None = self._db.execute(statement, values).fetchone()
        return row
