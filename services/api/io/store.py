"""The store: SQLite in the data folder or PostgreSQL by DATABASE_URL, with one engine that writes and one that reads.

SQLite has one writer, which takes its lock when a transaction begins (BEGIN IMMEDIATE), and readers that never wait for
it (WAL). Knows how to open, to check the layout's version and to print the canonical dump; knows nothing of events.
"""

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event, inspect, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, OperationalError

from services.api.io import tables as db
from services.contracts.errors import Misconfigured, Unavailable

Row = Mapping[str, Any]

_DERIVED = frozenset({"seq"})
"""Columns that depend on the order of arrival: no part of what a rebuild must reproduce."""
NOT_DUMPED = frozenset({"offsets", "schema_version"})
"""Tables that say how far a store is, not what it holds."""


class OlderLayout(Misconfigured):
    """The store was made by an older Palette: it is read no more, and made anew from the topics."""


class Store:
    """An open database of this version's layout."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.sqlite = make_url(url).get_backend_name() == "sqlite"
        self.writer = self._engine("BEGIN IMMEDIATE", readonly=False)
        self.reader = self._engine("BEGIN", readonly=True)
        try:
            self._create()
        except Misconfigured:
            self.close()
            raise

    def _engine(self, begin: str, *, readonly: bool) -> Engine:
        if not self.sqlite:
            # psycopg's generic plans turn a rare word's search from 2 ms into 300: no server-side preparing
            return create_engine(self.url, connect_args={"prepare_threshold": None}, pool_size=5, pool_pre_ping=True)
        engine = create_engine(self.url, connect_args={"timeout": 15})

        def connected(connection: sqlite3.Connection, _record: Any) -> None:
            connection.isolation_level = None  # the driver starts no transactions of its own
            for pragma in (
                "journal_mode=WAL",
                "synchronous=NORMAL",
                "busy_timeout=15000",
                "wal_autocheckpoint=8000",
                "cache_size=-32000",
                "temp_store=MEMORY",
                *(["query_only=ON"] if readonly else []),
            ):
                connection.execute(f"PRAGMA {pragma}")

        def begun(connection: Connection) -> None:
            connection.exec_driver_sql(begin)

        event.listen(engine, "connect", connected)
        event.listen(engine, "begin", begun)
        return engine

    def _create(self) -> None:
        try:
            with self.writer.begin() as connection:
                found = inspect(connection).has_table("schema_version")
                if not found:
                    db.metadata.create_all(connection)
                    for statement in _SQLITE_SEARCH if self.sqlite else _POSTGRES_SEARCH:
                        connection.execute(text(statement))
                    connection.execute(db.schema_version.insert().values(version=db.VERSION))
                    return
                version = connection.execute(db.schema_version.select()).scalar_one()
        except OperationalError as error:
            raise Unavailable(f"The store cannot be opened ({type(error.orig).__name__})", retry_after=2) from None
        told = "The store was made by {} Palette (layout {}, this one reads {}): {}."
        if version > db.VERSION:
            raise Misconfigured([told.format("a newer", version, db.VERSION, "install that version again")])
        if version < db.VERSION:
            todo = "run `palette rebuild`, which makes it anew from the topics"
            raise OlderLayout([told.format("an older", version, db.VERSION, todo)])

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection with one consistent view."""
        with self.reader.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction: all of it or nothing."""
        with self.writer.begin() as connection:
            yield connection

    def insert(self, table: Table) -> Any:
        """An insert that can say what happens on conflict, in the database's own dialect."""
        return sqlite.insert(table) if self.sqlite else postgresql.insert(table)

    def close(self) -> None:
        self.writer.dispose()
        self.reader.dispose()

    def digest(self) -> str:
        """SHA-256 over the canonical dump: every row of every table by primary key, offsets and sequence left out."""
        found = hashlib.sha256()
        with self.reading() as connection:
            for _, line in self.dump(connection):
                found.update(line)
        return found.hexdigest()

    def dump(self, connection: Connection) -> Iterator[tuple[str, bytes]]:
        """The canonical dump: table and line, in order."""
        for table in db.metadata.sorted_tables:
            if table.name in NOT_DUMPED:
                continue
            columns = [c for c in table.columns if c.name not in _DERIVED]
            # ids are plain ASCII words; order in bytes, whatever collation the database was made with
            order = [c for c in columns if c.primary_key] or [table.c.id]
            keys = [c if not hasattr(c.type, "length") else c.collate(self._binary) for c in order]
            for row in connection.execute(table.select().with_only_columns(*columns).order_by(*keys)):
                yield table.name, f"{table.name}\t{_plain(row)}\n".encode()

    @property
    def _binary(self) -> str:
        return "BINARY" if self.sqlite else "C"


def _plain(row: Sequence[Any]) -> str:
    return "\t".join(
        value.hex() if isinstance(value, bytes | memoryview) else repr(value) if value is not None else ""
        for value in row
    )


_SQLITE_SEARCH = (
    "CREATE VIRTUAL TABLE feedback_search USING fts5(text, content='feedback', content_rowid='seq', "
    "tokenize='unicode61 remove_diacritics 2')",
)
_POSTGRES_SEARCH = (
    "ALTER TABLE feedback ADD COLUMN search tsvector GENERATED ALWAYS AS "
    "(to_tsvector('simple', coalesce(left(text, 20000), ''))) STORED",
    "CREATE INDEX feedback_search ON feedback USING GIN (search)",
)


def open_store(*, data_dir: Path, database_url: str | None) -> Store:
    """The store that the settings name. Raises Misconfigured for a foreign layout, Unavailable when it is away."""
    if database_url:
        url = make_url(database_url)
        if url.drivername in {"postgres", "postgresql"}:
            url = url.set(drivername="postgresql+psycopg")
        return Store(url.render_as_string(hide_password=False))
    return open_file(sqlite_path(data_dir))


def sqlite_path(data_dir: Path) -> Path:
    """Where the embedded store is."""
    return data_dir / "api" / "palette.sqlite"


def open_file(path: Path) -> Store:
    """An SQLite store in a file, made where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return Store(f"sqlite:///{path}")


def micros(at: datetime) -> int:
    """A time as the store keeps it."""
    return int(at.timestamp()) * 1_000_000 + at.microsecond


def moment(value: int) -> datetime:
    """A time as everybody else wants it."""
    seconds, rest = divmod(value, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)


def is_passing(error: DBAPIError) -> bool:
    """Whether trying again later can help: the database is away, busy or full, and no row is at fault."""
    return isinstance(error, OperationalError)
