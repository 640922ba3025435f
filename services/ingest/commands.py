"""`palette import FILE…`: prints how a file is read, sends it, says what became of it. No framework of commands."""

import csv
import sys
from collections.abc import Sequence
from datetime import UTC, tzinfo
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from services.contracts.errors import EXIT_DEPENDENCY_AWAY, EXIT_MISCONFIGURED, Misconfigured, Unavailable
from services.ingest.io.files import digest, kind_of, rows
from services.ingest.io.importer import Importer, Outcome, reasons
from services.ingest.mapping import TOP_LEVEL, ColumnMap, guess, guess_kind, parse_pairs
from services.kit.settings import Settings, url_host

_MAIL_FIELDS = ("id", "occurred_at", "text", "customer.id", "conversation_id")


def import_files(
    paths: Sequence[Path],
    *,
    maps: Sequence[str] = (),
    sets: Sequence[str] = (),
    zone: str = "UTC",
    date_format: str | None = None,
    settings: Settings | None = None,
) -> int:
    """Imports files as backfill; 0 when every row is safe, 1 when some were bad, 75 when the intake is away, 78 when
    it is not clear how to read a file. `maps` are FIELD=COLUMN, `sets` FIELD=VALUE for all rows."""
    try:
        settings = settings or Settings.load()
        given, constants = parse_pairs(maps, option="--map"), parse_pairs(sets, option="--set")
        columns = [_columns(path, given, constants, _zone(zone), date_format) for path in paths]
        folder = settings.data_dir / "ingest" / "imports"
        importer = Importer(
            url=f"http://{url_host(settings.bind)}:{settings.ingest_port}", folder=folder, key=_key(settings)
        )
    except Misconfigured as error:
        for sentence in error.problems:
            print(sentence, file=sys.stderr)
        return EXIT_MISCONFIGURED
    clean = True
    try:
        for path, column_map in zip(paths, columns, strict=True):
            outcome = _send(importer, path, column_map)
            _report(path, outcome, folder)
            clean = clean and not outcome.bad
    except Unavailable as error:
        print(
            f"Stopped: {error}. Start Palette with `make run`; the import then goes on where it stopped.",
            file=sys.stderr,
        )
        return EXIT_DEPENDENCY_AWAY
    finally:
        importer.close()
    return 0 if clean else 1


def _columns(
    path: Path, given: dict[str, str], constants: dict[str, str], zone: tzinfo, date_format: str | None
) -> ColumnMap:
    """How a file is read: as told, completed by guesses, and printed. Raises Misconfigured when it is not clear."""
    kind = kind_of(path)
    names: list[str] = []
    for row in islice(rows(path), 50):
        names += [name for name in row.fields if name not in names]
    if not names:
        raise Misconfigured([f"{path.name} holds nothing that can be read."])
    unknown = [
        f"--map {field}={column}: {path.name} has no such column. It has: {', '.join(names)}."
        for field, column in given.items()
        if column not in names
    ]
    if unknown:
        raise Misconfigured(unknown)
    fixed = dict(constants)
    if kind == "mbox":
        columns = {field: field for field in _MAIL_FIELDS} | given
        fixed.setdefault("channel", "email")
    elif kind == "jsonl" and set(names) <= TOP_LEVEL:
        columns = {name: name for name in names} | given  # events as they are posted
    else:
        columns = guess(names, given=given, constants=fixed)
        _settle_rating(path, columns, fixed, is_told="rating.value" in given)
    if "channel" not in columns:
        fixed.setdefault("channel", "survey")
    if "source" not in columns:
        fixed.setdefault("source", path.stem)
    missing = [
        f"{path.name}: say which column holds the {what}, as --map {field}=COLUMN. Its columns: {', '.join(names)}."
        for what, field, others in (("time", "occurred_at", ()), ("text", "text", ("rating.value", "rating")))
        if not {field, *others} & {*columns, *fixed}
    ]
    if missing:
        raise Misconfigured(missing)
    left = [] if kind == "mbox" else [name for name in names if name not in columns.values()]
    _print_map(path, {} if kind == "mbox" else columns, fixed, left)
    return ColumnMap(columns, fixed, zone, date_format)


def _settle_rating(path: Path, columns: dict[str, str], fixed: dict[str, str], *, is_told: bool) -> None:
    """A number without its scale says nothing: guess the scale, else leave a guessed column out."""
    if "rating.value" not in columns or "rating.kind" in {**columns, **fixed}:
        return
    scale = guess_kind(columns["rating.value"])
    if scale is not None:
        fixed["rating.kind"] = scale
    elif is_told:
        raise Misconfigured([f"{path.name}: say on which scale the rating is, as --set rating.kind=nps."])
    else:
        del columns["rating.value"]


def _print_map(path: Path, columns: dict[str, str], constants: dict[str, str], left: list[str]) -> None:
    print(f"{path.name} is read as:")
    for field, column in sorted(columns.items()):
        print(f"  {field:<20} from {column}")
    for field, value in sorted(constants.items()):
        print(f"  {field:<20} is   {value}")
    if columns and "id" not in columns:
        print("  id                   from the content of the row")
    if left:
        print(f"  not taken: {', '.join(left)} (take one with --map attributes.NAME=COLUMN)")


def _send(importer: Importer, path: Path, columns: ColumnMap) -> Outcome:
    total = sum(1 for _ in rows(path))
    console = Console()
    if not console.is_terminal:
        steps = max(1, total // 10)
        last = 0

        def plain(done: int) -> None:
            nonlocal last
            if done - last >= steps or done == total:
                last = done
                print(f"  {done:,} of {total:,}")

        return importer.send(path, columns, plain)
    with Progress(
        TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console
    ) as shown:
        task = shown.add_task(path.name, total=total)
        return importer.send(path, columns, lambda done: shown.update(task, completed=done))


def _report(path: Path, outcome: Outcome, folder: Path) -> None:
    parts = [f"{outcome.accepted:,} taken", f"{outcome.known:,} known already", f"{len(outcome.bad):,} not taken"]
    if outcome.skipped:
        parts.append(f"{outcome.skipped:,} done before it was cut")
    print(f"{path.name}: {', '.join(parts)}.")
    if not outcome.bad:
        return
    for reason, count in reasons(outcome.bad).most_common(5):
        print(f"  {count:,} × {reason}")
    folder.mkdir(parents=True, exist_ok=True)
    report = folder / f"{digest(path)[:12]}-not-taken.csv"
    with report.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["line", "field", "reason"])
        writer.writerows((bad.line, bad.field, bad.reason) for bad in outcome.bad)
    print(f"  line by line in {report}")


def _zone(name: str) -> tzinfo:
    if name.upper() in {"UTC", "Z"}:
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise Misconfigured([f"--zone {name} is not a time zone known here; write it as Europe/London."]) from None


def _key(settings: Settings) -> str | None:
    """The key to show where the intake asks for one."""
    if settings.api_key_file is None:
        return None
    try:
        return settings.api_key_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise Misconfigured([f"PALETTE_API_KEY_FILE: {settings.api_key_file} cannot be read."]) from None
