"""`make distil`: the static vectors, trained to imitate MiniLM on clauses of the corpus and on variants of them.

The recipe: each piece alone through MiniLM; the 256 directions that hold most of the teacher's vectors; a linear map
and a ridge correction per piece (conjugate gradients) so that the mean of a text's pieces is the teacher's vector of
the text; then Adam on the angle. Variants swap words for near neighbours of the teacher, so that words that the corpus
does not hold are taught too. Fixed seeds, no text but the corpus; about six minutes on two cores.
"""

import re
import sys
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from rich.progress import Progress

from services.classify.reading.minilm import MiniLM, package_folder, word_pieces
from services.classify.reading.static import StaticTable, save_table
from services.classify.reading.text import clean
from services.classify.training.corpus import Example, read_corpus

Floats = NDArray[np.float32]

SEED = 7
WIDTH = 256
TEXTS = 36_000
HELD_OUT = 0.05
SWAPPED = 0.3
JOINED = 0.3
NEAREST = 8
RIDGE = 0.3
STEPS_OF_GRADIENTS = 40
PASSES = 8
BATCH = 512
RATE = 1e-3
_AT_ONCE = 1000
_SHORTEST_CLAUSE = 8
_SHORTEST_SWAPPED = 4
_CLAUSE_END = re.compile(r"(?<=[.!?;\n])\s+|, (?=and |but |so |then )")
_WORD = re.compile(r"\w+|[^\w\s]+|\s+")
_LAST_LATIN = 0x24F

Tick = Callable[[str, float], None]


def main() -> None:
    """Trains and writes the table; prints how near it came on clauses that were held out."""
    terminal = sys.stdout.isatty()
    with Progress(disable=not terminal) as bar:
        task = bar.add_task("distilling", total=1.0)
        said: list[str] = []

        def tick(doing: str, share: float) -> None:
            bar.update(task, completed=share, description=doing)
            if not terminal and (not said or said[-1] != doing):
                said.append(doing)
                print(f"distilling: {doing}", flush=True)

        rows, likeness = distil(read_corpus(), tick)
        digest = save_table(rows)
    pieces = int((np.abs(rows).max(axis=1) > 0).sum())
    print(f"{pieces} pieces x {WIDTH}; correlation with MiniLM's likenesses {likeness:.3f}; sha256 {digest}")


def distil(examples: Sequence[Example], tick: Tick) -> tuple[Floats, float]:
    """One vector per word piece, and the correlation with the teacher's similarities on held-out clauses."""
    random = np.random.default_rng(SEED)
    teacher = MiniLM()
    names = _names_of_pieces()
    kept = [number for number, name in enumerate(names) if _is_word_piece(name)]
    alone = np.zeros((len(names), 384), dtype=np.float32)
    for begin in range(0, len(kept), _AT_ONCE):
        tick("word pieces through MiniLM", 0.1 * begin / len(kept))
        part = kept[begin : begin + _AT_ONCE]
        alone[part] = teacher.encode([names[number].removeprefix("##") for number in part])
    clauses = list(_clauses(examples))
    random.shuffle(clauses)
    held = clauses[: int(len(clauses) * HELD_OUT)]
    texts = [*clauses[len(held) :]]
    swap = _Swapper(names, kept, alone, random)
    while len(texts) < TEXTS:
        texts.append(swap(clauses[len(held) + int(random.integers(len(clauses) - len(held)))]))
        if random.random() < JOINED:
            texts[-1] += " " + clauses[len(held) + int(random.integers(len(clauses) - len(held)))]
    wanted = np.zeros((len(texts), 384), dtype=np.float32)
    for begin in range(0, len(texts), _AT_ONCE):
        tick("texts through MiniLM", 0.1 + 0.7 * begin / len(texts))
        wanted[begin : begin + _AT_ONCE] = teacher.encode(texts[begin : begin + _AT_ONCE])
    directions = np.linalg.svd(wanted.T @ wanted)[2][:WIDTH].T.astype(np.float32)
    reader = StaticTable(alone[:, :WIDTH])
    tick("solving", 0.85)
    rows = _fitted(_rooted(reader.bags(texts)), _unit(wanted @ directions), alone @ directions, random)
    seen = _unit(reader.bags(held) @ rows)
    return rows, _likeness(seen, teacher.encode(held))


def _fitted(bags: sp.csr_matrix, wanted: Floats, alone: Floats, random: np.random.Generator) -> Floats:
    stands = np.asarray((bags > 0).sum(axis=0)).ravel()
    rarity = np.log((1 + bags.shape[0]) / (1 + stands))
    # a piece that never stood in a text is rare, not absent: it weighs like the rarest that did
    rarity = np.where(stands > 0, rarity, rarity[stands > 0].max()).astype(np.float32)
    rows: Floats = alone * rarity[:, None]
    mean = bags @ rows
    gram = mean.T @ mean
    gram += np.eye(len(gram), dtype=np.float32) * (1e-3 * np.trace(gram) / len(gram))
    rows = rows @ np.linalg.solve(gram, mean.T @ wanted).astype(np.float32)
    rows += _ridge(bags, wanted - bags @ rows)
    return _turned(bags, wanted, rows, random)


def _ridge(bags: sp.csr_matrix, rest: Floats) -> Floats:
    """The correction per piece that explains the rest, small where little is known: conjugate gradients."""
    turned = bags.T.tocsr()
    found = np.zeros((bags.shape[1], rest.shape[1]), dtype=np.float32)
    left: Floats = turned @ rest
    step, size = left.copy(), (left * left).sum(axis=0)
    for _ in range(STEPS_OF_GRADIENTS):
        pull = turned @ (bags @ step) + RIDGE * step
        length = size / np.maximum((step * pull).sum(axis=0), 1e-12)
        found += length * step
        left -= length * pull
        now = (left * left).sum(axis=0)
        step = left + (now / np.maximum(size, 1e-20)) * step
        size = now
    return found


def _turned(bags: sp.csr_matrix, wanted: Floats, rows: Floats, random: np.random.Generator) -> Floats:
    """Adam (Kingma & Ba 2015) on the cosine; only pieces of the batch move."""
    first, second = np.zeros_like(rows), np.zeros_like(rows)
    rows = rows.copy()
    batches = max(1, bags.shape[0] // BATCH)
    step = 0
    for _ in range(PASSES):
        for batch in np.array_split(random.permutation(bags.shape[0]), batches):
            step += 1
            part = bags[batch]
            pieces = np.unique(part.indices)
            mean = part @ rows
            norm = np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-6)
            unit = mean / norm
            cosine = (unit * wanted[batch]).sum(axis=1, keepdims=True)
            slope = part[:, pieces].T @ (-(wanted[batch] - cosine * unit) / norm)
            first[pieces] = 0.9 * first[pieces] + 0.1 * slope
            second[pieces] = 0.999 * second[pieces] + 0.001 * slope * slope
            rate = RATE * 0.5 * (1 + np.cos(np.pi * step / (PASSES * batches)))
            move = first[pieces] / (1 - 0.9 ** min(step, 200))
            rows[pieces] -= rate * move / (np.sqrt(second[pieces] / (1 - 0.999**step)) + 1e-8)
    return rows


class _Swapper:
    """Changes a clause by swapping words for near neighbours of the teacher."""

    def __init__(self, names: Sequence[str], kept: Sequence[int], alone: Floats, random: np.random.Generator) -> None:
        self._random = random
        words = [number for number in kept if names[number].isalpha() and len(names[number]) >= _SHORTEST_SWAPPED]
        vectors = alone[words]
        self._near: dict[str, list[str]] = {}
        for begin in range(0, len(words), _AT_ONCE):
            likeness = vectors[begin : begin + _AT_ONCE] @ vectors.T
            likeness[np.arange(len(likeness)), np.arange(begin, begin + len(likeness))] = -1
            nearest = np.argpartition(-likeness, NEAREST, axis=1)[:, :NEAREST]
            for place, others in enumerate(np.sort(nearest, axis=1).tolist(), begin):
                self._near[names[words[place]]] = [names[words[other]] for other in others]

    def __call__(self, clause: str) -> str:
        parts = _WORD.findall(clause)
        for place, part in enumerate(parts):
            near = self._near.get(part.lower())
            if near and self._random.random() < SWAPPED:
                parts[place] = near[int(self._random.integers(len(near)))]
        return "".join(parts)


def _clauses(examples: Sequence[Example]) -> Iterator[str]:
    """Clauses and whole texts, each once."""
    seen = set()
    for example in examples:
        text = clean(example.text).text
        for part in map(str.strip, [*_CLAUSE_END.split(text), text]):
            if len(part) >= _SHORTEST_CLAUSE and part not in seen:
                seen.add(part)
                yield part


def _names_of_pieces() -> list[str]:
    found = word_pieces(package_folder()).get_vocab()
    names = [""] * len(found)
    for name, number in found.items():
        names[number] = name
    return names


def _is_word_piece(name: str) -> bool:
    """Pieces of Latin script and marks; texts in other scripts are answered `unsure: language` anyway."""
    return (
        bool(name)
        and not name.startswith("[")
        and all(ord(c) <= _LAST_LATIN or 0x2000 <= ord(c) < 0x2100 for c in name)
    )


def _rooted(bags: sp.csr_matrix) -> sp.csr_matrix:
    """Rows over the root of their length, so that long texts weigh like short ones."""
    lengths = np.maximum(np.asarray(bags.sum(axis=1)).ravel(), 1)
    return sp.csr_matrix(sp.diags((1 / np.sqrt(lengths)).astype(np.float32)) @ bags)


def _unit(rows: Floats) -> Floats:
    unit: Floats = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return unit


def _likeness(ours: Floats, theirs: Floats) -> float:
    pairs = np.triu_indices(len(ours), 1)
    return float(np.corrcoef((ours @ ours.T)[pairs], (theirs @ theirs.T)[pairs])[0, 1])


if __name__ == "__main__":
    main()
