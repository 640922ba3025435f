"""The sample receiver of the how-to, run as it is written, takes a message of ours and refuses a forged one."""

import json
import threading
from http.server import HTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest

from services.kit.clock import utc_now
from services.notify.io.webhook import WebhookTarget
from services.notify.messages import compose
from services.notify.names import Names
from services.notify.targets import Target
from tests.unit.notify.builders import notification

HOW_TO = (Path(__file__).parents[3] / "docs" / "how-to" / "receive-webhooks.md").read_text(encoding="utf-8")
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_the_sample_receiver_reads_a_message_once_and_refuses_a_forgery(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DELIVERY_TEAM_WEBHOOK_SECRET", SECRET)
    sample: dict[str, Any] = {"__name__": "sample"}
    exec(compile(HOW_TO.split("```python\n", 1)[1].split("```", 1)[0], "how-to", "exec"), sample)
    monkeypatch.setattr(sample["Receiver"], "log_message", lambda *_: None)
    server = HTTPServer(("127.0.0.1", 0), sample["Receiver"])
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_address[1]}/"
    target = WebhookTarget(
        Target(name="crm", kind="webhook", url=url, secrets=(SECRET,), allow_private=True), version="1", clock=utc_now
    )
    message = compose(notification(), names=Names(), page_url="http://127.0.0.1:8080")
    try:
        assert target.tell(message).delivered
        assert target.tell(message).delivered
        assert httpx2.post(url, content=message.body(), trust_env=False).status_code == 401
    finally:
        target.close()
        server.shutdown()
        server.server_close()
        thread.join()
    assert capsys.readouterr().out.count("5 messages from 4 customers since") == 1


def test_the_message_that_it_shows_has_the_fields_that_are_sent() -> None:
    shown = json.loads(HOW_TO.split("```json\n", 1)[1].split("```", 1)[0])
    sent = json.loads(compose(notification(), names=Names(), page_url="http://127.0.0.1:8080").body())
    assert shown.keys() == sent.keys()
    assert shown["data"].keys() == sent["data"].keys()
    assert shown["data"]["action"].keys() <= sent["data"]["action"].keys()
