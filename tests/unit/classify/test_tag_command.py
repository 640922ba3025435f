"""`palette tag`: as many lines out as in, in the same order, whatever stands in them."""

import io
import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.classify.loading import load_tagger
from services.classify.model.cascade import ALL_FULL
from services.classify.tag_command import batches, tag_lines
from services.classify.tagging.tagger import Tagger
from services.contracts.events import Tags

CHECKOUT = Path(__file__).parents[3]

LINES = st.one_of(
    st.binary(max_size=60).filter(lambda line: b"\n" not in line),
    st.builds(lambda text: json.dumps({"text": text}).encode(), st.text(max_size=60)),
    st.sampled_from([b"", b"{}", b"null", b"[]", b'{"text": null}', b'{"id": "x", "text": 3}', b'{"text": "\\ud800"}']),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(LINES, max_size=20))
def test_as_many_lines_out_as_in(tagger: Tagger, lines: list[bytes]) -> None:
    out = tag_lines(lines, tagger)
    assert len(out) == len(lines)
    for line in out:
        assert b"\n" not in line
        shown = json.loads(line)
        assert "error" in shown or {"stage", "areas", "sentiment", "status", "evidence", "versions"} <= shown.keys()


def test_a_line_shows_every_field_and_its_id(tagger: Tagger) -> None:
    (line,) = tag_lines([b'{"id": "a-1", "text": "Nobody answers the phone"}'], tagger)
    shown = json.loads(line)
    assert shown["id"] == "a-1"
    assert shown["stage"] == "get_help"
    assert set(shown["areas"][0]) == {"area", "confidence"}
    assert {"secondary", "themes", "unsure", "evidence", "versions", "severity", "intent"} <= shown.keys()


@pytest.mark.parametrize(
    ("line", "name", "error"),
    [
        (b"{secret", None, "not JSON"),
        (b'{"id": "b", "text": ["secret"]}', "b", "$.text"),
        (b'{"id": "b"}', "b", "`text`"),
        (b'{"id": "b", "text": "x", "rating": {"kind": "secret", "value": 1}}', "b", "$.rating"),
        (b'{"id": 7, "text": "' + b"secret " * 4000 + b'"}', 7, "20,000"),
        (b'"secret"', None, "object"),
    ],
)
def test_a_bad_line_gives_its_id_and_an_error_that_repeats_nothing(
    tagger: Tagger, line: bytes, name: str | int | None, error: str
) -> None:
    shown = json.loads(tag_lines([line], tagger)[0])
    assert shown["id"] == name
    assert error in shown["error"]
    assert "secret" not in shown["error"]


def test_lines_are_whole_however_they_arrive() -> None:
    class Dribble(io.BytesIO):
        def read1(self, _size: int | None = -1, /) -> bytes:
            return self.read(3)

    assert [line for part in batches(Dribble(b"one\ntwo two\n\nlast")) for line in part] == [
        b"one",
        b"two two",
        b"",
        b"last",
    ]


def test_the_command_reads_standard_input_and_writes_standard_output() -> None:
    lines = b'{"id": 1, "text": "Late again"}\nnonsense\n{"id": 2, "text": "Lovely staff"}'
    done = subprocess.run(
        [sys.executable, "-m", "services.classify.tag_command"],
        cwd=CHECKOUT,
        input=lines,
        capture_output=True,
        check=True,
    )
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == [1, None, 2]
    assert done.stderr == b""


def test_a_line_of_either_path_reads_back_as_the_tags_it_shows(policy: Path) -> None:
    texts = [b'{"text": "The driver marked it delivered but nothing is here."}', b'{"text": "Hm, odd it was"}']
    for full, cascade in ((False, None), (True, ALL_FULL)):
        tagger = load_tagger(policy, full=full, cascade=cascade)
        for line in tag_lines(texts, tagger):
            tags = msgspec.convert(msgspec.json.decode(line), Tags)
            assert tags.path == ("full" if full else "fast")
            assert tags.themes or b"driver" not in line
