"""What is refused before anything is started, and in which words."""

import resource
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from services.contracts.errors import Misconfigured
from services.kit.keys import new_key
from services.kit.settings import Settings
from services.launcher.ports import FREE_RANGE, free_port, holder_of, is_free
from services.launcher.preflight import Port, check_bind, check_ports, ports_of, raise_file_limit
from services.launcher.refusal import CannotStart


def settings(**fields: object) -> Settings:
    return Settings.model_validate(Settings.model_construct().model_dump() | fields)


@pytest.mark.parametrize("bind", ["127.0.0.1", "::1", "localhost"])
def test_loopback_needs_no_keys(bind: str) -> None:
    check_bind(settings(bind=bind))


@pytest.mark.parametrize("bind", ["0.0.0.0", "::", "192.0.2.7"])
def test_any_other_bind_is_refused_until_keys_can_be_read(bind: str, tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="PALETTE_API_KEYS_FILE"):
        check_bind(settings(bind=bind))
    keys = tmp_path / "keys"
    with pytest.raises(Misconfigured):
        check_bind(settings(bind=bind, api_keys_file=keys))
    keys.write_text("# none yet\n")
    with pytest.raises(Misconfigured):
        check_bind(settings(bind=bind, api_keys_file=keys))
    keys.write_text(new_key("ops")[1] + "\n")
    check_bind(settings(bind=bind, api_keys_file=keys))


def test_a_port_in_use_is_named_with_its_variable_and_its_holder() -> None:
    with socket.create_server(("127.0.0.1", free_port())) as server:
        port = server.getsockname()[1]
        assert not is_free(port)
        holder = holder_of(port)
        assert holder is not None
        with pytest.raises(CannotStart) as refusal:
            check_ports((Port(port, "127.0.0.1", "PALETTE_API_PORT", "the page"),))
    assert str(refusal.value) == (
        f"Port {port} for the page is in use by {holder}: stop that, or set PALETTE_API_PORT to another port."
    )
    assert is_free(port)


def test_every_conflict_is_named_at_once_and_an_unknown_holder_is_no_obstacle() -> None:
    ports = (Port(1, "127.0.0.1", "A", "a"), Port(2, "127.0.0.1", "B", "b"), Port(2, "127.0.0.1", "C", "c"))
    with pytest.raises(CannotStart) as refusal:
        check_ports(ports, free=lambda number, _host: number != 1, holder=lambda _number: None)
    assert str(refusal.value).splitlines() == [
        "B and C are both 2: set one of them to another port.",
        "Port 1 for a is in use by another program: stop that, or set A to another port.",
    ]


def test_an_address_of_another_machine_is_refused_in_words() -> None:
    with pytest.raises(CannotStart, match=r"cannot be listened on at 192\.0\.2\.7"):
        check_ports((Port(free_port(), "192.0.2.7", "PALETTE_API_PORT", "the page"),))


def test_the_port_of_the_embedded_kafka_matters_only_without_a_cluster() -> None:
    with_cluster = {p.variable for p in ports_of(settings(kafka_bootstrap_servers="kafka:9092"))}
    assert {p.variable for p in ports_of(settings())} - with_cluster == {"PALETTE_KAFKA_PORT"}


def test_a_free_port_lies_below_the_range_of_outgoing_connections() -> None:
    port = free_port()
    assert port in FREE_RANGE
    assert port < 32_768
    assert is_free(port)


def test_a_low_soft_limit_of_open_files_is_raised_as_far_as_the_hard_one_allows() -> None:
    code = (
        "import resource; from services.launcher.preflight import raise_file_limit;"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (256, 2048));"
        "print(raise_file_limit(), *resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert hard == resource.RLIM_INFINITY or hard >= 2048
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == ["2048", "2048", "2048"]


def test_a_high_soft_limit_is_left_alone() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    raise_file_limit(wanted=1)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == before
