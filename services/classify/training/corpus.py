"""The labelled texts that were written for this project. Knows their files and fields."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

FOLDER = Path(__file__).parent / "corpus"


class Example(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A text with its labels; `areas` the main one first."""

    text: str
    stage: str
    areas: tuple[str, ...]
    sentiment: str
    intent: str
    severity: int


def read_corpus(folder: Path = FOLDER) -> list[Example]:
    """All examples, in the order of files and lines."""
    decoder = msgspec.json.Decoder(Example)
    return [
        decoder.decode(line)
        for path in sorted(folder.glob("*.jsonl"))
        for line in path.read_bytes().splitlines()
        if line.strip()
    ]


def labels_of(examples: Sequence[Example], head: str) -> list[tuple[str, ...]]:
    """What each example says for a head."""
    if head == "areas":
        return [example.areas for example in examples]
    return [(str(getattr(example, head)),) for example in examples]
