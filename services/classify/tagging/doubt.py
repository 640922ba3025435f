"""When a head would rather not say, and why: below the confidence that the taxonomy's prices ask for. Pure."""

from collections.abc import Collection, Mapping
from enum import StrEnum

from services.classify.taxonomy.labels import Taxonomy
from services.contracts.events import Unsure


class Reason(StrEnum):
    """Why a head would rather not say."""

    LOW_CONFIDENCE = "low_confidence"
    TOO_SHORT = "too_short"
    LANGUAGE = "language"
    NO_TEXT = "no_text"
    RATING_ONLY = "rating_only"
    CONFLICT = "conflict"
    RETIRED = "retired"


def doubts(
    sure: Mapping[str, float],
    taxonomy: Taxonomy,
    *,
    witnessed: Collection[str],
    retired: Collection[str],
    short: bool,
    foreign: bool,
    contradicted: bool,
) -> tuple[Unsure, ...]:
    """The heads that are unsure, with the reason of each. `sure`: confidence by head; `witnessed`: heads for which
    something else than the model speaks too; `retired`: heads of which the most probable label is retired, without
    successor; `contradicted`: the rating says another feeling."""
    if foreign:
        return tuple(Unsure(head=head, reason=Reason.LANGUAGE) for head in taxonomy.doubt)
    low = Reason.TOO_SHORT if short else Reason.LOW_CONFIDENCE
    found = []
    for head, confidence in sure.items():
        if confidence >= taxonomy.sure_from(head) or head in witnessed:
            continue
        reason = Reason.RETIRED if head in retired else low
        if head == "sentiment" and contradicted:
            reason = Reason.CONFLICT
        found.append(Unsure(head=head, reason=reason))
    return tuple(found)
