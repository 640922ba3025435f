"""A team says "not ours": the case goes to whose it is, and what its voices were said to be about was wrong.

On the topic it is an `assign` with the reason `not_ours`, which every reader of that topic knows. Pure.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from services.api.ask import CommandBody, CorrectionBody
from services.api.queries import BadQuery
from services.contracts.events import Action, FeedbackClassified, Problem
from services.contracts.policy import Policy

NOT_OURS: Final = "not_ours"


def handed_over(action: Action, body: CommandBody, policy: Policy) -> CommandBody:
    """The command that hands the case to the team that was named, else to the owner of the suggested area, else to the
    triage team. Raises BadQuery where that is the very team that declines."""
    problems = [
        *_unknown("stage", [body.stage] if body.stage is not None else [], policy.taxonomy.stages),
        *_unknown("areas", body.areas or (), policy.taxonomy.areas),
        *_unknown("to", [body.to] if body.to else [], policy.teams),
    ]
    if body.areas is not None and not 1 <= len(set(body.areas)) <= 3:
        problems.append(_problem("areas", "name one to three areas, the main one first"))
    if problems:
        raise BadQuery(*problems)
    to = body.to or policy.owner_of(theme=None, area=body.areas[0] if body.areas else None)
    if to == action.plan.team:
        raise BadQuery(_problem("to", "say whose it is: it would come back to the same team"))
    return msgspec.structs.replace(body, command="assign", to=to, stage=None, areas=None)


def suggestion(body: CommandBody, *, by: str) -> CorrectionBody | None:
    """The correction that the suggested cell is for each voice of the case; None where nothing was suggested."""
    if body.stage is None and not body.areas:
        return None
    return CorrectionBody(by=by, stage=body.stage, areas=body.areas, comment=body.comment, asked=NOT_OURS)


def still_wrong(tagged: FeedbackClassified, asked: CorrectionBody) -> bool:
    """Whether a voice's tags do not say yet what was suggested. One that a person has corrected is left as it is."""
    if tagged.correction is not None:
        return False
    areas = tuple(tag.area for tag in tagged.tags.areas)
    return (asked.stage or tagged.tags.stage, asked.areas or areas) != (tagged.tags.stage, areas)


def _unknown(name: str, given: Sequence[str], known: Mapping[str, object]) -> list[Problem]:
    wrong = any(item not in known for item in given)
    return [_problem(name, f"use one of {', '.join(sorted(known)[:20])}")] if wrong else []


def _problem(name: str, message: str) -> Problem:
    return Problem(pointer=f"/{name}", code="body", message=message)
