"""The alerts: checked and tested by Prometheus' own tool, explained in the runbook, and about metrics that exist."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from services.cli import app
from tests.unit.deploy.promql import problems

ROOT = Path(__file__).parents[3]
PROMETHEUS = ROOT / "deploy" / "prometheus"
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
ALERTS: dict[str, dict[str, Any]] = {
    rule["alert"]: rule
    for group in yaml.safe_load((PROMETHEUS / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
}
CASES = yaml.safe_load((PROMETHEUS / "alerts_test.yml").read_text(encoding="utf-8"))["tests"]
PARTS_OF_A_SECTION = ("What it means", "At risk", "Look at", "Do", "Escalate")


def promtool(*arguments: str) -> None:
    tool = shutil.which("promtool")
    if tool is None:
        if os.environ.get("PALETTE_TEST_REQUIRE_ALL") == "1":
            pytest.fail("promtool is missing; Debian has it in the package `prometheus`")
        pytest.skip("NOT TESTED: promtool is not installed (Debian: apt install prometheus)")
    done = subprocess.run([tool, *arguments], cwd=PROMETHEUS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", ["prometheus.yml", "prometheus-compose.yml"])
def test_prometheus_takes_the_configuration(file: str) -> None:
    promtool("check", "config", file)


def test_prometheus_takes_the_rules() -> None:
    promtool("check", "rules", "alerts.yml")


def test_every_alert_fires_and_stays_silent_as_its_tests_say() -> None:
    promtool("test", "rules", "alerts_test.yml")


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_has_a_test_in_which_it_fires_and_one_in_which_it_does_not(alert: str) -> None:
    expected = [case["exp_alerts"] for test in CASES for case in test["alert_rule_test"] if case["alertname"] == alert]
    assert any(expected)
    assert not all(expected)


@pytest.mark.parametrize(("alert", "rule"), ALERTS.items())
def test_an_alert_says_how_urgent_it_is_what_is_wrong_and_where_to_read_on(alert: str, rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"]["summary"].rstrip().endswith((".", "}}"))
    assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{alert.lower()}"


def test_the_runbook_has_a_section_for_each_alert_and_for_no_other() -> None:
    assert sorted(re.findall(r"^## (Palette\w+)$", RUNBOOK, re.MULTILINE)) == sorted(ALERTS)


@pytest.mark.parametrize("alert", ALERTS)
def test_a_section_says_what_it_means_what_is_at_risk_where_to_look_what_to_do_and_when_to_escalate(alert: str) -> None:
    section = RUNBOOK.split(f"## {alert}\n", 1)[1].split("\n## ", 1)[0]
    assert [part for part in PARTS_OF_A_SECTION if f"**{part}.**" not in section] == []
    assert "```" in section, "a command to copy"


@pytest.mark.parametrize("rule", ALERTS.values(), ids=ALERTS)
def test_an_alert_is_about_metrics_that_the_services_declare(rule: dict[str, Any]) -> None:
    assert problems(rule["expr"]) == []


def test_every_command_of_the_runbook_exists() -> None:
    known = {
        f"{name} {sub}" if sub else name
        for name, command in get_command(app).commands.items()
        for sub in (getattr(command, "commands", None) or ("",))
    }
    used = set(re.findall(r"(?:^|`)palette\s((?:dead-letters|rules|keys|model) [a-z]+|[a-z-]+)", RUNBOOK, re.MULTILINE))
    assert used
    assert used <= known


def test_both_configurations_scrape_the_same_services() -> None:
    def jobs(file: str) -> dict[str, str]:
        found = yaml.safe_load((PROMETHEUS / file).read_text(encoding="utf-8"))["scrape_configs"]
        return {job["job_name"]: job["static_configs"][0]["targets"][0] for job in found}

    here, there = jobs("prometheus.yml"), jobs("prometheus-compose.yml")
    assert here.keys() == there.keys() == {f"palette-{s}" for s in ("ingest", "classify", "router", "notify", "api")}
    for job in here:
        assert there[job] == here[job].replace("127.0.0.1", job.removeprefix("palette-"))
