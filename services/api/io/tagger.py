"""Asks the classifier for the tags of one sentence."""

import httpx2
import msgspec

from services.api.trial import TrialBody, tags_from
from services.contracts.errors import Misconfigured, Unavailable
from services.contracts.events import Tags
from services.kit.settings import Settings

_TIMEOUT_SECONDS = 5.0


class Tagger:
    """`POST /internal/tag` on the classifier's own port: one line as of `palette tag` in, one out."""

    def __init__(self, settings: Settings, *, transport: httpx2.BaseTransport | None = None) -> None:
        self._client = httpx2.Client(
            base_url=settings.classify_url or f"http://127.0.0.1:{settings.classify_metrics_port}",
            headers={"content-type": "application/json", **key_headers(settings)},
            timeout=_TIMEOUT_SECONDS,
            trust_env=False,
            follow_redirects=False,
            transport=transport,
        )

    def tag(self, body: TrialBody) -> Tags:
        """The tags of a sentence. Raises Unavailable while the classifier is away."""
        asked = {"text": body.text, "author": "employee" if body.channel == "employee" else "customer"}
        try:
            answer = self._client.post("/internal/tag", content=msgspec.json.encode(asked))
            found = msgspec.json.decode(answer.content, type=dict)
        except (httpx2.HTTPError, msgspec.DecodeError) as error:
            raise Unavailable(f"the tagger does not answer ({type(error).__name__})", retry_after=5) from None
        if answer.status_code != 200 or "stage" not in found:
            raise Unavailable(f"the tagger answered {answer.status_code}", retry_after=5)
        return tags_from(found)

    def close(self) -> None:
        self._client.close()


def key_headers(settings: Settings) -> dict[str, str]:
    """The key that the classifier asks for, where keys are configured. Raises Misconfigured."""
    if settings.api_key_file is None:
        return {}
    try:
        return {"authorization": f"Bearer {settings.api_key_file.read_text(encoding='utf-8').strip()}"}
    except OSError as error:
        name = type(error).__name__
        raise Misconfigured([f"PALETTE_API_KEY_FILE: {settings.api_key_file} cannot be read ({name})."]) from None
