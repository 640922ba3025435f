"""What an answer to a question says on a scale from worst to best: numbers with their scale, ratings, worded answers.

Knows scales; knows no areas and no tags. A number whose scale nobody told may be anything, so it says nothing.
"""

import re
from typing import cast, get_args

from services.classify.tagging.ratings import share_of_scale
from services.contracts.events import Answer, Rating, RatingKind

_LONGEST_WORDED = 40
_FROM_NOUGHT = 10
_RATED = get_args(RatingKind)
_AGREES = frozenset({"yes", "ja", "oui", "sí", "si", "true"})
_DISAGREES = frozenset({"no", "nein", "non", "false"})

_ASKS_FOR_TROUBLE = re.compile(
    r"\b(?:problems?|issues?|wrong|missing|difficult\w*|hard|complain\w*|damaged|broken|delay\w*|late|queue|fault\w*|"
    r"dirty|trouble|have to (?:wait|chase|call|contact|repeat))\b",
    re.IGNORECASE,
)
_ASKS_FOR_REMEDY = re.compile(r"\b(?:resolved?|solved?|fixed|sorted|handled|dealt with|put right)\b", re.IGNORECASE)
_ASKS_FOR_GOOD = re.compile(
    r"\b(?:resolved?|solved?|fixed|answered|on time|in time|punctual\w*|as (?:described|expected|promised|agreed)|"
    r"help\w*|friendl\w+|polite\w*|courteous\w*|clean\w*|tid(?:y|ily)|greeted?|offered?|smiled?|explained?|"
    r"understood|within|correct\w*|complete\w*|works?|worked|easy|easily|satisfied|happy|recommend|good|well|clear\w*|fair\w*|"
    r"worth|kept|informed|apologi[sz]ed?|trust|again)\b",
    re.IGNORECASE,
)
_OUT_OF = re.compile(
    r"\s*(\d{1,3}(?:[.,]\d)?)\s*(?:/|out of|von|sur|of)\s*(\d{1,3})\s*(?:stars?|points?)?\s*", re.IGNORECASE
)
_WORDED = {
    name: share
    for share, names in {
        1.0: "very satisfied,completely satisfied,extremely satisfied,very happy,excellent,outstanding,strongly agree,"
        "very easy,extremely easy,very likely,extremely likely,definitely,always,very good,great,perfect",
        0.75: "satisfied,happy,good,agree,easy,likely,somewhat satisfied,somewhat agree,quite good,probably,often,"
        "exceeded expectations,fairly satisfied",
        0.5: "neutral,neither,average,fair,ok,okay,acceptable,adequate,sometimes,neither agree nor disagree,"
        "neither satisfied nor dissatisfied,met expectations,mixed,as expected",
        0.25: "dissatisfied,unsatisfied,unhappy,disagree,difficult,unlikely,somewhat dissatisfied,somewhat disagree,"
        "below average,not great,rarely,below expectations,fairly dissatisfied",
        0.0: "very dissatisfied,extremely dissatisfied,completely dissatisfied,very unhappy,poor,very poor,bad,"
        "very bad,terrible,awful,unacceptable,"
        "strongly disagree,very difficult,extremely difficult,very unlikely,never,not at all",
    }.items()
    for name in names.split(",")
}


def share_of(answer: Answer) -> tuple[float | None, str | None]:
    """How good the answer is, 0 to 1; and the words of a value that is no number."""
    value, kind = answer.value, (answer.kind or "").lower()
    if isinstance(value, str):
        return _share_of_words(value, answer.question)
    if value is None:
        return None, None
    if isinstance(value, bool):
        return _agreed(answer.question, yes=value), None
    if kind in _RATED:
        return share_of_scale(Rating(kind=cast(RatingKind, kind), value=float(value), max=answer.max)), None
    if answer.max is None or answer.max <= 1 or not 0 <= value <= answer.max:
        return None, None  # a number without its scale may be anything: an amount, a year
    lowest = 0.0 if answer.max >= _FROM_NOUGHT else 1.0
    return max(0.0, (value - lowest) / (answer.max - lowest)), None


def _agreed(question: str, *, yes: bool) -> float | None:
    """A yes or no where one of them is good; `Did you use the app?` has no better answer."""
    if _ASKS_FOR_TROUBLE.search(question) and not _ASKS_FOR_REMEDY.search(question):
        return float(not yes)
    return float(yes) if _ASKS_FOR_GOOD.search(question) else None


def _share_of_words(value: str, question: str) -> tuple[float | None, str | None]:
    word = " ".join(value.casefold().split()).strip(" .!")
    if len(word) <= _LONGEST_WORDED:
        if word in _AGREES or word in _DISAGREES:
            return _agreed(question, yes=word in _AGREES), None
        if word in _WORDED:
            return _WORDED[word], None
        match = _OUT_OF.fullmatch(word)
        if match is not None and float(match[2]) > 1:
            return min(1.0, float(match[1].replace(",", ".")) / float(match[2])), None
        if word.replace(".", "").replace(",", "").isdecimal():
            return None, None
    return None, value
