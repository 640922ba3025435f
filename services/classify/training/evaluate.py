"""`make evaluate`: the figures on real texts, measured in place where the file is, and on the corpus by folds."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from services.classify.loading import load_tagger
from services.classify.model.artefact import load
from services.classify.model.cascade import ALL_FULL, Cascade
from services.classify.tagging.tagger import Tagger, TagInput
from services.classify.training.blind import checked, read_verdicts
from services.classify.training.corpus import read_corpus
from services.classify.training.figures import judged, stage_table, table, tagged_unseen
from services.classify.training.fit import Fitter
from services.classify.training.own_labels import gains, gains_table
from services.classify.training.realtexts import REAL, in_live_batches, read_real
from services.classify.training.train import POLICY, shipped_fitter

_SECONDS = 5.0


def main(arguments: list[str] | None = None) -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description="Figures of the classifier.")
    parser.add_argument("--real", type=Path, default=REAL, help="labelled real texts, JSON lines")
    parser.add_argument("--corpus", action="store_true", help="also the corpus, by folds over industries (slow)")
    parser.add_argument(
        "--own-labels", action="store_true", help="also what 30 and 60 labels of a source are worth (slow)"
    )
    options = parser.parse_args(arguments)
    fitter, model = shipped_fitter(), load()
    if options.corpus or not options.real.is_file():
        examples = read_corpus()
        folds = fitter.folds(examples)
        columns = {
            name: judged(tagged_unseen(fitter, model, folds, examples, full=full), examples)
            for name, full in (("fast path", False), ("full path", True))
        }
        print(f"## Corpus of this project, by folds over industries\n{table(columns)}\n\n{stage_table(columns)}\n")
    if not options.real.is_file():
        print("Real texts are not on this machine; the corpus stands alone.")
        return
    real = read_real(options.real)
    inputs = [text.input for text in real]
    live = in_live_batches(_tagger(fitter), inputs)
    columns = {
        "fast path": judged(_tagger(fitter, full=False).tag(inputs), real),
        "cascade": judged(live, real),
        "full path": judged(_tagger(fitter, cascade=ALL_FULL).tag(inputs), real),
    }
    print(f"## Real texts ({len(real)})\n{table(columns)}\n\n{stage_table(columns)}\n")
    themes = checked([text.text for text in real], live, read_verdicts())
    print(
        f"Themes by the cascade: {themes.said} said; {themes.judged} of them were judged blind, {themes.right:.3f} "
        "right (training/blind.py).\n"
    )
    if options.own_labels:
        by_labels = {labels: gains(_tagger(fitter, cascade=ALL_FULL), real, labels) for labels in (30, 60)}
        print(f"## After own labels of a source, full path\n{gains_table(by_labels)}\n")
    _speeds(inputs)


def _tagger(fitter: Fitter, *, full: bool = True, cascade: Cascade | None = None) -> Tagger:
    encoders = fitter.encoders
    slow = encoders["full"] if full else None
    return Tagger(load(), fitter.phrases, fitter.taxonomy, static=encoders["fast"], full=slow, cascade=cascade)


def _speeds(inputs: Sequence[TagInput]) -> None:
    """Texts per CPU second, by taggers as they are shipped: their encoders remember nothing."""
    for name, full in (("fast path", False), ("cascade, batches of 32", True)):
        tagger = load_tagger(POLICY, full=full)
        tagger.tag(inputs)
        done, started = 0, time.process_time()
        while time.process_time() - started < _SECONDS:
            if full:
                in_live_batches(tagger, inputs)
            else:
                tagger.tag(inputs)
            done += len(inputs)
        rate = done / (time.process_time() - started)
        memory = psutil.Process().memory_info().rss / 1e9
        print(f"{name}: {rate:,.0f} texts per CPU second, all heads with evidence and themes; process {memory:.2f} GB")


if __name__ == "__main__":
    main()
