"""Asks the API about an action at the moment of delivery: how it stands, and what customers said. A courtesy that may
fail: every answer is optional, waits at most two seconds, and is kept nowhere.
"""

import time
from collections.abc import Callable
from typing import Any

import httpx2
import msgspec

from services.notify.delivery import ActionNow
from services.notify.messages import MOST_VERBATIMS

LIMIT_SECONDS = 2.0
PAUSE_SECONDS = 15.0
"""How long it is left alone after it did not answer in time, so that a long queue does not wait for it each time."""


class Known(msgspec.Struct, frozen=True):
    """What the API said; nothing where it did not answer."""

    now: ActionNow | None = None
    verbatims: tuple[str, ...] = ()


NOTHING = Known()


class ActionsApi:
    """`GET /v1/actions/{id}` on the API. `key` is sent where the API asks for one."""

    def __init__(
        self,
        base_url: str,
        *,
        key: str = "",
        client: httpx2.Client | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = client or httpx2.Client(trust_env=False, follow_redirects=False, timeout=LIMIT_SECONDS)
        self._monotonic = monotonic
        self._left_alone_until = float("-inf")

    def look_up(self, action_id: str) -> Known:
        """What is known of an action now. Never raises for what the network does."""
        if self._monotonic() < self._left_alone_until:
            return NOTHING
        try:
            response = self._client.get(f"{self._base_url}/v1/actions/{action_id}", headers=self._headers)
        except httpx2.TimeoutException:
            self._left_alone_until = self._monotonic() + PAUSE_SECONDS
            return NOTHING
        except httpx2.HTTPError:
            return NOTHING
        if response.status_code != 200:
            return NOTHING
        try:
            body = msgspec.json.decode(response.content)
        except msgspec.DecodeError:
            return NOTHING
        return Known(_now(body), _verbatims(body)) if isinstance(body, dict) else NOTHING

    def close(self) -> None:
        self._client.close()


def _now(body: dict[str, Any]) -> ActionNow | None:
    try:
        return msgspec.convert(body, ActionNow)
    except msgspec.ValidationError:
        return None


def _verbatims(body: dict[str, Any]) -> tuple[str, ...]:
    """Texts of the events that prove the action, in the API's order."""
    entries = body.get("verbatims")
    if not isinstance(entries, list):
        return ()
    texts = [entry.get("text") if isinstance(entry, dict) else entry for entry in entries]
    return tuple(text for text in texts if isinstance(text, str) and text.strip())[:MOST_VERBATIMS]
