"""Are the themes right? A blind check: `python -m services.classify.training.blind draw` and, after readers, `… score`.

`draw` writes the themes that the cascade says of the real texts, mixed with random controls and shuffled, and beside it
the key. Readers see text and meaning, not the model's word, and answer a line `number r` or `number w` each. `score`
compares them and keeps what they said: by the text's digest, never its words, so that a later model's tags are judged
by the verdicts there are. `make evaluate` prints that share and how many tags nobody has judged.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from services.classify.loading import load_tagger
from services.classify.training.digest import digest
from services.classify.training.realtexts import REAL, RealText, in_live_batches, read_real
from services.classify.training.train import POLICY
from services.contracts.events import Tags

VERDICTS = Path(__file__).with_name("blind_verdicts.jsonl")
_CONTROL_SHARE = 0.05
_SEED = 20_261_123


class Item(msgspec.Struct, frozen=True):
    """A theme that stands beside a text; a control was drawn by chance."""

    text: str
    theme: str
    control: bool = False


class BlindVerdict(msgspec.Struct, frozen=True):
    """What readers said of one item: the share of them that found it right. `text` begins the text's SHA-256."""

    text: str
    theme: str
    right: float


class Checked(msgspec.Struct, frozen=True):
    """How many of the themes said were judged, and the share of these that is right."""

    said: int
    judged: int
    right: float


def read_verdicts(path: Path = VERDICTS) -> dict[tuple[str, str], float]:
    """Digest of the text and theme -> share of readers that found it right."""
    lines = path.read_bytes().splitlines() if path.is_file() else []
    verdicts = [msgspec.json.decode(line, type=BlindVerdict) for line in lines]
    return {(verdict.text, verdict.theme): verdict.right for verdict in verdicts}


def checked(texts: Sequence[str], tags: Sequence[Tags], known: dict[tuple[str, str], float]) -> Checked:
    """The themes of tags by the verdicts that are known."""
    said = [(digest(text), theme) for text, tag in zip(texts, tags, strict=True) for theme in tag.themes]
    judged = [known[pair] for pair in said if pair in known]
    return Checked(len(said), len(judged), sum(judged) / len(judged) if judged else 0.0)


def drawn(
    texts: Sequence[str], tags: Sequence[Tags], themes: Sequence[str], known: dict[tuple[str, str], float]
) -> list[Item]:
    """The themes said that nobody has judged, with controls, shuffled."""
    chance = np.random.default_rng(_SEED)
    items = [
        Item(text, theme)
        for text, tag in zip(texts, tags, strict=True)
        for theme in tag.themes
        if (digest(text), theme) not in known
    ]
    controls = max(1, round(_CONTROL_SHARE * len(items)))
    drawn_texts, drawn_themes = (chance.integers(len(what), size=controls) for what in (texts, themes))
    items += [Item(texts[a], themes[b], control=True) for a, b in zip(drawn_texts, drawn_themes, strict=True)]
    return [items[place] for place in chance.permutation(len(items))]


def read_answers(path: Path, count: int) -> list[bool]:
    """A reader's lines, in the order of the items. Raises ValueError with what is missing."""
    said: dict[int, bool] = {}
    for line in path.read_text(encoding="ascii").splitlines():
        if line.strip():
            number, answer = line.split()
            if answer not in {"r", "w"}:
                raise ValueError(f"{path.name}: {line!r} is neither r nor w")
            said[int(number)] = answer == "r"
    missing = sorted(set(range(count)) - said.keys())
    if missing:
        raise ValueError(f"{path.name}: no answer to {missing[:5]}")
    return [said[number] for number in range(count)]


def verdicts_of(items: Sequence[Item], readers: Sequence[Sequence[bool]]) -> list[BlindVerdict]:
    """What is kept: the items that are no controls."""
    shares = [sum(answers) / len(answers) for answers in zip(*readers, strict=True)]
    return [
        BlindVerdict(digest(item.text), item.theme, share)
        for item, share in zip(items, shares, strict=True)
        if not item.control
    ]


def main(arguments: list[str] | None = None) -> None:
    """Draws or scores."""
    parser = argparse.ArgumentParser(description="A blind check of the themes.")
    parser.add_argument("do", choices=("draw", "score"))
    parser.add_argument("folder", type=Path, help="where items.txt, key.json and the readers' files lie")
    parser.add_argument("--real", type=Path, default=REAL, help="labelled real texts, JSON lines")
    options = parser.parse_args(arguments)
    if options.do == "draw":
        _draw(options.folder, read_real(options.real))
    else:
        _score(options.folder)


def _draw(folder: Path, real: Sequence[RealText]) -> None:
    tagger = load_tagger(POLICY)
    taxonomy, tags = tagger.taxonomy, in_live_batches(tagger, [text.input for text in real])
    items = drawn([text.text for text in real], tags, tuple(taxonomy.theme), read_verdicts())
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "key.json").write_bytes(msgspec.json.encode(items))
    with (folder / "items.txt").open("w", encoding="utf-8") as file:
        for number, item in enumerate(items):
            theme = taxonomy.theme[item.theme]
            praise = " (praise)" if theme.kind == "strength" else ""
            file.write(f"{number} THEME: {theme.name}{praise} TEXT: {' / '.join(item.text.split(chr(10)))}\n")
    print(f"{len(items)} items in {folder}/items.txt; readers answer `number r` or `number w` in reader-*.txt")


def _score(folder: Path) -> None:
    items = msgspec.json.decode((folder / "key.json").read_bytes(), type=list[Item])
    readers = [read_answers(path, len(items)) for path in sorted(folder.glob("reader-*.txt"))]
    if not readers:
        raise SystemExit(f"No reader-*.txt in {folder}: let readers answer items.txt first.")
    found = verdicts_of(items, readers)
    controls = [share for share, item in zip(zip(*readers, strict=True), items, strict=True) if item.control]
    same = sum(len(set(answers)) == 1 for answers in zip(*readers, strict=True)) / len(items)
    print(f"{len(found)} judged by {len(readers)} readers, alike in {same:.2f}: right {_mean(found):.3f}")
    print(f"controls called right: {sum(map(any, controls))} of {len(controls)}")
    kept = read_verdicts() | {(verdict.text, verdict.theme): verdict.right for verdict in found}
    lines = [msgspec.json.encode(BlindVerdict(text, theme, right)) for (text, theme), right in sorted(kept.items())]
    VERDICTS.write_bytes(b"\n".join(lines) + b"\n")


def _mean(verdicts: Sequence[BlindVerdict]) -> float:
    return sum(verdict.right for verdict in verdicts) / max(1, len(verdicts))


if __name__ == "__main__":
    main()
