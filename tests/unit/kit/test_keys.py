"""API keys: what is kept is a digest, and every bad line is named at once."""

from pathlib import Path

import pytest

from services.contracts.errors import Misconfigured
from services.kit.keys import Keys, new_key


def test_a_new_key_is_known_by_its_line_and_nobody_elses_is(tmp_path: Path) -> None:
    (one, line_one), (two, line_two) = new_key("crm"), new_key("ana")
    path = tmp_path / "keys"
    path.write_text(f"# who may call\n{line_one}  # since May\n\n{line_two}\n", encoding="utf-8")
    keys = Keys.read(path)

    assert (keys.owner(one), keys.owner(two)) == ("crm", "ana")
    assert keys.owner(one[:-1]) is None
    assert keys.owner("") is None
    assert one not in path.read_text(encoding="utf-8")


def test_keys_are_long_and_never_the_same() -> None:
    made = {new_key("x")[0] for _ in range(50)}

    assert len(made) == 50
    assert all(key.startswith("palette_") and len(key) >= 50 for key in made)


@pytest.mark.parametrize("case", [str.upper, str.lower])
def test_the_case_of_a_digest_does_not_matter(tmp_path: Path, case: object) -> None:
    key, line = new_key("crm")
    name, digest = line.split()
    (tmp_path / "keys").write_text(f"{name} {case(digest)}", encoding="utf-8")  # type: ignore[operator]

    assert Keys.read(tmp_path / "keys").owner(key) == "crm"


def test_every_bad_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("crm\nana not-a-digest\n" + new_key("ok")[1] + "\nx y z\n", encoding="utf-8")

    with pytest.raises(Misconfigured) as caught:
        Keys.read(tmp_path / "keys")
    assert [problem.split(": ")[0] for problem in caught.value.problems] == ["keys:1", "keys:2", "keys:4"]


@pytest.mark.parametrize("content", [b"", b"# nothing\n", b"\xff\xfe"])
def test_a_file_without_a_key_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "keys").write_bytes(content)

    with pytest.raises(Misconfigured):
        Keys.read(tmp_path / "keys")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="PALETTE_API_KEYS_FILE"):
        Keys.read(tmp_path / "nowhere")
