"""The classifier alone: texts per second in one process and one thread, and the memory that it takes."""

import time
from pathlib import Path

import psutil

from services.classify.loading import load_tagger
from services.classify.tagger import TagInput
from tests.bench.end_to_end import texts
from tests.bench.figures import Figure, median
from tests.system.product import ROOT


def measure(folder: Path, cache: Path) -> list[Figure]:
    """All heads, themes and evidence, in batches of 256."""
    before = psutil.Process().memory_info().rss
    tagger = load_tagger(ROOT / "deploy" / "policy")
    inputs = [TagInput(text=text) for text in texts(4_096)]
    rates = []
    for _ in range(3):
        began = time.perf_counter()
        for start in range(0, len(inputs), 256):
            tagger.tag(inputs[start : start + 256])
        rates.append(len(inputs) / (time.perf_counter() - began))
    grown = psutil.Process().memory_info().rss - before
    return [
        Figure("tagging, one process, one thread", median(rates), "texts/s"),
        Figure("memory that the model and its texts add", grown / 2**20, "MiB"),
    ]
