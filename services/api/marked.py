"""A customer's text cut into runs: plain, masked, or words that earned a tag. Escaping is the template's business."""

from collections.abc import Sequence

import msgspec

from services.contracts.events import Evidence, Mask

_ORDER = ("theme", "severity", "stage", "area", "intent", "sentiment")
MOST = 3


class Run(msgspec.Struct, frozen=True):
    """A piece of text. `label` is what the words earned; `mask` is the kind of personal data that stood there."""

    text: str
    label: str = ""
    head: str = ""
    mask: str = ""


def telling(evidence: Sequence[Evidence]) -> list[Evidence]:
    """What is worth showing in a list: the words of what can be mended and of danger, else those of step and part."""
    best = [span for span in evidence if span.head.removesuffix("s") in {"theme", "severity"}]
    return best or [span for span in evidence if span.head.removesuffix("s") in {"stage", "area"}]


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


def _telling(span: Evidence) -> tuple[int, int, int]:
    head = span.head.removesuffix("s")
    return (_ORDER.index(head) if head in _ORDER else len(_ORDER), span.start - span.end, span.start)
