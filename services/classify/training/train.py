"""`make train`: the artefact from the corpus in the repository, in under a minute, the same each time."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # results must not depend on how many cores share a sum
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import sys
from pathlib import Path

from rich.progress import Progress, TextColumn

from services.classify.artefact import FOLDER, save
from services.classify.phrases import OWN, read_phrases
from services.classify.taxonomy import read_taxonomy
from services.classify.training.card import write_card
from services.classify.training.corpus import read_corpus
from services.classify.training.figures import figures_of, tagged_unseen
from services.classify.training.fit import FOLDS, Fitter

POLICY = Path(__file__).resolve().parents[3] / "deploy" / "policy"


def shipped_fitter() -> Fitter:
    """A fitter for the taxonomy and the lexicon that ship with Palette."""
    return Fitter(read_phrases(OWN) + read_phrases(POLICY / "lexicon"), read_taxonomy(POLICY))


def main(arguments: list[str] | None = None) -> None:
    """Trains and writes the artefact."""
    parser = argparse.ArgumentParser(description="Train the classifier from the corpus in the repository.")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of the artefact")
    options = parser.parse_args(arguments)
    fitter, examples = shipped_fitter(), read_corpus()
    terminal = sys.stdout.isatty()
    columns = (*Progress.get_default_columns(), TextColumn("{task.fields[doing]}"))
    with Progress(*columns, disable=not terminal) as bar:
        task = bar.add_task("training", total=FOLDS + 2, doing="")

        def tick(doing: str) -> None:
            bar.update(task, advance=1, doing=doing)
            if not terminal:
                print(f"training: {doing}", flush=True)

        folds = fitter.folds(examples, tick)
        tick("all texts")
        model = fitter.fit(examples, folds)
        tick("writing")
        digest = save(model, options.out)
        figures = figures_of(tagged_unseen(fitter, model, folds, examples), examples)
        write_card(options.out, model=model, examples=examples, figures=figures, digest=digest)
    print(
        f"{len(examples)} texts, {len(model.vocabulary.ngrams)} n-grams, {len(fitter.phrases)} phrases; sha256 {digest}"
    )


if __name__ == "__main__":
    main()
