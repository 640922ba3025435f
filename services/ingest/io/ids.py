"""The ids of accepted events, remembered for at least seven days with a digest of their content, in RocksDB.

Written by the journal's thread after an event is durable, read by the event loop. Writes are not synced one by one:
what a power cut takes from here is still in the journal, from where it is put again at the start.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from rocksdict import AccessType, BlockBasedOptions, Cache, Options, Rdict, WriteBatch

from services.contracts.errors import Misconfigured, Unavailable

_KEPT_SECONDS = 8 * 86_400  # a compaction drops what is older; until one comes, more is remembered


class SeenIds:
    """16 bytes of id -> 16 bytes of digest. Raises OSError when the disk is full or away."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._db = self._opened()
        self._unwritten: dict[bytes, bytes] = {}

    def _opened(self) -> Any:
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            return Rdict(str(self._folder), _options(), access_type=AccessType.with_ttl(_KEPT_SECONDS))
        except Exception as error:  # rocksdict raises bare Exceptions
            if "lock" in str(error).lower():
                raise Misconfigured([f"Another ingest uses {self._folder}; end it first."]) from None
            raise OSError(f"the ids seen cannot be opened ({type(error).__name__})") from None

    def known(self, ids: Sequence[bytes]) -> list[bytes | None]:
        """The digest of each id, None where it is new. Raises Unavailable."""
        try:
            found: list[bytes | None] = self._db.get(list(ids))
        except Exception as error:  # closed for a moment while it recovers from a full disk
            raise Unavailable(f"the ids seen cannot be read ({type(error).__name__})", retry_after=5) from None
        if self._unwritten:
            return [self._unwritten.get(one, digest) for one, digest in zip(ids, found, strict=True)]
        return found

    def add(self, entries: Iterable[tuple[bytes, bytes]]) -> None:
        """Remembers ids with their digests. When the disk refuses, they are kept in memory and tried again with the
        next ones; raises OSError then, so that nothing more is accepted until it works."""
        self._unwritten.update(entries)
        if not self._unwritten:
            return
        batch = WriteBatch(raw_mode=True)
        for one, digest in self._unwritten.items():
            batch[one] = digest
        try:
            self._db.write(batch)
        except Exception as error:
            self._reopen()
            raise OSError(f"the ids seen cannot be written ({type(error).__name__})") from None
        self._unwritten = {}

    def _reopen(self) -> None:
        """RocksDB stays read-only after a full disk until it is opened again."""
        with suppress(Exception):
            self._db.close()
        self._db = self._opened()

    def sync(self) -> None:
        """Makes everything added so far survive a power cut. Raises OSError."""
        try:
            self._db.flush_wal(sync=True)
        except Exception as error:
            raise OSError(f"the ids seen cannot be synced ({type(error).__name__})") from None

    def close(self) -> None:
        self._db.close()


def _options() -> Options:
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_write_buffer_size(8 << 20)
    options.set_max_write_buffer_number(3)
    options.set_keep_log_file_num(2)
    options.set_max_open_files(64)
    table = BlockBasedOptions()
    table.set_bloom_filter(10, False)
    table.set_block_cache(Cache(16 << 20))
    options.set_block_based_table_factory(table)
    return options
