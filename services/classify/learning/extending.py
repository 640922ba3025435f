"""A taxonomy's own labels -> a model that knows them: new stages and areas are learnt from a dozen examples each.

A new label is learnt twice: its examples join the neighbours, and a column of weights is fitted that tells them from
the shipped texts, of which the model keeps vectors and the lexicon's voice, not the words. Shipped texts that look like
the new label although the model was taught otherwise are not held against it. Nothing else of the model changes. Pure;
the same examples give the same model.
"""

import hashlib
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logsumexp

from services.classify.learning.widening import VOICE, widened
from services.classify.model.probabilities import PATHS, Examples, Head, Model, Path, PathName, probabilities
from services.classify.reading.features import Floats
from services.classify.tagging.tagger import Tagger
from services.classify.taxonomy.labels import Taxonomy

FEWEST_EXAMPLES = 8
"""Below this a label is not learnt. A dozen is what the guide asks for."""
NEIGHBOUR_WEIGHT = 15.0
"""How many shipped texts of the same likeness one example counts for among the neighbours."""
LABEL_WEIGHT = 2_000.0
"""How many shipped texts all examples of a new label count for in its weights, together. Both were chosen by taking
labels out of the shipped model and teaching them again from 12 of their texts (docs/decisions/0062)."""
_WORDS_COUNT = 0.4
HEADS = ("stage", "areas")
_LOOKS_NEW = 0.5
_STRENGTH = 1.0

Doubles = NDArray[np.float64]


class Lesson(msgspec.Struct, frozen=True):
    """A text that the taxonomy gives as an example, and the labels that it is an example of, by head."""

    text: str
    labels: dict[str, tuple[str, ...]]


class Extension(msgspec.Struct, frozen=True):
    """What a taxonomy adds to a model: labels that it has to learn, by head, and lessons for them and for labels that
    it knows. `starving`: labels that it does not know and that have too few examples."""

    new: dict[str, tuple[str, ...]]
    starving: dict[str, tuple[str, ...]]
    lessons: tuple[Lesson, ...]


def extension_of(taxonomy: Taxonomy, model: Model) -> Extension:
    """What has to be learnt. An entry with fewer examples than `FEWEST_EXAMPLES` only illustrates."""
    new: dict[str, tuple[str, ...]] = {}
    starving: dict[str, tuple[str, ...]] = {}
    said: dict[str, dict[str, tuple[str, ...]]] = {}
    for head in HEADS:
        known = model.head(head).labels
        used = [entry for entry in taxonomy.labels(head) if not entry.retired]
        taught = [entry for entry in used if len(set(entry.examples)) >= FEWEST_EXAMPLES]
        new[head] = tuple(entry.id for entry in taught if entry.id not in known)
        starving[head] = tuple(entry.id for entry in used if entry.id not in known and entry not in taught)
        for entry in taught:
            for text in dict.fromkeys(entry.examples):
                labels = said.setdefault(text, {})
                labels[head] = (*labels.get(head, ()), entry.id)
    return Extension(new, starving, tuple(Lesson(text, labels) for text, labels in said.items()))


def extend(tagger: Tagger, taxonomy: Taxonomy) -> Model:
    """The tagger's model with the taxonomy's examples taken in; the model itself where there are none, or where it has
    them already (a model of one's own keeps what it was taught)."""
    extension = extension_of(taxonomy, tagger.model)
    if not extension.lessons:
        return tagger.model
    taught = f"{taxonomy.version}/{hashlib.sha256(msgspec.json.encode(extension.lessons)).hexdigest()[:12]}"
    if tagger.model.taxonomy == taught:
        return tagger.model
    return msgspec.structs.replace(Learner(tagger, extension).model(), taxonomy=taught)


class _Column(msgspec.Struct, frozen=True):
    """Weights of one label on one path."""

    ngram: Floats
    lexicon: Floats
    dense: Floats
    bias: float


class Learner:
    """Learns one extension: from all of its lessons, or from some, so that the others can judge."""

    def __init__(self, tagger: Tagger, extension: Extension) -> None:
        self.extension = extension
        self._wide = widened(tagger.model, extension.new, tagger.phrases, tagger.taxonomy)
        reader = tagger.with_model(self._wide)
        texts = [lesson.text for lesson in extension.lessons]
        self.paths: tuple[PathName, ...] = PATHS if tagger.has_full else ("fast",)
        self._features = reader.read(texts).features
        self._vectors = {path: reader.vectors(texts, path) for path in self.paths}
        self._labels = self._truth()

    def model(self, kept: Sequence[int] | None = None) -> Model:
        """The model that these lessons make (their numbers; all by default)."""
        wide = self._wide
        places = np.arange(len(self.extension.lessons)) if kept is None else np.array(sorted(kept), dtype=np.int64)
        shipped = wide.examples.labels.copy()
        paths = {name: wide.path(name) for name in PATHS}
        for head_name, labels in self.extension.new.items():
            head = wide.head(head_name)
            for label in labels:
                number = head.begin + head.labels.index(label)
                for name in self.paths:
                    column, looks_new = self._learnt(head, number, name, places)
                    paths[name] = _with_column(paths[name], number, column)
                    if name == "fast" and not head.many:
                        # among the neighbours such a text speaks for no label of this head; the fast path decides, so
                        # that it answers the same where there is no other
                        shipped[looks_new, head.columns] = 0
        return msgspec.structs.replace(
            wide,
            fast=self._with_neighbours(paths["fast"], "fast", places),
            full=self._with_neighbours(paths["full"], "full", places),
            examples=Examples(
                np.concatenate([wide.examples.lexicon, self._features.lexicon[places]]),
                np.concatenate([shipped, self._labels[places]]),
                np.concatenate([wide.examples.weight, np.full(len(places), NEIGHBOUR_WEIGHT, dtype=np.float32)]),
            ),
        )

    def chances(self, model: Model, places: Sequence[int], path: PathName) -> dict[str, Floats]:
        """What a model makes of some of the lessons: head -> texts × labels."""
        return probabilities(model, self._features.of(places), self._vectors[path][list(places)], path)

    def looks_like(self, head_name: str, label: str) -> dict[str, float]:
        """Of the texts that the model was taught as each other label of a head, the share that looks like a new one."""
        head, examples = self._wide.head(head_name), self._wide.examples
        number = head.begin + head.labels.index(label)
        _, looks_new = self._learnt(head, number, "fast", np.arange(len(self.extension.lessons)))
        labels = examples.labels[:, head.columns] > 0
        counts = labels.sum(axis=0)
        alike = (labels & looks_new[:, None]).sum(axis=0)
        return {
            name: round(float(alike[place] / counts[place]), 3)
            for place, name in enumerate(head.labels)
            if counts[place] and name != label
        }

    def _truth(self) -> Floats:
        """Lessons × labels of all heads. Of what a lesson does not say, areas are filled in as the model sees them:
        among the neighbours an empty row of areas would speak against every area."""
        wide, lessons = self._wide, self.extension.lessons
        found = np.zeros((len(lessons), wide.examples.labels.shape[1]), dtype=np.float32)
        areas = wide.head("areas")
        guessed = probabilities(wide, self._features, self._vectors["fast"], "fast")["areas"]
        for number, lesson in enumerate(lessons):
            for head_name, labels in lesson.labels.items():
                head = wide.head(head_name)
                found[number, [head.begin + head.labels.index(label) for label in labels]] = 1
            if "areas" not in lesson.labels:
                found[number, areas.columns] = guessed[number] >= max(wide.area_from, 0.5)
                found[number, areas.begin + int(guessed[number].argmax())] = 1
        return found

    def _with_neighbours(self, path: Path, name: PathName, places: NDArray[np.int64]) -> Path:
        width = path.near.shape[1]
        own = self._vectors[name][places] if name in self.paths else np.zeros((len(places), width), dtype=np.float32)
        return msgspec.structs.replace(path, near=np.concatenate([path.near, own]))

    def _learnt(
        self, head: Head, number: int, name: PathName, places: NDArray[np.int64]
    ) -> tuple[_Column, NDArray[np.bool_]]:
        """Weights for a new label, and which of the shipped texts look like it."""
        wide = self._wide
        path, examples = wide.path(name), wide.examples
        told = examples.labels[:, head.columns].sum(axis=1) > 0
        said = self._labels[places][:, head.columns].sum(axis=1) > 0
        own = places[said & np.array([head.name in self.extension.lessons[n].labels for n in places], dtype=bool)]
        is_new = self._labels[own, number] > 0
        lexicon, own_lexicon = examples.lexicon * wide.lexicon_scale, self._features.lexicon[own] * wide.lexicon_scale
        dense, own_dense = path.near * path.dense_scale, self._vectors[name][own] * path.dense_scale
        others = np.delete(np.arange(head.begin, head.begin + len(head.labels)), number - head.begin)
        against, own_against = np.zeros(len(told)), np.zeros(len(own))
        if not head.many:
            weights = np.concatenate([path.lexicon_weights[:, others], path.dense_weights[:, others]])
            scored = np.hstack([lexicon, dense]) @ weights + path.bias[others]
            own_scored = np.hstack([own_lexicon, own_dense]) @ weights + path.bias[others]
            own_whole = own_scored + self._features.ngrams[own] @ path.ngram_weights[:, others]
            own_against = logsumexp(own_whole, axis=1)
            # what the n-grams of shipped texts added is not kept; the examples say how much it is on average
            against = logsumexp(scored, axis=1) + float(np.mean(own_against - logsumexp(own_scored, axis=1)))
        inputs = np.concatenate([np.hstack([lexicon, dense]), np.hstack([own_lexicon, own_dense])]).astype(np.float64)
        offsets = -np.concatenate([against, own_against])
        truth = np.concatenate([np.zeros(len(told)), is_new])
        each = LABEL_WEIGHT / max(1, int(is_new.sum()))
        weight = np.concatenate([examples.weight * told, np.where(is_new, each, NEIGHBOUR_WEIGHT)])
        learnt = _fitted(inputs, truth, weight, offsets)
        looks_new = expit(inputs[: len(told)] @ learnt[:-1] + learnt[-1] + offsets[: len(told)]) > _LOOKS_NEW
        if looks_new.any():
            weight[: len(told)] *= ~looks_new
            learnt = _fitted(inputs, truth, weight, offsets, begin=learnt)
        ends = lexicon.shape[1]
        voice = learnt[:ends].astype(np.float32)
        spoken = f"{VOICE[head.name]}:{head.labels[number - head.begin]}"
        if spoken in wide.vocabulary.labels:
            voice[wide.vocabulary.labels.index(spoken)] += _usual_voice(wide, path, head)
        column = _Column(self._words(own[is_new]), voice, learnt[ends:-1].astype(np.float32), float(learnt[-1]))
        return column, looks_new

    def _words(self, places: NDArray[np.int64]) -> Floats:
        """Weights of n-grams: how much more often a label's examples have them than texts at large do."""
        found = np.asarray((self._features.ngrams[places] > 0).sum(axis=0), dtype=np.float64).ravel()
        usual = np.exp(1 - self._wide.vocabulary.idf.astype(np.float64))
        more = np.log((found + 0.1) / (len(places) + 0.2)) - np.log(usual)
        return np.asarray(_WORDS_COUNT * np.where(found > 0, np.maximum(more, 0), 0), dtype=np.float32)


def _usual_voice(model: Model, path: Path, head: Head) -> float:
    """What the lexicon's voice for a label weighs for that label, on average over a head."""
    columns = {name: number for number, name in enumerate(model.vocabulary.labels)}
    known = [
        float(path.lexicon_weights[columns[name], head.begin + number])
        for number, label in enumerate(head.labels)
        if (name := f"{VOICE[head.name]}:{label}") in columns
    ]
    return float(np.mean([weight for weight in known if weight] or [0.0]))


def _fitted(
    inputs: Doubles, truth: Doubles, weight: Doubles, offsets: Doubles, begin: Doubles | None = None
) -> Doubles:
    """Logistic regression with an offset per row: weights, and the bias last."""

    def loss(parameters: Doubles) -> tuple[float, Doubles]:
        scores = inputs @ parameters[:-1] + parameters[-1] + offsets
        chances = expit(scores)
        surprise = np.logaddexp(0, scores) - truth * scores
        slope = weight * (chances - truth)
        value = _STRENGTH * float(weight @ surprise) + 0.5 * float(parameters[:-1] @ parameters[:-1])
        return value, np.append(_STRENGTH * (inputs.T @ slope) + parameters[:-1], _STRENGTH * slope.sum())

    start = np.zeros(inputs.shape[1] + 1) if begin is None else begin
    found: Doubles = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 200}).x
    return found


def _with_column(path: Path, number: int, column: _Column) -> Path:
    ngram, lexicon, dense, bias = (
        array.copy() for array in (path.ngram_weights, path.lexicon_weights, path.dense_weights, path.bias)
    )
    ngram[:, number], lexicon[:, number], dense[:, number] = column.ngram, column.lexicon, column.dense
    bias[number] = column.bias
    return msgspec.structs.replace(path, ngram_weights=ngram, lexicon_weights=lexicon, dense_weights=dense, bias=bias)
