"""Rows of a file -> the running intake, in batches, as backfill. Knows HTTP and where it stopped; judges nothing.

Where it stopped is kept in the data folder by the file's digest, so that an import that was cut goes on there. Sending
a file again is harmless: its rows have the same ids, and the intake knows them.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec

from services.contracts.errors import Unavailable
from services.ingest.io.files import Row, digest, rows
from services.ingest.mapping import BadRow, ColumnMap

_BATCH = 200
_PATIENCE_SECONDS = 300.0

Progress = Callable[[int], None]
"""Told how many rows are done."""


class BadLine(msgspec.Struct, frozen=True):
    """A row that was not taken: where it stands and why, without its content."""

    line: int
    field: str
    reason: str


class Outcome(msgspec.Struct):
    """What became of a file's rows."""

    accepted: int = 0
    known: int = 0
    bad: list[BadLine] = []
    skipped: int = 0
    """Done by an earlier, cut import of the same file."""


class Importer:
    """Sends files to one intake."""

    def __init__(self, *, url: str, folder: Path, key: str | None = None, transport: Any = None) -> None:
        headers = {"Palette-Mode": "backfill"} | ({"Authorization": f"Bearer {key}"} if key else {})
        self._url = f"{url}/v1/feedback/batch"
        self._http = httpx2.Client(trust_env=False, timeout=60.0, headers=headers, transport=transport)
        self._folder = folder

    def send(self, path: Path, columns: ColumnMap, progress: Progress) -> Outcome:
        """Sends a whole file. Raises Unavailable when the intake does not answer, or refuses the caller."""
        mark = self._folder / f"{digest(path)}-{columns.name()}.rows"
        done = _read(mark)
        outcome = Outcome(skipped=done)
        count = 0
        for batch in _batches(rows(path), skip=done):
            count += len(batch)
            self._send(batch, columns, outcome)
            _write(mark, done + count)
            progress(done + count)
        mark.unlink(missing_ok=True)
        return outcome

    def close(self) -> None:
        self._http.close()

    def _send(self, batch: list[Row], columns: ColumnMap, outcome: Outcome) -> None:
        events: list[tuple[Row, dict[str, Any]]] = []
        for row in batch:
            try:
                if row.problem:
                    raise BadRow("", row.problem)
                events.append((row, columns.event(row.fields)))
            except BadRow as error:
                outcome.bad.append(BadLine(row.line, error.field, error.message))
        if not events:
            return
        for (row, _), result in zip(events, self._post([event for _, event in events]), strict=True):
            if result["status"] == "rejected":
                problem = result["problem"]
                first = (problem.get("errors") or [{}])[0]
                field = str(first.get("pointer", "")).strip("/").replace("/", ".")
                outcome.bad.append(BadLine(row.line, field, str(first.get("message") or problem["title"])))
            else:
                outcome.accepted += result["status"] == "accepted"
                outcome.known += result["status"] == "duplicate"

    def _post(self, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        body = msgspec.json.encode(events)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                answer = self._http.post(self._url, content=body, headers={"Content-Type": "application/json"})
            except httpx2.TransportError as error:
                if isinstance(error, httpx2.ConnectError) or time.monotonic() > deadline:
                    raise Unavailable(f"the intake does not answer at {self._url}") from None
                time.sleep(1.0)
                continue
            if answer.status_code in {429, 503} and time.monotonic() < deadline:
                time.sleep(min(30.0, float(answer.headers.get("retry-after", "1"))))
                continue
            if answer.status_code != 202:
                title = answer.json().get("title", "") if "json" in answer.headers.get("content-type", "") else ""
                raise Unavailable(f"the intake at {self._url} answers {answer.status_code} {title}".strip())
            results: list[dict[str, Any]] = answer.json()["results"]
            return results


def _batches(source: Iterator[Row], *, skip: int) -> Iterator[list[Row]]:
    batch: list[Row] = []
    for number, row in enumerate(source):
        if number < skip:
            continue
        batch.append(row)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _read(mark: Path) -> int:
    try:
        return int(mark.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0


def _write(mark: Path, done: int) -> None:
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.write_text(str(done), encoding="ascii")


def reasons(bad: list[BadLine]) -> Counter[str]:
    """How many rows each reason cost."""
    return Counter(f"{line.field}: {line.reason}" if line.field else line.reason for line in bad)
