"""The key of pseudonyms: made once, whole, for this user's eyes only."""

from pathlib import Path

from services.ingest.app import pseudonym_key
from services.kit.settings import Settings


def test_the_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    first = pseudonym_key(Settings(), tmp_path)

    assert len(first) == 64
    assert pseudonym_key(Settings(), tmp_path) == first
    assert (tmp_path / "pseudonym.key").stat().st_mode & 0o777 == 0o600


def test_a_key_that_a_killed_start_left_empty_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "pseudonym.key").touch()

    assert len(pseudonym_key(Settings(), tmp_path)) == 64
