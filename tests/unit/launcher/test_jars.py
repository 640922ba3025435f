"""The cache of jars: nothing unverified is ever used, a complete cache needs nobody."""

import hashlib
import os
from pathlib import Path

import pytest
import requests

from services.launcher.jars import Jar, ensure_jars, locked_jars
from services.launcher.refusal import CannotStart

CONTENTS = {f"part-{n}": f"jar number {n}".encode() for n in range(12)}
JARS = tuple(Jar(hashlib.sha256(c).hexdigest(), "org.example", name, "1.0") for name, c in CONTENTS.items())


def honest(jar: Jar, scratch: Path) -> Path:
    path = scratch / f"{jar.artifact}.download"
    path.write_bytes(CONTENTS[jar.artifact])
    return path


def nobody(jar: Jar, _scratch: Path) -> Path:
    raise AssertionError(f"{jar.artifact} was fetched")


def test_the_lock_file_names_kafka_and_no_jar_twice() -> None:
    jars = locked_jars()
    assert len({jar.file_name for jar in jars}) == len(jars) == 46
    assert all(len(jar.sha256) == 64 for jar in jars)
    assert Jar(jars[32].sha256, "org.apache.kafka", "kafka-transaction-coordinator", "4.3.1") in jars


def test_missing_jars_are_fetched_once_and_then_found_without_a_network(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    paths = ensure_jars(tmp_path, wanted=JARS, download=honest, progress=lambda done, total: told.append((done, total)))
    assert [path.read_bytes() for path in paths] == list(CONTENTS.values())
    assert told == [(done, 12) for done in range(13)]
    assert ensure_jars(tmp_path, wanted=JARS, download=nobody) == paths


def test_a_damaged_jar_is_fetched_again(tmp_path: Path) -> None:
    paths = ensure_jars(tmp_path, wanted=JARS, download=honest)
    paths[3].write_bytes(b"torn")
    fetched: list[str] = []

    def count(jar: Jar, scratch: Path) -> Path:
        fetched.append(jar.artifact)
        return honest(jar, scratch)

    ensure_jars(tmp_path, wanted=JARS, download=count)
    assert fetched == ["part-3"]
    assert paths[3].read_bytes() == CONTENTS["part-3"]


def test_what_a_killed_fetch_left_is_cleared_and_one_under_way_is_not(tmp_path: Path) -> None:
    abandoned, under_way = (tmp_path / "jars" / f".fetching-{name}" for name in ("old", "new"))
    abandoned.mkdir(parents=True)
    under_way.mkdir()
    os.utime(abandoned, (0, 0))
    ensure_jars(tmp_path, wanted=JARS, download=honest)
    assert not abandoned.exists()
    assert under_way.exists()


def test_a_jar_with_another_digest_never_gets_its_final_name(tmp_path: Path) -> None:
    def forged(jar: Jar, scratch: Path) -> Path:
        path = honest(jar, scratch)
        if jar.artifact == "part-5":
            path.write_bytes(b"forged")
        return path

    with pytest.raises(CannotStart, match=r"part-5-1\.0\.jar .* SHA-256"):
        ensure_jars(tmp_path, wanted=JARS, download=forged)
    assert not (tmp_path / "jars" / "part-5-1.0.jar").exists()
    assert not list((tmp_path / "jars").glob(".fetching-*"))


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (requests.ConnectionError("refused"), "connect to the network"),
        (requests.exceptions.SSLError("self-signed"), "REQUESTS_CA_BUNDLE"),
        (RuntimeError("not found in remote repositories"), "connect to the network"),
        (OSError(28, "No space left on device"), "make room"),
    ],
)
def test_a_failed_download_says_what_to_do(tmp_path: Path, error: Exception, sentence: str) -> None:
    def fail(_jar: Jar, _scratch: Path) -> Path:
        raise error

    with pytest.raises(CannotStart, match=sentence):
        ensure_jars(tmp_path, wanted=JARS, download=fail)


def test_a_cache_that_cannot_be_made_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CannotStart, match="PALETTE_CACHE_DIR"):
        ensure_jars(tmp_path / "file", wanted=JARS, download=honest)
