"""Secrets of an installation, and the health check of a container."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from deploy import probe
from deploy.first_start import main
from services.kit.keys import Keys


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    keys, database = tmp_path / "keys", tmp_path / "database"
    keys.mkdir()
    database.mkdir()
    return keys, database


def contents(*folders: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="ascii") for folder in folders for path in folder.iterdir()}


def test_the_keys_that_it_makes_are_admitted_by_the_services(folders: tuple[Path, Path]) -> None:
    main(*folders)
    admitted = Keys.read(folders[0] / "api-keys")
    for owner in ("operator", "notify"):
        assert admitted.owner((folders[0] / f"{owner}.key").read_text(encoding="ascii").strip()) == owner


def test_the_database_and_the_api_have_the_same_password(folders: tuple[Path, Path]) -> None:
    main(*folders)
    password = (folders[1] / "password").read_text(encoding="ascii")
    assert len(password) >= 32
    assert (folders[0] / "pgpass").read_text(encoding="ascii") == f"*:*:*:*:{password}\n"


def test_a_second_start_changes_nothing_and_no_secret_is_printed(
    folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    main(*folders)
    before = contents(*folders)
    main(*folders)
    assert contents(*folders) == before
    printed = capsys.readouterr().out
    assert "operator.key" in printed
    assert not any(secret.strip() in printed for name, secret in before.items() if name != "api-keys")


def test_only_the_owner_reads_the_keys(folders: tuple[Path, Path]) -> None:
    main(*folders)
    assert {path.stat().st_mode & 0o777 for path in folders[0].iterdir()} == {0o600}
    assert (folders[1] / "password").stat().st_mode & 0o777 == 0o444


def test_a_first_start_that_was_cut_short_is_finished_by_the_next(folders: tuple[Path, Path]) -> None:
    main(*folders)
    (folders[0] / "api-keys").unlink()
    (folders[0] / "notify.key.partial").write_text("half", encoding="ascii")
    main(*folders)
    key = (folders[0] / "notify.key").read_text(encoding="ascii").strip()
    assert Keys.read(folders[0] / "api-keys").owner(key) == "notify"


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/ready" else 503)
            self.end_headers()
            self.wfile.write(b'{"status": "not ready"}')

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Answers)
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_container_is_healthy_when_it_says_that_it_is_ready(
    server: HTTPServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    url = f"http://127.0.0.1:{server.server_address[1]}"
    assert probe.main(f"{url}/ready") == 0
    assert probe.main(f"{url}/busy") == 1
    assert "not ready" in capsys.readouterr().out
    assert probe.main("http://127.0.0.1:1/") == 1
