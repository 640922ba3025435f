"""The Grafana dashboard: whole, readable, and about metrics that exist."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.deploy.promql import problems

GRAFANA = Path(__file__).parents[3] / "deploy" / "grafana"
DASHBOARD: dict[str, Any] = json.loads((GRAFANA / "dashboards" / "palette.json").read_text(encoding="utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
ROWS = [
    "Is anything lost?",
    "What is behind, and since when?",
    "Intake",
    "Tags",
    "Is the model still right?",
    "Actions",
    "Delivery",
    "The machine",
]


def test_it_answers_the_questions_in_the_order_of_their_urgency() -> None:
    assert [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"] == ROWS


def test_every_panel_reads_the_provisioned_source_and_none_overlaps() -> None:
    source = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "palette.yml").read_text(encoding="utf-8"))
    uid = source["datasources"][0]["uid"]
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
    assert {target["datasource"]["uid"] for panel in PANELS for target in panel["targets"]} == {uid}
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_is_about_metrics_that_the_services_declare(panel: dict[str, Any]) -> None:
    assert [problem for target in panel["targets"] for problem in problems(target["expr"])] == []
