"""The model card: weaknesses first, then what it is made of and its figures. Written by training, read by people."""

from collections.abc import Sequence
from pathlib import Path

from services.classify.model import Model
from services.classify.training.corpus import Example
from services.classify.training.figures import Judged, stage_table, table

_CARD = """# Model card: {version}

## Weaknesses first
- It learnt from {texts} short texts written for this project by few hands, none of them a customer's. On real texts of
  companies it never saw, expect about two stages in three and three main areas in four to be right
  (docs/evaluation-log.md).
- Rare stages are its weakest: `discover`, `buy`, `set_up` and `leave` are often taken for `use`. `get_help` and `use`
  are taken for each other when a text tells of both.
- Irony is taken at its word. Mixed feelings are found less than half of the time. Long texts with several experiences
  get one main stage.
- English only. Other languages are answered `unsure: language`; below some twenty letters the language is not judged.
- Severity 3 is found where a phrase of `severity_kind` names the harm; harm told in other words is missed.
- Confidence is calibrated on the corpus. On real texts it is roughly right for stages and too low for some areas.
- Words decide, so names of products and places that the lexicon does not know carry nothing.

## What it is
Word and word-pair TF-IDF ({ngrams} n-grams) and the lexicon's voice ({labels} columns) into logistic regressions, one
per head, averaged with the {read} nearest training texts, then a temperature per head. No network, no downloaded
weights, no text of customers. Taxonomy {taxonomy}; lexicon {lexicon}.

Made by `make train` from `services/classify/training/corpus` with fixed seeds. The file holds arrays and lists only;
it is loaded through skops with an empty list of further types, after its digest was compared:
`{digest}`

## Figures on its own corpus (5 folds, each text tagged by a model that never saw it)
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
        taxonomy=model.taxonomy,
        lexicon=model.lexicon,
        digest=digest,
        table=f"{table(figures)}\n\n{stage_table(figures)}",
    )
    (folder / "CARD.md").write_text(text, encoding="utf-8")
