"""Figures of tags against labels. Knows what is counted and how; prints nothing.

Shares are of texts, between 0 and 1. A figure is given pooled, as the mean over sources (each source counts once), and
with an interval from resampling whole sources, because texts of one source err alike.
"""

import math
from collections.abc import Sequence
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from services.classify.model.cascade import ALL_FULL
from services.classify.model.probabilities import PATHS, Model
from services.classify.tagging.tagger import Tagger, TagInput
from services.classify.training.corpus import Example
from services.classify.training.fit import Fitter
from services.classify.training.folds import Fold
from services.contracts.events import Tags

ENOUGH = 30
"""Stages with fewer texts are left out of the macro-F1: their own figure is an anecdote."""
RESAMPLED = 400
SEED = 11
BINS = 10
RIGHT_WANTED = 0.9

Booleans = NDArray[np.bool_]
Numbers = NDArray[np.float64]


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
    @property
    def industry(self) -> str: ...
    @property
    def themes(self) -> Sequence[str] | None: ...


class Figures(msgspec.Struct, frozen=True):
    """`coverage_90_*`: the largest share, most confident first, of which 90 % are right. `critical_*` concern severity
    3 outside finance. `theme_*` count the themes of texts in which a reader wrote themes down (else
    they are not a number). `calibration_*`: expected calibration error less what chance alone would show."""

    texts: int
    stage_accuracy: float
    stage_macro_f1: float
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
    themed_of_tagged: float
    theme_precision: float
    theme_recall: float
    tagged: float
    tagged_stage_accuracy: float
    calibration_stage: float
    calibration_sentiment: float


class Judged(msgspec.Struct, frozen=True):
    """Tags beside their labels, a row per text."""

    stage_said: NDArray[np.str_]
    stage: NDArray[np.str_]
    stage_sure: Numbers
    area_right: Booleans
    area_sure: Numbers
    areas_both: Numbers
    areas_total: Numbers
    sentiment_right: Booleans
    sentiment_sure: Numbers
    intent_right: Booleans
    severity_error: Numbers
    critical: Booleans
    alarmed: Booleans
    finance: Booleans
    themed: Booleans
    themes_said: Numbers
    themes_true: Numbers
    themes_both: Numbers
    tagged: Booleans
    source: NDArray[np.str_]

    def of(self, rows: NDArray[np.intp]) -> "Judged":
        """Some of the rows."""
        return Judged(**{name: getattr(self, name)[rows] for name in self.__struct_fields__})


def judged(tags: Sequence[Tags], labelled: Sequence[Labelled]) -> Judged:
    """Tags beside labels, in the order of the labelled texts."""
    both = list(zip(tags, labelled, strict=True))
    said = [{area.area for area in t.areas} for t in tags]
    return Judged(
        stage_said=np.array([t.stage for t in tags]),
        stage=np.array([x.stage for x in labelled]),
        stage_sure=np.array([t.stage_confidence for t in tags]),
        area_right=np.array([t.areas[0].area in x.areas for t, x in both]),
        area_sure=np.array([t.areas[0].confidence for t in tags]),
        areas_both=np.array([len(s & set(x.areas)) for s, x in zip(said, labelled, strict=True)], dtype=float),
        areas_total=np.array([len(s) + len(set(x.areas)) for s, x in zip(said, labelled, strict=True)], dtype=float),
        sentiment_right=np.array([t.sentiment == x.sentiment for t, x in both]),
        sentiment_sure=np.array([t.sentiment_confidence for t in tags]),
        intent_right=np.array([t.intent == x.intent for t, x in both]),
        severity_error=np.array([abs(t.severity - x.severity) for t, x in both], dtype=float),
        critical=np.array([x.severity == 3 for x in labelled]),
        alarmed=np.array([t.severity == 3 for t in tags]),
        finance=np.array(["finance" in x.industry or "credit" in x.industry for x in labelled]),
        themed=np.array([bool(t.themes) for t in tags]),
        themes_said=np.array([len(t.themes) if x.themes is not None else 0 for t, x in both], dtype=float),
        themes_true=np.array([len(x.themes or ()) for x in labelled], dtype=float),
        themes_both=np.array([len(set(t.themes) & set(x.themes or ())) for t, x in both], dtype=float),
        tagged=np.array([t.status == "tagged" for t in tags]),
        source=np.array([x.industry for x in labelled]),
    )


def figures_of(j: Judged) -> Figures:
    """The figures of all rows, pooled."""
    stage_right = j.stage_said == j.stage
    names, counts = np.unique(j.stage, return_counts=True)
    frequent = names[counts >= min(ENOUGH, counts.max())]
    scores = f1_score(j.stage, j.stage_said, labels=frequent, average="macro", zero_division=0)
    outside = ~j.finance
    return Figures(
        texts=len(stage_right),
        stage_accuracy=float(stage_right.mean()),
        stage_macro_f1=float(scores),
        areas_micro_f1=float(2 * j.areas_both.sum() / max(1.0, j.areas_total.sum())),
        top_area=float(j.area_right.mean()),
        cell=float((stage_right & j.area_right).mean()),
        sentiment_accuracy=float(j.sentiment_right.mean()),
        intent_accuracy=float(j.intent_right.mean()),
        severity_error=float(j.severity_error.mean()),
        coverage_90_stage=_coverage(j.stage_sure, stage_right),
        coverage_90_area=_coverage(j.area_sure, j.area_right),
        coverage_90_cell=_coverage(j.stage_sure * j.area_sure, stage_right & j.area_right),
        critical_recall=_share(j.alarmed, j.critical & outside),
        critical_false_alarms=_share(j.alarmed, ~j.critical & outside),
        themed=float(j.themed.mean()),
        themed_of_tagged=_share(j.themed, j.tagged),
        theme_precision=_ratio(j.themes_both, j.themes_said),
        theme_recall=_ratio(j.themes_both, j.themes_true),
        tagged=float(j.tagged.mean()),
        tagged_stage_accuracy=_share(stage_right, j.tagged),
        calibration_stage=calibration_error(j.stage_sure, stage_right),
        calibration_sentiment=calibration_error(j.sentiment_sure, j.sentiment_right),
    )


def by_source(j: Judged) -> dict[str, Figures]:
    """The figures of each source."""
    return {str(name): figures_of(j.of(np.flatnonzero(j.source == name))) for name in np.unique(j.source)}


def intervals(j: Judged) -> dict[str, tuple[float, float]]:
    """95 % intervals of the pooled figures, from resampling whole sources."""
    random = np.random.default_rng(SEED)
    rows = [np.flatnonzero(j.source == name) for name in np.unique(j.source)]
    drawn = []
    for _ in range(RESAMPLED):
        picked = random.integers(len(rows), size=len(rows))
        drawn.append(msgspec.structs.asdict(figures_of(j.of(np.concatenate([rows[n] for n in picked])))))
    names = [name for name in Figures.__struct_fields__ if name != "texts"]
    return {
        name: (float(np.quantile([d[name] for d in drawn], 0.025)), float(np.quantile([d[name] for d in drawn], 0.975)))
        for name in names
    }


def table(columns: dict[str, Judged]) -> str:
    """Markdown: a line per figure, for each column pooled with its interval, and the mean over sources."""
    facts = {
        name: (
            msgspec.structs.asdict(figures_of(j)),
            intervals(j),
            [msgspec.structs.asdict(f) for f in by_source(j).values()],
        )
        for name, j in columns.items()
    }
    heads = " | ".join(f"{name}, pooled (95 %) | mean over sources" for name in columns)
    lines = [f"| figure | {heads} |", "|---" * (1 + 2 * len(columns)) + "|"]
    for figure in Figures.__struct_fields__:
        cells = []
        for pooled, between, sources in facts.values():
            if figure == "texts":
                cells += [str(pooled[figure]), str(len(sources))]
                continue
            low, high = between[figure]
            cells += [f"{pooled[figure]:.3f} ({low:.2f}–{high:.2f})", f"{np.mean([s[figure] for s in sources]):.3f}"]
        lines.append(f"| {figure.replace('_', ' ')} | {' | '.join(cells)} |")
    return "\n".join(lines)


def stage_table(columns: dict[str, Judged]) -> str:
    """Markdown: F1 per stage."""
    first = next(iter(columns.values()))
    lines = [f"| stage | texts | {' | '.join(f'F1, {name}' for name in columns)} |", "|---" * (2 + len(columns)) + "|"]
    for stage in np.unique(first.stage):
        scores = [
            f1_score(j.stage, j.stage_said, labels=[stage], average="macro", zero_division=0) for j in columns.values()
        ]
        lines.append(f"| {stage} | {(first.stage == stage).sum()} | {' | '.join(f'{s:.2f}' for s in scores)} |")
    return "\n".join(lines)


def tagged_unseen(
    fitter: Fitter, model: Model, folds: Sequence[Fold], examples: Sequence[Example], *, full: bool
) -> list[Tags]:
    """Tags of every example by a model that never saw its industry, calibrated as `model` is, by one path."""
    found: dict[int, Tags] = {}
    for fold in folds:
        tagger = Tagger(
            calibrated_as(model, fold.model),
            fitter.phrases,
            fitter.taxonomy,
            static=fitter.encoders["fast"],
            full=fitter.encoders["full"] if full else None,
            cascade=ALL_FULL,
        )
        tags = tagger.tag([TagInput(text=examples[n].text) for n in fold.unseen])
        found.update(zip(fold.unseen, tags, strict=True))
    return [found[n] for n in range(len(examples))]


def calibrated_as(model: Model, other: Model) -> Model:
    """The other model with the calibration, the judges of themes and the thresholds of `model`."""
    themes = {
        name: msgspec.structs.replace(path, judge=judging.judge)
        for name in PATHS
        if (path := other.themes.path(name)) is not None and (judging := model.themes.path(name)) is not None
    }
    return msgspec.structs.replace(
        other,
        fast=msgspec.structs.replace(other.fast, calibrations=model.fast.calibrations),
        full=msgspec.structs.replace(other.full, calibrations=model.full.calibrations),
        area_from=model.area_from,
        critical_from=model.critical_from,
        themes=msgspec.structs.replace(other.themes, least=model.themes.least, **themes),
    )


def calibration_error(confidence: Numbers, right: Booleans) -> float:
    """Root of the squared gap between confidence and accuracy, over bins of equal size, less the variance that right
    and wrong answers of such bins have by chance (Kumar et al. 2019, arXiv:1909.10155)."""
    order = np.argsort(confidence, kind="stable")
    total = 0.0
    for rows in np.array_split(order, min(BINS, max(1, len(order) // 2))):
        accuracy = float(right[rows].mean())
        chance = accuracy * (1 - accuracy) / max(1, len(rows) - 1)
        total += len(rows) / len(order) * ((float(confidence[rows].mean()) - accuracy) ** 2 - chance)
    return float(np.sqrt(max(0.0, total)))


def _share(what: Booleans, among: Booleans) -> float:
    return float(what[among].mean()) if among.any() else 0.0


def _ratio(part: Numbers, whole: Numbers) -> float:
    return float(part.sum() / whole.sum()) if whole.sum() else math.nan


def _coverage(confidence: Numbers, right: Booleans) -> float:
    order = np.argsort(-confidence, kind="stable")
    shares = np.cumsum(right[order]) / np.arange(1, len(right) + 1)
    enough = np.flatnonzero(shares >= RIGHT_WANTED)
    return float((enough[-1] + 1) / len(right)) if len(enough) else 0.0
