"""What learning.yaml says: when a model comes into force, and how much people are asked. Every bound has a default.

It stands among the contracts because two services go by it: classify judges challengers, the API asks people. Knows
YAML and its schema; knows no model and no store.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from services.contracts.yamlfile import FileProblem, PolicyRefused, load_marked, schema_problems

FILE = "learning.yaml"

_T = TypeVar("_T", bound=msgspec.Struct)


class Onboarding(msgspec.Struct, frozen=True):
    """After how many of the first labels a model is built, and by how many points it may look worse."""

    labels: tuple[int, ...] = (30, 60)
    worse_by: float = 2.0


class Promotion(msgspec.Struct, frozen=True):
    """What a challenger must show. Points and percentages."""

    folds: int = 5
    least_reviewed: int = 20
    least_gain: float = 1.0
    better_in: float = 80.0
    class_items: int = 8
    class_worse_by: float = 5.0


class Review(msgspec.Struct, frozen=True):
    """How much each person is asked in a day, how much of it to look at a second time, and how far back."""

    a_day: int = 5
    second_look: float = 20.0
    weeks: int = 8


class Learning(msgspec.Struct, frozen=True):
    """All of learning.yaml."""

    onboarding: Onboarding = Onboarding()
    promotion: Promotion = Promotion()
    review: Review = Review()


DEFAULTS = Learning()


def read_learning(files: Mapping[str, str]) -> Learning:
    """The bounds that a policy folder's files say, by file name. Raises PolicyRefused with every problem."""
    if FILE not in files:
        return DEFAULTS
    marked = load_marked(files[FILE], file=FILE)
    if marked.data is None:
        return DEFAULTS
    problems = schema_problems(marked, "learning.json")
    if not problems:
        steps = marked.data.get("onboarding", {}).get("labels", [])
        if steps != sorted(set(steps)):
            problems = [FileProblem(FILE, marked.locate(("onboarding", "labels")), "`labels` must ascend.")]
    if problems:
        raise PolicyRefused(problems)
    return Learning(
        _part(marked.data, "onboarding", Onboarding),
        _part(marked.data, "promotion", Promotion),
        _part(marked.data, "review", Review),
    )


def _part(data: Mapping[str, Any], name: str, kind: type[_T]) -> _T:
    return msgspec.convert(data.get(name, {}), kind, strict=False)
