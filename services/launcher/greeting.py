"""What the terminal says once everything is ready: where things are, and a complaint to post."""

import shlex
from datetime import datetime

from services.kit.settings import Settings, url_host


def greeting(settings: Settings, *, seconds: float, now: datetime) -> str:
    """The ready line, and below it a command to copy. `now` is in UTC."""
    host = url_host(settings.bind)
    intake = f"http://{host}:{settings.ingest_port}/v1/feedback"
    complaint = (
        f'{{"source": "web-survey", "id": "hello-{now:%Y%m%dT%H%M%S}", "channel": "survey", '
        f'"occurred_at": "{now:%Y-%m-%dT%H:%M:%SZ}", '
        '"text": "My parcel was due on Monday, it is still not here, and nobody answers the phone.", '
        '"rating": {"kind": "nps", "value": 2, "max": 10}, "customer": {"id": "C-778"}, '
        '"attributes": {"region": "north"}}'
    )
    return (
        f"Palette is ready ({seconds:.0f} s). Page http://{host}:{settings.api_port}/ · intake {intake} · "
        f"log {settings.data_dir / 'log'} · stop with Ctrl-C\n"
        "Post a complaint and watch it on the page:\n"
        f"  curl -sS {shlex.quote(intake)} -H 'Content-Type: application/json' -d {shlex.quote(complaint)}"
    )
