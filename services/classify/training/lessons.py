"""What a model learns from: every text, and every clause of those that are labelled clause by clause.

Knows how much each counts. Knows nothing of features.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from services.classify.model.probabilities import NO_KIND, Head
from services.classify.training.corpus import Example

USE = "use"
USE_SHARE = 0.45
"""How much of what people write is about using the thing itself. The corpus fills all stages evenly, so that the rare
ones can be learnt; counted as they stand they would be expected everywhere. A figure between the even grid and
the half that `use` had in the project's first study of public reviews (0.49)."""

MOST_COUNTED = 4.0
"""No lesson counts more than that, however rare `use` is in what is learnt from."""


class Lesson(msgspec.Struct, frozen=True):
    """A text with its labels by head; a head that is not there was not labelled. `whole`: no clause of another."""

    text: str
    labels: dict[str, tuple[str, ...]]
    whole: bool = True


def lessons_of(examples: Sequence[Example]) -> list[Lesson]:
    """All lessons, in the order of the examples, each text before its clauses."""
    return [lesson for example in examples for lesson in _lessons(example)]


def _lessons(example: Example) -> Iterator[Lesson]:
    yield Lesson(
        example.text,
        {
            "stage": (example.stage,),
            "areas": example.areas,
            "sentiment": (example.sentiment,),
            "intent": (example.intent,),
            "severity": (str(example.severity),),
            "severity_kind": (example.kind or NO_KIND,),
        },
    )
    for clause in example.clauses:
        if len(clause.text.split()) > 1:
            labels = {"stage": (clause.stage,), "areas": clause.areas, "sentiment": (clause.sentiment,)}
            yield Lesson(clause.text.strip(), labels, whole=False)


def weights_of(lessons: Sequence[Lesson]) -> NDArray[np.float64]:
    """How much each lesson counts, 1 on average."""
    stages = [lesson.labels["stage"][0] for lesson in lessons]
    used = Counter(stages)[USE]
    others = len(stages) - used
    factor = min(MOST_COUNTED, USE_SHARE * others / ((1 - USE_SHARE) * used)) if used and others else 1.0
    weights = np.array([factor if stage == USE else 1.0 for stage in stages])
    return np.asarray(weights / weights.mean(), dtype=np.float64)


def truth_of(head: Head, lessons: Sequence[Lesson]) -> NDArray[np.int8]:
    """Lessons × labels; rows of zeros where a lesson says nothing for the head."""
    places = {label: number for number, label in enumerate(head.labels)}
    truth = np.zeros((len(lessons), len(head.labels)), dtype=np.int8)
    for row, lesson in zip(truth, lessons, strict=True):
        row[[places[label] for label in lesson.labels.get(head.name, ())]] = 1
    return truth
