"""MiniLM by NumPy gives the vectors of its authors, whatever else stands in the batch."""

import hashlib
import importlib.machinery
import time

import numpy as np
import pytest

from services.classify.reading import minilm
from services.classify.reading.minilm import MOST_PIECES, WIDTH, MiniLM, package_folder
from services.contracts.errors import Misconfigured

WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
PIECES = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
PUBLISHED = {
    # the first numbers that the model's card shows for its two sentences
    "This is an example sentence": (0.0676569, 0.0634959, 0.0487131, 0.0793050),
    "Each sentence is converted": (0.0864386, 0.1027626, 0.0053946, 0.0020444),
}
TEXTS = (
    "Late again",
    "The courier left my parcel in the rain and the box is soaked",
    "why was I charged twice?",
    "ok",
    "They kept me on hold for an hour, then the line went dead. I rang again and was told to write an e-mail. " * 3,
)


@pytest.fixture(scope="module")
def encoder() -> MiniLM:
    """The packaged model."""
    return MiniLM()


def test_the_packaged_files_are_the_ones_that_were_reviewed() -> None:
    folder = package_folder()
    assert hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest() == WEIGHTS
    assert hashlib.sha256((folder / "tokenizer.json").read_bytes()).hexdigest() == PIECES


def test_vectors_are_the_published_ones(encoder: MiniLM) -> None:
    vectors = encoder.encode(list(PUBLISHED))
    assert vectors[:, :4] == pytest.approx(np.array(list(PUBLISHED.values())), abs=1e-6)


def test_vectors_have_length_one_and_no_text_has_none(encoder: MiniLM) -> None:
    vectors = encoder.encode(["", " ", *TEXTS])
    assert vectors.shape == (len(TEXTS) + 2, WIDTH)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert encoder.encode([]).shape == (0, WIDTH)


def test_neither_company_nor_order_nor_padding_change_a_vector(encoder: MiniLM) -> None:
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS])
    assert encoder.encode(TEXTS) == pytest.approx(alone, abs=1e-5)
    assert encoder.encode(TEXTS[::-1])[::-1] == pytest.approx(alone, abs=1e-5)
    with_long = encoder.encode([*TEXTS, "word " * 400])
    assert with_long[: len(TEXTS)] == pytest.approx(alone, abs=1e-5)


def test_more_texts_than_fit_one_pass_keep_their_places(encoder: MiniLM) -> None:
    many = [f"{text} {number}" for number in range(40) for text in TEXTS]
    vectors = encoder.encode(many)
    for place in (0, 7, 93, len(many) - 1):
        assert vectors[place] == pytest.approx(encoder.encode([many[place]])[0], abs=1e-5)


@pytest.mark.parametrize(
    ("text", "near", "far"),
    [
        ("The parcel never arrived", "My delivery has not come", "The parcel was beautifully wrapped by hand"),
        ("I was charged twice", "You took the payment two times", "The battery runs two days"),
        ("The nurse was kind", "A friendly and caring nurse", "The nurse shouted at my mother"),
        ("How do I cancel?", "I want to end my contract", "I want to renew my contract for longer"),
        ("The app crashes", "Your application keeps closing itself", "The waiter dropped a plate"),
    ],
)
def test_what_means_the_same_is_nearer_than_what_sounds_the_same(
    encoder: MiniLM, text: str, near: str, far: str
) -> None:
    about, alike, unlike = encoder.encode([text, near, far])
    assert about @ alike > about @ unlike


def test_ten_thousand_words_cost_no_more_than_what_is_read_of_them(encoder: MiniLM) -> None:
    endless = "The courier left it in the rain. " * 1_500
    encoder.encode(["warm"])
    started = time.process_time()
    vector = encoder.encode([endless])
    assert time.process_time() - started < 2.0
    beginning = " ".join(endless.split()[:MOST_PIECES])  # words of one piece each, so more than is read
    assert vector == pytest.approx(encoder.encode([beginning]), abs=1e-5)


def test_a_missing_package_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(_name: str) -> importlib.machinery.ModuleSpec | None:
        return None

    monkeypatch.setattr(minilm.importlib.util, "find_spec", nothing)
    with pytest.raises(Misconfigured, match="make install"):
        package_folder()
