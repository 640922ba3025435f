"""Labels that the model knows and the taxonomy has retired: their probability goes to what took their place.

Where nothing did, it goes nowhere: the best label that is left must be probable by itself. Knows arrays and ids.
"""

import numpy as np
from numpy.typing import NDArray

from services.classify.model.probabilities import Model
from services.classify.reading.features import Floats
from services.classify.taxonomy.labels import Taxonomy

_HEADS = ("stage", "areas")


class Retirement:
    """What one taxonomy retires of one model. Nothing to do is cheap."""

    def __init__(self, model: Model, taxonomy: Taxonomy) -> None:
        self._moves: dict[str, list[tuple[int, int | None]]] = {}
        self._many = {head.name: head.many for head in model.heads}
        for name in _HEADS:
            labels = model.head(name).labels
            moves = [
                (labels.index(old), labels.index(new) if new in labels else None)
                for old, new in taxonomy.retired[name].items()
                if old in labels
            ]
            if moves:
                self._moves[name] = moves

    def __call__(self, chances: dict[str, Floats]) -> dict[str, NDArray[np.bool_]]:
        """Changes probabilities in place. Answers, for heads with retired labels, in which texts one without successor
        was the most probable."""
        orphaned: dict[str, NDArray[np.bool_]] = {}
        for name, moves in self._moves.items():
            rows = chances[name]
            for old, new in moves:
                if new is not None:
                    either = 1 - (1 - rows[:, new]) * (1 - rows[:, old])
                    rows[:, new] = either if self._many[name] else rows[:, new] + rows[:, old]
                    rows[:, old] = 0.0
            best = rows.argmax(axis=1)
            gone = [old for old, new in moves if new is None]
            orphaned[name] = np.isin(best, gone)
            rows[:, gone] = 0.0
        return orphaned
