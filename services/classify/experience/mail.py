"""What of a mail its writer did not write: quoted replies, forwarded parts, signatures, footers, banners.

Knows lines and the marks that mail programs leave, in eight languages; knows no words of customers. What is
left out becomes spaces, so that evidence keeps pointing into the stored text. A part is left out only when the marks
are plain, and never all of a text: who forwards something without a word lets it speak.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from services.classify.experience import mail_marks as marks
from services.classify.reading.text import without_markup

_READ = 400
"""Characters of a line that are looked at: no mark of a mail program is longer."""
_MOST_AFTER_SIGN_OFF = 12
_MOST_AFTER_DASHES = 20
_LONG_LINE = 90
_SIGN_OFF_LENGTH = 60
_WROTE_LINES = 3
_HEADER_LINES = 6


class _Line(NamedTuple):
    start: int
    end: int
    text: str  # stripped, at most so many characters


Span = tuple[int, int]


def own_words(stored: str) -> str:
    """The text with spaces of the same length for markup and for what its writer did not write; line feeds stay.

    Linear in the length; never raises.
    """
    view = without_markup(stored)
    spans = [match.span() for match in marks.PICTURE.finditer(view)] if "[" in view else []
    if view is not stored:
        spans += _quotes_of_html(stored)
    rest = blanked(view, spans)
    lines = _lines(rest)
    found = _foreign_lines(lines)
    kept = _covers(rest, lines, found)
    if not kept:  # only what others wrote: then that is what is said, without the marks themselves
        found = {number for number in found if _is_mark(lines[number])}
    spans += [(lines[number].start, lines[number].end) for number in found]
    own = blanked(view, spans)
    return own if _any_letter(own) else view


def blanked(text: str, spans: Sequence[Span]) -> str:
    """The text with spaces of the same length for the spans; line feeds stay."""
    if not spans:
        return text
    parts: list[str] = []
    done = 0
    for start, end in _merged(spans):
        parts += (text[done:start], _NOT_A_LINE_FEED.sub(" ", text[start:end]))
        done = end
    return "".join((*parts, text[done:]))


_NOT_A_LINE_FEED = re.compile(r"[^\n]")


def _lines(text: str) -> list[_Line]:
    found, start = [], 0
    for raw in text.split("\n"):
        found.append(_Line(start, start + len(raw), raw[:_READ].strip()))
        start += len(raw) + 1
    return found


def _foreign_lines(lines: Sequence[_Line]) -> set[int]:
    """Numbers of the lines that are not the writer's."""
    end = len(lines)
    foreign: set[int] = set()
    many_quoted = sum(marks.QUOTED.match(line.text) is not None for line in lines) > 1
    for number, line in enumerate(lines):
        if not line.text or number in foreign:
            continue
        if marks.QUOTED.match(line.text):
            if many_quoted:
                foreign.add(number)
            continue
        header = _wrote(lines, number)
        if header:
            foreign.update(range(number, number + header))
            if not _marks_follow(lines, number + header):
                end = number
                break
            many_quoted = True
        elif _begins_another_mail(lines, number):
            end = number
            break
    while end and end < len(lines) and (not lines[end - 1].text or marks.RULED.fullmatch(lines[end - 1].text)):
        end -= 1
    foreign.update(range(end, len(lines)))
    own = [number for number in range(end) if number not in foreign and lines[number].text]
    foreign.update(_tail(lines, own))
    foreign.update(_notices(lines, [number for number in own if number not in foreign]))
    return foreign


def _wrote(lines: Sequence[_Line], number: int) -> int:
    """How many lines from here say that somebody wrote what follows; programs wrap them."""
    if not marks.WROTE_BEGINS.match(lines[number].text):
        return 0
    said = ""
    for count, line in enumerate(lines[number : number + _WROTE_LINES], start=1):
        said = f"{said} {line.text}".strip()
        if len(said) > _READ or not line.text:
            return 0
        if marks.WROTE.match(said):
            return count
    return 0


def _marks_follow(lines: Sequence[_Line], number: int) -> bool:
    """Whether the next words are marked as quoted, line by line, so that an answer may stand below or between."""
    for line in lines[number : number + 3]:
        if line.text:
            return marks.QUOTED.match(line.text) is not None
    return False


def _begins_another_mail(lines: Sequence[_Line], number: int) -> bool:
    text = lines[number].text
    if marks.FORWARDED.match(text):
        return marks.RULED.match(text) is not None or len(text) < _SIGN_OFF_LENGTH
    if not marks.FROM.match(text):
        return False
    fields = 0
    for line in lines[number + 1 : number + _HEADER_LINES]:
        fields += marks.FIELD.match(line.text) is not None
    return fields > 1


def _tail(lines: Sequence[_Line], own: Sequence[int]) -> list[int]:
    """The signature at the end of the writer's lines: after two dashes, or a sign-off with short lines behind it."""
    found = [number for number in own if marks.SENT_FROM.match(lines[number].text)]
    for place in range(max(0, len(own) - _MOST_AFTER_DASHES - 1), len(own)):
        text, behind = lines[own[place]].text, own[place + 1 :]
        if place and marks.DASHES.match(text):
            return [*found, own[place], *behind]
        if len(text) <= _SIGN_OFF_LENGTH and len(behind) <= _MOST_AFTER_SIGN_OFF and marks.SIGN_OFF.match(text):
            block = _name_block(lines, behind)
            if block is not None:
                return [*found, own[place], *block]
    return found


def _name_block(lines: Sequence[_Line], behind: Sequence[int]) -> list[int] | None:
    """Lines of name, role, address and number behind a sign-off; None where somebody goes on to write."""
    block: list[int] = []
    for number in behind:
        text = lines[number].text
        if marks.PS.match(text):
            return block
        if marks.NOTICE.match(text) or marks.SENT_FROM.match(text):
            continue
        if len(text) > _LONG_LINE or (len(text) > _SIGN_OFF_LENGTH and text[-1] in ".!?"):
            return None
        block.append(number)
    return block


def _notices(lines: Sequence[_Line], own: Sequence[int]) -> list[int]:
    """Banners and legal footers: each with its paragraph, because they are wrapped."""
    found: list[int] = []
    inside = False
    before = -1
    for number in own:
        if inside and number != before + 1:
            inside = False  # an empty line ends the paragraph
        inside = inside or marks.NOTICE.match(lines[number].text) is not None
        if inside:
            found.append(number)
        before = number
    return found


def _is_mark(line: _Line) -> bool:
    """Whether a line says nothing itself, in a mail that was only forwarded."""
    return any(
        mark.match(line.text)
        for mark in (marks.FORWARDED, marks.FROM, marks.FIELD, marks.WROTE, marks.SENT_FROM, marks.NOTICE, marks.DASHES)
    )


def _covers(text: str, lines: Sequence[_Line], foreign: set[int]) -> bool:
    """Whether any words are left beside the foreign lines."""
    own = (line for number, line in enumerate(lines) if number not in foreign)
    return any(_any_letter(text[line.start : line.end]) for line in own)


def _any_letter(text: str) -> bool:
    return any(character.isalpha() for character in text)


def _quotes_of_html(stored: str) -> list[Span]:
    """Quoted parts of an HTML mail: each quotation to its end, a program's own container to the end of the text."""
    match = marks.QUOTE_TAG.search(stored)
    spans: list[Span] = []
    while match is not None:
        if match.group()[1:2].lower() != "b":
            spans.append((match.start(), len(stored)))
            break
        end = _closing(stored, match.end())
        spans.append((match.start(), end))
        match = marks.QUOTE_TAG.search(stored, end)
    return spans


_QUOTE_EDGE = re.compile(r"<(/?)blockquote\b", re.IGNORECASE)


def _closing(stored: str, start: int) -> int:
    """Where the quotation that was opened before `start` ends."""
    depth = 1
    for edge in _QUOTE_EDGE.finditer(stored, start):
        depth += -1 if edge.group(1) else 1
        if not depth:
            return edge.end()
    return len(stored)


def _merged(spans: Sequence[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        elif end > start:
            merged.append((start, end))
    return merged
