"""The artefact: verified before it is used, small, and the same when it is built again."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import skops.io

from services.classify.loading import load_tagger
from services.classify.model.artefact import DIGEST, FOLDER, LARGEST_BYTES, MODEL, TRUSTED, load, save
from services.classify.model.cascade import ALL_FULL
from services.classify.reading.minilm import MiniLM
from services.classify.reading.phrases import OWN, read_phrases
from services.classify.reading.static import load_table
from services.classify.reading.text import clean
from services.classify.tagging.tagger import Tagger, TagInput
from services.classify.taxonomy.labels import read_taxonomy
from services.classify.training.corpus import Example
from services.classify.training.figures import calibrated_as
from services.classify.training.fit import Fitter
from services.classify.training.lessons import lessons_of
from services.classify.training.train import Remembered
from services.contracts.errors import Misconfigured
from services.contracts.events import Tags
from tests.unit.classify.sentences import PLAIN

STORED_APART = 0.02
"""Weights are stored as half floats and vectors as bytes; and another processor adds up in another order."""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The shipped artefact, to be spoilt."""
    return Path(shutil.copytree(FOLDER, tmp_path / "artefact"))


def test_the_shipped_model_is_small_and_asks_for_no_type_that_nobody_reviewed() -> None:
    data = (FOLDER / MODEL).read_bytes()
    assert len(data) <= LARGEST_BYTES
    assert set(skops.io.get_untrusted_types(data=data)) <= set(TRUSTED)


def test_a_changed_model_is_refused(copy: Path) -> None:
    with (copy / MODEL).open("ab") as file:
        file.write(b" ")
    with pytest.raises(Misconfigured, match="is not the file that"):
        load(copy)


def test_a_missing_digest_is_refused(copy: Path) -> None:
    (copy / DIGEST).unlink()
    with pytest.raises(Misconfigured, match="make train"):
        load(copy)


def test_the_card_tells_weaknesses_first_and_names_the_digest() -> None:
    card = (FOLDER / "CARD.md").read_text(encoding="utf-8")
    assert card.index("## Weaknesses first") < card.index("## What it is")
    assert (FOLDER / DIGEST).read_text(encoding="ascii").split()[0] in card


@pytest.mark.timeout(300)
def test_training_the_fast_path_again_gives_the_same_weights_and_predictions(
    policy: Path, corpus: list[Example], tmp_path: Path
) -> None:
    shipped = load()
    static = Remembered(load_table())
    phrases, taxonomy = read_phrases(OWN) + read_phrases(policy / "lexicon"), read_taxonomy(policy)
    again = Fitter(phrases, taxonomy, {"fast": static, "full": static}).fit_uncalibrated(corpus, paths=("fast",))
    assert again.vocabulary.ngrams == shipped.vocabulary.ngrams
    assert again.heads == shipped.heads
    # corpus, lexicon or theme phrases that were changed since ask for `make train`
    assert again.mix == shipped.mix
    assert (again.examples.labels == shipped.examples.labels).all()
    assert shipped.themes.fast is not None
    assert again.themes.fast is not None
    for stored, made in (
        (shipped.fast.ngram_weights, again.fast.ngram_weights),
        (shipped.fast.lexicon_weights, again.fast.lexicon_weights),
        (shipped.fast.dense_weights, again.fast.dense_weights),
        (shipped.fast.bias, again.fast.bias),
        (shipped.fast.near, again.fast.near),
        (shipped.themes.fast.dense_weights, again.themes.fast.dense_weights),
        (shipped.themes.fast.phrase_weights, again.themes.fast.phrase_weights),
    ):
        assert stored.shape == made.shape
        assert np.abs(stored - made).max() <= STORED_APART
    # stored vectors are bytes: of texts between two labels, other neighbours may be the nearest then
    save(calibrated_as(shipped, again), tmp_path)
    taggers = [Tagger(model, phrases, taxonomy, static=static) for model in (shipped, load(tmp_path))]
    inputs = [TagInput(text=text) for text, *_ in PLAIN] + [TagInput(text=example.text) for example in corpus[::10]]
    differ = 0
    for before, after in zip(*(tagger.tag(inputs) for tagger in taggers), strict=True):
        differ += _said(before) != _said(after) or abs(before.stage_confidence - after.stage_confidence) > 0.02
        assert before.stage_confidence == pytest.approx(after.stage_confidence, abs=0.05)
    assert differ <= 0.01 * len(inputs)


def test_the_full_path_keeps_the_vectors_of_its_examples(corpus: list[Example]) -> None:
    near = load().full.near
    texts = [clean(lesson.text).text for lesson in lessons_of(corpus)]
    assert len(near) == len(texts)
    # whole texts and clauses from all files, the short ones: MiniLM reads 80 texts a second
    places = [place for place in range(0, len(texts), 40) if len(texts[place]) < 120]
    assert len(places) >= 80
    vectors = MiniLM().encode([texts[place] for place in places])
    assert (near[places] * vectors).sum(axis=1) == pytest.approx(1, abs=0.002)


def test_the_full_path_has_learnt_its_examples(corpus: list[Example], policy: Path) -> None:
    examples = [example for example in corpus if len(example.text) < 120][::30]
    tags = load_tagger(policy, cascade=ALL_FULL).tag([TagInput(text=example.text) for example in examples])
    assert {tag.path for tag in tags} == {"full"}
    right = [tag.stage == example.stage for tag, example in zip(tags, examples, strict=True)]
    assert sum(right) >= 0.85 * len(right)


def test_a_taxonomy_that_lost_a_label_of_the_model_is_refused_with_a_way_out(tmp_path: Path, policy: Path) -> None:
    shutil.copytree(policy / "lexicon", tmp_path / "lexicon")
    text = (policy / "taxonomy.yaml").read_text(encoding="utf-8")
    (tmp_path / "taxonomy.yaml").write_text(text.replace("id: get_help", "id: ask").replace("get_help", "ask"), "utf-8")
    with pytest.raises(Misconfigured, match="retired: true"):
        load_tagger(tmp_path)


def test_a_company_adds_a_theme_and_its_phrases_by_files_alone(tmp_path: Path, policy: Path) -> None:
    shutil.copytree(policy / "lexicon", tmp_path / "lexicon")
    text = (policy / "taxonomy.yaml").read_text(encoding="utf-8")
    theme = "  - {id: loom-jams, name: loom jams, stage: use, area: product}\n"
    (tmp_path / "taxonomy.yaml").write_text(text.rstrip() + "\n" + theme, encoding="utf-8")
    (tmp_path / "lexicon" / "own.yaml").write_text(
        "head: theme\nphrases:\n  loom-jams:\n    - loom (jams|stuck)\n", encoding="utf-8"
    )
    tags = load_tagger(tmp_path).tag([TagInput(text="Our loom jammed again on Monday")])[0]
    assert tags.themes == ("loom-jams",)
    assert (tags.stage, tags.areas[0].area) == ("use", "product")


def test_a_theme_in_a_cell_that_nobody_knows_is_refused_with_its_line(tmp_path: Path, policy: Path) -> None:
    shutil.copytree(policy / "lexicon", tmp_path / "lexicon")
    text = (policy / "taxonomy.yaml").read_text(encoding="utf-8")
    theme = "  - {id: loom-jams, name: loom jams, stage: used, area: product}\n"
    (tmp_path / "taxonomy.yaml").write_text(text.rstrip() + "\n" + theme, encoding="utf-8")
    with pytest.raises(Misconfigured, match=r"taxonomy.yaml:\d+: `used` is not one of the stages. Did you mean use"):
        load_tagger(tmp_path)


def _said(tags: Tags) -> tuple[object, ...]:
    """What was decided, without how sure."""
    return tags.stage, [tag.area for tag in tags.areas], tags.sentiment, tags.intent, tags.severity
