"""What some labels of a new source are worth: a part of its texts is labelled, the rest is tagged before and after.

Used by `make evaluate`; labels are drawn at random, which is the least that choosing them can give.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from services.classify.learning.adapting import LabelledText, adapt
from services.classify.tagging.tagger import Tagger
from services.classify.training.figures import Figures, Labelled, figures_of, judged
from services.classify.training.realtexts import RealText
from services.contracts.events import Tags

DRAWS = 6
FEWEST_LEFT = 10
GAINS = ("stage_accuracy", "top_area", "cell", "sentiment_accuracy")


def gains(tagger: Tagger, texts: Sequence[RealText], labels: int) -> dict[str, dict[str, float]]:
    """Source -> figure -> mean gain over draws, for the sources that have enough texts."""
    counts = Counter(text.industry for text in texts)
    found = {}
    for source in sorted(name for name, count in counts.items() if count >= labels + FEWEST_LEFT):
        own = [text for text in texts if text.industry == source]
        before = tagger.tag([text.input for text in own])
        drawn = []
        for draw in range(DRAWS):
            order = np.random.default_rng(draw).permutation(len(own)).tolist()
            told, rest = [own[n] for n in order[:labels]], order[labels:]
            taught = tagger.with_model(adapt(tagger, [_labelled(text) for text in told], version="own"))
            left = [own[n] for n in rest]
            after = _figures(taught.tag([text.input for text in left]), left)
            drawn.append([getattr(after, g) - getattr(_figures([before[n] for n in rest], left), g) for g in GAINS])
        found[source] = dict(zip(GAINS, np.mean(drawn, axis=0).tolist(), strict=True))
    return found


def gains_table(by_labels: dict[int, dict[str, dict[str, float]]]) -> str:
    """Markdown: a line per number of labels, mean over sources and the worst source's stage."""
    lines = [
        "| own labels | sources | " + " | ".join(g.replace("_", " ") for g in GAINS) + " | worst source, stage |",
        "|---" * (3 + len(GAINS)) + "|",
    ]
    for labels, sources in by_labels.items():
        if sources:
            means = " | ".join(f"{np.mean([gain[g] for gain in sources.values()]):+.3f}" for g in GAINS)
            worst = min(sources, key=lambda source: sources[source]["stage_accuracy"])
            lines.append(f"| {labels} | {len(sources)} | {means} | {sources[worst]['stage_accuracy']:+.3f} ({worst}) |")
    return "\n".join(lines)


def _figures(tags: Sequence[Tags], texts: Sequence[Labelled]) -> Figures:
    return figures_of(judged(tags, texts))


def _labelled(text: RealText) -> LabelledText:
    return LabelledText(
        text=text.text,
        stage=text.stage,
        areas=text.areas,
        sentiment=text.sentiment,
        intent=text.intent,
        severity=text.severity,
    )
