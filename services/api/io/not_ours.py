"""Hands in "not ours": the command first, then what it says of each voice of the case as an ordinary correction.

Each step is harmless when repeated with the same key: the command has its id from the key, a correction from the tag
revision, and voices that are corrected already are left out.
"""

from services.api.ask import CommandBody, CorrectionBody, correction_for
from services.api.io import feedback as read_feedback
from services.api.io.desk import Commanded, Desk
from services.api.io.publisher import Publisher
from services.api.io.store import Store
from services.api.names import Names
from services.api.not_ours import NOT_OURS, handed_over, still_wrong, suggestion
from services.contracts.errors import Unavailable
from services.contracts.events import Action
from services.kit.clock import Clock, utc_now

_MOST = 1_000
_PAGE = 200


class NotOurs:
    """Takes commands on cases; declines them for teams."""

    def __init__(self, store: Store, publisher: Publisher, desk: Desk, *, clock: Clock = utc_now) -> None:
        self._store = store
        self._publisher = publisher
        self._desk = desk
        self._clock = clock

    def command(
        self,
        action: Action,
        body: CommandBody,
        *,
        names: Names,
        key: str | None,
        expected_revision: int | None,
        rehearsal: bool = False,
        caller: str | None = None,
    ) -> Commanded:
        """Any command. "Not ours" hands the case over, and corrects its voices where a cell was suggested. Raises
        BadQuery, Unavailable."""
        if body.command != NOT_OURS:
            return self._desk.command(
                action, body, key=key, expected_revision=expected_revision, rehearsal=rehearsal, caller=caller
            )
        if names.policy is None:
            raise Unavailable("no policy is in force yet", retry_after=2)
        done = self._desk.command(
            action,
            handed_over(action, body, names.policy),
            key=key,
            expected_revision=expected_revision,
            caller=caller,
            reason=NOT_OURS,
        )
        asked = suggestion(body, by=body.by)
        if asked is not None and done.state in {"done", "pending"}:
            self._correct(action, asked, names=names, caller=caller)
        return done

    def _correct(self, action: Action, asked: CorrectionBody, *, names: Names, caller: str | None) -> None:
        after, left = None, _MOST
        while left > 0:
            with self._store.reading() as connection:
                page = read_feedback.members(connection, action.id, limit=min(_PAGE, left), after=after)
            for voice in page.items:
                if voice.tagged is not None and still_wrong(voice.tagged, asked):
                    self._publisher.publish(
                        correction_for(voice.tagged, asked, known=names.ids(), now=self._clock(), caller=caller)
                    )
            left -= len(page.items)
            after = page.next
            if after is None:
                return
