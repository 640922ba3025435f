"""Fits of one head by the fast path alone: what tests can afford."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from services.classify.model.probabilities import Model, uncalibrated
from services.classify.reading.features import Featuriser, Floats
from services.classify.reading.lexicon import Lexicon
from services.classify.reading.phrases import OWN, read_phrases
from services.classify.reading.static import load_table
from services.classify.reading.text import clean
from services.classify.reading.tokens import Tokenizer
from services.classify.tagging.tagger import stems_of
from services.classify.taxonomy.labels import read_taxonomy
from services.classify.training.corpus import Example
from services.classify.training.fit import Fitter
from services.classify.training.train import Remembered


class FastFitter:
    """Fits one head of the fast path with the shipped lexicon and static vectors; a text's vector is made once."""

    def __init__(self, policy: Path, *, head: str = "stage") -> None:
        phrases = read_phrases(OWN) + read_phrases(policy / "lexicon")
        static = Remembered(load_table())
        self._fitter = Fitter(phrases, read_taxonomy(policy), {"fast": static, "full": static})
        (one,) = [given for given in self._fitter.heads if given.name == head]
        self._fitter.heads = (type(one)(one.name, one.labels, 0, one.many),)
        self.head = self._fitter.heads[0]

    def fit(self, examples: Sequence[Example]) -> Model:
        """A model of the examples with nothing but its fast path and that head."""
        return self._fitter.fit_uncalibrated(examples, paths=("fast",))

    def chances(self, model: Model, texts: Sequence[str]) -> Floats:
        """Uncalibrated probabilities: texts × labels."""
        fitter = self._fitter
        stems = stems_of(fitter.phrases, model.vocabulary.ngrams)
        lexicon = Lexicon(fitter.phrases, stems)
        cleaned = [clean(text).text for text in texts]
        tokens = Tokenizer(stems).read(cleaned)
        features = Featuriser(model.vocabulary, stems, lexicon, fitter.taxonomy)(tokens, lexicon.find(tokens))
        return uncalibrated(model, features, fitter.encoders["fast"].encode(cleaned), "fast")[self.head.name]

    def said(self, chances: Floats) -> np.ndarray:
        """The most probable label of each text."""
        return np.array(self.head.labels)[chances.argmax(axis=1)]
