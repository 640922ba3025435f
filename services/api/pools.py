"""What one tagged event adds to the pools that shares are estimated from. Knows tags and dimensions; knows no database.

Day x head x label x band of confidence, with source, channel and places. Each event counts once in each head, under its
stage and under its main area. Band 0 is what is known: a person has looked, or there was nothing to read, so that
nobody could say more. Confidences are summed in thousandths, so that sums do not depend on the order of arrival.
"""

from services.api.rollups import CUSTOMER, OTHER, THOUSANDTHS, Key, Measures, voice_of
from services.api.shares import KNOWN, band_of
from services.contracts.events import FeedbackClassified, Tags

HEADS = ("stage", "area")
POOLS = ("day", "head", "label", "band", "source", "channel", "product", "region", "site")
POOL_MEASURES = ("n", "confidence")

_WORDLESS = frozenset({"rating_only", "no_text"})


def pooled(event: FeedbackClassified) -> dict[Key, Measures]:
    """Rows that the event adds. Employees on their own work, and later parts of a conversation, add none."""
    if not event.counts or voice_of(event) != CUSTOMER:
        return {}
    tags, attributes = event.tags, event.attributes
    day = event.occurred_at.date().toordinal()
    places = (event.source, event.channel, *(attributes.get(name, "") for name in ("product", "region", "site")))
    known = event.correction is not None or wordless(tags)
    rows: dict[Key, Measures] = {}
    for head in HEADS:
        label, confidence = guess(tags, head)
        band = KNOWN if known else band_of(confidence)
        rows[(day, head, label, band, *places)] = (1, 0 if known else round(confidence * THOUSANDTHS))
    return rows


def guess(tags: Tags, head: str) -> tuple[str, float]:
    """The one label that an event counts under, and its confidence."""
    if head == "stage":
        return tags.stage, tags.stage_confidence
    return (tags.areas[0].area, tags.areas[0].confidence) if tags.areas else (OTHER, 0.0)


def wordless(tags: Tags) -> bool:
    """Whether there was nothing to read, so that there is nothing to be wrong about."""
    return any(doubt.reason in _WORDLESS for doubt in tags.unsure)
