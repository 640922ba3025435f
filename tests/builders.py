"""Valid things with defaults, so that a test says only what matters to it."""

import itertools
from datetime import UTC, datetime
from typing import Any

_numbers = itertools.count(1)

COMPLAINTS = (
    "The driver marked it delivered but nothing is here, and nobody answers the phone.",
    "Your app logs me out every time I reach the checkout.",
    "I was charged twice for the same order and want the second payment back.",
    "The fitter did not turn up and nobody told me.",
    "Lovely woman at the desk, she sorted it out in two minutes.",
    "The bed arrived with a cracked rail and two bolts missing.",
    "Do you deliver to the islands?",
    "Still waiting for the refund after five weeks.",
)


def now() -> str:
    """The time now, as senders write it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def feedback(**over: Any) -> dict[str, Any]:
    """An event as a contact-centre system sends it; a fresh id each time."""
    number = next(_numbers)
    return {
        "source": "web-survey",
        "id": f"t-{number}",
        "channel": "complaint",
        "occurred_at": now(),
        "text": COMPLAINTS[number % len(COMPLAINTS)],
        "customer": {"id": f"C-{number}"},
        "language": "en",
        "attributes": {"region": "north", "product": "beds"},
    } | over


def parcels(count: int, *, prefix: str, **over: Any) -> list[dict[str, Any]]:
    """So many customers whose order was marked as delivered and never came."""
    return [
        feedback(
            id=f"{prefix}-{n}",
            text=f"The driver marked it delivered but nothing is here. Order number {n} has not arrived.",
            customer={"id": f"{prefix}-C-{n}"},
            **over,
        )
        for n in range(count)
    ]
