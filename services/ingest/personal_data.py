"""Where personal data stands in a text: e-mail addresses, payment cards, bank accounts, national ids, phone numbers.

Names and postal addresses of people are not found: no list or pattern finds them reliably, and a model that guesses
would take product and place names with it.

Shapes are proposed by cheap patterns and judged by libraries (python-stdnum, phonenumbers), so that a text without `@`
and with few digits costs microseconds. Every pattern is bounded: the time is linear in the length of the text.
"""

import re
import unicodedata
from bisect import bisect
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import product
from typing import NamedTuple

import phonenumbers
from stdnum import iban, luhn
from stdnum.be import nn as be_nn
from stdnum.ca import sin as ca_sin
from stdnum.de import idnr as de_idnr
from stdnum.dk import cpr as dk_cpr
from stdnum.es import dni as es_dni
from stdnum.es import nie as es_nie
from stdnum.fr import nir as fr_nir
from stdnum.gb import nhs as gb_nhs
from stdnum.ie import pps as ie_pps
from stdnum.it import codicefiscale as it_codicefiscale
from stdnum.nl import bsn as nl_bsn
from stdnum.pl import pesel as pl_pesel
from stdnum.se import personnummer as se_personnummer
from stdnum.us import ssn as us_ssn


class Span(NamedTuple):
    """Where something stands, in code points, and what it is."""

    start: int
    end: int
    kind: str


def find(text: str, *, own: Iterable[tuple[str, str]], regions: Sequence[str], prose: bool) -> list[Span]:
    """All personal data in a text, in order and apart from each other.

    `own` are values to find wherever they stand, with their kind; `regions` are the countries whose phone numbers are
    known without an international prefix. Where the text is not `prose` but a value that may be an id, digits without
    any separator are not taken for a phone number.
    """
    found: list[Span] = []
    for value, kind in own:
        if len(value) <= len(text):
            _take(found, _verbatim(text, value, kind))
    if "@" in text or "%40" in text or "＠" in text:
        _take(found, _matches(_EMAIL, text, "email"))
    if len(text) >= _SHORTEST and _MANY_DIGITS.search(text):
        _take(found, _ibans(text))
        _take(found, _cards(text))
        _take(found, _national_ids(text))
        _take(found, _phones(text, regions, prose=prose))
    return found


def _take(found: list[Span], more: Iterable[Span]) -> None:
    """Adds spans in order. What overlaps becomes one, of the longer one's kind, so that no end sticks out."""
    for span in more:
        place = bisect(found, span)
        if place and found[place - 1].end > span.start:
            place -= 1
        after = place
        while after < len(found) and found[after].start < span.end:
            after += 1
        touched = [*found[place:after], span]
        longest = max(touched, key=lambda one: one.end - one.start)
        start, end = min(one.start for one in touched), max(one.end for one in touched)
        found[place:after] = [Span(start, end, longest.kind)]


_GAP = r"[\s\u200b-\u200d\u2060\ufeff.\-\u2010-\u2015_/()*]"
_SHORTEST = 6
_MANY_DIGITS = re.compile(r"(?:\d\D{0,3}){6}")
_EMAIL = re.compile(r"[\w.!#$&'*+/=?^`{|}~-]{1,100}(?:@|%40|＠)[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_IBAN = re.compile(r"(?<![^\W_])[A-Za-z]{2}\d{2}(?:[ \u00a0-]?[A-Za-z0-9]){11,30}")
_DIGIT_RUN = re.compile(rf"[+(]{{0,2}}\d(?:{_GAP}{{0,3}}\d){{6,}}")
_DIGITS = re.compile(r"\d+")
_GROUP = re.compile(r"[+(]{0,2}\d+")
_NANP = re.compile(r"(?:1[ .-]?)?\(?\d{3}\)?[ .-]{0,2}\d{3}[ .-]\d{4}\Z")
_DATE = re.compile(r"(?:19|20)\d\d[-./]\d{1,2}[-./]\d{1,2}|\d{1,2}[-./]\d{1,2}[-./](?:19|20)\d\d")
_MAX_TRIES = 500
_SPEAKS_OF_PHONES = re.compile(
    r"phone|mobile|\bcell|\btel\b|telefon|handy|\bcall|\bring|\btext|whatsapp|\bsms\b|number|contact|reach|nummer", re.I
)


def _matches(pattern: re.Pattern[str], text: str, kind: str) -> Iterator[Span]:
    for match in pattern.finditer(text):
        yield Span(match.start(), match.end(), kind)


def _verbatim(text: str, value: str, kind: str) -> Iterator[Span]:
    """Where a value stands in a text, whatever its case. Values under four characters would hide half the language."""
    if len(value) < 4 or (value not in text and value.casefold() not in text.casefold()):
        return
    word = re.escape(value)
    if len(value) < 8:
        word = rf"(?<!\w){word}(?!\w)"
    yield from _matches(re.compile(word, re.IGNORECASE), text, kind)


def _ibans(text: str) -> Iterator[Span]:
    for match in _IBAN.finditer(text):
        candidate = match.group()
        if sum(map(str.isdigit, candidate)) < 8:
            continue
        for end in range(len(candidate), 14, -1):  # words may follow: the longest valid part counts
            if candidate[end - 1].isalnum() and iban.is_valid(candidate[:end]):
                yield Span(match.start(), match.start() + end, "iban")
                break


def _cards(text: str) -> Iterator[Span]:
    """13 to 19 digits, whole groups as cards show them, that begin as payment cards do and pass the Luhn check. A text
    in which more might begin than in any honest one is masked row by row instead."""
    tries = _MAX_TRIES
    for match in _DIGIT_RUN.finditer(text):
        groups = [(g.start(), g.end()) for g in _DIGITS.finditer(text, match.start(), match.end())]
        first = 0
        while first < len(groups):
            if not 2 <= unicodedata.digit(text[groups[first][0]]) <= 6:
                first += 1
                continue
            tries -= 1
            if tries < 0:
                yield Span(groups[first][0], match.end(), "card")
                break
            last = _card_end(text, groups, first)
            if last:
                yield Span(groups[first][0], groups[last - 1][1], "card")
            first = last or first + 1


def _card_end(text: str, groups: Sequence[tuple[int, int]], first: int) -> int:
    """After which group the longest card that begins at `first` ends; 0 where none does."""
    digits = ""
    sizes: set[int] = set()
    found = 0
    for after in range(first + 1, len(groups) + 1):
        start, end = groups[after - 1]
        if len(digits) + end - start > 19:
            break
        digits += "".join(str(unicodedata.digit(character)) for character in text[start:end])
        sizes.add(end - start)
        as_shown = len(sizes) == 1 or (min(sizes) >= 3 and max(sizes) <= 6)
        if len(digits) >= 13 and as_shown and luhn.is_valid(digits):
            found = after
    return found


class _NationalId(NamedTuple):
    shape: re.Pattern[str]
    is_valid: Callable[[str], bool]
    speaks_of: re.Pattern[str] | None = None
    """Where the shape is plain digits with a weak check, only these words before it make it an id."""


def _shape(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"{pattern}(?![\w-])", re.IGNORECASE)


_NATIONAL_IDS = (
    _NationalId(_shape(r"\d{3}[- ]\d{2}[- ]\d{4}"), us_ssn.is_valid),
    _NationalId(_shape(r"\d{9}"), us_ssn.is_valid, re.compile(r"\bssn\b|social security", re.I)),
    # the format is the whole rule: the British number has no check digit
    _NationalId(_shape(r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z](?: ?\d{2}){3} ?[A-D]"), lambda _: True),
    _NationalId(_shape(r"\d{3}[ -]\d{3}[ -]\d{4}"), gb_nhs.is_valid, re.compile(r"\bnhs\b", re.I)),
    _NationalId(_shape(r"\d{10}"), gb_nhs.is_valid, re.compile(r"\bnhs\b", re.I)),
    _NationalId(_shape(r"\d{2} ?\d{3} ?\d{3} ?\d{3}"), de_idnr.is_valid),
    _NationalId(_shape(r"[12] ?\d{2} ?\d{2} ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3}(?: ?\d{2})?"), fr_nir.is_valid),
    _NationalId(_shape(r"\d{8}[- ]?[A-Z]"), es_dni.is_valid),
    _NationalId(_shape(r"[XYZ][- ]?\d{7}[- ]?[A-Z]"), es_nie.is_valid),
    _NationalId(_shape(r"[A-Z]{6}\d{2}[A-Z]\d{2}[A-Z]\d{3}[A-Z]"), it_codicefiscale.is_valid),
    _NationalId(_shape(r"\d{9}"), nl_bsn.is_valid, re.compile(r"\bbsn\b|burgerservice", re.I)),
    _NationalId(_shape(r"\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}"), be_nn.is_valid),
    _NationalId(_shape(r"(?:\d{2})?\d{6}[-+]\d{4}"), se_personnummer.is_valid),
    _NationalId(_shape(r"\d{6}-\d{4}"), dk_cpr.is_valid),
    _NationalId(_shape(r"\d{11}"), pl_pesel.is_valid),
    _NationalId(_shape(r"\d{7}[A-W][A-IW]?"), ie_pps.is_valid),
    _NationalId(_shape(r"\d{3}[- ]\d{3}[- ]\d{3}"), ca_sin.is_valid),
)


_WORD_WITH_DIGIT = re.compile(r"(?<![\w-])(?=\w{0,6}\d|[A-Za-z]{1,2}[ -]\d)")


def _national_ids(text: str) -> Iterator[Span]:
    for word in _WORD_WITH_DIGIT.finditer(text):
        start = word.start()
        for national_id in _NATIONAL_IDS:
            match = national_id.shape.match(text, start)
            if match is None or not national_id.is_valid(match.group()):
                continue
            if national_id.speaks_of is None or _before(text, start, national_id.speaks_of):
                yield Span(start, match.end(), "national_id")
                break


def _before(text: str, place: int, words: re.Pattern[str]) -> bool:
    return words.search(text, max(0, place - 50), place) is not None


def _phones(text: str, regions: Sequence[str], *, prose: bool) -> Iterator[Span]:
    """Rows of digit groups that are a phone number, the longest at each place. A text that holds more number-like
    rows than any honest one is masked row by row instead: judging each would take seconds."""
    tries = _MAX_TRIES
    for match in _DIGIT_RUN.finditer(text):
        groups = [(g.start(), g.end()) for g in _GROUP.finditer(text, match.start(), match.end())]
        first = 0
        while first < len(groups):
            start = groups[first][0]
            date = _DATE.match(text, start)
            if date is not None:
                first = _after(groups, first, date.end())
                continue
            if _joins(text[start - 1 : start], "_#"):
                first += 1
                continue
            ends = ((k, groups[k][1]) for k in _phone_lengths(text, groups, first))
            lasts = [k for k, end in ends if not _joins(text[end : end + 1])]
            tries -= len(lasts)
            if tries < 0:
                yield Span(start, match.end(), "phone")
                break
            spoken = prose and bool(lasts) and _before(text, start, _SPEAKS_OF_PHONES)
            for region, last in product(regions, lasts):  # as its own country reads it, before as any other might
                end = groups[last][1]
                if _is_phone(text[start:end], region, spoken=spoken, prose=prose):
                    yield Span(start, end, "phone")
                    first = last
                    break
            first += 1


def _phone_lengths(text: str, groups: Sequence[tuple[int, int]], first: int) -> list[int]:
    """The groups at which a number that begins at `first` may end, the longest number first: 7 to 15 digits."""
    found = []
    digits = 0
    for last in range(first, len(groups)):
        digits += sum(map(str.isdigit, text[groups[last][0] : groups[last][1]][-16:]))
        if digits > 15:
            break
        if digits >= 7:
            found.append(last)
    found.reverse()
    return found


def _after(groups: Sequence[tuple[int, int]], first: int, place: int) -> int:
    while first < len(groups) and groups[first][0] < place:
        first += 1
    return first


def _joins(beside: str, others: str = "_") -> bool:
    """Whether digits go on in what stands beside them, as in a product or order code."""
    return beside != "" and (beside.isalnum() or beside in others)


def _is_phone(run: str, region: str, *, spoken: bool, prose: bool) -> bool:
    """Of a length that can be dialled in that region; ranges not given out count too, as people mistype. Without a
    leading + or 0, only as North America writes it, or, if valid, where the words before it speak of phones: order
    numbers look the same."""
    start = run.lstrip("(")
    if start.startswith("+"):
        return _possible(run, None)
    if run.isdigit() and not prose:
        return False
    if start.startswith("00") and _possible("+" + start[2:], None):
        return True
    if start.startswith("0"):
        return _possible(run, region) and (sum(map(str.isdigit, run)) >= 10 or _valid(run, region))
    if _NANP.match(run):
        return _possible(run, "US")
    return spoken and _valid(run, region)


def _possible(number: str, region: str | None) -> bool:
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(number, region))
    except phonenumbers.NumberParseException:
        return False


def _valid(number: str, region: str | None) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(number, region))
    except phonenumbers.NumberParseException:
        return False
