"""The model learns from industries and writers that it will not meet again, and bears a mix that is far from even."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

from services.classify.model.probabilities import HEADS, PATHS, probabilities
from services.classify.reading.phrases import OWN, read_phrases
from services.classify.reading.static import load_table
from services.classify.tagging.tagger import Tagger, TagInput
from services.classify.taxonomy.labels import read_taxonomy
from services.classify.training.corpus import Example
from services.classify.training.fit import Fitter
from services.classify.training.train import Remembered
from tests.unit.classify.fitting import FastFitter

INDUSTRIES_ACCURACY, INDUSTRIES_F1 = 0.57, 0.56
"""Three points below what was measured when the corpus was complete: .60 and .59."""
WRITERS_ACCURACY, WRITERS_F1 = 0.55, 0.54
"""The same for author passes: .58 and .57."""
FEW = 8

Split = tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def fitter(policy: Path) -> FastFitter:
    """Fits stages by the fast path."""
    return FastFitter(policy)


@pytest.mark.timeout(300)
def test_stages_are_told_in_industries_never_seen(fitter: FastFitter, corpus: list[Example]) -> None:
    industries = [example.industry for example in corpus]
    stages = [example.stage for example in corpus]
    splits = StratifiedGroupKFold(3, shuffle=True, random_state=1).split(corpus, stages, industries)
    accuracy, macro = _left_out(fitter, corpus, splits)
    assert accuracy >= INDUSTRIES_ACCURACY
    assert macro >= INDUSTRIES_F1


@pytest.mark.timeout(300)
def test_stages_are_told_in_the_words_of_writers_never_read(fitter: FastFitter, corpus: list[Example]) -> None:
    splits = GroupKFold(3).split(corpus, groups=[example.source for example in corpus])
    accuracy, macro = _left_out(fitter, corpus, splits)
    assert accuracy >= WRITERS_ACCURACY
    assert macro >= WRITERS_F1


@pytest.mark.timeout(300)
@pytest.mark.parametrize("stage", ["use", "pay"])
def test_a_mix_of_nine_tenths_one_stage_breaks_nothing(policy: Path, corpus: list[Example], stage: str) -> None:
    mix = _mostly(stage, corpus)
    static = Remembered(load_table())
    phrases, taxonomy = read_phrases(OWN) + read_phrases(policy / "lexicon"), read_taxonomy(policy)
    fitter = Fitter(phrases, taxonomy, {"fast": static, "full": static})
    model = fitter.fit(mix, fitter.folds(mix))
    assert [head.name for head in model.heads] == list(HEADS)
    assert model.head("stage").labels == tuple(entry.id for entry in taxonomy.stages)
    tagger = Tagger(model, phrases, taxonomy, static=static)
    seen = set(mix)
    others = [example for example in corpus if example not in seen and example.stage != stage][::8]
    texts = [example.text for example in others]
    for path in PATHS:
        chances = probabilities(model, tagger.read(texts).features, static.encode(texts), path)
        for head in model.heads:
            rows = chances[head.name]
            assert np.isfinite(rows).all()
            assert (rows >= 0).all()
            assert (rows <= 1).all()
            if not head.many:
                assert rows.sum(axis=1) == pytest.approx(1, abs=1e-4)
    tags = tagger.tag([TagInput(text=text) for text in texts])
    found = Counter(tag.stage for tag, example in zip(tags, others, strict=True) if tag.stage == example.stage)
    assert len(found) >= 3, found


def _left_out(fitter: FastFitter, corpus: Sequence[Example], splits: Iterable[Split]) -> tuple[float, float]:
    """Accuracy and macro-F1 of stages, each text judged by a model that never saw its group."""
    stages = np.array([example.stage for example in corpus])
    said = np.zeros_like(stages)
    for seen, unseen in splits:
        model = fitter.fit([corpus[n] for n in seen])
        said[unseen] = fitter.said(fitter.chances(model, [corpus[n].text for n in unseen]))
    return float((said == stages).mean()), float(f1_score(stages, said, average="macro"))


def _mostly(stage: str, corpus: Sequence[Example]) -> list[Example]:
    """Texts of which nine in ten are of one stage; of each other stage there are but a few."""
    kept: list[Example] = []
    few: Counter[str] = Counter()
    for example in corpus:
        if example.stage != stage and few[example.stage] < FEW and not example.clauses:
            few[example.stage] += 1
            kept.append(example)
    many = [example for example in corpus if example.stage == stage and not example.clauses][: 9 * len(kept)]
    return [*kept, *many]
