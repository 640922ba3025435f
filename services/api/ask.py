"""Commands and corrections as people and programs ask for them: checked and given their ids. No HTTP, no Kafka.

An id follows from its cause: the same Idempotency-Key for the same action is the same command, and a tag revision can
be corrected once.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args
from uuid import uuid4, uuid5

import msgspec

from services.api.queries import BadQuery
from services.contracts import ids
from services.contracts.events import (
    Action,
    ActionCommand,
    CommandName,
    Correction,
    FeedbackClassified,
    FeedbackCorrected,
    Intent,
    Problem,
    Sentiment,
)

PEOPLE_MAY = tuple(name for name in get_args(CommandName) if name != "verdict")
MAX_NAME, MAX_COMMENT, MAX_KEY = 100, 2_000, 200
_EARLIEST, _AHEAD = datetime(1970, 1, 1, tzinfo=UTC), timedelta(minutes=5)


class CommandBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a command. `as_of` is heard only in a rehearsal; `stage` and `areas` only with `not_ours`: where the
    team says that it belongs."""

    command: str
    by: str = ""
    comment: str | None = None
    to: str | None = None
    as_of: datetime | None = None
    stage: str | None = None
    areas: tuple[str, ...] | None = None


class CorrectionBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a correction; what is absent stays as it is. `revision` is the tag revision that was looked at,
    `asked` where the person was asked."""

    by: str = ""
    revision: int | None = None
    stage: str | None = None
    areas: tuple[str, ...] | None = None
    themes: tuple[str, ...] | None = None
    sentiment: Sentiment | None = None
    intent: Intent | None = None
    severity: int | None = None
    comment: str | None = None
    asked: Literal["page", "onboarding", "review", "not_ours"] = "page"


def command_for(
    action: Action,
    body: CommandBody,
    *,
    key: str | None,
    expected_revision: int | None,
    now: datetime,
    rehearsal: bool = False,
    caller: str | None = None,
    reason: str | None = None,
) -> ActionCommand:
    """The command to publish. `caller` is the owner of an API key and speaks for no one else. Raises BadQuery."""
    problems = [*_person(caller or body.by), *_length("comment", body.comment, MAX_COMMENT)]
    if body.command not in PEOPLE_MAY:
        problems.append(_problem("command", f"use one of {', '.join(PEOPLE_MAY)}"))
    if body.command == "assign" and not (body.to or "").strip():
        problems.append(_problem("to", "say whom to assign it to"))
    if body.command == "comment" and not (body.comment or "").strip():
        problems.append(_problem("comment", "say something"))
    if body.stage is not None or body.areas is not None:
        problems.append(_problem("stage", "only `not_ours` may say where it belongs"))
    problems += _length("to", body.to, MAX_NAME)
    if key is not None and len(key) > MAX_KEY:
        problems.append(_problem("Idempotency-Key", f"use at most {MAX_KEY} characters"))
    if body.as_of is not None and (not rehearsal or body.as_of.tzinfo is None):
        problems.append(_problem("as_of", "only a dry run (Palette-Mode: rehearsal) may name a time, with its offset"))
    elif body.as_of is not None and not _EARLIEST <= body.as_of <= now + _AHEAD:
        problems.append(_problem("as_of", "use a time between 1970 and now"))
    if problems:
        raise BadQuery(*problems)
    return ActionCommand(
        id=ids.command_id(key or str(uuid4()), action.id),
        action=action.id,
        group=action.group,
        command=msgspec.convert(body.command, CommandName),
        by=_clean(caller or body.by),
        at=body.as_of or now,
        comment=_clean(body.comment) or None,
        to=_clean(body.to) or None,
        reason=reason,
        expected_revision=expected_revision,
        mode="rehearsal" if rehearsal else "live",
    )


def same_request(stored: ActionCommand, asked: ActionCommand) -> bool:
    """Whether a repeated key asks for the same thing."""
    return (stored.command, stored.comment, stored.to) == (asked.command, asked.comment, asked.to)


def correction_for(
    tagged: FeedbackClassified,
    body: CorrectionBody,
    *,
    known: Mapping[str, frozenset[str]],
    now: datetime,
    caller: str | None = None,
) -> FeedbackCorrected:
    """The correction to publish. `known` holds the ids of the taxonomy in force. Raises BadQuery."""
    problems = [*_person(caller or body.by), *_length("comment", body.comment, MAX_COMMENT)]
    asked: dict[str, Any] = {
        name: getattr(body, name)
        for name in ("stage", "areas", "themes", "sentiment", "intent", "severity")
        if getattr(body, name) is not None
    }
    if not asked:
        problems.append(
            _problem("", "say what is to be corrected: stage, areas, themes, sentiment, intent or severity")
        )
    problems += _unknown("stage", [body.stage] if body.stage is not None else [], known["stages"])
    problems += _unknown("areas", body.areas or (), known["areas"])
    problems += _unknown("themes", body.themes or (), known["themes"])
    if body.areas is not None and not 1 <= len(set(body.areas)) <= 3:
        problems.append(_problem("areas", "name one to three areas, the main one first"))
    if body.severity is not None and not 0 <= body.severity <= 3:
        problems.append(_problem("severity", "use a number from 0 to 3"))
    if problems:
        raise BadQuery(*problems)
    correction = Correction(
        id=str(uuid5(ids.NAMESPACE, f"correction/{tagged.id}/{tagged.revision}")),
        by=_clean(caller or body.by),
        at=now,
        comment=_clean(body.comment) or None,
        model=tagged.tags.versions.model,
        asked=body.asked,
        **asked,
    )
    return FeedbackCorrected(correction=correction, of=msgspec.structs.replace(tagged, supersedes=None))


def expected_revision(if_match: str | None) -> int | None:
    """The revision in an If-Match header. Raises BadQuery."""
    if if_match is None or if_match.strip() == "*":
        return None
    text = if_match.strip().removeprefix("W/").strip('"')
    if text.isdecimal() and len(text) < 10:
        return int(text)
    raise BadQuery(_problem("If-Match", 'send the ETag of the action, such as "3"'))


def _person(name: str) -> list[Problem]:
    if not _clean(name):
        return [_problem("by", "say who asks")]
    return _length("by", name, MAX_NAME)


def _length(name: str, value: str | None, limit: int) -> list[Problem]:
    return [_problem(name, f"use at most {limit:,} characters")] if value is not None and len(value) > limit else []


def _unknown(name: str, given: Any, known: frozenset[str]) -> list[Problem]:
    return [_problem(name, f"use ids of the taxonomy: {', '.join(sorted(known)[:12])} …")] * any(
        item not in known for item in given
    )


def _clean(text: str | None) -> str:
    return "".join(c for c in text or "" if c.isprintable() or c == "\n").strip()


def _problem(name: str, message: str) -> Problem:
    return Problem(pointer=f"/{name}" if name else "", code="body", message=message)
