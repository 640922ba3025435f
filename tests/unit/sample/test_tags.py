"""The product reads the sample as it was meant: intake takes every event, masking hides what was planted, and the two
strands of the story mostly carry the theme, stage and area that they were written for."""

import csv
import json
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from services.classify.loading import load_tagger
from services.classify.tagging.tagger import TagInput
from services.contracts.events import FeedbackReceived, Tags
from services.ingest.intake import Accepted, Candidate, Checked, accept, check
from services.ingest.mapping import ColumnMap, guess, guess_kind, parse_pairs
from services.ingest.masking import Masker, Pseudonyms
from services.ingest.sources import read_sources
from services.launcher.sample.build import EVENTS, HERE, read_texts

POLICY = HERE.parents[2] / "deploy" / "policy"
PLANTED = ("4111 1111 1111 1111", "GB82 WEST", "01632 960123", "07700 900461", "@example.")
NOW = datetime(2027, 1, 1, tzinfo=UTC)
MOSTLY = 0.8


@pytest.fixture(scope="module")
def received() -> list[FeedbackReceived]:
    sources = read_sources((POLICY / "sources.yaml").read_text(encoding="utf-8"))
    masker, pseudonyms = Masker(), Pseudonyms(b"a key for tests only")
    taken = []
    for line in EVENTS.read_text(encoding="utf-8").splitlines():
        checked = check(Candidate(json.loads(line)), now=NOW, sources=sources, pseudonyms=pseudonyms)
        assert isinstance(checked, Checked), checked
        stored = accept(checked, received_at=NOW, mode="rehearsal", masker=masker, pseudonyms=pseudonyms)
        assert isinstance(stored, Accepted), stored
        taken.append(stored.event)
    return taken


def tags_of(strand: str, received: Sequence[FeedbackReceived]) -> list[Tags]:
    texts = {text for _, text in read_texts(HERE / "texts" / f"{strand}.txt")}
    meant = [event for event in received if event.text in texts]
    assert len(meant) == len(texts)
    return load_tagger(POLICY).tag([TagInput(text=event.text, rating=event.rating) for event in meant])


def share(found: Sequence[bool]) -> float:
    return sum(found) / len(found)


def test_intake_takes_every_event_and_hides_the_personal_data_in_it(received: list[FeedbackReceived]) -> None:
    kinds = {mask.kind for event in received for mask in event.masks}
    texts = "\n".join(event.text or "" for event in received)
    assert len(kinds) >= 4
    assert not [planted for planted in PLANTED if planted in texts]


@pytest.mark.parametrize(
    ("strand", "theme", "stages", "area"),
    [
        ("parcels-north", "driver-marked-delivered", {"receive"}, "fulfilment"),
        ("app-logout", "app-logs-out", {"use", "buy"}, "digital"),
    ],
)
def test_a_strand_of_the_story_mostly_carries_what_it_was_written_for(
    strand: str, theme: str, stages: set[str], area: str, received: list[FeedbackReceived]
) -> None:
    tags = tags_of(strand, received)
    assert share([theme in tag.themes for tag in tags]) >= MOSTLY
    assert share([tag.stage in stages for tag in tags]) >= MOSTLY
    assert share([area in {found.area for found in tag.areas} for tag in tags]) >= MOSTLY
    assert share([tag.status == "tagged" for tag in tags]) >= MOSTLY


def test_the_hurt_child_and_the_burning_dryer_are_critical(received: list[FeedbackReceived]) -> None:
    critical = [tag for tag in tags_of("safety", received) if tag.severity == 3 and tag.severity_kind == "safety"]
    assert len(critical) >= 3


def test_the_file_to_import_is_read_whole_with_a_mapping() -> None:
    rows = list(csv.DictReader((HERE / "yours.csv").read_text(encoding="utf-8").splitlines()))
    constants = parse_pairs(["source=lamp-book", "channel=survey"], option="--set")
    given = parse_pairs(["text=Their words", "rating=Score out of 10"], option="--map")
    columns = guess(list(rows[0]), given=given, constants=constants)
    kind = guess_kind(columns["rating.value"])
    assert kind is not None
    reading = ColumnMap(columns=columns, constants=constants | {"rating.kind": kind}, zone=UTC)
    sources = read_sources((POLICY / "sources.yaml").read_text(encoding="utf-8"))
    pseudonyms = Pseudonyms(b"a key for tests only")
    events = [reading.event(row) for row in rows]
    checked = [check(Candidate(event), now=NOW, sources=sources, pseudonyms=pseudonyms) for event in events]
    assert len(rows) == 25
    assert all(isinstance(one, Checked) for one in checked), checked
    assert {"id", "occurred_at", "text", "rating", "attributes"} <= set(events[0])


def test_some_events_need_a_look(received: list[FeedbackReceived]) -> None:
    texts = [event.text for event in received if event.text and "your colleague knows about" in event.text]
    assert [tag.status for tag in load_tagger(POLICY).tag([TagInput(text=text) for text in texts])] == ["unsure"]
