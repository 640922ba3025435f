"""`make bench`: every figure in one run, the machine named, nothing asserted. Names of parts choose some of it."""

import os
import sys

# One thread for linear algebra, as the services run: else the bare model would use the cores of the whole product.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import importlib
import tempfile
from pathlib import Path

from tests.bench.figures import machine
from tests.system.product import ROOT

PARTS = ("classifier", "loop", "ingest", "router", "store", "end_to_end")


def main(chosen: list[str]) -> int:
    """Measures the chosen parts, all by default; answers how many figures fell short, as far as an exit code can."""
    unknown = [name for name in chosen if name not in PARTS]
    if unknown:
        print(f"{unknown[0]} is no part of the bench; there are: {', '.join(PARTS)}")
        return 2
    cache = Path(os.environ.get("PALETTE_CACHE_DIR") or ROOT / ".cache")
    print(machine())
    short = 0
    for name in chosen or PARTS:
        print(f"\n{name.replace('_', ' ')}", flush=True)
        with tempfile.TemporaryDirectory(prefix="palette-bench-") as folder:
            for figure in importlib.import_module(f"tests.bench.{name}").measure(Path(folder), cache):
                short += figure.reached is False
                print(f"  {figure.line()}", flush=True)
    print(f"\n{short} figures fell short of what they are held against." if short else "\nEvery figure was reached.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
