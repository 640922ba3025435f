"""Examples -> a model. Pure, with fixed seeds; no files, no printing but what `tick` does."""

import itertools
from collections import Counter
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold

from services.classify.model.probabilities import (
    HEADS,
    NO_KIND,
    PATHS,
    Calibration,
    Examples,
    Head,
    Model,
    Path,
    PathName,
    calibrated,
    uncalibrated,
)
from services.classify.model.theme_chances import guesses
from services.classify.reading.features import Features, Featuriser, Floats, Vocabulary, label_columns
from services.classify.reading.lexicon import Lexicon
from services.classify.reading.phrases import OWN, Phrase, digest_of, read_phrases
from services.classify.reading.text import clean
from services.classify.reading.tokens import Tokenizer, stem
from services.classify.tagging.tagger import Encoder, stems_of
from services.classify.taxonomy.labels import Taxonomy
from services.classify.training.corpus import Example
from services.classify.training.folds import Fold
from services.classify.training.lessons import Lesson, lessons_of, truth_of, weights_of
from services.classify.training.themes import guessing, judged

VERSION = "cascade-1"
SEED = 20261122
FOLDS = 5
STRENGTH = 1.0
LEXICON_SCALE = 0.5
DENSE_SCALE: dict[PathName, float] = {"fast": 1.0, "full": 1.5}
LEXICON_NEAR: dict[PathName, float] = {"fast": 0.5, "full": 0.3}
NEIGHBOURS_READ = 15
NEIGHBOURS_SHARE = 0.5
AREAS_FROM = (0.2, 0.25, 0.3, 0.35, 0.4, 0.45)
WORDS_IN_AT_LEAST, PAIRS_IN_AT_LEAST = 2, 3
FALSE_ALARMS = 0.012
"""Share of harmless texts of the corpus that may be called critical by the model alone. One in fifteen of them uses the
words of danger harmlessly, on purpose; among real texts such are rare, and false alarms too."""
_IMPROBABLE = -12.0

Tick = Callable[[str], None]


class Fitter:
    """Fits models to examples, for one lexicon and one taxonomy, with one encoder per path."""

    def __init__(self, phrases: Sequence[Phrase], taxonomy: Taxonomy, encoders: dict[PathName, Encoder]) -> None:
        self.phrases = phrases
        self.taxonomy = taxonomy
        self.encoders = encoders
        self.heads = _heads(taxonomy)

    def fit(self, examples: Sequence[Example], folds: Sequence[Fold], tick: Tick = lambda _: None) -> Model:
        """The model of all examples, calibrated on predictions for examples that were left out."""
        tick("all texts")
        model = self.fit_uncalibrated(examples)
        lessons = list(map(_whole, examples))
        weight = weights_of(lessons)
        truth = {head.name: truth_of(head, lessons) for head in self.heads}
        paths = {}
        for name in PATHS:
            found = {}
            for head in self.heads:
                given = np.zeros((len(examples), len(head.labels)), dtype=np.float32)
                for fold in folds:
                    given[list(fold.unseen)] = fold.given[name][head.name]
                found[head.name] = (given, _calibration(head, given, truth[head.name], weight))
            paths[name] = found
        full = {
            head.name: calibrated(head, paths["full"][head.name][1], paths["full"][head.name][0]) for head in self.heads
        }
        model = msgspec.structs.replace(
            model,
            fast=msgspec.structs.replace(model.fast, calibrations={n: c for n, (_, c) in paths["fast"].items()}),
            full=msgspec.structs.replace(model.full, calibrations={n: c for n, (_, c) in paths["full"].items()}),
            area_from=_best_area_from(full["areas"], truth["areas"]),
            critical_from=_critical_from(full["severity"][:, -1], truth["severity"][:, -1] > 0),
        )
        tick("themes")
        return msgspec.structs.replace(model, themes=judged(model, examples, folds, weight))

    def folds(self, examples: Sequence[Example], tick: Tick = lambda _: None) -> list[Fold]:
        """Models that each never saw some industries, with what they make of those."""
        splitter = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=SEED)
        stages = [example.stage for example in examples]
        industries = [example.industry for example in examples]
        found = []
        for number, (seen, unseen) in enumerate(splitter.split(np.zeros(len(stages)), stages, industries), 1):
            tick(f"fold {number} of {FOLDS}")
            found.append(self.fold(examples, seen.tolist(), unseen.tolist()))
        return found

    def fold(self, examples: Sequence[Example], seen: Sequence[int], unseen: Sequence[int]) -> Fold:
        """A model of the examples seen, and what it makes of those unseen."""
        model = self.fit_uncalibrated([examples[n] for n in seen])
        texts = [clean(examples[n].text).text for n in unseen]
        features = self._features(model.vocabulary, texts)
        given, themes = {}, {}
        for name in PATHS:
            dense = self.encoders[name].encode(texts)
            given[name] = uncalibrated(model, features, dense, name)
            path = model.themes.path(name)
            assert path is not None
            themes[name] = guesses(path, features.themes, dense)
        return Fold(model, tuple(unseen), given, themes, features.themes)

    def fit_uncalibrated(self, examples: Sequence[Example], paths: Sequence[PathName] = PATHS) -> Model:
        """Weights and neighbours of all examples. A path that is not asked for stays empty."""
        lessons = lessons_of(examples)
        texts = [clean(lesson.text).text for lesson in lessons]
        weight = weights_of(lessons)
        vocabulary = self._vocabulary(texts)
        features = self._features(vocabulary, texts)
        truth = {head.name: truth_of(head, lessons) for head in self.heads}
        labels = np.concatenate([truth[head.name] for head in self.heads], axis=1).astype(np.float32)
        dense = {name: self.encoders[name].encode(texts) for name in paths}
        learnt = {
            name: self._path(name, features, dense[name], truth, weight)
            if name in paths
            else _empty(len(vocabulary.ngrams), len(vocabulary.labels), labels.shape[1])
            for name in PATHS
        }
        whole = [number for number, lesson in enumerate(lessons) if lesson.whole]
        vectors = {name: dense[name][whole] for name in paths}
        return Model(
            version=VERSION,
            taxonomy=self.taxonomy.version,
            lexicon=digest_of(read_phrases(OWN)),
            vocabulary=vocabulary,
            heads=self.heads,
            fast=learnt["fast"],
            full=learnt["full"],
            examples=Examples(features.lexicon, labels, weight.astype(np.float32)),
            neighbours_read=NEIGHBOURS_READ,
            neighbours_share=NEIGHBOURS_SHARE,
            lexicon_scale=LEXICON_SCALE,
            area_from=AREAS_FROM[0],
            critical_from=1.0,
            mix={head.name: _mix(head, truth[head.name], weight) for head in self.heads},
            themes=guessing(self.taxonomy, vocabulary.themes, examples, features.themes[whole], vectors),
        )

    def _path(
        self,
        name: PathName,
        features: Features,
        dense: Floats,
        truth: dict[str, NDArray[np.int8]],
        weight: NDArray[np.float64],
    ) -> Path:
        blocks = [features.ngrams, features.lexicon * LEXICON_SCALE, dense * DENSE_SCALE[name]]
        inputs = sp.hstack([sp.csr_matrix(block) for block in blocks]).tocsr()
        width = sum(len(head.labels) for head in self.heads)
        weights, bias = np.zeros((inputs.shape[1], width)), np.zeros(width)
        for head in self.heads:
            learnt, base = _fitted(head, inputs, truth[head.name], weight)
            weights[:, head.columns], bias[head.columns] = learnt, base
        ends = np.cumsum([block.shape[1] for block in blocks])
        return Path(
            ngram_weights=weights[: ends[0]].astype(np.float32),
            lexicon_weights=weights[ends[0] : ends[1]].astype(np.float32),
            dense_weights=weights[ends[1] :].astype(np.float32),
            bias=bias.astype(np.float32),
            near=dense,
            calibrations={head.name: Calibration() for head in self.heads},
            dense_scale=DENSE_SCALE[name],
            lexicon_near=LEXICON_NEAR[name],
        )

    def _vocabulary(self, texts: Sequence[str]) -> Vocabulary:
        tokenizer = Tokenizer(stems_of(self.phrases, ()))
        counts: Counter[str] = Counter()
        for text in texts:
            names = [name for word in tokenizer.words(text) if (name := stem(word))]
            counts.update({*names, *(f"{a} {b}" for a, b in itertools.pairwise(names))})
        least = (WORDS_IN_AT_LEAST, PAIRS_IN_AT_LEAST)
        kept = sorted(n for n, count in counts.items() if count >= least[" " in n] and "\n" not in n)
        idf = [np.log((1 + len(texts)) / (1 + counts[name])) + 1 for name in kept]
        lexicon = Lexicon(self.phrases, stems_of(self.phrases, ()))
        themes = tuple(self.taxonomy.theme)
        return Vocabulary(tuple(kept), np.array(idf, dtype=np.float32), label_columns(lexicon), themes)

    def _features(self, vocabulary: Vocabulary, texts: Sequence[str]) -> Features:
        stems = stems_of(self.phrases, vocabulary.ngrams)
        lexicon = Lexicon(self.phrases, stems)
        tokens = Tokenizer(stems).read(texts)
        return Featuriser(vocabulary, stems, lexicon, self.taxonomy)(tokens, lexicon.find(tokens))


def _whole(example: Example) -> Lesson:
    return lessons_of([example])[0]


def _heads(taxonomy: Taxonomy) -> tuple[Head, ...]:
    labels = {
        "stage": [entry.id for entry in taxonomy.stages],
        "areas": [entry.id for entry in taxonomy.areas],
        "sentiment": [entry.id for entry in taxonomy.sentiments],
        "intent": [entry.id for entry in taxonomy.intents],
        "severity": [entry.id for entry in taxonomy.severities],
        "severity_kind": [NO_KIND, *(entry.id for entry in taxonomy.severity_kinds)],
    }
    heads, begin = [], 0
    for name in HEADS:
        heads.append(Head(name, tuple(labels[name]), begin, name == "areas"))
        begin += len(labels[name])
    return tuple(heads)


def _empty(ngrams: int, lexicon: int, width: int) -> Path:
    none = np.zeros((0, width), dtype=np.float32)
    return Path(
        ngram_weights=np.zeros((ngrams, width), dtype=np.float32),
        lexicon_weights=np.zeros((lexicon, width), dtype=np.float32),
        dense_weights=none,
        bias=np.zeros(width, dtype=np.float32),
        near=np.zeros((0, 0), dtype=np.float32),
        calibrations={},
        dense_scale=0.0,
        lexicon_near=0.0,
    )


def _fitted(
    head: Head, inputs: sp.csr_matrix, truth: NDArray[np.int8], weight: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights (inputs × labels) and bias of a head. Lessons without a label for the head are left out; a label that no
    lesson has stays improbable."""
    told = np.flatnonzero(truth.sum(axis=1) > 0)
    inputs, truth, weight = inputs[told], truth[told], weight[told]
    weights, bias = np.zeros((inputs.shape[1], len(head.labels))), np.full(len(head.labels), _IMPROBABLE)
    if head.many:
        for number in np.flatnonzero(truth.any(axis=0)):
            learnt = LogisticRegression(C=STRENGTH, max_iter=1000).fit(inputs, truth[:, number], sample_weight=weight)
            weights[:, number], bias[number] = learnt.coef_[0], learnt.intercept_[0]
    else:
        learnt = LogisticRegression(C=STRENGTH, max_iter=1000).fit(inputs, truth.argmax(axis=1), sample_weight=weight)
        weights[:, learnt.classes_], bias[learnt.classes_] = learnt.coef_.T, learnt.intercept_
    return weights, bias


def _calibration(head: Head, given: Floats, truth: NDArray[np.int8], weight: NDArray[np.float64]) -> Calibration:
    """Temperature (and shift, for independent labels) that make the left-out truth most likely."""

    def surprise(parameters: NDArray[np.float64]) -> float:
        candidate = Calibration(float(np.exp(parameters[0])), float(parameters[1]) if head.many else 0.0)
        chances = np.clip(calibrated(head, candidate, given).astype(np.float64), 1e-6, 1 - 1e-6)
        if head.many:
            each = (truth * np.log(chances) + (1 - truth) * np.log(1 - chances)).mean(axis=1)
        else:
            each = np.log((chances * truth).sum(axis=1))
        return float(-np.average(each, weights=weight))

    best = minimize(surprise, np.zeros(2), method="Nelder-Mead").x
    return Calibration(float(np.exp(best[0])), float(best[1]) if head.many else 0.0)


def _best_area_from(chances: Floats, truth: NDArray[np.int8]) -> float:
    """The probability from which a second or third area is named: best micro-F1 on texts left out."""

    def quality(least: float) -> float:
        said = chances >= least
        said[np.arange(len(said)), chances.argmax(axis=1)] = True
        return float(2 * (said & (truth > 0)).sum() / (said.sum() + truth.sum()))

    return max(AREAS_FROM, key=quality)


def _critical_from(chances: Floats, critical: NDArray[np.bool_]) -> float:
    """The lowest probability of severity 3 above which hardly a harmless text lies."""
    allowed = int(FALSE_ALARMS * int((~critical).sum()))
    harmless = np.sort(chances[~critical])[::-1]
    return float(round(float(harmless[min(allowed, len(harmless) - 1)]) + 1e-3, 3))


def _mix(head: Head, truth: NDArray[np.int8], weight: NDArray[np.float64]) -> dict[str, float]:
    shares = (truth * weight[:, None]).sum(axis=0)
    return dict(zip(head.labels, np.round(shares / shares.sum(), 4).tolist(), strict=True))
