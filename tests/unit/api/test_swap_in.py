"""After a rebuild the running API is asked to start again, with a key where it asks for one; its answer is told."""

from pathlib import Path

import httpx2
import pytest

from services.api.io import rebuild
from services.kit.settings import Settings

FRESH = Path("rebuilt.sqlite")


@pytest.mark.parametrize(("status", "told"), [(200, "starts again"), (401, "answered 401"), (403, "goes on as it is")])
def test_what_the_api_answers_is_what_is_told(monkeypatch: pytest.MonkeyPatch, status: int, told: str) -> None:
    shown: list[str] = []

    def post(address: str, *, headers: dict[str, str], trust_env: bool, timeout: float) -> httpx2.Response:
        shown.append(headers["Authorization"])
        return httpx2.Response(status)

    monkeypatch.setattr(httpx2, "post", post)

    assert told in rebuild.swap_in(Settings(), FRESH, headers={"Authorization": "Bearer key"})
    assert shown == ["Bearer key"]


def test_an_api_that_does_not_run_takes_the_new_store_when_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    def post(*_: object, **__: object) -> httpx2.Response:
        raise httpx2.ConnectError("refused")

    monkeypatch.setattr(httpx2, "post", post)

    assert "its next start takes rebuilt.sqlite" in rebuild.swap_in(Settings(), FRESH, headers={})
