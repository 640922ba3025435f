"""Labelled real texts that lie beside the checkout on some machines. For measuring only: no text of them, and no model
trained on them, enters the product.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from services.classify.tagging.tagger import Tagger, TagInput
from services.contracts.events import Rating, Tags

REAL = Path(__file__).resolve().parents[4] / "shared" / "eval" / "real-dev.jsonl"
_LIVE_BATCH = 32


class RealText(msgspec.Struct, frozen=True):
    """A real text with its labels; `industry` is the source it stems from."""

    text: str
    industry: str
    stage: str
    areas: tuple[str, ...]
    sentiment: str
    intent: str
    severity: int
    stars: float | None = None
    themes: tuple[str, ...] | None = None

    @property
    def input(self) -> TagInput:
        """As it would be tagged: with its stars, where it has any."""
        return TagInput(text=self.text, rating=Rating(kind="stars", value=self.stars) if self.stars else None)


def in_live_batches(tagger: Tagger, inputs: Sequence[TagInput]) -> list[Tags]:
    """What a tagger says of texts that come in batches as live events do."""
    return [tags for at in range(0, len(inputs), _LIVE_BATCH) for tags in tagger.tag(inputs[at : at + _LIVE_BATCH])]


def read_real(path: Path = REAL) -> list[RealText]:
    """The real texts of a file."""
    decoder = msgspec.json.Decoder(RealText)
    return [decoder.decode(line) for line in path.read_bytes().splitlines() if line.strip()]
