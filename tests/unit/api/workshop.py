"""Stands in for the classifier's internal port: keeps cards of versions and answers a challenge with a verdict that the
test names. What is in force follows from what was published, as it does behind the real one."""

import threading
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from services.api.io.models import Classifier
from services.contracts import events as e
from services.contracts.errors import Unavailable
from tests.unit.api.engine import EnginePublisher

SHIPPED = "shipped-1"
FIGURES = {
    "reviewed": 30.0,
    "groups": 28.0,
    "champion": 57.3,
    "challenger": 63.1,
    "gain": 5.8,
    "better_in": 88.2,
    "stage_champion": 60.0,
    "stage_challenger": 66.7,
    "areas_champion": 54.6,
    "areas_challenger": 59.5,
}


class StandInClassifier(Classifier):
    """`promote` and `reason` are the next verdict; `away` makes it refuse, `too_few` judge nothing, `slow` not yet
    follow what was published; while `may_answer` is not set, a challenge takes its time."""

    def __init__(self, engine: EnginePublisher) -> None:
        self._engine = engine
        self.cards: list[dict[str, Any]] = [
            {"version": SHIPPED, "digest": "d0", "shipped": True, "labels": 0, "judged": [], "at": None, "parent": None}
        ]
        self.promote, self.reason = True, "better"
        self.away = False
        self.too_few = False
        self.slow = False
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.lines: list[bytes] = []
        self._name = f"local-{uuid4().hex[:8]}"

    def models(self) -> dict[str, Any]:
        if self.away:
            raise Unavailable("the classifier does not answer")
        said = [event for event in self._engine.published if isinstance(event, e.ModelActivated)]
        return {"in_force": said[-1].version if said and not self.slow else SHIPPED, "items": list(self.cards)}

    def challenge(self, labels: list[bytes], *, by: str, first: bool) -> dict[str, Any]:
        self.may_answer.wait(30)
        champion = self.models()["in_force"]
        self.lines = labels
        if self.too_few:
            verdict = {"promote": False, "reason": "too_few_labels", "because": ["too few"], "figures": {}}
            return {"champion": champion, "labels": len(labels), "version": None, "digest": None, "verdict": verdict}
        version = self.named(len(self.cards))
        at = datetime.now(UTC).isoformat()
        compared = [{"name": "receive", "items": 9, "champion": 70.0, "challenger": 82.0}]
        verdict = {
            "promote": self.promote,
            "reason": self.reason,
            "because": ["+5.8 points over 30 labels"],
            "figures": FIGURES,
            "stages": compared,
            "areas": [],
        }
        judged = [{"at": at, "by": by, "champion": champion, "verdict": verdict}]
        card = {"version": version, "digest": f"d-{version}", "by": by, "at": at, "parent": champion}
        self.cards.insert(0, card | {"labels": len(labels), "judged": judged})
        made = {"champion": champion, "labels": len(labels), "version": version, "digest": card["digest"]}
        return made | {"verdict": verdict}

    def named(self, number: int) -> str:
        """The version that the first, second … challenge made."""
        return f"{self._name}-{number}"

    def close(self) -> None:
        """Nothing is open."""
