"""No text of the sample is a near-duplicate of another one, or of anything that the model is trained on."""

import csv
import json

from services.classify.training.corpus import read_corpus
from services.launcher.sample.build import EVENTS, HERE

from .near_duplicates import near_duplicates


def sample_texts() -> list[str]:
    events = [json.loads(line) for line in EVENTS.read_text(encoding="utf-8").splitlines()]
    rows = csv.DictReader((HERE / "yours.csv").read_text(encoding="utf-8").splitlines())
    return [event["text"] for event in events if "text" in event] + [row["Their words"] for row in rows]


def training_texts() -> list[str]:
    return [example.text for example in read_corpus()]


def test_a_text_with_a_swapped_word_is_found() -> None:
    text = "The courier left my new table in the rain beside the gate and never even rang the bell."
    swapped = text.replace("table", "sofa")
    assert list(near_duplicates([text, swapped]))
    assert list(near_duplicates([text], [swapped]))
    assert not list(near_duplicates([text, "A perfectly different thing happened to us on the stairs."]))


def test_a_bare_verdict_may_also_be_in_the_corpus() -> None:
    assert not list(near_duplicates(["Appalling"], ["appalling"]))
    assert list(near_duplicates(["Appalling", "appalling"]))


def test_no_two_texts_are_near_duplicates() -> None:
    texts = sample_texts()
    assert len(texts) >= 600
    assert list(near_duplicates(texts)) == []


def test_no_text_is_near_one_that_the_model_learns_from() -> None:
    corpus = training_texts()
    assert len(corpus) >= 3_000
    assert list(near_duplicates(sample_texts(), corpus)) == []
