"""learning.yaml: every bound has a default, and what is wrong is told with its line."""

from pathlib import Path

import pytest

from services.contracts.learning import DEFAULTS, FILE, Learning, read_learning
from services.contracts.policyfiles import load_policy, read_folder
from services.contracts.topics import SCHEMAS
from services.contracts.yamlfile import PolicyRefused

POLICY: Path = SCHEMAS.parent / "deploy" / "policy"


def test_without_the_file_or_with_an_empty_one_the_defaults_count() -> None:
    assert read_learning({}) == read_learning({FILE: "# nothing\n"}) == DEFAULTS == Learning()


def test_the_shipped_file_says_what_the_defaults_are() -> None:
    assert read_learning(read_folder(POLICY)) == DEFAULTS


def test_what_is_said_counts_and_the_rest_stays() -> None:
    found = read_learning({FILE: "promotion:\n  least_gain: 2.5\nreview: {a_day: 8}\n"})

    assert (found.promotion.least_gain, found.promotion.folds, found.review.a_day) == (2.5, 5, 8)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("promotion:\n  leastgain: 2\n", 2),
        ("onboarding:\n  labels: [60, 30]\n", 2),
        ("review:\n  weeks: 4\n  a_day: 0\n", 3),
        ("- a\n", 1),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, line: int) -> None:
    with pytest.raises(PolicyRefused) as refused:
        read_learning({FILE: text})

    assert [problem.line for problem in refused.value.problems] == [line]


def test_a_policy_with_a_bad_learning_file_is_refused_whole() -> None:
    files = read_folder(POLICY) | {FILE: "promotion: {least_gain: much}\n"}

    with pytest.raises(PolicyRefused, match=r"learning\.yaml:1"):
        load_policy(files)
