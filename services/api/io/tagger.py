"""Asks the classifier, over loopback, for the tags of one sentence."""

import httpx2
import msgspec

from services.api.trial import TrialBody, tags_from
from services.contracts.errors import Unavailable
from services.contracts.events import Tags
from services.kit.settings import Settings

_TIMEOUT_SECONDS = 5.0


class Tagger:
    """`POST /internal/tag` on the classifier's own port: `{"text", "channel"}` in, one line as of `palette tag` out."""

    def __init__(self, settings: Settings, *, transport: httpx2.BaseTransport | None = None) -> None:
        self._client = httpx2.Client(
            base_url=f"http://127.0.0.1:{settings.classify_metrics_port}",
            timeout=_TIMEOUT_SECONDS,
            trust_env=False,
            follow_redirects=False,
            transport=transport,
        )

    def tag(self, body: TrialBody) -> Tags:
        """The tags of a sentence. Raises Unavailable while the classifier is away."""
        asked = {"text": body.text, "channel": body.channel, "attributes": body.attributes}
        try:
            answer = self._client.post("/internal/tag", content=msgspec.json.encode(asked), headers=_JSON)
            found = msgspec.json.decode(answer.content, type=dict)
        except (httpx2.HTTPError, msgspec.DecodeError) as error:
            raise Unavailable(f"the tagger does not answer ({type(error).__name__})", retry_after=5) from None
        if answer.status_code != 200 or "stage" not in found:
            raise Unavailable(f"the tagger answered {answer.status_code}", retry_after=5)
        return tags_from(found)

    def close(self) -> None:
        self._client.close()


_JSON = {"content-type": "application/json"}
