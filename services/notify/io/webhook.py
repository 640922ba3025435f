"""A target that is an HTTP address: one signed POST per message (Standard Webhooks), safe to repeat. Blocking.

Goes to no private address unless allowed, follows no redirect, uses no proxy of the environment, and reads no more of
an answer than its status and headers: what a receiver writes back is of no interest and may be hostile.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpx2
from standardwebhooks import Webhook

from services.kit.clock import Clock
from services.notify.delivery import Answer, Reason
from services.notify.io.addresses import NotAllowed, addresses_of
from services.notify.messages import Message
from services.notify.targets import Target

_CONNECT_SECONDS = 5.0
_BUSY = {408, 425, 429}
_GONE = 410


class WebhookTarget:
    """Posts messages to one URL."""

    def __init__(self, target: Target, *, version: str, clock: Clock, client: httpx2.Client | None = None) -> None:
        self._target = target
        self._signers = [Webhook(secret) for secret in target.secrets]
        self._user_agent = f"palette/{version}"
        self._clock = clock
        self._client = client or httpx2.Client(trust_env=False, follow_redirects=False)

    def tell(self, message: Message) -> Answer:
        """One attempt. Never raises for what the network or the receiver does."""
        url = urlsplit(self._target.url)
        host = url.hostname or ""
        port = url.port or (443 if url.scheme == "https" else 80)
        try:
            addresses = addresses_of(host, port, allow_private=self._target.allow_private)
        except NotAllowed:
            return Answer(
                reason=Reason.PRIVATE_ADDRESS,
                detail="the name leads to a private address; `allow_private: true` would permit it",
            )
        except (OSError, UnicodeError):
            return Answer(reason=Reason.UNREACHABLE, detail="the name cannot be resolved")
        answer = Answer(reason=Reason.UNREACHABLE, detail="no connection")
        for address in addresses:
            try:
                return self._post(message, address)
            except httpx2.ConnectError:
                continue  # the next address may answer; nothing was sent to this one
            except httpx2.ConnectTimeout:
                answer = Answer(reason=Reason.TIMED_OUT, detail="no connection in time")
            except httpx2.TimeoutException:
                return Answer(reason=Reason.TIMED_OUT, detail="no answer in time")
            except httpx2.HTTPError as error:
                return Answer(reason=Reason.UNREACHABLE, detail=f"the connection broke ({type(error).__name__})")
        return answer

    def close(self) -> None:
        self._client.close()

    def _post(self, message: Message, address: str) -> Answer:
        body = message.body()
        url = httpx2.URL(self._target.url)
        request = self._client.build_request(
            "POST",
            url.copy_with(host=address),
            content=body,
            headers={"Host": url.netloc.decode("ascii"), **self._headers(message.id, body)},
            timeout=httpx2.Timeout(self._target.timeout_seconds, connect=_CONNECT_SECONDS),
            # the certificate is checked against the name, not against the address that the name led to
            extensions={"sni_hostname": url.raw_host.decode("ascii")},
        )
        response = self._client.send(request, stream=True)
        try:
            return judge(response.status_code, response.headers.get("retry-after", ""), now=self._clock)
        finally:
            response.close()

    def _headers(self, message_id: str, body: bytes) -> dict[str, str]:
        at = self._clock().astimezone(UTC)  # the library signs another moment for times of other zones
        return {
            "Content-Type": "application/json",
            "User-Agent": self._user_agent,
            "webhook-id": message_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": " ".join(
                signer.sign(msg_id=message_id, timestamp=at, data=body.decode()) for signer in self._signers
            ),
        }


def judge(status: int, retry_after: str, *, now: Callable[[], datetime]) -> Answer:
    """What a status code means for a message."""
    detail = f"HTTP {status}"
    if 200 <= status < 300:
        return Answer(reason=Reason.DELIVERED, detail=detail)
    if status == _GONE:
        return Answer(reason=Reason.GONE, detail=f"{detail}: the receiver asks not to be called again")
    if 300 <= status < 400:
        return Answer(reason=Reason.REDIRECTED, detail=f"{detail}: redirects are not followed; give the final address")
    seconds = seconds_of(retry_after, now=now())
    if status in _BUSY:
        return Answer(reason=Reason.BUSY, detail=detail, retry_after=seconds)
    if status in {400, 413, 422}:
        return Answer(reason=Reason.REFUSED, detail=detail, retry_after=seconds)
    return Answer(reason=Reason.ANSWERED_ERROR, detail=detail, retry_after=seconds)


def seconds_of(retry_after: str, *, now: datetime) -> float | None:
    """A Retry-After header in seconds; it may hold a number or a date. None where it says nothing."""
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds())
