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
from sklearn.model_selection import StratifiedKFold

from services.classify.features import Features, Featuriser, Floats, Vocabulary, label_columns
from services.classify.lexicon import Lexicon
from services.classify.model import HEADS, Head, Model, Neighbours, calibrated, uncalibrated
from services.classify.phrases import OWN, Phrase, digest_of, read_phrases
from services.classify.tagger import stems_of
from services.classify.taxonomy import Taxonomy
from services.classify.text import clean
from services.classify.tokens import Tokenizer, stem
from services.classify.training.corpus import Example, labels_of

VERSION = "simple-1"
SEED = 20261122
FOLDS = 5
STRENGTH = 3.0
LEXICON_SCALE = 0.5
NEIGHBOURS_READ = 15
NEIGHBOURS_SHARE = 0.5
AREA_FROM = 0.2
PAIRS_IN_AT_LEAST = 2
RIGHT_ENOUGH = {"stage": 0.75, "areas": 0.65, "sentiment": 0.8, "intent": 0.75, "severity": 0.6}
"""Share of right answers, on texts not trained on, that a head must reach above its threshold to be sure. For areas it
is lower, because the corpus names fewer areas than a text deserves and so calls right answers wrong."""

Tick = Callable[[str], None]


class Fold(msgspec.Struct, frozen=True):
    """A model, the examples it never saw, and its uncalibrated probabilities for them."""

    model: Model
    unseen: tuple[int, ...]
    given: dict[str, Floats]


class Fitter:
    """Fits models to examples, for one lexicon and one taxonomy."""

    def __init__(self, phrases: Sequence[Phrase], taxonomy: Taxonomy) -> None:
        self.phrases = phrases
        self.taxonomy = taxonomy

    def fit(self, examples: Sequence[Example], folds: Sequence[Fold]) -> Model:
        """The model of all examples, calibrated on predictions for examples that were left out."""
        model = self._fit(examples)
        heads = []
        for head in model.heads:
            given = np.zeros((len(examples), len(head.labels)), dtype=np.float32)
            for fold in folds:
                given[list(fold.unseen)] = fold.given[head.name]
            heads.append(_calibrate(head, given, _truth(head, examples)))
        return msgspec.structs.replace(model, heads=tuple(heads))

    def folds(self, examples: Sequence[Example], tick: Tick = lambda _: None) -> list[Fold]:
        """Models that each never saw a part of the examples, with what they make of that part."""
        splitter = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED)
        stages = [example.stage for example in examples]
        found = []
        for number, (seen, unseen) in enumerate(splitter.split(np.zeros(len(stages)), stages), 1):
            tick(f"fold {number} of {FOLDS}")
            model = self._fit([examples[n] for n in seen])
            given = uncalibrated(model, self._features(model, [examples[n].text for n in unseen]))
            found.append(Fold(model, tuple(unseen.tolist()), given))
        return found

    def _fit(self, examples: Sequence[Example]) -> Model:
        vocabulary = self._vocabulary(examples)
        heads = self._heads()
        width = sum(len(head.labels) for head in heads)
        empty = Model(
            version=VERSION,
            taxonomy=self.taxonomy.version,
            lexicon=digest_of(read_phrases(OWN)),
            vocabulary=vocabulary,
            heads=heads,
            ngram_weights=np.zeros((len(vocabulary.ngrams), width), dtype=np.float32),
            lexicon_weights=np.zeros((len(vocabulary.labels), width), dtype=np.float32),
            bias=np.full(width, -12.0, dtype=np.float32),
            neighbours=Neighbours(sp.csr_matrix((1, 1)), np.zeros((1, 1), np.float32), np.zeros((1, 1), np.float32)),
            neighbours_read=NEIGHBOURS_READ,
            neighbours_share=NEIGHBOURS_SHARE,
            lexicon_scale=LEXICON_SCALE,
            area_from=AREA_FROM,
        )
        features = self._features(empty, [example.text for example in examples])
        inputs = sp.hstack([features.ngrams, sp.csr_matrix(features.lexicon * LEXICON_SCALE)]).tocsr()
        weights = np.zeros((inputs.shape[1], width))
        bias = empty.bias.astype(np.float64)
        for head in heads:
            _fit_head(head, inputs, _truth(head, examples), weights, bias)
        ngrams = len(vocabulary.ngrams)
        truth = np.concatenate([_truth(head, examples) for head in heads], axis=1)
        return msgspec.structs.replace(
            empty,
            ngram_weights=weights[:ngrams].astype(np.float32),
            lexicon_weights=weights[ngrams:].astype(np.float32),
            bias=bias.astype(np.float32),
            neighbours=Neighbours(features.ngrams, features.lexicon, truth.astype(np.float32)),
        )

    def _heads(self) -> tuple[Head, ...]:
        entries = (
            self.taxonomy.stages,
            self.taxonomy.areas,
            self.taxonomy.sentiments,
            self.taxonomy.intents,
            self.taxonomy.severities,
        )
        heads, begin = [], 0
        for name, group in zip(HEADS, entries, strict=True):
            labels = tuple(entry.id for entry in group)
            heads.append(Head(name, labels, begin, name == "areas", 1.0, 0.0, 0.0))
            begin += len(labels)
        return tuple(heads)

    def _vocabulary(self, examples: Sequence[Example]) -> Vocabulary:
        tokenizer = Tokenizer(stems_of(self.phrases, ()))
        counts: Counter[str] = Counter()
        for example in examples:
            names = [name for word in tokenizer.words(clean(example.text).text) if (name := stem(word))]
            counts.update({*names, *(f"{a} {b}" for a, b in itertools.pairwise(names))})
        kept = sorted(n for n, count in counts.items() if " " not in n or count >= PAIRS_IN_AT_LEAST)
        kept = [name for name in kept if name != "\n" and "\n" not in name]
        idf = [np.log((1 + len(examples)) / (1 + counts[name])) + 1 for name in kept]
        lexicon = Lexicon(self.phrases, stems_of(self.phrases, ()))
        return Vocabulary(tuple(kept), np.array(idf, dtype=np.float32), label_columns(lexicon))

    def _features(self, model: Model, texts: Sequence[str]) -> Features:
        stems = stems_of(self.phrases, model.vocabulary.ngrams)
        lexicon = Lexicon(self.phrases, stems)
        tokens = Tokenizer(stems).read([clean(text).text for text in texts])
        return Featuriser(model.vocabulary, stems, lexicon, self.taxonomy)(tokens, lexicon.find(tokens))


def _truth(head: Head, examples: Sequence[Example]) -> NDArray[np.int8]:
    places = {label: number for number, label in enumerate(head.labels)}
    truth = np.zeros((len(examples), len(head.labels)), dtype=np.int8)
    for row, labels in zip(truth, labels_of(examples, head.name), strict=True):
        row[[places[label] for label in labels]] = 1
    return truth


def _fit_head(
    head: Head, inputs: sp.csr_matrix, truth: NDArray[np.int8], weights: NDArray[np.float64], bias: NDArray[np.float64]
) -> None:
    if head.many:
        for number in range(len(head.labels)):
            learnt = LogisticRegression(C=STRENGTH, max_iter=1000).fit(inputs, truth[:, number])
            weights[:, head.begin + number] = learnt.coef_[0]
            bias[head.begin + number] = learnt.intercept_[0]
        return
    learnt = LogisticRegression(C=STRENGTH, max_iter=1000).fit(inputs, truth.argmax(axis=1))
    columns = head.begin + learnt.classes_
    weights[:, columns] = learnt.coef_.T
    bias[columns] = learnt.intercept_


def _calibrate(head: Head, given: Floats, truth: NDArray[np.int8]) -> Head:
    """Temperature (and shift, for independent labels) that make the left-out truth most likely; then the threshold."""

    def surprise(parameters: NDArray[np.float64]) -> float:
        candidate = msgspec.structs.replace(head, temperature=float(np.exp(parameters[0])), shift=float(parameters[1]))
        chances = np.clip(calibrated(candidate, given).astype(np.float64), 1e-6, 1 - 1e-6)
        if head.many:
            return float(-np.mean(truth * np.log(chances) + (1 - truth) * np.log(1 - chances)))
        return float(-np.mean(np.log((chances * truth).sum(axis=1))))

    best = minimize(surprise, np.zeros(2), method="Nelder-Mead").x
    head = msgspec.structs.replace(head, temperature=float(np.exp(best[0])), shift=float(best[1]) if head.many else 0.0)
    chances = calibrated(head, given)
    right = truth[np.arange(len(truth)), chances.argmax(axis=1)] > 0
    return msgspec.structs.replace(head, sure_from=_threshold(chances.max(axis=1), right, RIGHT_ENOUGH[head.name]))


def _threshold(confidence: Floats, right: NDArray[np.bool_], wanted: float) -> float:
    """The lowest confidence above which the share of right answers is still as wanted."""
    order = np.argsort(-confidence, kind="stable")
    shares = np.cumsum(right[order]) / np.arange(1, len(right) + 1)
    enough = np.flatnonzero(shares >= wanted)
    return float(np.round(confidence[order[enough[-1]]], 3)) if len(enough) else 1.0
