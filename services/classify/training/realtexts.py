"""Labelled real texts that lie beside the checkout on some machines. For measuring only: no text of them, and no model
trained on them, enters the product.
"""

from pathlib import Path

import msgspec

from services.classify.tagging.tagger import TagInput
from services.contracts.events import Rating

REAL = Path(__file__).resolve().parents[4] / "shared" / "eval" / "real-dev.jsonl"


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


def read_real(path: Path = REAL) -> list[RealText]:
    """The real texts of a file."""
    decoder = msgspec.json.Decoder(RealText)
    return [decoder.decode(line) for line in path.read_bytes().splitlines() if line.strip()]
