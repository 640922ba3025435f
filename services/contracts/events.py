"""Everything that travels on a topic, as frozen structs. The schemas in `schemas/events/` are their source of truth;
a test holds the two together. No text of a customer is in any of them but `FeedbackReceived`.

Times are aware datetimes, written as RFC 3339 in UTC. `at` is the time *as of which* a thing counts: the wall clock for
live traffic, the event's own time in a rehearsal. Spans (`start`, `end`) are code points into the stored text.
"""

from datetime import datetime
from typing import Literal, NewType

import msgspec

Pseudonym = NewType("Pseudonym", str)
"""A customer's HMAC pseudonym. The id a sender knows is never stored, logged or sent."""

Channel = Literal["survey", "chat", "email", "complaint", "call", "social", "review", "mystery_shop", "employee"]
Author = Literal["customer", "agent", "employee", "shopper"]
Speaker = Literal["customer", "agent", "bot"]
RatingKind = Literal["nps", "csat", "ces", "stars", "thumbs"]
Sentiment = Literal["negative", "neutral", "positive", "mixed"]
Intent = Literal["complaint", "question", "request", "suggestion", "praise", "other"]
Mode = Literal["live", "backfill", "rehearsal"]
"""live · backfill: moves statistics, opens nothing, notifies nobody · rehearsal: as of event time, delivery off."""
ActionKind = Literal["recovery", "cause"]
Part = Literal["engagement", "improvement", "intelligence", "innovation"]
State = Literal["open", "acknowledged", "in_progress", "resolved", "verified"]
CommandName = Literal["acknowledge", "assign", "start", "comment", "resolve", "reopen", "verdict"]
VerdictName = Literal["back_to_normal", "better_than_before", "cause_unproven", "no_effect", "too_early"]
Timer = Literal["acknowledge_due", "resolve_due"]


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of all structs on topics: frozen, keyword-only, defaults left out of the bytes, unknown fields ignored."""


# ---- feedback-received ----------------------------------------------------------------------------------------------


class Rating(Event, frozen=True, kw_only=True):
    """What was given, on which scale: nps 0-10, csat 1-max, ces 1-7, stars 1-5, thumbs 0-1."""

    kind: RatingKind
    value: float
    max: float | None = None


class Answer(Event, frozen=True, kw_only=True):
    """One item of a survey or of a mystery shopper's checklist; `text` is masked like the event's own."""

    question: str
    kind: str | None = None
    value: float | str | bool | None = None
    max: float | None = None
    text: str | None = None


class Case(Event, frozen=True, kw_only=True):
    """The sender's own case, so that a team can find the customer behind a pseudonym."""

    id: str
    state: Literal["open", "closed"] | None = None


class Mask(Event, frozen=True, kw_only=True):
    """Where a piece of personal data stood: the placeholder's span in the stored text, and its kind."""

    start: int
    end: int
    kind: str


class Turn(Event, frozen=True, kw_only=True):
    """One turn of a transcript: who spoke, and the span of the stored text that holds the words."""

    by: Speaker
    start: int
    end: int
    at: datetime | None = None


class FeedbackReceived(Event, frozen=True, kw_only=True):
    """One accepted event: pseudonymised, masked, with defaults filled. The only message that carries text."""

    id: str
    source: str
    source_id: str
    channel: Channel
    occurred_at: datetime
    received_at: datetime
    text: str | None = None
    masks: tuple[Mask, ...] = ()
    rating: Rating | None = None
    answers: tuple[Answer, ...] = ()
    customer: Pseudonym | None = None
    language: str | None = None
    attributes: dict[str, str] = {}
    case: Case | None = None
    may_contact: bool | None = None
    segment: str | None = None
    solicited: bool = False
    author: Author = "customer"
    conversation_id: str | None = None
    turns: tuple[Turn, ...] = ()
    mode: Mode = "live"


class Problem(Event, frozen=True, kw_only=True):
    """One thing wrong with an input: a JSON pointer, a code, a sentence. Never the value."""

    pointer: str
    code: str
    message: str


class FeedbackRejected(Event, frozen=True, kw_only=True):
    """An input that was refused: why, and a digest to recognise it by. No payload."""

    id: str
    source: str
    received_at: datetime
    reason: str
    digest: str
    size: int
    problems: tuple[Problem, ...] = ()


# ---- feedback-classified · feedback-corrections ---------------------------------------------------------------------


class AreaTag(Event, frozen=True, kw_only=True):
    area: str
    confidence: float


class Unsure(Event, frozen=True, kw_only=True):
    """A head that would rather not say, and why."""

    head: str
    reason: str


class Evidence(Event, frozen=True, kw_only=True):
    """Words that earned a label: a span of the stored text. `like`: they are like that example of the label's in the
    taxonomy, counted from 1; None: they say it themselves."""

    head: str
    label: str
    start: int
    end: int
    like: int | None = None


class Versions(Event, frozen=True, kw_only=True):
    model: str
    taxonomy: str
    lexicon: str = ""


class Tags(Event, frozen=True, kw_only=True):
    """What an event is about. Stage and areas are always the best guess; `unsure` changes the status only."""

    stage: str
    stage_confidence: float
    areas: tuple[AreaTag, ...]
    sentiment: Sentiment
    sentiment_confidence: float
    intent: Intent
    intent_confidence: float
    severity: int
    severity_confidence: float
    status: Literal["tagged", "unsure"]
    versions: Versions
    secondary: tuple[str, ...] = ()
    themes: tuple[str, ...] = ()
    severity_kind: str | None = None
    unsure: tuple[Unsure, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    path: Literal["fast", "full"] = "fast"


class Correction(Event, frozen=True, kw_only=True):
    """Who says that a tag was wrong, and what it should be; None leaves a head as it is. One that says what the tag
    said already confirms it. `model` made the tags that were looked at; `asked` is where the person was asked:
    `page`, `onboarding`, `review` or `not_ours`."""

    id: str
    by: str
    at: datetime
    stage: str | None = None
    areas: tuple[str, ...] | None = None
    themes: tuple[str, ...] | None = None
    sentiment: Sentiment | None = None
    intent: Intent | None = None
    severity: int | None = None
    comment: str | None = None
    model: str | None = None
    asked: str | None = None


class ConversationPart(Event, frozen=True, kw_only=True):
    """One event of a conversation, and its offset in `feedback-received`, so that its words can be read again there."""

    id: str
    offset: int


class Conversation(Event, frozen=True, kw_only=True):
    """The conversation that an event is a part of. `head` is the event that stands for all of it: the first in which
    the customer speaks; None while only the company has spoken. `parts` are all that the head's tags tell of."""

    id: str
    head: str | None = None
    parts: tuple[ConversationPart, ...] = ()


class FeedbackClassified(Event, frozen=True, kw_only=True):
    """One tag revision of one event, with the facts that routing and roll-ups need, and the tags that it supersedes."""

    id: str
    revision: int
    tags: Tags
    source: str
    channel: Channel
    occurred_at: datetime
    received_at: datetime
    tagged_at: datetime
    customer: Pseudonym | None = None
    rating: Rating | None = None
    attributes: dict[str, str] = {}
    segment: str | None = None
    solicited: bool = False
    author: Author = "customer"
    mode: Mode = "live"
    supersedes: Tags | None = None
    correction: Correction | None = None
    conversation: Conversation | None = None

    @property
    def counts(self) -> bool:
        """Whether the event stands for an experience. A later part of a conversation does not: its head does."""
        return self.conversation is None or self.conversation.head == self.id


class FeedbackCorrected(Event, frozen=True, kw_only=True):
    """A person's correction and the tag revision it was made to, whole, so that the classifier needs no memory."""

    correction: Correction
    of: FeedbackClassified


# ---- routing-signals ------------------------------------------------------------------------------------------------


class Plan(Event, frozen=True, kw_only=True):
    """What policy says about a group: who owns it, when an action opens, by when what is expected. Travels with each
    join, so that the fold needs no policy and an episode keeps the version that it opened with. `people`: the threshold
    counts distinct people, not signals. `expectation_share` is what of the weekly peak may be left."""

    rule: str
    policy: str
    action: ActionKind
    part: Part
    team: str
    threshold: int
    people: bool = False
    window_hours: float
    at_once_from_severity: int | None = 3
    acknowledge_hours: float
    resolve_hours: float
    ease: int = 2
    theme: str | None = None
    stage: str | None = None
    area: str | None = None
    attributes: dict[str, str] = {}
    targets: tuple[str, ...] = ()
    escalates_to: tuple[str, ...] = ()
    opens: bool = True
    expectation_days: int = 14
    expectation_share: float = 0.5
    ask: str = ""


class Join(Event, frozen=True, kw_only=True, tag="join", tag_field="kind"):
    """An event counts in a group."""

    id: str
    group: str
    at: datetime
    event: str
    revision: int
    occurred_at: datetime
    severity: int
    plan: Plan
    sentiment: Sentiment = "negative"
    customer: Pseudonym | None = None
    received_at: datetime | None = None
    mode: Mode = "live"


class Retract(Event, frozen=True, kw_only=True, tag="retract", tag_field="kind"):
    """An event no longer counts in a group, because a newer tag revision says so."""

    id: str
    group: str
    at: datetime
    event: str
    revision: int


class ActionCommand(Event, frozen=True, kw_only=True):
    """What a person (or the proof) asks of an action. Also the message on `action-commands`."""

    id: str
    action: str
    group: str
    command: CommandName
    by: str
    at: datetime
    comment: str | None = None
    to: str | None = None
    expected_revision: int | None = None
    verdict: VerdictName | None = None
    reason: str | None = None
    mode: Mode = "live"


class Command(Event, frozen=True, kw_only=True, tag="command", tag_field="kind"):
    """A command in its group's one order. Where `to` names a team, `team` and its targets are filled from policy."""

    id: str
    group: str
    at: datetime
    command: ActionCommand
    team: str | None = None
    targets: tuple[str, ...] = ()
    escalates_to: tuple[str, ...] = ()


class Tick(Event, frozen=True, kw_only=True, tag="tick", tag_field="kind"):
    """A promise of an action came due; `at` is the due time itself, so a promise moved since does not count."""

    id: str
    group: str
    at: datetime
    action: str
    timer: Timer


RoutingSignal = Join | Retract | Command | Tick


# ---- actions · action-changes ---------------------------------------------------------------------------------------


class Expectation(Event, frozen=True, kw_only=True):
    """What a resolution promises: weekly signals of the group fall from `baseline` to `target` within `days`.
    `verdict` is what the numbers said afterwards. `baseline` is filled by the fold from the signals that it counted
    before the episode, over `baseline_weeks` (0: too little history, and `baseline` says nothing); `peak` is the worst
    week of the episode, and the target a share of it, never below the baseline."""

    since: datetime
    days: int
    baseline_per_week: float
    target_per_week: float
    baseline_weeks: float = 0.0
    peak_per_week: float = 0.0
    verdict: VerdictName | None = None
    verdict_reason: str | None = None
    verdict_at: datetime | None = None


class Change(Event, frozen=True, kw_only=True):
    """One line of an action's history."""

    revision: int
    at: datetime
    change: str
    by: str
    reason: str
    comment: str | None = None
    to: str | None = None


class Action(Event, frozen=True, kw_only=True):
    """The whole state of one action: at most 64 kB. Members live in the store; here are counts and the worst five."""

    id: str
    group: str
    revision: int
    state: State
    plan: Plan
    severity: int
    priority: int
    reason: str
    opened_at: datetime
    updated_at: datetime
    first_occurred_at: datetime
    last_occurred_at: datetime
    signals: int
    customers: int
    acknowledge_due_at: datetime
    resolve_due_at: datetime
    mode: Mode = "live"
    owner: str | None = None
    acknowledged_at: datetime | None = None
    resolved_at: datetime | None = None
    verified_at: datetime | None = None
    reopened: int = 0
    breached: tuple[Timer, ...] = ()
    worst: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    expectation: Expectation | None = None


class ActionChanged(Event, frozen=True, kw_only=True):
    """One change of one action, or one refused command with its reason. `event` names a member that joined or left,
    `members` those that had been waiting and came in together with it when the action opened or was reopened."""

    id: str
    group: str
    at: datetime
    change: str
    by: str
    reason: str
    action: str | None = None
    revision: int | None = None
    state: State | None = None
    event: str | None = None
    members: tuple[str, ...] = ()
    command: str | None = None
    comment: str | None = None
    to: str | None = None
    mode: Mode = "live"


# ---- notifications · policy · models --------------------------------------------------------------------------------


class Notification(Event, frozen=True, kw_only=True):
    """One target is to be told of one action revision. Carries no text: verbatims are fetched when delivered."""

    id: str
    target: str
    team: str
    why: Literal["opened", "reopened", "escalated"]
    at: datetime
    action: Action


class NotificationOutcome(Event, frozen=True, kw_only=True):
    """What became of a notification."""

    id: str
    target: str
    action: str
    at: datetime
    outcome: Literal["delivered", "gave_up", "covered"]
    attempts: int
    detail: str = ""


class PolicyActivated(Event, frozen=True, kw_only=True):
    """One version of the team-edited files, whole: file name to content. `version` is a digest of them."""

    version: str
    at: datetime
    by: str
    files: dict[str, str]


class ModelActivated(Event, frozen=True, kw_only=True):
    """One model version comes into force in every classify worker. `digest` is the SHA-256 of its artefact, `parent`
    the version to go back to, `figures` what it was judged by."""

    version: str
    digest: str
    at: datetime
    by: str
    reason: str
    figures: dict[str, float] = {}
    parent: str | None = None
