"""Figures of tags against labels. Knows what is counted and how; prints nothing."""

from collections.abc import Sequence
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from services.classify.model import Model
from services.classify.tagger import Tagger, TagInput
from services.classify.training.corpus import Example
from services.classify.training.fit import Fitter, Fold
from services.contracts.events import Tags

ENOUGH = 30
"""Stages with fewer texts are left out of the second macro-F1: their own figure is an anecdote."""


class Labelled(Protocol):
    """What figures need of a labelled text."""

    @property
    def stage(self) -> str: ...
    @property
    def areas(self) -> Sequence[str]: ...
    @property
    def sentiment(self) -> str: ...
    @property
    def intent(self) -> str: ...
    @property
    def severity(self) -> int: ...


class Figures(msgspec.Struct, frozen=True):
    """All shares are of texts, between 0 and 1; `coverage_90_*` is the largest share, most confident first, of which
    90 % are right; `critical_*` concern severity 3."""

    texts: int
    stage_accuracy: float
    stage_macro_f1: float
    stage_macro_f1_frequent: float
    areas_micro_f1: float
    top_area: float
    cell: float
    sentiment_accuracy: float
    intent_accuracy: float
    severity_error: float
    coverage_90_stage: float
    coverage_90_area: float
    coverage_90_cell: float
    critical_recall: float
    critical_false_alarms: float
    themed: float
    tagged: float
    tagged_stage_accuracy: float
    stages: dict[str, tuple[int, float]]


def tagged_unseen(fitter: Fitter, model: Model, folds: Sequence[Fold], examples: Sequence[Example]) -> list[Tags]:
    """Tags of every example by a model that never saw it, calibrated as `model` is."""
    found: dict[int, Tags] = {}
    for fold in folds:
        tagger = Tagger(msgspec.structs.replace(fold.model, heads=model.heads), fitter.phrases, fitter.taxonomy)
        tags = tagger.tag([TagInput(text=examples[n].text) for n in fold.unseen])
        found.update(zip(fold.unseen, tags, strict=True))
    return [found[n] for n in range(len(examples))]


def figures_of(tags: Sequence[Tags], labelled: Sequence[Labelled]) -> Figures:
    """The figures of tags, in the order of the labelled texts."""
    stage_right = np.array([t.stage == x.stage for t, x in zip(tags, labelled, strict=True)])
    area_right = np.array([t.areas[0].area in x.areas for t, x in zip(tags, labelled, strict=True)])
    stage_sure = np.array([t.stage_confidence for t in tags])
    area_sure = np.array([t.areas[0].confidence for t in tags])
    said = [{a.area for a in t.areas} for t in tags]
    both = sum(len(s & set(x.areas)) for s, x in zip(said, labelled, strict=True))
    total = sum(len(s) + len(set(x.areas)) for s, x in zip(said, labelled, strict=True))
    truth = [x.stage for x in labelled]
    names = sorted(set(truth))
    scores = f1_score(truth, [t.stage for t in tags], labels=names, average=None, zero_division=0)
    counts = {name: truth.count(name) for name in names}
    frequent = [score for name, score in zip(names, scores, strict=True) if counts[name] >= ENOUGH]
    critical = np.array([x.severity == 3 for x in labelled])
    alarmed = np.array([t.severity == 3 for t in tags])
    tagged = np.array([t.status == "tagged" for t in tags])
    return Figures(
        texts=len(tags),
        stage_accuracy=float(stage_right.mean()),
        stage_macro_f1=float(np.mean(scores)),
        stage_macro_f1_frequent=float(np.mean(frequent)) if frequent else 0.0,
        areas_micro_f1=2 * both / max(1, total),
        top_area=float(area_right.mean()),
        cell=float((stage_right & area_right).mean()),
        sentiment_accuracy=float(np.mean([t.sentiment == x.sentiment for t, x in zip(tags, labelled, strict=True)])),
        intent_accuracy=float(np.mean([t.intent == x.intent for t, x in zip(tags, labelled, strict=True)])),
        severity_error=float(np.mean([abs(t.severity - x.severity) for t, x in zip(tags, labelled, strict=True)])),
        coverage_90_stage=_coverage(stage_sure, stage_right),
        coverage_90_area=_coverage(area_sure, area_right),
        coverage_90_cell=_coverage(stage_sure * area_sure, stage_right & area_right),
        critical_recall=float(alarmed[critical].mean()) if critical.any() else 0.0,
        critical_false_alarms=float(alarmed[~critical].mean()),
        themed=float(np.mean([bool(t.themes) for t in tags])),
        tagged=float(tagged.mean()),
        tagged_stage_accuracy=float(stage_right[tagged].mean()) if tagged.any() else 0.0,
        stages={name: (counts[name], float(score)) for name, score in zip(names, scores, strict=True)},
    )


def table(figures: Figures) -> str:
    """The figures as lines of a Markdown table, with a line per stage below."""
    facts = msgspec.structs.asdict(figures)
    stages = facts.pop("stages")
    lines = ["| figure | value |", "|---|---|"]
    for name, value in facts.items():
        lines.append(f"| {name.replace('_', ' ')} | {value if isinstance(value, int) else f'{value:.3f}'} |")
    lines += ["", "| stage | texts | F1 |", "|---|---|---|"]
    lines += [f"| {name} | {count} | {score:.2f} |" for name, (count, score) in stages.items()]
    return "\n".join(lines)


def _coverage(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    order = np.argsort(-confidence, kind="stable")
    shares = np.cumsum(right[order]) / np.arange(1, len(right) + 1)
    enough = np.flatnonzero(shares >= 0.9)
    return float((enough[-1] + 1) / len(right)) if len(enough) else 0.0
