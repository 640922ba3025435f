"""`palette tag`: JSON lines in, exactly one JSON line out for each, in the same order. The classifier without Kafka."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is loaded
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from services.classify.experience.parts import Part, tag
from services.classify.loading import load_tagger
from services.classify.model.cascade import ALL_FULL, Cascade
from services.classify.reading.text import MAX_CHARACTERS
from services.classify.tagging.tagger import Tagger
from services.contracts.errors import EXIT_MISCONFIGURED, Misconfigured
from services.contracts.events import Answer, Author, Rating, Tags

POLICY = Path(__file__).resolve().parents[2] / "deploy" / "policy"
_MOST_BYTES = 1 << 20
_CHUNK = 1 << 18
_BATCH = Cascade().small
"""As live traffic comes: so that the least sure of each batch are looked at twice."""
_VALUE = re.compile(r" '.*'(?= - at |\Z)", re.DOTALL)
"""What the library repeats of a value that is not among the allowed ones."""


class Line(msgspec.Struct, frozen=True):
    """What a line may say; anything else in it is ignored."""

    text: str | None
    id: str | int | None = None
    rating: Rating | None = None
    language: str | None = None
    author: Author = "customer"
    answers: tuple[Answer, ...] = ()


def tag_lines(lines: Sequence[bytes], tagger: Tagger) -> list[bytes]:
    """One line of JSON (without its newline) for each line. Errors never repeat what was sent."""
    results: list[bytes] = [b""] * len(lines)
    inputs: dict[int, tuple[str | int | None, Part]] = {}
    for place, line in enumerate(lines):
        parsed = _parsed(line)
        if isinstance(parsed, Line):
            inputs[place] = parsed.id, Part(parsed.text, parsed.rating, parsed.language, parsed.author, parsed.answers)
        else:
            results[place] = msgspec.json.encode(parsed)
    told = tag([[part] for _, part in inputs.values()], tagger)
    for (place, (name, _)), one in zip(inputs.items(), told, strict=True):
        results[place] = msgspec.json.encode(shown(name, one.tags))
    return results


def shown(name: str | int | None, tags: Tags) -> dict[str, Any]:
    """Tags as a line shows them: every field, also the empty ones."""
    line = {"id": name} | {field: msgspec.to_builtins(getattr(tags, field)) for field in Tags.__struct_fields__}
    if tags.severity_kind is None:
        del line["severity_kind"]
    return line


def main(arguments: Sequence[str] | None = None) -> int:
    """Reads standard input, writes standard output. Answers the exit code."""
    parser = argparse.ArgumentParser(prog="palette tag", description=__doc__)
    default = Path(os.environ.get("PALETTE_POLICY_DIR", POLICY))
    parser.add_argument("--policy", type=Path, default=default, help="folder of taxonomy.yaml and lexicon/")
    parser.add_argument(
        "--path",
        choices=("fast", "cascade", "full"),
        default="cascade",
        help="how texts are read: fast as imports are, cascade as live events are (the least sure looked at twice), "
        "full each of them twice: best and slowest",
    )
    options = parser.parse_args(arguments)
    try:
        cascade = ALL_FULL if options.path == "full" else Cascade()
        tagger = load_tagger(options.policy, full=options.path != "fast", cascade=cascade)
    except Misconfigured as error:
        for problem in error.problems:
            sys.stderr.write(f"{problem}\n")
        return EXIT_MISCONFIGURED
    for lines in batches(sys.stdin.buffer):
        sys.stdout.buffer.write(b"".join(line + b"\n" for line in tag_lines(lines, tagger)))
        sys.stdout.buffer.flush()
    return 0


def batches(stream: BinaryIO) -> Iterator[list[bytes]]:
    """Whole lines as they arrive, so that someone who types sees answers and a pipe is read in bulk."""
    rest = b""
    read: Any = getattr(stream, "read1", stream.read)
    while chunk := read(_CHUNK):
        *lines, rest = (rest + chunk).split(b"\n")
        for begin in range(0, len(lines), _BATCH):
            yield lines[begin : begin + _BATCH]
    if rest:
        yield [rest]


def _parsed(line: bytes) -> Line | dict[str, Any]:
    """The line, or its error with the id where one could be read."""
    if len(line) > _MOST_BYTES:
        return {"id": None, "error": "the line is longer than 1 MiB"}
    try:
        data = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {"id": None, "error": "the line is not JSON in UTF-8"}
    if not isinstance(data, dict):
        return {"id": None, "error": "the line is not a JSON object"}
    name = data.get("id")
    name = name if isinstance(name, str | int) and not isinstance(name, bool) else None
    try:
        parsed = msgspec.convert(data, Line)
    except msgspec.ValidationError as error:
        return {"id": name, "error": _VALUE.sub("", str(error))}
    if parsed.text is not None and len(parsed.text) > MAX_CHARACTERS:
        return {"id": name, "error": f"text is longer than {MAX_CHARACTERS:,} characters"}
    return parsed


if __name__ == "__main__":
    sys.exit(main())
