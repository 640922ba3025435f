"""Stands in for Kafka, router and classifier behind the page: what is published is folded by the real fold at once and
projected into the store."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry

from services.api.app import Parts, build
from services.api.io import feedback as read_feedback
from services.api.io.publisher import Publisher
from services.contracts import events as e
from services.contracts.codec import Outbound
from services.contracts.errors import Unavailable
from services.kit.logs import Log
from services.kit.process import Process
from services.kit.settings import Settings
from services.router.groups import Group
from tests.unit.api.builders import Topics, project
from tests.unit.api.sample_store import fill


class EnginePublisher(Publisher):
    """Takes commands and corrections; `away` makes it refuse, `silent` makes it swallow."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.parts: Parts | None = None
        self.groups: dict[str, Group] = {}
        self.topics = Topics()
        self.published: list[Any] = []
        self.away = False
        self.silent = False

    def build(self) -> Parts:
        """The application around this engine, none of its threads started."""
        self.parts = build(Process("api", self._settings, Log("api"), CollectorRegistry()), publisher=self)
        return self.parts

    def fill(self) -> None:
        """Puts the sample into the store."""
        assert self.parts is not None
        self.groups = fill(self.parts.store, now=datetime.now(UTC), topics=self.topics)

    def take_down(self) -> None:
        """Closes what `build` opened."""
        self.close()
        if self.parts is not None:
            self.parts.tagger.close()
            self.parts.models.close()
            self.parts.store.close()

    def publish(self, event: Any) -> None:
        if self.away:
            raise Unavailable("Kafka is away")
        self.published.append(event)
        if self.silent:
            return
        self._store(self.topics.put(event))
        if isinstance(event, e.ActionCommand):
            self._fold(event)
        elif isinstance(event, e.FeedbackCorrected):
            self._retag(event)

    def send(self, message: Outbound) -> None:
        raise AssertionError(f"nothing else is sent from here: {message.topic}")

    def _fold(self, command: e.ActionCommand) -> None:
        group = self.groups[command.group]
        signal = e.Command(id=command.id, group=command.group, at=command.at, command=command)
        changes = [outcome for outcome in group.take(signal) if isinstance(outcome, e.ActionChanged)]
        assert group.head.action is not None
        self._store(self.topics.put(group.head.action, *changes))

    def _retag(self, corrected: e.FeedbackCorrected) -> None:
        asked = corrected.correction
        tags = msgspec.structs.replace(corrected.of.tags, status="tagged", stage=asked.stage or corrected.of.tags.stage)
        assert self.parts is not None
        with self.parts.store.reading() as connection:
            voice = read_feedback.get_voice(connection, corrected.of.id)
        assert voice is not None
        again = msgspec.structs.replace(
            corrected.of, revision=corrected.of.revision + 1, tags=tags, correction=asked, supersedes=corrected.of.tags
        )
        self._store(self.topics.put(again))

    def _store(self, messages: Sequence[Any]) -> None:
        assert self.parts is not None
        project(self.parts.store, messages, owner="engine")
        self.parts.news.tell()
