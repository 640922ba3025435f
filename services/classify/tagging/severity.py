"""How bad it is: severity, its confidence, and what makes it critical. Pure."""

from collections.abc import Sequence

import numpy as np

from services.classify.model.probabilities import NO_KIND, Model
from services.classify.reading.features import Floats
from services.contracts.events import Sentiment

CRITICAL = 3
_BAD = 2
_FRAGILE = "vulnerable_person"
_LIFTS_FROM = 1.5
_FRAGILE_LIFTS_FROM = 2.0
"""Expected severity from which a phrase that names a kind of harm makes a text critical. More than half of such texts
of the corpus are from there on, about a quarter between 1.0 and there. Words for vulnerable people stand in many
harmless texts."""
_LEAST_SURE = 0.5


def severity_of(
    model: Model, chances: dict[str, Floats], named: Sequence[str], sentiment: Sentiment
) -> tuple[str | None, int, float]:
    """Kind, severity and its confidence; `named` are the kinds that phrases of the text name, with repetitions.

    Critical is what the model alone is sure enough of, and an unhappy text that is bad anyway and in which a phrase
    names the harm. Below, the median of what is probable.
    """
    by_severity = chances["severity"]
    expected = float(by_severity @ np.arange(len(by_severity)))
    severity = min(int(np.searchsorted(np.cumsum(by_severity), 0.5)), _BAD)
    unhappy = sentiment in {"negative", "mixed"}
    kind = max(dict.fromkeys(named), key=lambda name: (name != _FRAGILE, named.count(name)), default=None)
    lifted = kind is not None and unhappy and expected >= (_FRAGILE_LIFTS_FROM if kind == _FRAGILE else _LIFTS_FROM)
    if lifted or by_severity[CRITICAL] >= model.critical_from:
        likely = model.head("severity_kind").labels[int(np.argmax(chances["severity_kind"]))]
        return kind or (likely if likely != NO_KIND else None), CRITICAL, max(float(by_severity[CRITICAL]), _LEAST_SURE)
    return (kind if unhappy and severity >= _BAD else None), severity, float(by_severity[severity])
