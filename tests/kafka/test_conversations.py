"""A conversation on the real Kafka: tagged anew as it grows, counted once, one action, whatever is killed."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from services.api.io import tables as db
from services.api.io.feedback import voices_by_id
from services.api.io.store import open_store
from services.contracts import ids
from services.contracts.codec import encode
from services.contracts.events import Action, Correction, FeedbackClassified, FeedbackCorrected, FeedbackReceived
from services.contracts.topics import FEEDBACK_CLASSIFIED, FEEDBACK_RECEIVED
from services.launcher.kafka import EmbeddedKafka
from tests.kafka.routers import Bench
from tests.kafka.test_classify import Classifier
from tests.ports import free_port
from tests.unit.api.builders import project
from tests.waiting import until

SOURCE = "web-chat"
COMPLAINT = "The driver marked it delivered but nothing is here."

pytestmark = pytest.mark.timeout(300)


class Product:
    """A classifier and a router on one broker, and what they wrote."""

    def __init__(self, broker: EmbeddedKafka, folder: Path) -> None:
        self.classifier = Classifier(broker, folder / "classify")
        self.router = Bench(broker.bootstrap_servers, folder / "router")
        self.router.activate_policy()
        self._number = 0

    def say(self, text: str, *, thread: str | None = "t-1", **over: Any) -> FeedbackReceived:
        """Sends one message and answers it."""
        self._number += 1
        now = datetime.now(UTC)
        event = FeedbackReceived(
            **{
                "id": ids.event_id(SOURCE, f"m-{self._number}"), "source": SOURCE, "source_id": f"m-{self._number}",
                "channel": "chat", "occurred_at": now, "received_at": now, "text": text, "customer": "c-1",
                "attributes": {"region": "isles"}, "conversation_id": thread,
            }
            | over
        )  # fmt: skip
        self.classifier.send(encode(event))
        return event

    def newest(self, event: FeedbackReceived) -> FeedbackClassified | None:
        """The event's newest revision."""
        found = [one for one in self.classifier.tagged() if one.id == event.id]
        return max(found, key=lambda one: one.revision, default=None)

    def tagged(self, event: FeedbackReceived, revision: int) -> FeedbackClassified:
        """Waits for a revision of the event."""

        def there() -> FeedbackClassified | None:
            newest = self.newest(event)
            return newest if newest is not None and newest.revision >= revision else None

        found = until(there, seconds=60, what=f"revision {revision}")
        assert found is not None
        assert found.revision == revision
        return found

    def action(self) -> Action | None:
        """The action about the parcels, of which there must never be two."""
        found = [a for a in self.router.actions().values() if a.plan.theme == "driver-marked-delivered"]
        assert len(found) < 2
        return found[0] if found else None

    def close(self) -> None:
        self.classifier.close()
        self.router.close()


@pytest.fixture
def product(tmp_path_factory: pytest.TempPathFactory, kafka_cache: Path) -> Iterator[Product]:
    folder = tmp_path_factory.mktemp("conversation data")
    (folder / "classify").mkdir()
    with EmbeddedKafka(tmp_path_factory.mktemp("conversation kafka"), kafka_cache, free_port()) as broker:
        running = Product(broker, folder)
        try:
            yield running
        finally:
            running.close()


def test_a_conversation_is_told_again_as_it_grows_and_counts_once(product: Product, tmp_path: Path) -> None:
    product.classifier.start()
    product.router.worker()
    greeting = product.say("Hello, this is the chat. How can I help?", author="agent", customer=None)
    head = product.say("Hello, I have a question.")
    first = product.tagged(head, 1)
    assert "driver-marked-delivered" not in first.tags.themes

    complaint = product.say(COMPLAINT)
    grown = product.tagged(head, 2)
    assert "driver-marked-delivered" in grown.tags.themes
    assert grown.supersedes is not None
    assert grown.supersedes.themes == first.tags.themes
    assert not product.tagged(complaint, 1).counts
    assert not product.tagged(greeting, 1).counts

    product.say(f"Again: {COMPLAINT}")
    product.tagged(head, 3)
    product.classifier.kill()
    last = product.say(f"I say it a last time. {COMPLAINT}")
    product.classifier.start()
    grown = product.tagged(head, 4)
    assert grown.conversation is not None
    assert len(grown.conversation.parts) == 5
    assert product.tagged(last, 1).conversation is not None

    others = [product.say(COMPLAINT, thread=None, customer=f"c-{n}") for n in (2, 3)]
    action = until(product.action, seconds=60, every=0.5, what="an action of three voices")
    assert action is not None
    assert (action.signals, action.customers) == (3, 3)
    members = {member for change in product.router.changes() for member in (change.event, *change.members)}
    assert {head.id, *(other.id for other in others)} <= members
    assert complaint.id not in members

    correction = Correction(id="k-1", by="ana", at=datetime.now(UTC), stage="get_help", themes=())
    product.classifier.send(encode(FeedbackCorrected(correction=correction, of=grown)))
    product.tagged(head, 5)
    product.say(f"And once more. {COMPLAINT}")
    kept = product.tagged(head, 6)
    assert (kept.tags.stage, kept.tags.themes) == ("get_help", ())
    until(lambda: (a := product.action()) is not None and a.signals == 2, seconds=60, every=0.5, what="it to leave")

    store = open_store(data_dir=tmp_path, database_url=None)
    project(store, [m for topic in (FEEDBACK_RECEIVED, FEEDBACK_CLASSIFIED) for m in product.router.read(topic)])
    with store.reading() as connection:
        assert connection.execute(select(func.sum(db.narrow.c.main))).scalar_one() == 3
        assert connection.execute(select(func.count()).select_from(db.untagged)).scalar_one() == 0
        (voice,) = voices_by_id(connection, [head.id]).values()
    assert voice.tagged is not None
    assert voice.tagged.revision == 6
