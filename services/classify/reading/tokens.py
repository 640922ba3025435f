"""Words without their endings: spaCy's tokens, each with a stem id; a word costs one look-up however often it is read.

Knows English endings and which words carry no subject. Knows nothing of phrases, features or labels.
"""

import re
from collections.abc import Iterable, Sequence

import numpy as np
import spacy.lang.en
from numpy.typing import NDArray
from spacy.attrs import LENGTH, ORTH, SPACY

Array = NDArray[np.int64]

UNKNOWN = 0
"""Id of words that no feature and no phrase has."""

MARK = -1
"""Id of commas and other marks that say nothing but part words."""

SPACE = -2
"""Id of white space that is a token of its own."""

_NOT_SEEN = -3

SKIPPED = frozenset([
    "the", "a", "an", "my", "your", "our", "their", "his", "her", "its", "this", "that", "these", "those", "is", "are",
    "am", "was", "were", "be", "been", "being", "'s", "'re", "'m", "s", "have", "has", "had", "'ve", "having", "do",
    "does", "did", "doing", "done", "very", "so", "really", "quite", "just", "totally", "completely", "absolutely",
    "extremely", "incredibly", "super", "-", "'", '"', "`", "(", ")", "[", "]", "*", "_", "’",
])  # fmt: skip
"""Words that phrases do not look at."""

NEGATORS = frozenset(["not", "never", "no", "nobody", "hardly", "without", "nor", "neither", "none", "barely"])
STOPS = frozenset([".", "!", "?", ";", "but", "|", "\n"])
"""What ends a clause: a phrase does not reach across."""

_WHOLE = SKIPPED | NEGATORS | {"here", "there", "where", "one", "more", "some", "same", "like", "time", "once"}
_IRREGULAR = {
    "n't": "not", "nt": "not", "ca": "can", "wo": "will", "'ll": "will", "'d": "would", "u": "you", "ur": "your",
    "r": "are", "pls": "please", "plz": "please", "thx": "thanks", "broke": "break", "broken": "break",
    "sent": "send", "paid": "pay", "told": "tell", "said": "say", "came": "come", "went": "go", "gone": "go",
    "took": "take", "taken": "take", "got": "get", "gotten": "get", "stole": "steal", "stolen": "steal",
    "rang": "ring", "bought": "buy", "made": "make", "gave": "give", "given": "give", "kept": "keep",
    "spoke": "speak", "spoken": "speak", "hung": "hang", "froze": "freeze", "frozen": "freeze", "drove": "drive",
    "driven": "drive", "fell": "fall", "fallen": "fall", "threw": "throw", "thrown": "throw", "wore": "wear",
    "worn": "wear", "sold": "sell", "ate": "eat", "wrote": "write", "written": "write", "chose": "choose",
    "chosen": "choose", "knew": "know", "known": "know", "saw": "see", "seen": "see", "lies": "lie", "lying": "lie",
    "lied": "lie", "died": "die", "dies": "die", "dying": "die", "cancelled": "cancel", "cancelling": "cancel",
    "canceled": "cancel", "canceling": "cancel", "cancellation": "cancel", "cancellations": "cancel",
    "noone": "nobody", "customers": "customer", "children": "child", "women": "woman", "men": "man",
    "people": "people", "wi-fi": "wifi", "e-mail": "email", "emails": "email", "mails": "mail", "bigger": "big",
    "neighbor": "neighbour", "neighbors": "neighbour", "color": "colour", "colors": "colour", "flavor": "flavour",
    "flavors": "flavour", "news": "news", "gas": "gas", "this": "this", "his": "his", "was": "was", "has": "has",
    "does": "does", "is": "is", "us": "us", "yes": "yes", "always": "always", "plus": "plus", "bus": "bus",
    "its": "its", "as": "as", "during": "during", "thing": "thing", "things": "thing", "nothing": "nothing",
    "anything": "anything", "something": "something", "everything": "everything", "bring": "bring",
    "brought": "bring", "king": "king", "ring": "ring", "string": "string", "evening": "evening",
    "morning": "morning", "being": "being", "having": "having", "doing": "doing", "need": "need", "indeed": "indeed",
    "speed": "speed", "red": "red", "bed": "bed", "beds": "bed", "feed": "feed", "used": "use", "using": "use",
    "uses": "use", "these": "these", "those": "those", "ours": "ours", "serious": "serious", "hotels": "hotel",
}  # fmt: skip

_NUMBER = re.compile(r"[£$€]?\d[\d.,:/%£$€-]*(?:st|nd|rd|th|k|m|am|pm|p)?\Z")
_VOWEL = re.compile(r"[aeiouy]")
_KEPT_MARKS = frozenset("?!.;|")
_SHORTEST = 3
_KEEPS_E = re.compile(r"[^aeiouy]*[aeiouy][^aeiouwxy]\Z")
"""One syllable, one vowel, one consonant: "car" is another word than "care", and "caring" comes from the latter, as
"car" would have doubled its last letter."""


def stem(word: str) -> str:
    """A word in lower case without its ending; numbers are `#`; what separates nothing from nothing is empty."""
    word = word.lower()
    if word in _WHOLE:
        return word
    known = _IRREGULAR.get(word)
    if known is not None:
        return known
    if not word.strip():
        return "\n" if word.count("\n") > 1 else ""
    if not any(c.isalnum() for c in word):
        mark = word[0]
        return mark if mark in _KEPT_MARKS or ord(mark) > 0x2000 or word in SKIPPED else ("." if "." in word else "")
    if _NUMBER.match(word) and any(c.isdigit() for c in word):
        return "#"
    return _without_ending(word)


def _without_ending(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("sses", "xes", "ches", "shes", "zes")):
        word = word[:-2]
    elif len(word) > _SHORTEST and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ing", "ed"):
        base = word[: -len(ending)]
        if word.endswith(ending) and len(base) >= _SHORTEST and _VOWEL.search(base):
            word = base + "y" if ending == "ed" and base.endswith("i") else base
            if word.endswith("yy"):
                word = word[:-1]
            if _KEEPS_E.match(word):
                return word + "e"
            break
    if len(word) > _SHORTEST and word.endswith("ied"):
        word = word[:-3] + "y"
    if len(word) > _SHORTEST and word.endswith("e") and not _KEEPS_E.match(word[:-1]):
        word = word[:-1]
    if len(word) > _SHORTEST and word[-1] == word[-2] and word[-1] not in "aeio":
        word = word[:-1]
    return word


class Stems:
    """Ids of the stems that features and phrases use. Others are `UNKNOWN`."""

    def __init__(self, stems: Iterable[str]) -> None:
        self.names: list[str] = ["\x00", *sorted({*stems, *SKIPPED, *NEGATORS, *STOPS, "only", "and"} - {""})]
        self.ids = {name: number for number, name in enumerate(self.names)}
        self.skipped = np.zeros(len(self.names), dtype=bool)
        self.skipped[[self.ids[s] for s in SKIPPED]] = True

    def __len__(self) -> int:
        return len(self.names)

    def of(self, *names: str) -> list[int]:
        """Ids of known stems."""
        return [self.ids[name] for name in names]


class TokenBatch:
    """The tokens of several texts, end to end. `first[d]` is the first token of text d, `first[-1]` the end.

    Arrays over all tokens: `stem` ids (negative for white space and marks that say nothing), `start` and `end` offsets
    in the clean text of their own document, `doc` the text's number.
    """

    def __init__(
        self, first: NDArray[np.int64], stem_ids: NDArray[np.int64], start: NDArray[np.int64], end: NDArray[np.int64]
    ) -> None:
        self.first = first
        self.stem = stem_ids
        self.start = start
        self.end = end
        self.doc = np.repeat(np.arange(len(first) - 1), np.diff(first))


class Tokenizer:
    """spaCy's blank English tokenizer, with a memory of the stems of words seen.

    spaCy remembers every word it met, and is slow on words that it never met; so it keeps its memory until that has
    grown by `_REMEMBERED` words, and then begins anew.
    """

    _REMEMBERED = 60_000

    def __init__(self, stems: Stems) -> None:
        self._stems = stems
        self._begin()

    def _begin(self) -> None:
        self._nlp = spacy.lang.en.English()
        self._tokenize = self._nlp.tokenizer
        self._limit = len(self._nlp.vocab.strings) + self._REMEMBERED
        self._seen: dict[int, int] = {}

    def words(self, text: str) -> list[str]:
        """The tokens of one text."""
        return [token.text for token in self._tokenize(text)]

    def read(self, texts: Sequence[str]) -> TokenBatch:
        """Tokens of clean texts."""
        if len(self._nlp.vocab.strings) > self._limit:
            self._begin()
        counts = np.zeros(len(texts) + 1, dtype=np.int64)
        tables = []
        for number, text in enumerate(texts):
            table = self._tokenize(text).to_array([ORTH, LENGTH, SPACY])
            if len(table):
                counts[number + 1] = len(table)
                tables.append(table)
        first = np.cumsum(counts)
        if not tables:
            none = np.zeros(0, dtype=np.int64)
            return TokenBatch(first, none, none, none)
        table = np.concatenate(tables)
        lengths = table[:, 1].astype(np.int64)
        after = np.cumsum(lengths + table[:, 2].astype(np.int64))
        before_doc = np.concatenate([[0], after])[first[:-1]]
        start = np.concatenate([[0], after[:-1]]) - np.repeat(before_doc, counts[1:])
        return TokenBatch(first, self._stems_of(table[:, 0].tolist()), start, start + lengths)

    def _stems_of(self, orths: list[int]) -> Array:
        seen, strings = self._seen, self._nlp.vocab.strings
        found = [seen.get(orth, _NOT_SEEN) for orth in orths]
        if _NOT_SEEN in found:
            for place, known in enumerate(found):
                if known == _NOT_SEEN:
                    orth = orths[place]
                    found[place] = seen[orth] = self._id(strings[orth])
        return np.array(found, dtype=np.int64)

    def _id(self, word: str) -> int:
        name = stem(word)
        if not name:
            return SPACE if word.isspace() else MARK
        return self._stems.ids.get(name, UNKNOWN)
