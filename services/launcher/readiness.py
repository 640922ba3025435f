"""Asks the services over HTTP whether they are ready. Knows their health addresses and nothing else of them."""

import http.client
import json
from dataclasses import dataclass

from services.kit.settings import Settings, url_host

_TIMEOUT_S = 2.0


@dataclass(frozen=True)
class Readiness:
    """What a service answered: `message` says what it still waits for."""

    is_ready: bool
    message: str


def health_ports(settings: Settings) -> dict[str, int]:
    """Where each service answers, in the order in which they are started and stopped."""
    return {
        "ingest": settings.ingest_port,
        "classify": settings.classify_metrics_port,
        "router": settings.router_metrics_port,
        "notify": settings.notify_metrics_port,
        "api": settings.api_port,
    }


def ask(bind: str, port: int) -> Readiness:
    """GET /health/ready, never through a proxy."""
    connection = http.client.HTTPConnection(url_host(bind).strip("[]"), port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", "/health/ready")
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException):
        return Readiness(False, "does not answer yet")
    finally:
        connection.close()
    return Readiness(answer.status == 200, "" if answer.status == 200 else _what_fails(body))


def _what_fails(body: bytes) -> str:
    try:
        checks = json.loads(body)["checks"]
        return "; ".join(f"{check['name']}: {check['message']}" for check in checks if not check["ok"])
    except (ValueError, KeyError, TypeError):
        return "answers, but is not ready"
