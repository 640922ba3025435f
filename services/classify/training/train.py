"""`make train`: the artefact from the corpus in the repository, in some minutes, the same each time."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # results must not depend on how many cores share a sum
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.progress import Progress, TextColumn

from services.classify.model.artefact import FOLDER, save
from services.classify.model.probabilities import PathName
from services.classify.reading.features import Floats
from services.classify.reading.minilm import MiniLM
from services.classify.reading.phrases import OWN, read_phrases
from services.classify.reading.static import load_table
from services.classify.reading.text import clean
from services.classify.tagging.tagger import Encoder
from services.classify.taxonomy.labels import read_taxonomy
from services.classify.training.card import write_card
from services.classify.training.corpus import read_corpus
from services.classify.training.figures import judged, tagged_unseen
from services.classify.training.fit import FOLDS, Fitter
from services.classify.training.lessons import lessons_of

POLICY = Path(__file__).resolve().parents[3] / "deploy" / "policy"


class Remembered:
    """An encoder that reads a text once: the folds share most of theirs."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._seen: dict[str, Floats] = {}

    def encode(self, texts: Sequence[str]) -> Floats:
        """The vectors, in the order of the texts."""
        new = list(dict.fromkeys(text for text in texts if text not in self._seen))
        if new:
            self._seen.update(zip(new, self._encoder.encode(new), strict=True))
        return np.stack([self._seen[text] for text in texts])


def shipped_fitter() -> Fitter:
    """A fitter for the taxonomy and the lexicon that ship with Palette."""
    encoders: dict[PathName, Encoder] = {"fast": Remembered(load_table()), "full": Remembered(MiniLM())}
    return Fitter(read_phrases(OWN) + read_phrases(POLICY / "lexicon"), read_taxonomy(POLICY), encoders)


def main(arguments: list[str] | None = None) -> None:
    """Trains and writes the artefact."""
    parser = argparse.ArgumentParser(description="Train the classifier from the corpus in the repository.")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of the artefact")
    options = parser.parse_args(arguments)
    fitter, examples = shipped_fitter(), read_corpus()
    terminal = sys.stdout.isatty()
    columns = (*Progress.get_default_columns(), TextColumn("{task.fields[doing]}"))
    with Progress(*columns, disable=not terminal) as bar:
        task = bar.add_task("training", total=FOLDS + 5, doing="")

        def tick(doing: str) -> None:
            bar.update(task, advance=1, doing=doing)
            if not terminal:
                print(f"training: {doing}", flush=True)

        tick("vectors")
        texts = [clean(lesson.text).text for lesson in lessons_of(examples)]
        for encoder in fitter.encoders.values():
            encoder.encode(texts)
        folds = fitter.folds(examples, tick)
        model = fitter.fit(examples, folds, tick)
        tick("figures")
        digest = save(model, options.out)
        figures = {
            "fast path": judged(tagged_unseen(fitter, model, folds, examples, full=False), examples),
            "full path": judged(tagged_unseen(fitter, model, folds, examples, full=True), examples),
        }
        write_card(options.out, model=model, examples=examples, figures=figures, digest=digest)
    print(
        f"{len(examples)} texts, {len(model.vocabulary.ngrams)} n-grams, {len(fitter.phrases)} phrases; sha256 {digest}"
    )


if __name__ == "__main__":
    main()
