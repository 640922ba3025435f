"""`make evaluate`: the figures on the corpus (by folds) and, where the file is, on real texts, measured in place."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import time
from pathlib import Path

import msgspec

from services.classify.artefact import load
from services.classify.tagger import Tagger, TagInput
from services.classify.training.corpus import read_corpus
from services.classify.training.figures import figures_of, table, tagged_unseen
from services.classify.training.train import shipped_fitter
from services.contracts.events import Rating

REAL = Path(__file__).resolve().parents[4] / "shared" / "eval" / "real-dev.jsonl"
_SECONDS = 5.0


class RealText(msgspec.Struct, frozen=True):
    """A labelled real text. For measuring only: no text of it, and no model trained on it, enters the product."""

    text: str
    stage: str
    areas: tuple[str, ...]
    sentiment: str
    intent: str
    severity: int
    stars: float | None = None


def main(arguments: list[str] | None = None) -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description="Figures of the classifier.")
    parser.add_argument("--real", type=Path, default=REAL, help="labelled real texts, JSON lines")
    parser.add_argument("--only-real", action="store_true", help="leave the folds over the corpus out")
    options = parser.parse_args(arguments)
    fitter, model = shipped_fitter(), load()
    if not options.only_real:
        examples = read_corpus()
        folds = fitter.folds(examples)
        figures = figures_of(tagged_unseen(fitter, model, folds, examples), examples)
        print(f"## Corpus of this project, by folds\n{table(figures)}\n")
    if not options.real.is_file():
        print("Real texts are not on this machine; the corpus stands alone.")
        return
    decoder = msgspec.json.Decoder(RealText)
    real = [decoder.decode(line) for line in options.real.read_bytes().splitlines() if line.strip()]
    inputs = [_input(text) for text in real]
    tagger = Tagger(model, fitter.phrases, fitter.taxonomy)
    print(f"## Real texts ({len(real)})\n{table(figures_of(tagger.tag(inputs), real))}\n")
    done, started = 0, time.process_time()
    while time.process_time() - started < _SECONDS:
        tagger.tag(inputs)
        done += len(inputs)
    rate = done / (time.process_time() - started)
    print(f"{rate:,.0f} texts per CPU second: all heads with evidence and themes, one thread")


def _input(real: RealText) -> TagInput:
    rating = Rating(kind="stars", value=real.stars) if real.stars is not None else None
    return TagInput(text=real.text, rating=rating)


if __name__ == "__main__":
    main()
