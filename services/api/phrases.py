"""Sentences of the page about reasons, refusals, histories and the state of the system. Pure words.

Every reason that another service gives as a code has a sentence here; a code that is not known is shown as words.
"""

import re
from collections.abc import Iterable, Mapping

from services.api.names import VERDICTS, Names
from services.api.shares import Reason, Shares
from services.api.wording import about, count, listed
from services.contracts.events import Action, ActionChanged, Unsure

_WORD = re.compile(r"(?<= )[a-z]+(?:[_-][a-z]+)*(?=,| or |$)")
_CHANNEL_WORDS = {"mystery_shop": "mystery shop", "email": "e-mail"}
_UNSURE = {
    "low_confidence": "not sure enough",
    "too_short": "too few words",
    "language": "not in a language that it reads",
    "conflict": "the words and the marks contradict each other",
    "rating_only": "marks without words",
    "no_text": "no words",
    "retired": "it is most like what is no longer told apart",
}
_OF_THE_TEXT = frozenset({"too_short", "language", "rating_only", "no_text"})
_HEADS = {
    "stage": "which step",
    "areas": "which part",
    "sentiment": "the feeling",
    "intent": "what they want",
    "severity": "how bad",
}
_REFUSALS = {
    "unknown_action": "This case is not open any more.",
    "stale_revision": "Somebody was faster: look at what changed, then say it again.",
    "already_acknowledged": "It has been seen already.",
    "already_started": "Somebody is on it already.",
    "already_resolved": "It has been put right already.",
    "already_closed": "It is done and proven; open it again if it came back.",
    "not_resolved": "It is still open.",
    "nobody_named": "Say whom to hand it to.",
    "verdict_missing": "The verdict is missing.",
}
DONE = {
    "acknowledge": "Seen",
    "assign": "Handed over",
    "start": "Started",
    "comment": "Comment kept",
    "resolve": "Put right; Palette counts from now on whether it holds",
    "reopen": "Open again",
    "pending": "Sent; it takes a moment longer than usual. Look again shortly.",
    "key": "That was said before.",
    "corrected": "Corrected, thank you: the next reading knows.",
    "correcting": "Your correction is on its way.",
    "taken": "Somebody corrected this before you, or it was read anew. Look at the newest tags.",
    "nothing": "Choose what is to be corrected.",
    "untagged": "It has not been read yet.",
    "away": "It could not be sent just now. Nothing was changed; try again in a moment.",
    "name": "Say who you are.",
    "whom": "Say whom to hand it to.",
    "not_ours": "Handed on, thank you: what you said of it teaches Palette, too.",
    "whose": "Say whose it is; as it stands it would come back to the same team.",
    "words": "Say something first.",
}
NO_ACTION = {
    "praise": "it is praise, and counts in the figures",
    "needs_a_look": "Palette is not sure, so a person looks first",
    "nothing_to_do": "there is nothing to mend",
}
_CHANGES = {
    "opened": "Opened",
    "reopened": "Opened again",
    "acknowledged": "Seen",
    "started": "Started",
    "commented": "Comment",
    "resolved": "Put right",
    "verified": "Proven",
    "judged": "Checked by the numbers",
    "closed": "Closed: what opened it is about something else after all",
    "handed_over": "Handed to another team",
    "assigned": "Handed over",
    "refused": "Not possible",
}
_BREACHED = {
    "acknowledge_due": "Nobody had seen it in time",
    "resolve_due": "It was not put right in time",
}


def unsure(entries: Iterable[Unsure]) -> str:
    """Why a reading is not sure: each reason once, with the tags that it holds for unless it holds for the text."""
    by_reason: dict[str, list[str]] = {}
    for entry in entries:
        by_reason.setdefault(entry.reason, []).append(_HEADS.get(entry.head, entry.head))
    told = []
    for reason, heads in by_reason.items():
        why = _UNSURE.get(reason, reason.replace("_", " "))
        told.append(why if reason in _OF_THE_TEXT else f"{listed(heads)}: {why}")
    return "; ".join(told)


def refusal(reason: str) -> str:
    """Why a command was not done."""
    return _REFUSALS.get(reason, f"Not possible: {reason.replace('_', ' ')}.")


def change(entry: ActionChanged, names: Names) -> str:
    """One line of a history."""
    by = "" if entry.by in {"palette", ""} else f" by {entry.by}"
    if entry.change == "breached":
        return _BREACHED.get(entry.reason, "A promise was not kept")
    if entry.change in {"assigned", "handed_over"} and entry.to:
        to = names.teams.get(entry.to, entry.to)
        return f"Handed to {to}{by}"
    if entry.change == "refused":
        return f"Asked{by}, not done: {refusal(entry.reason)}"
    if entry.change in {"reopened", "verified", "judged"} and entry.reason in VERDICTS:
        return f"{_CHANGES[entry.change]}: {VERDICTS[entry.reason]}"
    if entry.change == "reopened" and entry.reason == "recurrence":
        return "Opened again: it came back"
    return f"{_CHANGES.get(entry.change, entry.change.replace('_', ' ').capitalize())}{by}"


def because(told: str, names: Names) -> str:
    """Why a rule fits or does not, with names for ids."""
    known = {"unsure": "not sure", "tagged": "sure", "unknown": "not told", **_CHANNEL_WORDS}
    themes = {theme.id: f"“{theme.name}”" for theme in names.themes.values()}
    by_subject = {"stage": names.stages, "area": names.areas, "any area": names.areas, "theme": themes}
    return "; ".join(_named(part, by_subject.get(part.partition(" is ")[0], known)) for part in told.split("; "))


def _named(part: str, words: Mapping[str, str]) -> str:
    said = _WORD.sub(lambda match: words.get(match.group(), match.group()), part) if " is " in part else part
    return said.replace("status is", "the reading is").replace("stage is", "the step is")


def opening(action: Action) -> str:
    """Why an action exists."""
    plan = action.plan
    if plan.action == "recovery":
        return "One customer needs somebody now."
    if action.severity >= 3:
        return "Somebody could come to harm or to great loss, so one voice is enough."
    return f"{about(plan.threshold).capitalize()} within {span(plan.window_hours)} make a case."


def span(hours: float) -> str:
    """`1 hour`, `3 days`, `6 weeks`."""
    if hours < 48 and hours % 24:
        return count(round(hours), "hour")
    days = round(hours / 24)
    if days >= 14 and days % 7 == 0:
        return count(days // 7, "week")
    return count(days, "day")


def workings(lags: Iterable[tuple[str, int, float]]) -> list[tuple[bool, str]]:
    """How far each reader is: (group, messages left, age of the oldest in seconds) -> well or not, and words."""
    found = []
    for group, left, age in lags:
        subject = _GROUPS.get(group, group.replace("-", " ").capitalize())
        if left == 0:
            found.append((True, f"{subject}: nothing is waiting."))
        else:
            found.append((age < 60, f"{subject}: {count(left, 'message')} waiting, the oldest for {_age(age)}."))
    return found


_GROUPS = {
    "classify": "Reading what customers say",
    "router": "Deciding who is asked",
    "router-fold": "Opening and counting cases",
    "notify": "Telling teams",
    "api": "Showing it here",
}


def _age(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.0f} hours"


def letters(by_topic: Mapping[str, int]) -> tuple[bool, str]:
    """What could not be read."""
    number = sum(by_topic.values())
    if number == 0:
        return True, "Everything could be read."
    return False, f"{count(number, 'message')} could not be read and {'was' if number == 1 else 'were'} put aside."


def missing(by_source: Mapping[str, int] | None) -> tuple[bool, str]:
    """Whether anything is lost."""
    if by_source is None:
        return True, "Being counted: whether anything is missing."
    gone = {source: number for source, number in by_source.items() if number}
    if not gone:
        return True, "Nothing is missing: all that was stored has been read or put aside."
    told = ", ".join(f"{number} from {source}" for source, number in sorted(gone.items()))
    return False, f"Missing: {told}."


def checked(found: Shares) -> str:
    """What shares rest on."""
    if found.reason is Reason.EMPTY:
        return "nothing yet"
    if found.reason is Reason.NOT_CHECKED:
        return "not yet checked by people"
    return f"checked by people: {found.checked:,}" + (", still few" if found.reason is Reason.FEW_CHECKED else "")
