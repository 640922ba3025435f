"""Settings: every problem at once, the nearest name, no secret shown."""

from pathlib import Path

import pytest

from services.contracts.errors import Misconfigured
from services.kit.settings import Settings, unknown_variables, url_host, variables


def load(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Settings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Settings.load()


def test_a_fresh_machine_needs_no_setting() -> None:
    settings = Settings.load()

    assert (settings.api_port, settings.ingest_port, settings.kafka_port) == (8080, 8081, 9092)
    assert settings.bind == "127.0.0.1"
    assert settings.bootstrap_servers == "127.0.0.1:9092"
    assert settings.page_url == "http://127.0.0.1:8080"
    assert settings.data_dir.is_absolute()


def test_a_misspelt_name_is_refused_with_the_nearest_known_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Misconfigured) as caught:
        load(monkeypatch, PALETTE_API_PROT="8085")

    assert caught.value.problems == ("PALETTE_API_PROT is not a setting of Palette. Did you mean PALETTE_API_PORT?",)


def test_a_name_that_resembles_nothing_is_refused_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Misconfigured, match="See README"):
        load(monkeypatch, PALETTE_XYZZY="1")


def test_all_problems_come_at_once_and_name_their_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Misconfigured) as caught:
        load(
            monkeypatch, PALETTE_API_PORT="80800", PALETTE_SAMPLE="perhaps", PALETTE_BINDD="x", PALETTE_INGEST_PORT="a"
        )

    assert sorted(problem.split(":")[0].split(" ")[0] for problem in caught.value.problems) == [
        "PALETTE_API_PORT",
        "PALETTE_BINDD",
        "PALETTE_INGEST_PORT",
        "PALETTE_SAMPLE",
    ]
    assert not any("80800" in problem or "perhaps" in problem for problem in caught.value.problems)


def test_names_for_the_tests_are_left_alone() -> None:
    assert unknown_variables({"PALETTE_TEST_REQUIRE_ALL": "1", "HOME": "/", "PALETTE": "1"}) == []


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "correct horse battery staple"
    settings = load(
        monkeypatch,
        PALETTE_PSEUDONYM_KEY=secret,
        KAFKA_SASL_PASSWORD=secret,
        DATABASE_URL=f"postgresql://palette:{secret}@db/palette",
    )

    assert secret not in str(settings.shown())
    assert secret not in repr(settings)
    assert settings.shown()["pseudonym_key"] == "**********"


def test_a_cluster_takes_the_place_of_the_embedded_kafka(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(monkeypatch, KAFKA_BOOTSTRAP_SERVERS="a:1,b:2").bootstrap_servers == "a:1,b:2"


def test_paths_are_made_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)

    assert load(monkeypatch, PALETTE_DATA_DIR="here").data_dir == (tmp_path / "here").resolve()


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings.load().api_port = 1


def test_every_setting_has_a_description_or_is_kafkas_own() -> None:
    silent = [
        name
        for name, field in Settings.model_fields.items()
        if not field.description and not str(field.validation_alias).startswith("KAFKA_")
    ]
    assert silent == []


def test_the_variables_are_known() -> None:
    assert {"PALETTE_DATA_DIR", "KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL"} <= set(variables())


@pytest.mark.parametrize(
    ("bind", "host"), [("0.0.0.0", "127.0.0.1"), ("::", "127.0.0.1"), ("::1", "[::1]"), ("10.0.0.5", "10.0.0.5")]
)
def test_the_host_of_an_address_can_be_written_in_a_url(bind: str, host: str) -> None:
    assert url_host(bind) == host
