"""What must become of feedback, told once: run over lists in milliseconds, and again on the running product.

Each case lives in a region of its own, so that all of them may share one product.
"""

from dataclasses import dataclass, field
from typing import Any

from tests.builders import feedback

Event = dict[str, Any]


@dataclass(frozen=True)
class Opens:
    """The one action that comes of it: of whom, about what, with how many distinct events."""

    team: str
    theme: str
    signals: int
    severity: int = 0


@dataclass(frozen=True)
class Case:
    """Events in, and the cause action of their region; None where nothing may open."""

    name: str
    said: tuple[str, ...]
    opens: Opens | None
    over: Event = field(default_factory=dict)
    sent_times: int = 1
    mode: str | None = None

    @property
    def region(self) -> str:
        return self.name.replace(" ", "-")

    def events(self) -> list[Event]:
        """Each text from a customer of its own, in the order in which they are sent; repeats are the same events."""
        once = [
            feedback(
                id=f"{self.region}-{n}",
                text=text,
                channel=self.over.get("channel", "complaint"),
                customer={"id": f"{self.region}-C{n}"},
                attributes={"region": self.region},
                **{k: v for k, v in self.over.items() if k != "channel"},
            )
            for n, text in enumerate(self.said)
        ]
        return once * self.sent_times


LOST = (
    "The driver marked it delivered but nothing is here.",
    "Marked as delivered but nothing came, and my neighbours have nothing either.",
    "Your driver marked it as delivered but we have not received anything.",
)

CASES = (
    Case("three lost parcels", LOST, Opens("delivery", "driver-marked-delivered", 3)),
    Case("two are not yet a problem", LOST[:2], None),
    Case("a repeat counts once", LOST[:2], None, sent_times=3),
    Case("three sent thrice", LOST, Opens("delivery", "driver-marked-delivered", 3), sent_times=3),
    Case("history opens nothing", LOST, None, mode="backfill"),
    Case(
        "praise opens nothing",
        ("Lovely people in the shop, so friendly.", "The fitter did a great job, thank you.", "Great value, love it."),
        None,
    ),
    Case(
        "one that is critical opens at once",
        ("The bed rail gave way and my child was injured. This is dangerous.",),
        Opens("quality", "unsafe-product", 1, severity=3),
    ),
    Case("what nobody can place is left to people", ("It is about the thing from before.", "ok", "Hmm. So so."), None),
)
