"""How far a second, blind labelling of 400 texts agrees: `python -m services.classify.training.agreement`.

The second reader saw the texts in random order and the guide with its entries shuffled, not the labels. Both readers
are of the same kind, machines under the project's guide: the figures say how clear the guide is, not how true the
labels are, and are no agreement between people.
"""

from collections import Counter
from pathlib import Path

import msgspec
from sklearn.metrics import cohen_kappa_score

from services.classify.training.corpus import Example, read_corpus
from services.classify.training.digest import digest

FILE = Path(__file__).with_name("second_labelling.jsonl")
_MOST_SHOWN = 8


class SecondLabels(msgspec.Struct, frozen=True):
    """What the second reader said; `text` is the beginning of the text's SHA-256."""

    text: str
    stage: str
    areas: tuple[str, ...]
    sentiment: str
    intent: str
    severity: int


def pairs() -> list[tuple[Example, SecondLabels]]:
    """Texts of the corpus with both labellings; texts that left the corpus are left out."""
    said = {
        labels.text: labels
        for line in FILE.read_bytes().splitlines()
        for labels in [msgspec.json.decode(line, type=SecondLabels)]
    }
    found = []
    for example in read_corpus():
        labels = said.get(digest(example.text))
        if labels is not None:
            found.append((example, labels))
    return found


def main() -> None:
    """Prints share of equal answers and Cohen's kappa per head, and where stages differ most."""
    both = pairs()
    print(f"{len(both)} texts labelled twice\n| head | same | kappa |\n|---|---|---|")
    for head in ("stage", "sentiment", "intent", "severity"):
        first, second = [str(getattr(e, head)) for e, _ in both], [str(getattr(s, head)) for _, s in both]
        same = sum(a == b for a, b in zip(first, second, strict=True)) / len(both)
        print(f"| {head} | {same:.3f} | {cohen_kappa_score(first, second):.3f} |")
    mains = [e.areas[0] for e, _ in both], [s.areas[0] for _, s in both]
    same = sum(a == b for a, b in zip(*mains, strict=True)) / len(both)
    print(f"| main area | {same:.3f} | {cohen_kappa_score(*mains):.3f} |")
    shared = sum(len(set(e.areas) & set(s.areas)) for e, s in both)
    named = sum(len(e.areas) + len(s.areas) for e, s in both)
    print(f"areas, micro-F1 of one against the other: {2 * shared / named:.3f}")
    differ = Counter((e.stage, s.stage) for e, s in both if e.stage != s.stage)
    print("stages that differ:", ", ".join(f"{a}/{b} {count}" for (a, b), count in differ.most_common(_MOST_SHOWN)))


if __name__ == "__main__":
    main()
