"""The signed webhook against a real HTTP server on loopback."""

import os
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx2
import pytest
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from services.kit.clock import utc_now
from services.notify.delivery import Answer, Reason
from services.notify.io import addresses, webhook
from services.notify.io.addresses import NotAllowed, addresses_of, is_public
from services.notify.io.webhook import WebhookTarget, judge, seconds_of
from services.notify.messages import Message, compose
from services.notify.names import Names
from services.notify.targets import Target
from tests.unit.notify.builders import NOON, notification
from tests.unit.notify.receiver import Receiver

NEW, OLD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        yield server


@pytest.fixture
def message() -> Message:
    return compose(notification(), names=Names(), page_url="http://127.0.0.1:8080", verbatims=["“Où est-il?” 🚚"])


def tell(url: str, message: Message, *, clock: Callable[[], datetime] = utc_now, **over: Any) -> Answer:
    options: dict[str, Any] = {"secrets": (NEW,), "allow_private": True, "timeout_seconds": 2.0} | over
    target = WebhookTarget(Target(name="crm", kind="webhook", url=url, **options), version="1.2", clock=clock)
    try:
        return target.tell(message)
    finally:
        target.close()


def test_the_receiver_can_verify_the_signature_with_the_standard_library(receiver: Receiver, message: Message) -> None:
    assert tell(receiver.url, message) == Answer(reason=Reason.DELIVERED, detail="HTTP 204")
    [request] = receiver.requests
    body = Webhook(NEW).verify(request.body, dict(request.headers))
    assert body["data"]["id"] == message.id == request.id
    assert body["data"]["verbatims"] == ["“Où est-il?” 🚚"]
    assert request.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"] == "palette/1.2"
    with pytest.raises(WebhookVerificationError):
        Webhook(NEW).verify(request.body.replace(b"5 messages", b"6 messages"), dict(request.headers))


def test_the_signature_is_right_whatever_zone_the_clock_is_in(receiver: Receiver, message: Message) -> None:
    tell(receiver.url, message, clock=lambda: utc_now().astimezone(timezone(timedelta(hours=5))))
    Webhook(NEW).verify(receiver.requests[0].body, dict(receiver.requests[0].headers))


def test_while_secrets_change_over_both_verify(receiver: Receiver, message: Message) -> None:
    tell(receiver.url, message, secrets=(NEW, OLD))
    for secret in (NEW, OLD):
        Webhook(secret).verify(receiver.requests[0].body, dict(receiver.requests[0].headers))


def test_a_redirect_is_not_followed(receiver: Receiver, message: Message) -> None:
    receiver.reply = lambda _: (307, {"Location": f"http://127.0.0.1:{receiver.port}/elsewhere"})
    assert tell(receiver.url, message).reason is Reason.REDIRECTED
    assert [request.path for request in receiver.requests] == ["/hook"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.1", "2130706433"])
def test_a_private_address_is_not_called_unless_it_is_allowed(receiver: Receiver, message: Message, host: str) -> None:
    answer = tell(f"http://{host}:{receiver.port}/hook", message, allow_private=False)
    assert answer.reason is Reason.PRIVATE_ADDRESS
    assert receiver.requests == []


def test_a_proxy_of_the_environment_is_not_used(
    receiver: Receiver, message: Message, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:26999")
    assert tell(receiver.url, message).delivered


def test_the_address_that_was_checked_is_the_one_that_is_called(
    receiver: Receiver, message: Message, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def look_up(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(addresses.socket, "getaddrinfo", look_up)
    real = socket.create_connection
    called: list[Any] = []

    def connect(address: Any, *args: Any, **options: Any) -> socket.socket:
        called.append(address)
        return real(address, *args, **options)

    monkeypatch.setattr(socket, "create_connection", connect)
    assert tell(f"http://crm.example.com:{receiver.port}/hook", message).delivered
    assert asked[0] == "crm.example.com"
    assert called == [("127.0.0.1", receiver.port)]
    assert receiver.requests[0].headers["host"] == f"crm.example.com:{receiver.port}"


def test_one_private_address_among_public_ones_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(2, 1, 6, "", ("93.184.216.34", 443)), (2, 1, 6, "", ("10.0.0.7", 443))]
    monkeypatch.setattr(addresses.socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(NotAllowed):
        addresses_of("crm.example.com", 443, allow_private=False)
    assert addresses_of("crm.example.com", 443, allow_private=True) == ["93.184.216.34", "10.0.0.7"]


def test_a_cloud_providers_credentials_are_out_of_reach_even_where_private_is_allowed() -> None:
    with pytest.raises(NotAllowed):
        addresses_of("169.254.169.254", 80, allow_private=True)


@pytest.mark.parametrize(
    "address", ["64:ff9b::a9fe:a9fe", "::ffff:169.254.169.254", "2002:a9fe:a9fe::1", "fd00:ec2::254"]
)
def test_where_providers_hand_out_credentials_is_not_reached_by_another_spelling(address: str) -> None:
    with pytest.raises(NotAllowed):
        addresses_of(address, 80, allow_private=True)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1", False),
        ("fd00::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:93.184.216.34", True),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::5db8:d822", True),
        ("2002:7f00:1::", False),
    ],
)
def test_what_counts_as_public(address: str, public: bool) -> None:
    assert is_public(ip_address(address)) is public


def test_nobody_listening_a_name_that_is_none_and_silence_are_answers(message: Message) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        port = deaf.getsockname()[1]
        assert tell(f"http://127.0.0.1:{port}/", message).reason is Reason.UNREACHABLE
        deaf.listen()
        assert tell(f"http://127.0.0.1:{port}/", message, timeout_seconds=0.2).reason is Reason.TIMED_OUT
    assert tell("http://no-such-name.invalid/", message).reason is Reason.UNREACHABLE


def test_a_connection_that_breaks_is_an_answer(message: Message) -> None:
    with socket.socket() as rude:
        rude.bind(("127.0.0.1", 0))
        rude.listen()

        def hang_up() -> None:
            connection, _ = rude.accept()
            connection.recv(10)
            connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        answer = tell(f"http://127.0.0.1:{rude.getsockname()[1]}/", message)
        thread.join()
    assert answer.reason is Reason.UNREACHABLE


@pytest.mark.parametrize(("certified", "reason"), [("crm.example.com", "delivered"), ("127.0.0.1", "unreachable")])
def test_the_certificate_is_checked_against_the_name_and_not_the_address(
    message: Message, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, certified: str, reason: str
) -> None:
    if shutil.which("openssl") is None:
        if os.environ.get("PALETTE_TEST_REQUIRE_ALL") == "1":
            pytest.fail("openssl is missing; Debian has it in the package `openssl`")
        pytest.skip("NOT TESTED: openssl is not installed")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    kind = "IP" if certified[0].isdigit() else "DNS"
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    subject = ["-days", "1", "-subj", "/CN=test", "-addext", f"subjectAltName={kind}:{certified}"]
    subprocess.run(
        [*make, *subject, "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    client = httpx2.Client(trust_env=False, verify=ssl.create_default_context(cafile=str(certificate)))
    with Receiver(tls=tls) as server:
        monkeypatch.setattr(webhook, "addresses_of", lambda *_, **__: ["127.0.0.1"])
        url = f"https://crm.example.com:{server.port}/hook"
        target = WebhookTarget(
            Target(name="crm", kind="webhook", url=url, secrets=(NEW,)), version="1", clock=utc_now, client=client
        )
        assert target.tell(message).reason == reason
        target.close()


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (200, Reason.DELIVERED),
        (202, Reason.DELIVERED),
        (301, Reason.REDIRECTED),
        (304, Reason.REDIRECTED),
        (400, Reason.REFUSED),
        (401, Reason.ANSWERED_ERROR),
        (404, Reason.ANSWERED_ERROR),
        (408, Reason.BUSY),
        (410, Reason.GONE),
        (422, Reason.REFUSED),
        (429, Reason.BUSY),
        (500, Reason.ANSWERED_ERROR),
        (503, Reason.ANSWERED_ERROR),
    ],
)
def test_what_a_status_means(status: int, reason: Reason) -> None:
    answer = judge(status, "7", now=lambda: NOON)
    assert answer.reason is reason
    if reason in {Reason.BUSY, Reason.REFUSED, Reason.ANSWERED_ERROR}:
        assert answer.retry_after == 7.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Mon, 02 Nov 2026 12:01:30 GMT", 90.0),
        ("Mon, 02 Nov 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("", None),
        ("-5", None),
        ("９", None),
    ],
)
def test_retry_after_may_be_a_number_or_a_date(header: str, seconds: float | None) -> None:
    assert seconds_of(header, now=NOON.astimezone(UTC)) == seconds
