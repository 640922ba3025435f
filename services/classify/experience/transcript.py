"""Who said what in a chat or call that came as one text. Knows the shapes of transcripts; knows no topics.

A turn begins on a line with a speaker and a colon, with or without a time: `Agent: …`, `[12:04] Anna (support): …`,
`( 1m 5s ) Anna: …`, `2026-11-02 12:04:33 - Visitor: …`. Who speaks is read from the role, in front of a name, behind it
or instead of it. Where there are only names, the one who offers help, as nobody does who wants something, is the agent;
where that does not tell either, the text is no transcript, and all of it is the writer's.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from services.contracts.events import Speaker

_FEWEST_TURNS = 2
_TURNS_AMONG_LINES = 0.3
_FEWEST_PLAIN_TURNS = 3
_WORDS_OF_A_NAME = 3
_NAME_BEHIND = 25
_READ = 200
_TIME = (
    r"(?:[\[(]\s?(?:[\d\-/.]{8,10}[T,\s]\s?)?\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d{1,3})?\s?(?:[ap]\.?m\.?)?Z?\s?[\])]|"
    r"\(\s?(?:\d{1,3}h\s?)?(?:\d{1,3}m\s?)?\d{1,3}s\s?\)|"
    r"(?:\d{4}-\d{2}-\d{2}[T\s]|\d{1,2}[/.]\d{1,2}[/.]\d{2,4},?\s)?\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d{1,3})?Z?"
    r"(?:\s?[ap]\.?m\.?)?)"
)
_TURN = re.compile(
    rf"(?P<time>{_TIME})?\s{{0,3}}[-–|]?\s{{0,3}}\*{{0,2}}(?P<who>[^\W\d_][^:\n\[\]<>\"?!]{{0,50}}?)\s?"
    r"(?:[\[(](?P<role>[^\])\n:]{1,30})[\])])?\*{0,2}\s?:\*{0,2}(?=\s|$)\s?",
    re.IGNORECASE,
)
_CUSTOMER = re.compile(
    r"(?:customer|client|caller|user|guest|visitor|passenger|consumer|shopper|end.?user|me|kunde|kundin|cliente)\b",
    re.IGNORECASE,
)
_AGENT = re.compile(
    r"(?:(?:customer |live |support |service |sales |chat |call |senior )*(?:agent|adviser|advisor|operator|"
    r"representative|rep|csr)|help.?desk|mitarbeiter(?:in)?|berater(?:in)?|conseill(?:er|ère)|agente|asesora?)\b",
    re.IGNORECASE,
)
_PERHAPS_AGENT = re.compile(
    r"(?:customer |technical |guest |patient |member |client )?(?:support|service|services|care|relations)\b|"
    r"(?:associate|consultant|specialist|assistant|team|staff|host|technician|supervisor|manager|employee|kundenservice|"
    r"kundendienst)\b",
    re.IGNORECASE,
)
_BOT = re.compile(
    r"(?:(?:chat|voice|virtual |digital |automated )?\s?bot|chatbot|virtual (?:assistant|agent)|digital assistant|"
    r"automated (?:message|assistant|reply)|auto.?reply|system|ivr)\b",
    re.IGNORECASE,
)
_OFFERS_HELP = re.compile(
    r"how (?:can|may) (?:i|we) (?:help|assist)|"
    r"(?:thank you|thanks) for (?:contacting|calling|chatting|reaching|getting in|your patience|holding|waiting)|"
    r"(?:is there )?anything else (?:i|we) can|my name is \w+ (?:and i|from|how)|"
    r"you(?:'re| are) (?:now )?(?:chatting|connected|speaking) (?:with|to)|"
    r"let me (?:check|look|pull) (?:that|this|it|up)\b|"
    r"i(?:'| wi)ll be (?:happy|glad) to (?:help|assist)|wie (?:kann|darf) ich (?:ihnen|dir) helfen",
    re.IGNORECASE,
)
_NOBODY = re.compile(
    r"\W{0,6}(?:chat started|chat ended|chat origin|.{0,60} (?:has )?(?:joined|left) the (?:chat|conversation)|"
    r".{0,60}transferred the chat|conversation (?:started|ended)|transcript of).{0,120}$",
    re.IGNORECASE,
)


class Turn(NamedTuple):
    """Who spoke, where the turn begins, speaker and time included, where its words begin, and its end."""

    by: Speaker
    start: int
    words: int
    end: int


class _Head(NamedTuple):
    who: str
    by: Speaker | None
    perhaps: bool
    timed: bool
    start: int
    words: int


def turns_of(text: str) -> list[Turn]:
    """The turns of a transcript in order; none where the text is no transcript. Linear in the length."""
    if ":" not in text:
        return []
    found, lines = _heads(text)
    heads = _certain(found)
    if len(heads) < _FEWEST_TURNS or len(heads) < _TURNS_AMONG_LINES * lines:
        return []
    speakers = _speakers(text, heads)
    if not {"agent", "bot"} & set(speakers.values()) or "customer" not in speakers.values():
        return []
    ends = [head.start for head in heads[1:]] + [len(text)]
    return [Turn(speakers[h.who], h.start, h.words, end) for h, end in zip(heads, ends, strict=True)]


def lines_of_nobody(text: str) -> list[tuple[int, int]]:
    """Spans of the lines that a chat system wrote: who joined, when it began."""
    found, start = [], 0
    for line in text.split("\n"):
        if _NOBODY.match(line[:_READ]):
            found.append((start, start + len(line)))
        start += len(line) + 1
    return found


def _heads(text: str) -> tuple[list[_Head], int]:
    """Every line that begins as a turn may, and how many lines have words."""
    heads: list[_Head] = []
    lines, start = 0, 0
    for line in text.split("\n"):
        lines += bool(line) and not line.isspace()
        match = _TURN.match(line[:_READ])
        if match is not None:
            who, role = match["who"].strip(), (match["role"] or "").strip()
            parts = (role, who, who.rpartition(",")[2].strip(), who.rpartition("|")[2].strip())
            by: Speaker | None = next(filter(None, map(_by, parts)), None)
            perhaps = by is None and any(map(_PERHAPS_AGENT.match, parts))
            if by is not None and not role and _PERHAPS_AGENT.match(who):
                by, perhaps = None, True  # "customer service: …" is no customer
            if by is None and perhaps and role:
                by = "agent"
            if by is not None or perhaps or len(who.split()) <= _WORDS_OF_A_NAME:
                timed = match["time"] is not None
                heads.append(_Head(who.casefold(), by, perhaps, timed, start, start + match.end()))
        start += len(line) + 1
    return heads, lines


def _by(said: str) -> Speaker | None:
    for mark, by in _ROLES:
        if (match := mark.match(said)) and len(said) - match.end() <= _NAME_BEHIND:
            return by
    return None


_ROLES: tuple[tuple[re.Pattern[str], Speaker], ...] = ((_BOT, "bot"), (_AGENT, "agent"), (_CUSTOMER, "customer"))


def _certain(heads: Sequence[_Head]) -> list[_Head]:
    """The heads that are turns. `Service: slow` in a list of aspects is none; beside a `Customer: …` it is one. A bare
    name counts where others have roles or times only if it speaks again, and alone where it is an exchange."""
    times = Counter(head.who for head in heads)
    customer = any(head.by == "customer" for head in heads)
    plain = not any(head.by is not None or head.timed for head in heads)
    if plain and (len(heads) < _FEWEST_PLAIN_TURNS or times.most_common(1)[0][1] < _FEWEST_TURNS):
        return []
    certain = []
    for head in heads:
        if head.perhaps and (customer or head.timed):
            certain.append(head._replace(by=head.by or "agent"))
        elif plain or head.by is not None or head.timed or times[head.who] > 1:
            certain.append(head)
    return certain


def _speakers(text: str, heads: Sequence[_Head]) -> dict[str, Speaker]:
    """Who everybody is: by role, else by what agents say, else the customer."""
    speakers: dict[str, Speaker] = {}
    said: dict[str, list[str]] = defaultdict(list)
    ends = [head.start for head in heads[1:]] + [len(text)]
    for head, end in zip(heads, ends, strict=True):
        if head.by is not None:
            speakers.setdefault(head.who, head.by)
        said[head.who].append(text[head.words : end])
    unknown = [who for who in said if who not in speakers]
    offering = [who for who in unknown if any(_OFFERS_HELP.search(turn) for turn in said[who])]
    for who in unknown:
        speakers[who] = "agent" if who in offering and len(offering) < len(said) else "customer"
    return speakers
