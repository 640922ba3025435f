"""Thirty labels of an organisation that the model never saw teach it, and make none of them much worse."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest

from services.classify.learning.adapting import LabelledText, adapt
from services.classify.model.artefact import load
from services.classify.model.probabilities import PATHS, probabilities
from services.classify.reading.phrases import OWN, read_phrases
from services.classify.reading.static import load_table
from services.classify.tagging.tagger import Tagger, TagInput
from services.classify.taxonomy.labels import read_taxonomy
from services.classify.training.corpus import Example
from services.classify.training.figures import calibrated_as
from services.classify.training.fit import Fitter
from services.classify.training.train import Remembered

LEFT_OUT = (
    "car-dealer-and-garage",
    "grocery-and-food-delivery",
    "hotel",
    "pension-and-investing",
    "pharmacy-and-dental",
    "rail-and-bus",
)
LABELS, MORE_LABELS = 30, 60
LIFT, MORE_LIFT = 0.02, 0.03
"""Mean over sources and draws of the lift of stage accuracy: .038 and .049 were measured, with labels at random."""
WORST = -0.03
DRAWS = 3


def labelled(example: Example) -> LabelledText:
    """What a person would say of an example."""
    return LabelledText(
        text=example.text,
        stage=example.stage,
        areas=example.areas,
        sentiment=example.sentiment,
        intent=example.intent,
        severity=example.severity,
    )


@pytest.fixture(scope="module")
def newcomer(policy: Path, corpus: list[Example]) -> Tagger:
    """A tagger that never saw some industries. It has the fast path only, twice."""
    static = Remembered(load_table())
    phrases, taxonomy = read_phrases(OWN) + read_phrases(policy / "lexicon"), read_taxonomy(policy)
    fitter = Fitter(phrases, taxonomy, {"fast": static, "full": static})
    seen = [example for example in corpus if example.industry not in LEFT_OUT]
    model = fitter.fit_uncalibrated(seen, paths=("fast",))
    model = calibrated_as(load(), model)
    return Tagger(msgspec.structs.replace(model, full=model.fast), phrases, taxonomy, static=static, full=static)


def right(tagger: Tagger, examples: Sequence[Example]) -> float:
    """Share of stages that are right, by the fast path."""
    tags = tagger.tag([TagInput(text=example.text, hurry=True) for example in examples])
    return float(np.mean([tag.stage == example.stage for tag, example in zip(tags, examples, strict=True)]))


@pytest.mark.timeout(300)
def test_labels_of_an_unseen_source_lift_it_and_harm_none(newcomer: Tagger, corpus: list[Example]) -> None:
    random = np.random.default_rng(3)
    lifts: dict[int, list[float]] = {LABELS: [], MORE_LABELS: []}
    for industry in LEFT_OUT:
        own = [example for example in corpus if example.industry == industry]
        drawn: dict[int, list[float]] = {LABELS: [], MORE_LABELS: []}
        for _ in range(DRAWS):
            shuffled = [own[place] for place in random.permutation(len(own))]
            rest = shuffled[MORE_LABELS:]
            before = right(newcomer, rest)
            for count, found in drawn.items():
                taught = newcomer.with_model(adapt(newcomer, list(map(labelled, shuffled[:count])), version="own-1"))
                found.append(right(taught, rest) - before)
        for count, found in drawn.items():
            lifts[count].append(float(np.mean(found)))
    assert np.mean(lifts[LABELS]) >= LIFT, lifts
    assert np.mean(lifts[MORE_LABELS]) >= MORE_LIFT, lifts
    assert min(lifts[LABELS] + lifts[MORE_LABELS]) >= WORST, lifts


def test_a_text_that_was_labelled_is_tagged_as_it_was_labelled(newcomer: Tagger) -> None:
    said = "The blue pods came out of the hatch upside down"
    before = newcomer.tag([TagInput(text=said)])[0]
    stage = "set_up" if before.stage != "set_up" else "leave"
    taught = newcomer.with_model(adapt(newcomer, [LabelledText(text=said, stage=stage)] * 3, version="own-1"))
    after = taught.tag([TagInput(text=said)])[0]
    assert after.stage == stage
    assert after.versions.model == "own-1"


def test_without_labels_the_model_stays_the_same_but_for_its_name(newcomer: Tagger) -> None:
    model = adapt(newcomer, [], version="own-1")
    assert model.version == "own-1"
    assert msgspec.structs.replace(model, version=newcomer.model.version) == newcomer.model


def test_the_same_labels_give_the_same_model(newcomer: Tagger, corpus: list[Example]) -> None:
    labels = [labelled(example) for example in corpus if example.industry == LEFT_OUT[0]][:20]
    one, other = (adapt(newcomer, labels, version="own-1") for _ in range(2))
    texts = [example.text for example in corpus[::200]]
    read = newcomer.read(texts).features
    for path in PATHS:
        assert one.path(path).calibrations == other.path(path).calibrations
        dense = newcomer.vectors(texts, path)
        first, second = (probabilities(model, read, dense, path) for model in (one, other))
        assert all((first[head] == second[head]).all() for head in first)


def test_what_nobody_said_is_not_learnt(newcomer: Tagger) -> None:
    model = adapt(newcomer, [LabelledText(text="The hatch jams", stage="use")], version="own-1")
    learnt = model.examples.labels[-1]
    assert [head.name for head in model.heads if learnt[head.columns].any()] == ["stage"]
    for path in PATHS:
        assert model.path(path).calibrations["areas"] == newcomer.model.path(path).calibrations["areas"]


def test_a_label_that_the_model_does_not_have_is_left_out(newcomer: Tagger) -> None:
    model = adapt(newcomer, [LabelledText(text="The hatch jams", stage="orbit", areas=("hull",))], version="own-1")
    assert not model.examples.labels[-1].any()


def test_thirty_labels_hardly_move_how_frequent_a_stage_is_believed_to_be(
    newcomer: Tagger, corpus: list[Example]
) -> None:
    labels = [LabelledText(text=example.text, stage="leave") for example in corpus[::100][:LABELS]]
    model = adapt(newcomer, labels, version="own-1")
    leave = model.head("stage").labels.index("leave")
    for path in PATHS:
        favour = np.array(model.path(path).calibrations["stage"].prior)
        assert favour[leave] == favour.max() > 0
        assert favour.max() < 1.5
