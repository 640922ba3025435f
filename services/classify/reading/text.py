"""Cleaning with an offsets map, so that every span of the clean text points into the *stored* text.

Knows characters; knows nothing of words or labels. Whatever can be done in place (URLs, handles, masks, tags, control
characters) is blanked with spaces of the same length; only mended mojibake and HTML entities change lengths.
"""

import html
import re
from collections.abc import Sequence

import ftfy
import msgspec

MAX_CHARACTERS = 20_000

_MASK = re.compile(r"‹[^‹›]{1,60}›")
_LINK = re.compile(r"\b(?:https?://|www\.)[^\s<>]{1,2000}|(?<![\w@])@\w{1,50}", re.IGNORECASE)
_CONTROL = re.compile(
    r"[\ud800-\udfff\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufffd]"
)
_REPEATED = re.compile(r"([^\w\s])\1{3,}")
_ENDLESS = re.compile(r"\S{200,}")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});")
_LOOKS_HTML = re.compile(
    r"<(?:!doctype|html|body|head|p|div|br|span|table|ul|li|b|i|a|strong|em|h[1-6])\b[^<>]{0,500}>", re.IGNORECASE
)
_TAG = re.compile(r"<!--[^<>]{0,2000}-->|</?[A-Za-z!][^<>]{0,2000}>")
_WORD_RUN = re.compile(r"[^ \t\r\n]+")
_SAME_LENGTH = {
    0x2018: "'", 0x2019: "'", 0x201B: "'", 0x02BC: "'", 0x201C: '"', 0x201D: '"', 0x2010: "-", 0x2011: "-",
    0x2012: "-", 0x2013: "-", 0x2014: "-", 0x00A0: " ", 0x202F: " ", 0x2009: " ", 0x3000: " ", 0x2028: "\n",
    0x2029: "\n", 0x000B: " ", 0x000C: " ", 0x0085: "\n",
}  # fmt: skip


_BLOCK = re.compile(r"</?(?:br|p|div|tr|li|ul|ol|table|h[1-6]|blockquote|hr)\b", re.IGNORECASE)


class Clean(msgspec.Struct, frozen=True):
    """A text fit for reading by machines. `starts[i]`, `ends[i]` bound the stored characters behind clean character
    i; None where the two texts have the same offsets."""

    text: str
    starts: Sequence[int] | None = None
    ends: Sequence[int] | None = None

    def stored(self, start: int, end: int) -> tuple[int, int]:
        """The span of the stored text behind a non-empty span of the clean one."""
        if self.starts is None or self.ends is None:
            return start, end
        return self.starts[start], self.ends[end - 1]


def clean(stored: str) -> Clean:
    """The clean text of a stored one. Never raises; linear in the length."""
    text = stored[:MAX_CHARACTERS]
    if _CONTROL.search(text):
        text = _CONTROL.sub(" ", text)
    if "‹" in text:
        text = _MASK.sub(_blank, text)
    if "<" in text and _LOOKS_HTML.search(text):
        text = _TAG.sub(_blank, _without_scripts(text))
    text, starts, ends = _mended(text)
    text = text.translate(_SAME_LENGTH)
    if "@" in text or "http" in text.lower() or "www." in text.lower():
        text = _LINK.sub(_blank, text)
    # tokenisers look at each character of a run again for each one they peel off
    text = _REPEATED.sub(_first_only, text)
    text = _ENDLESS.sub(_words_only, text)
    return Clean(text, starts, ends)


def without_markup(stored: str) -> str:
    """An HTML text with spaces of the same length for its markup, and a line feed where a browser would begin a line;
    any other text as it is."""
    if "<" not in stored or not _LOOKS_HTML.search(stored):
        return stored
    return _TAG.sub(_line_or_blank, _without_scripts(stored))


def _line_or_blank(match: re.Match[str]) -> str:
    spaces = " " * (match.end() - match.start() - 1)
    return ("\n" if _BLOCK.match(match.group()) else " ") + spaces


def _mended(text: str) -> tuple[str, Sequence[int] | None, Sequence[int] | None]:
    """Mojibake and HTML entities mended, word by word, with the offsets map when a length changed."""
    broken = not text.isascii() and ftfy.badness.is_bad(text)
    if not broken and not ("&" in text and _ENTITY.search(text)):
        return text, None, None
    pieces: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    done = 0
    for match in _WORD_RUN.finditer(text):
        word = match.group()
        better = ftfy.fix_encoding(word) if broken and not word.isascii() else word
        better = html.unescape(better) if "&" in better else better
        _extend_in_place(pieces, starts, ends, text[done : match.start()], done)
        if better == word:
            _extend_in_place(pieces, starts, ends, word, match.start())
        else:
            pieces.append(better)
            starts.extend([match.start()] * len(better))
            ends.extend([match.end()] * len(better))
        done = match.end()
    _extend_in_place(pieces, starts, ends, text[done:], done)
    mended = _CONTROL.sub(" ", "".join(pieces))
    return mended, starts, ends


def _extend_in_place(pieces: list[str], starts: list[int], ends: list[int], part: str, at: int) -> None:
    pieces.append(part)
    starts.extend(range(at, at + len(part)))
    ends.extend(range(at + 1, at + len(part) + 1))


def _without_scripts(text: str) -> str:
    """Scripts and styles blanked with their content, in one pass."""
    lower = text.lower()
    if len(lower) != len(text):  # a few capitals grow when lowered; then offsets would not hold
        return text
    for name in ("script", "style"):
        at, parts = 0, []
        while True:
            start = lower.find(f"<{name}", at)
            if start < 0:
                break
            end = lower.find(f"</{name}", start)
            end = len(text) if end < 0 else end
            parts.append(text[at:start] + " " * (end - start))
            at = end
        if parts:
            text = "".join(parts) + text[at:]
            lower = text.lower()
    return text


def _blank(match: re.Match[str]) -> str:
    return " " * (match.end() - match.start())


def _first_only(match: re.Match[str]) -> str:
    return match.group(1) + " " * (match.end() - match.start() - 1)


def _words_only(match: re.Match[str]) -> str:
    return "".join(c if c.isalnum() else " " for c in match.group())
