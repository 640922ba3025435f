"""A stored text -> what is read of it: all that was said, and what the customer said. Knows mails and transcripts only.

Both have the length of the stored text, with spaces for what is left out, so that a span of either points into it.
"""

from collections.abc import Sequence
from typing import NamedTuple

from services.classify.experience.mail import blanked, own_words
from services.classify.experience.transcript import Turn, lines_of_nobody, turns_of
from services.classify.reading.text import without_markup
from services.contracts.events import Author
from services.contracts.events import Turn as StoredTurn

Span = tuple[int, int]


class Said(NamedTuple):
    """`all_of_it` tells what the talk was about; only `by_customer` tells what the customer feels and wants."""

    all_of_it: str
    by_customer: str


def said(stored: str, *, author: Author = "customer", turns: Sequence[StoredTurn] = ()) -> Said:
    """What is read of a stored text. Linear in its length; never raises."""
    view = without_markup(stored)
    spoken = _spoken(turns, len(stored)) if turns else turns_of(view)
    if not spoken:
        own = own_words(stored)
        return Said(own, blanked(own, [(0, len(own))]) if author == "agent" else own)
    nobody: list[Span] = [(turn.start, turn.words) for turn in spoken]
    if not turns:
        nobody += lines_of_nobody(view)
    company = [(turn.words, turn.end) for turn in spoken if turn.by != "customer"]
    return Said(blanked(view, nobody), blanked(view, [*nobody, *company]))


def _spoken(turns: Sequence[StoredTurn], length: int) -> list[Turn]:
    """Turns as intake stored them; what stands before the words names the speaker."""
    found, before = [], 0
    for turn in turns:
        start, end = max(before, min(turn.start, length)), min(turn.end, length)
        found.append(Turn(turn.by, before, start, max(start, end)))
        before = max(start, end)
    return found
