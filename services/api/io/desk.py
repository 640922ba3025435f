"""Where commands and corrections are handed in: published, then waited for in the store, for two seconds at most."""

import threading
from datetime import datetime
from typing import Literal

import msgspec

from services.api.ask import CommandBody, CorrectionBody, command_for, correction_for, same_request
from services.api.io import actions as read_actions
from services.api.io import feedback as read_feedback
from services.api.io.news import News
from services.api.io.publisher import Publisher
from services.api.io.store import Store
from services.api.names import Names
from services.api.shapes import Voice
from services.contracts.events import Action, ActionChanged, ActionCommand
from services.kit.clock import Clock, utc_now

WAIT_SECONDS = 2.0


class Commanded(msgspec.Struct, frozen=True):
    """What became of a command so far: the action's new state, the refusal, or nothing yet."""

    id: str
    state: Literal["done", "refused", "pending", "key_reused"]
    action: Action
    change: ActionChanged | None = None


class Corrected(msgspec.Struct, frozen=True):
    """What became of a correction so far."""

    id: str
    state: Literal["done", "taken", "pending", "untagged"]
    voice: Voice


class Desk:
    """Publishes what people ask and tells them what became of it."""

    def __init__(self, store: Store, publisher: Publisher, news: News, *, clock: Clock = utc_now) -> None:
        self._store = store
        self._publisher = publisher
        self._news = news
        self._clock = clock
        self._correcting = threading.Lock()
        self._just_corrected: dict[tuple[str, int], datetime] = {}

    def command(
        self,
        action: Action,
        body: CommandBody,
        *,
        key: str | None,
        expected_revision: int | None,
        rehearsal: bool = False,
        caller: str | None = None,
        reason: str | None = None,
    ) -> Commanded:
        """Hands a command in. The same key again gives the same command's outcome. Raises BadQuery, Unavailable."""
        command = command_for(
            action,
            body,
            key=key,
            expected_revision=expected_revision,
            now=self._clock(),
            rehearsal=rehearsal,
            caller=caller,
            reason=reason,
        )
        with self._store.reading() as connection:
            before = read_actions.get_command(connection, command.id)
        if before is not None and not same_request(before, command):
            return Commanded(command.id, "key_reused", action)
        if before is None:
            self._publisher.publish(command)
        found = self._news.until(lambda: self.outcome(command.id, action.id), seconds=WAIT_SECONDS)
        return found or Commanded(command.id, "pending", action)

    def outcome(self, command: str, action: str) -> Commanded | None:
        """What became of a command, once both its change and the action that it made are in the store."""
        with self._store.reading() as connection:
            change = read_actions.outcome_of(connection, command)
            current = read_actions.get_action(connection, action)
        if change is None or current is None:
            return None
        if change.change == "refused":
            return Commanded(command, "refused", current, change)
        if change.revision is not None and current.revision < change.revision:
            return None
        return Commanded(command, "done", current, change)

    def pending(self, command: str) -> ActionCommand | None:
        """A command that has been published."""
        with self._store.reading() as connection:
            return read_actions.get_command(connection, command)

    def correct(self, voice: Voice, body: CorrectionBody, *, names: Names, caller: str | None = None) -> Corrected:
        """Hands a correction in. One tag revision can be corrected once. Raises BadQuery, Unavailable."""
        tagged = voice.tagged
        if tagged is None:
            return Corrected("", "untagged", voice)
        asked = correction_for(tagged, body, known=names.ids(), now=self._clock(), caller=caller)
        revision = body.revision if body.revision is not None else tagged.revision
        place = (tagged.id, tagged.revision)
        with self._correcting:
            with self._store.reading() as connection:
                taken = read_feedback.was_corrected(connection, tagged.id, tagged.revision)
            if taken or revision != tagged.revision or place in self._just_corrected:
                return Corrected(asked.correction.id, "taken", voice)
            self._publisher.publish(asked)
            self._just_corrected[place] = asked.correction.at
            while len(self._just_corrected) > 1_000:
                del self._just_corrected[next(iter(self._just_corrected))]

        def corrected() -> Corrected | None:
            with self._store.reading() as connection:
                now = read_feedback.get_voice(connection, tagged.id)
            if now is None or now.tagged is None or now.tagged.correction is None:
                return None
            ours = now.tagged.correction.id == asked.correction.id
            return Corrected(asked.correction.id, "done", now) if ours else None

        found = self._news.until(corrected, seconds=WAIT_SECONDS)
        return found or Corrected(asked.correction.id, "pending", voice)
