"""Themes: from a guess and a judge to what is said, and to the words that tell of it."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from services.classify.learning.widening import renamed
from services.classify.model.artefact import load, save
from services.classify.model.theme_chances import (
    FACTS,
    Judge,
    ThemeModel,
    ThemePath,
    facts,
    guesses,
    places_of,
    theme_chances,
    widened,
)
from services.classify.reading.features import Floats
from services.classify.tagging.passages import Passages
from services.classify.tagging.tagger import Tagger, TagInput
from services.classify.tagging.themes import MOST_THEMES
from services.classify.taxonomy.labels import read_taxonomy
from services.classify.training.corpus import Example

LABELS = {"stage": ("use", "pay"), "areas": ("price", "people"), "sentiment": ("negative", "positive")}
CHANCES: dict[str, Floats] = {
    "stage": np.array([[0.9, 0.1]], dtype=np.float32),
    "areas": np.array([[0.2, 0.8]], dtype=np.float32),
    "sentiment": np.array([[0.7, 0.3]], dtype=np.float32),
}


def themes(judge: Judge | None) -> ThemeModel:
    """Two themes: trouble with `use`, and praise at a stage that the heads do not have."""
    path = ThemePath(
        phrase_weights=np.array([[2, 0], [0, 2]], dtype=np.float32),
        dense_weights=np.array([[1, -9], [0, 0]], dtype=np.float32),
        bias=np.array([-1, -4], dtype=np.float32),
        centres=np.eye(2, dtype=np.float32),
        judge=judge,
    )
    return ThemeModel(
        ids=("rude", "kind"),
        stages=("use", "gone"),
        areas=("people", "people"),
        strengths=(False, True),
        texts=(20, 9),
        fast=path,
    )


def judge(bias: float = 0.0, **weights: float) -> Judge:
    """A judge that looks at few facts, by their place."""
    given = np.zeros(widened(np.zeros((1, FACTS), dtype=np.float32)).shape[1], dtype=np.float32)
    for place, weight in weights.items():
        given[int(place.removeprefix("fact"))] = weight
    return Judge(np.zeros(FACTS, dtype=np.float32), np.ones(FACTS, dtype=np.float32), given, bias)


def chances(model: ThemeModel, hits: list[list[float]]) -> list[list[float]]:
    dense = np.array([[1, 0]], dtype=np.float32)
    found = theme_chances(model, "fast", np.array(hits, dtype=np.float32), dense, labels=LABELS, chances=CHANCES)
    return np.round(found, 3).tolist()


def test_the_judge_is_told_where_the_model_sees_the_text_and_what_it_makes_of_other_themes() -> None:
    model = themes(judge())
    assert model.fast is not None
    dense, hits = np.array([[1, 0]], dtype=np.float32), np.array([[1, 1]], dtype=np.float32)
    docs, numbers, told = facts(model, places_of(model, LABELS), guesses(model.fast, hits, dense), hits, CHANCES)

    assert docs.tolist() == [0, 0]
    assert numbers.tolist() == [0, 1]
    logit = np.log(0.9 / 0.1)
    assert told[0].tolist() == pytest.approx(
        [2, 1, logit, np.log(0.8 / 0.2), np.log(0.7 / 0.3), 1, np.log(21), 0, 0], abs=1e-4
    )
    assert told[1][[0, 2, 4, 7]].tolist() == pytest.approx([-9.21, -9.21, np.log(0.3 / 0.7), -11.21], abs=0.01)


def test_only_what_a_phrase_or_the_guess_suggests_is_judged() -> None:
    always = themes(judge(bias=5.0))

    assert chances(always, [[0, 0]]) == [[pytest.approx(0.993), 0.0]]
    assert chances(always, [[0, 1]]) == [[pytest.approx(0.993), pytest.approx(0.993)]]


def test_without_a_judge_nothing_is_likely() -> None:
    assert chances(themes(None), [[2, 2]]) == [[0.0, 0.0]]


def test_a_passage_is_the_sentence_or_the_part_of_a_long_one_that_tells_most() -> None:
    def encode(texts: list[str]) -> Floats:
        return np.array([["rude" in text, 1] for text in texts], dtype=np.float32)

    text = "The room was lovely. We came by train and had a long walk, but the man was rude to my mother all along."
    found = Passages(themes(None), encode).find([text, text], [["rude"], []])

    assert [text[p.start : p.end] for p in found[0]] == ["but the man was rude to my mother all along."]
    assert found[1] == ()


def test_a_passage_does_not_begin_in_the_middle_of_a_number() -> None:
    def encode(texts: list[str]) -> Floats:
        return np.array([["taken" in text, 1] for text in texts], dtype=np.float32)

    text = "Why was 4.50 taken for this? Nobody asked me."
    ((passage,),) = Passages(themes(None), encode).find([text], [["rude"]])

    assert text[passage.start : passage.end] == "Why was 4.50 taken for this?"


def test_every_theme_that_is_said_shows_words_of_the_text(tagger: Tagger, corpus: list[Example]) -> None:
    texts = [example.text for example in corpus[::9]]
    unnamed = 0
    for text, tags in zip(texts, tagger.tag([TagInput(text=text) for text in texts]), strict=True):
        shown = {e.label: text[e.start : e.end] for e in tags.evidence if e.head == "theme"}
        assert shown.keys() == set(tags.themes)
        assert all(words.strip() for words in shown.values())
        assert len(tags.themes) <= MOST_THEMES
        unnamed += len(tags.themes)
    assert unnamed > 200


def test_themes_are_kept_in_the_file_of_a_model(tmp_path: Path) -> None:
    shipped = load()
    save(shipped, tmp_path)
    again = load(tmp_path)

    assert again.themes.ids == shipped.themes.ids
    assert again.themes.least == shipped.themes.least
    for before, after in ((shipped.themes.fast, again.themes.fast), (shipped.themes.full, again.themes.full)):
        assert before is not None
        assert after is not None
        assert (before.dense_weights == after.dense_weights).all()
        assert before.judge is not None
        assert after.judge is not None
        assert (before.judge.weights == after.judge.weights).all()


def test_a_theme_keeps_what_was_learnt_when_its_id_or_its_stage_is_renamed(policy: Path) -> None:
    taxonomy, shipped = read_taxonomy(policy), load()
    theme = tuple(
        msgspec.structs.replace(entry, id="hotline", was=("long-hold",)) if entry.id == "long-hold" else entry
        for entry in taxonomy.themes
    )
    stages = tuple(
        msgspec.structs.replace(entry, id="support", was=("get_help",)) if entry.id == "get_help" else entry
        for entry in taxonomy.stages
    )
    model = renamed(shipped, msgspec.structs.replace(taxonomy, themes=theme, stages=stages))

    place = shipped.themes.ids.index("long-hold")
    assert model.themes.ids[place] == model.vocabulary.themes[place] == "hotline"
    assert model.themes.stages[place] == "support"
    assert set(model.themes.stages) <= set(model.head("stage").labels)
