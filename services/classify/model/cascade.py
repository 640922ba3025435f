"""Who gets the slow look: the texts of a batch of which the fast path is least sure, as far as there is time.

A large batch means that traffic waits, so the larger the batch, the fewer. Knows numbers only.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from services.classify.reading.features import Floats

EVERY = 1_000_000
FULL_SHARE = 0.7
"""How much the full path counts where a text was looked at twice; the fast one has spoken already, and two readers who
err differently are better than the better one (0076)."""


class Cascade(msgspec.Struct, frozen=True):
    """Texts with a stage below `stage_below` or a main area below `area_below` are looked at again: at most `most` of
    a small batch, one less for every `per_text` further texts, none of a batch in which that leaves nothing."""

    stage_below: float = 0.9
    area_below: float = 0.9
    small: int = 32
    most: int = 12
    per_text: int = 8

    def least_sure(self, stage: Floats, area: Floats, hurry: Sequence[bool]) -> list[int]:
        """Places of the texts to look at again, in order. `hurry`: those that may not wait."""
        room = self.most - max(0, len(stage) - self.small) // self.per_text
        doubtful = ((stage < self.stage_below) | (area < self.area_below)) & ~np.array(hurry, dtype=bool)
        places = np.flatnonzero(doubtful)
        if room <= 0:
            return []
        order = np.argsort(stage[places] * area[places], kind="stable")
        chosen: list[int] = np.sort(places[order[:room]]).tolist()
        return chosen


ALL_FULL = Cascade(stage_below=2.0, area_below=2.0, most=EVERY)
"""Every text: the upper bound, for measuring and for small companies."""


def together(fast: Floats, full: Floats) -> Floats:
    """What both paths say of the same texts: probabilities in, probabilities out."""
    mixed: Floats = FULL_SHARE * full + (1 - FULL_SHARE) * fast
    return mixed
