"""What a model that never saw some of the examples makes of these."""

import msgspec

from services.classify.model.probabilities import Model, PathName
from services.classify.reading.features import Floats


class Fold(msgspec.Struct, frozen=True):
    """A model, the examples it never saw, and what it makes of them by path: uncalibrated probabilities by head, and
    the guesses for themes (logits and likenesses). `hits`: phrases of themes that stand in these examples."""

    model: Model
    unseen: tuple[int, ...]
    given: dict[PathName, dict[str, Floats]]
    themes: dict[PathName, tuple[Floats, Floats]]
    hits: Floats
