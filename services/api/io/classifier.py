"""The classifier's internal port: one way of asking for whatever it is asked. Knows no answer's meaning."""

from typing import Any

import httpx2
import msgspec

from services.contracts.errors import Misconfigured, Unavailable
from services.kit.settings import Settings

_TIMEOUT_SECONDS = 5.0


class ClassifierPort:
    """Asks over HTTP. `name` is what the classifier is called where it is away."""

    name = "the classifier"

    def __init__(self, settings: Settings, *, transport: httpx2.BaseTransport | None = None) -> None:
        self._client = httpx2.Client(
            base_url=settings.classify_url or f"http://127.0.0.1:{settings.classify_metrics_port}",
            headers=_key_headers(settings),
            timeout=_TIMEOUT_SECONDS,
            trust_env=False,
            follow_redirects=False,
            transport=transport,
        )

    def _asked(self, method: str, path: str, **request: Any) -> tuple[int, dict[str, Any]]:
        """Status and body of the answer. Raises Unavailable where none came that is JSON."""
        try:
            answer = self._client.request(method, path, **request)
            return answer.status_code, msgspec.json.decode(answer.content, type=dict)
        except (httpx2.HTTPError, msgspec.DecodeError) as error:
            raise Unavailable(f"{self.name} does not answer ({type(error).__name__})", retry_after=5) from None

    def close(self) -> None:
        self._client.close()


def _key_headers(settings: Settings) -> dict[str, str]:
    """The key that the classifier asks for, where keys are configured. Raises Misconfigured."""
    if settings.api_key_file is None:
        return {}
    try:
        return {"authorization": f"Bearer {settings.api_key_file.read_text(encoding='utf-8').strip()}"}
    except OSError as error:
        name = type(error).__name__
        raise Misconfigured([f"PALETTE_API_KEY_FILE: {settings.api_key_file} cannot be read ({name})."]) from None
