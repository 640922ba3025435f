"""Sources as policy declares them, and a file that changes under a running process."""

import os
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from services.contracts.errors import Misconfigured
from services.contracts.topics import SCHEMAS
from services.contracts.yamlfile import PolicyRefused
from services.ingest.io.sources_file import SourcesFile
from services.ingest.sources import read_sources
from services.kit.metrics import PolicyMetrics
from tests.unit.ingest.builders import LOG, metrics, write

GOOD = """
unknown: refuse
phone_regions: [FR]
sources:
  kiosk:
    channels: [survey]
    expected_interval: 30m
    link: https://desk.example/{case.id}
    region: ES
"""


def test_a_good_file_says_all_that_is_known_of_a_source() -> None:
    sources = read_sources(GOOD)
    kiosk = sources.declared["kiosk"]
    assert (kiosk.expected_interval_seconds, kiosk.region, kiosk.channels) == (1800, "ES", ("survey",))
    assert (sources.accepts_unknown, sources.regions) == (False, ("FR",))
    assert (sources.label("kiosk"), sources.label("x"), sources.region("x")) == ("kiosk", "other", None)


def test_the_shipped_file_is_good_and_accepts_unknown_sources() -> None:
    shipped = SCHEMAS.parent / "deploy" / "policy" / "sources.yaml"
    assert read_sources(shipped.read_text(encoding="utf-8")).accepts_unknown


@pytest.mark.parametrize(
    ("wrong", "line", "said"),
    [
        (GOOD.replace("channels", "chanels"), 6, "Did you mean channels?"),
        (GOOD.replace("survey", "survy"), 6, "Did you mean survey?"),
        (GOOD.replace("30m", "soon"), 7, "expected_interval"),
        (GOOD.replace("{case.id}", ""), 8, "{case.id}"),
        (GOOD.replace("refuse", "perhaps"), 2, "perhaps"),
        ("sources: [\n", 2, "YAML"),
        ("", 1, "object"),
    ],
)
def test_a_bad_file_is_refused_with_line_and_suggestion(wrong: str, line: int, said: str) -> None:
    with pytest.raises(PolicyRefused) as refused:
        read_sources(wrong)
    assert any(problem.line == line and said in str(problem) for problem in refused.value.problems), str(refused.value)


def in_force(folder: Path) -> tuple[SourcesFile, CollectorRegistry]:
    registry = CollectorRegistry()
    return SourcesFile(folder, metrics=PolicyMetrics(registry, ["sources.yaml"]), log=LOG), registry


def succeeded(registry: CollectorRegistry) -> float | None:
    return registry.get_sample_value("palette_policy_last_reload_successful", {"file": "sources.yaml"})


def test_a_changed_file_comes_into_force_and_a_bad_one_does_not(tmp_path: Path) -> None:
    path = write(tmp_path / "sources.yaml", GOOD)
    file, registry = in_force(tmp_path)
    file.load()
    masker = file.masker
    write(path, "sources: {}\n")
    file.look()
    assert dict(file.sources.declared) == {}
    assert file.masker is not masker
    write(path, "sources: 3\n")
    file.look()
    assert file.sources.accepts_unknown
    assert succeeded(registry) == 0
    write(path, GOOD)
    os.utime(path, ns=(1, 1))
    file.look()
    assert "kiosk" in file.sources.declared
    assert succeeded(registry) == 1


def test_a_file_that_goes_away_leaves_the_old_version(tmp_path: Path) -> None:
    path = write(tmp_path / "sources.yaml", GOOD)
    file, _ = in_force(tmp_path)
    file.load()
    path.unlink()
    file.look()
    assert "kiosk" in file.sources.declared


def test_a_bad_file_at_the_start_stops_the_start(tmp_path: Path) -> None:
    write(tmp_path / "sources.yaml", "sources: 3\n")
    file, _ = in_force(tmp_path)
    with pytest.raises(Misconfigured, match=r"sources\.yaml:1"):
        file.load()


def test_without_a_file_every_source_is_accepted(tmp_path: Path) -> None:
    file, _ = in_force(tmp_path)
    file.load()
    assert file.sources.accepts_unknown


def test_a_source_that_is_removed_loses_its_series() -> None:
    found = metrics()
    found.declare(read_sources(GOOD))
    assert ("kiosk",) in found.expected_interval._metrics
    assert found.last_received.labels("kiosk")._value.get() > 0
    found.declare(read_sources("sources: {}"))
    assert ("kiosk",) not in found.expected_interval._metrics
    assert ("kiosk",) not in found.last_received._metrics
