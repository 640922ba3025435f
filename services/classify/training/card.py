"""The model card: weaknesses first, then what it is made of and its figures. Written by training, read by people."""

from collections.abc import Sequence
from pathlib import Path

from services.classify.model.probabilities import Model
from services.classify.training.corpus import Example
from services.classify.training.figures import Judged, stage_table, table

_CARD = """# Model card: {version}

## Weaknesses first
- It learnt from {texts} texts written for this project by few hands, none of them a customer's, and no person outside
  the project has checked their labels. What it reaches on real texts stands in docs/evaluation-log.md; texts of a new
  company can be ten points worse or better. Labels of your own help most (docs/how-to/teach-palette.md).
- Rare stages are its weakest: `discover`, `buy`, `set_up`, `resolve`. `get_help` and `use` are taken for each other
  when a text tells of both.
- Irony is taken at its word more often than not. Mixed feelings are found about half of the time. Long texts with
  several experiences get one main stage, and the full path reads their first 120 words only.
- English only. Other languages are answered `unsure: language`; below some twenty letters the language is not judged.
- Severity 3 is missed more often than found when the harm is told in calm or unusual words.
- It expects nearly half of all texts to be about using the thing itself. A company where that is very different should
  label thirty texts first.
- Confidence is calibrated on industries that were left out, but of the same writers.

## What it is
Two paths that share one tokenisation. Fast: word and word-pair TF-IDF ({ngrams} n-grams), the lexicon's voice ({labels}
columns) and static vectors into logistic regressions, averaged with the {read} nearest of {lessons} labelled texts and
clauses. Full: the same with MiniLM's vectors in place of the static ones, for the texts of which the fast path is least
sure. Then a temperature per head; where both read, both count (0076).
Themes: per theme a logistic regression over phrases and vector, and one judge for
all of them that knows what the other heads say. No network; MiniLM's weights come from their package
(docs/licences.md). No text of customers. Taxonomy {taxonomy}; lexicon {lexicon}.

Made by `make train` from `services/classify/training/corpus` with fixed seeds; the static vectors by `make distil`. The
file holds arrays and lists only; it is loaded through skops with an empty list of further types, after its digest was
compared:
`{digest}`

## Figures on its own corpus
Five folds over industries: each text was tagged by a model that never saw a text of its industry. The corpus is harder
than real texts: its stages are even, half of its texts differ in little from another with another label. 95 %
intervals by resampling industries.

{table}
"""


def write_card(
    folder: Path, *, model: Model, examples: Sequence[Example], figures: dict[str, Judged], digest: str
) -> None:
    """Writes `CARD.md` beside the model."""
    text = _CARD.format(
        version=model.version,
        texts=len(examples),
        ngrams=len(model.vocabulary.ngrams),
        labels=len(model.vocabulary.labels),
        read=model.neighbours_read,
        lessons=len(model.examples.labels),
        taxonomy=model.taxonomy,
        lexicon=model.lexicon,
        digest=digest,
        table=f"{table(figures)}\n\n{stage_table(figures)}",
    )
    (folder / "CARD.md").write_text(text, encoding="utf-8")
