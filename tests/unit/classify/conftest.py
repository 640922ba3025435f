"""The shipped tagger and the corpus, loaded once."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits

from services.classify.loading import load_tagger
from services.classify.tagging.tagger import Tagger
from services.classify.training.corpus import Example, read_corpus

POLICY = Path(__file__).parents[3] / "deploy" / "policy"


@pytest.fixture(scope="session")
def policy() -> Path:
    """The policy folder that ships with Palette."""
    return POLICY


@pytest.fixture(scope="session")
def tagger() -> Tagger:
    """The shipped tagger."""
    return load_tagger(POLICY)


@pytest.fixture(scope="session")
def corpus() -> list[Example]:
    """The corpus that ships with Palette."""
    return read_corpus()


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Linear algebra on one thread, as the services run: threads of several test processes starve each other."""
    with threadpool_limits(1):
        yield
