"""Trying a sentence: the tagger's answer made into what routing decides by, and the decision told in words.

Nothing of it is stored or sent on a topic.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, get_args

import msgspec

from services.api.queries import BadQuery
from services.contracts import events as e
from services.contracts.errors import Unavailable
from services.contracts.events import FeedbackClassified, Problem, Pseudonym, Tags
from services.contracts.policy import Policy
from services.contracts.rules import Tried, explain

MAX_TEXT = 5_000
PLACES = ("region", "product", "site")


class TrialBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A sentence to try, and what would come with it."""

    text: str
    channel: str = "complaint"
    attributes: dict[str, str] = {}


class Trial(msgspec.Struct, frozen=True):
    """The tags and every rule that was looked at."""

    text: str
    tags: Tags
    tried: tuple[Tried, ...]

    @property
    def decided(self) -> tuple[Tried, ...]:
        return tuple(rule for rule in self.tried if rule.decision is not None)


def checked(body: TrialBody) -> TrialBody:
    """The sentence, if it can be tried. Raises BadQuery."""
    problems = []
    if not body.text.strip():
        problems.append(Problem(pointer="/text", code="body", message="write a sentence"))
    if len(body.text) > MAX_TEXT:
        problems.append(Problem(pointer="/text", code="body", message=f"use at most {MAX_TEXT:,} characters"))
    if body.channel not in get_args(e.Channel):
        problems.append(Problem(pointer="/channel", code="body", message="use one of the nine channels"))
    if any(len(k) > 60 or len(v) > 256 for k, v in body.attributes.items()) or len(body.attributes) > 32:
        problems.append(Problem(pointer="/attributes", code="body", message="use at most 32 short attributes"))
    if problems:
        raise BadQuery(*problems)
    return body


def tags_from(answer: Mapping[str, Any]) -> Tags:
    """The tagger's line as tags; confidences that it does not tell are 0. Raises Unavailable for another form."""
    untold = {f"{head}_confidence": 0.0 for head in ("sentiment", "intent", "severity")}
    try:
        return msgspec.convert({**untold, **answer}, Tags)
    except msgspec.ValidationError as error:
        raise Unavailable(f"the tagger answers in another form ({error})") from None


def trial(body: TrialBody, tags: Tags, policy: Policy, *, now: datetime) -> Trial:
    """What would be decided about the sentence."""
    event = FeedbackClassified(
        id="trial",
        revision=1,
        tags=tags,
        source="trial",
        channel=msgspec.convert(body.channel, e.Channel),
        occurred_at=now,
        received_at=now,
        tagged_at=now,
        customer=Pseudonym("trial"),
        attributes={name: value.strip() for name, value in body.attributes.items() if value.strip()},
        author="employee" if body.channel == "employee" else "customer",
    )
    return Trial(body.text, tags, explain(event, policy))
