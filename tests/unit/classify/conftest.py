"""The shipped tagger, loaded once."""

from pathlib import Path

import pytest

from services.classify.loading import load_tagger
from services.classify.tagger import Tagger

POLICY = Path(__file__).parents[3] / "deploy" / "policy"


@pytest.fixture(scope="session")
def policy() -> Path:
    """The policy folder that ships with Palette."""
    return POLICY


@pytest.fixture(scope="session")
def tagger() -> Tagger:
    """The shipped tagger."""
    return load_tagger(POLICY)
