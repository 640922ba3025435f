"""A customer's text cut into runs: plain, masked, or words that earned a tag. Escaping is the template's business."""

from collections.abc import Collection, Sequence

import msgspec

from services.contracts.events import Evidence, Mask

_ORDER = ("theme", "severity", "stage", "area", "intent", "sentiment")
MOST = 3
_MILD = frozenset({"0", "1", "2", "other"})


class Run(msgspec.Struct, frozen=True):
    """A piece of text. `label` is what the words earned; `mask` is the kind of personal data that stood there."""

    text: str
    label: str = ""
    head: str = ""
    mask: str = ""


def sure(evidence: Sequence[Evidence], unsure: Collection[str] = ()) -> list[Evidence]:
    """Without the words behind a tag that is not sure, and without those that say how mild a thing is: both would
    underline half a sentence and explain nothing."""
    return [span for span in evidence if span.head not in unsure and not (_is_severity(span) and span.label in _MILD)]


def telling(evidence: Sequence[Evidence], unsure: Collection[str] = ()) -> list[Evidence]:
    """What is worth showing in a list: the words of what can be mended and of danger, else those of step and part."""
    known = sure(evidence, unsure)
    best = [span for span in known if span.head.removesuffix("s") == "theme" or _is_severity(span)]
    return best or [span for span in known if span.head.removesuffix("s") in {"stage", "area"}]


def runs(text: str, evidence: Sequence[Evidence], masks: Sequence[Mask]) -> list[Run]:
    """The whole text in order, with at most three pieces of evidence: the most telling first, none overlapping. Spans
    that do not fit the text are left out."""
    cuts: list[tuple[int, int, Run]] = [
        (m.start, m.end, Run(text[m.start : m.end], mask=m.kind.replace("_", " ")))
        for m in sorted(masks, key=lambda m: m.start)
        if 0 <= m.start < m.end <= len(text)
    ]
    chosen = 0
    labels: set[tuple[str, str]] = set()
    for span in sorted(evidence, key=_telling):
        if chosen == MOST or not 0 <= span.start < span.end <= len(text) or (span.head, span.label) in labels:
            continue
        if any(span.start < end and start < span.end for start, end, _ in cuts):
            continue
        cuts.append((span.start, span.end, Run(text[span.start : span.end], label=span.label, head=span.head)))
        labels.add((span.head, span.label))
        chosen += 1
    found: list[Run] = []
    at = 0
    for start, end, run in sorted(cuts, key=lambda cut: cut[0]):
        if start < at:
            continue  # masks that overlap: the first one stands
        if start > at:
            found.append(Run(text[at:start]))
        found.append(run)
        at = end
    if at < len(text):
        found.append(Run(text[at:]))
    return found


def _is_severity(span: Evidence) -> bool:
    return span.head.startswith("severity")


def _telling(span: Evidence) -> tuple[int, int, int]:
    head = span.head.removesuffix("s")
    return (_ORDER.index(head) if head in _ORDER else len(_ORDER), span.start - span.end, span.start)
