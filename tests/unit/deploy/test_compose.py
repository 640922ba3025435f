"""docker-compose.yml and the image, as far as they can be judged without a Docker engine."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from services.kit.settings import Settings, variables

ROOT = Path(__file__).parents[3]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
OURS = ("ingest", "classify", "router", "notify", "api")
PORTS = {"ingest": 8081, "classify": 9101, "router": 9102, "notify": 9103, "api": 8080}
WRITABLE = {"kafka"}  # its start script writes into the image's folders; the file says so


def test_all_of_the_product_and_its_watch_are_there() -> None:
    others = {"first-start", "kafka", "postgres", "prometheus", "alertmanager", "grafana"}
    assert SERVICES.keys() == others | set(OURS)


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_known_to_the_settings_and_taken_by_them(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {key: str(value) for key, value in SERVICES[name]["environment"].items()}
    assert environment.keys() <= set(variables())
    for variable in variables():
        monkeypatch.delenv(variable, raising=False)
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    settings = Settings.load(environment)
    assert settings.bootstrap_servers == "kafka:9092"
    assert settings.api_keys_file is not None, "services that listen beyond loopback need keys"


@pytest.mark.parametrize("name", OURS)
def test_a_service_runs_its_module_and_is_asked_whether_it_is_ready_at_the_port_of_its_settings(name: str) -> None:
    service = SERVICES[name]
    assert service["command"] == ["python", "-m", f"services.{name}"]
    probe = urlsplit(service["healthcheck"]["test"][-1])
    assert (probe.path, probe.port) == ("/health/ready", PORTS[name])
    field = "notify_metrics_port" if name == "notify" else f"{name}_port"
    field = f"{name}_metrics_port" if name in {"classify", "router"} else field
    assert Settings.model_fields[field].default == PORTS[name]


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_runs_as_root_or_can_become_it(name: str) -> None:
    service = SERVICES[name]
    user = str(service.get("user", "image")).split(":", 1)[0]
    assert user != "0"
    if user == "image":
        assert service["image"].startswith("palette:"), "a foreign image's user is not left to it"
        assert re.search(r"^USER 10001:10001$", DOCKERFILE, re.MULTILINE)
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", sorted(SERVICES.keys() - WRITABLE))
def test_file_systems_are_read_only_but_for_volumes(name: str) -> None:
    assert SERVICES[name]["read_only"] is True


@pytest.mark.parametrize("name", OURS)
def test_each_service_keeps_its_data_in_a_volume_of_its_own_and_reads_the_keys_only(name: str) -> None:
    assert SERVICES[name]["volumes"] == [f"{name}:/data", "keys:/run/palette/keys:ro"]


def test_every_named_volume_is_declared_and_used() -> None:
    used = {v.split(":", 1)[0] for service in SERVICES.values() for v in service.get("volumes", ()) if v[0] != "."}
    assert used == set(COMPOSE["volumes"])


def test_every_file_that_is_mounted_exists() -> None:
    mounted = [v.split(":", 1)[0] for s in SERVICES.values() for v in s.get("volumes", ()) if v.startswith("./")]
    assert mounted
    assert all((ROOT / path).exists() for path in mounted)


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_open_on_this_machine_only(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", ()))


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned_to_a_whole_version(name: str) -> None:
    assert re.search(r":v?\d+\.\d+(\.\d+)?(-[a-z0-9.]+)?$", SERVICES[name]["image"])


@pytest.mark.parametrize("name", sorted(SERVICES.keys() - {"first-start"}))
def test_everything_that_stays_up_has_a_health_check(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


def test_services_wait_for_their_keys_and_for_kafka() -> None:
    for name in OURS:
        waits = SERVICES[name]["depends_on"]
        assert waits["first-start"] == {"condition": "service_completed_successfully"}
        assert waits["kafka"] == {"condition": "service_healthy"}
    assert SERVICES["api"]["depends_on"]["postgres"] == {"condition": "service_healthy"}


def test_no_secret_is_written_in_the_file() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    assert not re.search(
        r"(?i)(password|secret|key)\w*:\s*[\"']?[A-Za-z0-9+=][A-Za-z0-9+/=]{11,}[\"']?\s*$", text, re.MULTILINE
    )
    assert ":" not in urlsplit(SERVICES["api"]["environment"]["DATABASE_URL"]).netloc.split("@")[0]


def test_the_image_takes_every_package_by_its_hash_and_what_it_copies_exists() -> None:
    assert "--require-hashes" in DOCKERFILE
    assert "--hash=sha256:" in (ROOT / "requirements" / "run.txt").read_text(encoding="utf-8")
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert len(bases) == 2
    assert all(re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", base) for base in bases)
    sources = [
        word for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE) for word in line.split()[:-1]
    ]
    let_in = (ROOT / "deploy" / "Dockerfile.dockerignore").read_text(encoding="utf-8")
    for source in sources:
        assert (ROOT / source).exists(), source
        assert f"!{source}\n" in let_in, f"{source} is kept from the builder"


def test_docker_compose_takes_the_file() -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("NOT TESTED: docker compose is not installed")
    done = subprocess.run(
        [docker, "compose", "-f", ROOT / "docker-compose.yml", "config", "--quiet"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
