"""The artefact: verified before it is used, small, and the same when it is built again."""

import shutil
from pathlib import Path

import pytest
import skops.io

from services.classify.artefact import DIGEST, FOLDER, LARGEST_BYTES, MODEL, TRUSTED, load
from services.classify.loading import load_tagger
from services.classify.tagger import Tagger, TagInput
from services.classify.training.corpus import read_corpus
from services.classify.training.train import shipped_fitter
from services.contracts.errors import Misconfigured
from tests.unit.classify.sentences import PLAIN


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
def test_training_again_gives_the_same_predictions(tagger: Tagger) -> None:
    fitter, examples = shipped_fitter(), read_corpus()
    again = Tagger(fitter.fit(examples, fitter.folds(examples)), fitter.phrases, fitter.taxonomy)
    inputs = [TagInput(text=text) for text, *_ in PLAIN] + [TagInput(text=example.text) for example in examples[::10]]
    for before, after in zip(tagger.tag(inputs), again.tag(inputs), strict=True):
        assert (before.stage, before.sentiment, before.intent, before.severity) == (
            after.stage,
            after.sentiment,
            after.intent,
            after.severity,
        )
        assert [tag.area for tag in before.areas] == [tag.area for tag in after.areas]
        assert before.themes == after.themes
        assert before.stage_confidence == pytest.approx(after.stage_confidence, abs=0.02)


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
