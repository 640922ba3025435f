"""Chooses the real things for the workshop: the shipped base, adapting and tagging on it, the files of a version."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from services.classify.adapting import LabelledText, adapt
from services.classify.artefact import DIGEST, FOLDER, load, save
from services.classify.features import Floats
from services.classify.io.versions import Files
from services.classify.io.workshop import Craft
from services.classify.learning.judging import Answer
from services.classify.learning.reviewed import Reviewed
from services.classify.model import PathName
from services.classify.tagger import Tagger, TagInput
from services.contracts.errors import Misconfigured

_AT_ONCE = 16
"""Texts tagged together: few enough that the doubtful ones get the slow look, as in live traffic."""


def digest_of(folder: Path) -> str:
    """The digest that a version's folder states; `load` holds the file to it. Raises OSError, IndexError."""
    return (folder / DIGEST).read_text(encoding="ascii").split()[0]


FILES = Files[Tagger](save=lambda tagger, folder: save(tagger.model, folder), digest_of=digest_of)


def with_version(tagger: Tagger, folder: Path) -> Tagger:
    """The tagger with the model of a folder. Raises Misconfigured when it does not fit phrases and taxonomy."""
    model = load(folder)
    if model.lexicon != tagger.model.lexicon:
        raise Misconfigured(["The model was made with other phrases than this version of Palette has."])
    labels = {head.name: (head.labels, head.columns) for head in model.heads}
    if labels != {head.name: (head.labels, head.columns) for head in tagger.model.heads}:
        raise Misconfigured(["The model was made for other labels than this version of Palette has."])
    return tagger.with_model(model)


def craft_on(champion: Tagger, *, shipped: Path = FOLDER) -> Craft[Tagger]:
    """How to learn and to answer, beside the champion of the moment. Vectors are reckoned once for each text."""
    model = load(shipped)
    base = Tagger(
        model,
        champion.phrases,
        champion.taxonomy,
        static=_Remembering(champion, "fast"),
        full=_Remembering(champion, "full"),
    )

    def learnt(reviewed: Sequence[Reviewed], version: str = model.version) -> Tagger:
        return base.with_model(adapt(base, [_labelled(item) for item in reviewed], version=version))

    said = f"{digest_of(shipped)}/{base.versions.taxonomy}/{base.versions.lexicon}"
    return Craft(
        champion=base.with_model(champion.model),
        version=champion.versions.model,
        base=hashlib.sha256(said.encode()).hexdigest(),
        adapt=learnt,
        tag=_answers,
        named=lambda tagger, name: tagger.with_model(msgspec.structs.replace(tagger.model, version=name)),
    )


def _answers(tagger: Tagger, asked: Sequence[Reviewed]) -> list[Answer]:
    inputs = [TagInput(item.text, item.rating, item.language, item.author) for item in asked]
    found = []
    for begin in range(0, len(inputs), _AT_ONCE):
        found += tagger.tag(inputs[begin : begin + _AT_ONCE])
    return [Answer(tags.stage, tuple(tag.area for tag in tags.areas)) for tags in found]


def _labelled(item: Reviewed) -> LabelledText:
    return LabelledText(
        text=item.text,
        stage=item.stage,
        areas=item.areas,
        sentiment=item.sentiment,
        intent=item.intent,
        severity=item.severity,
        group=item.group,
        by=item.by,
        at=item.at.isoformat(),
        model=item.model or "",
    )


class _Remembering:
    """Vectors by another tagger's encoder, each text read once: every part of the judging reads them again."""

    def __init__(self, tagger: Tagger, path: PathName) -> None:
        self._tagger = tagger
        self._path: PathName = path
        self._known: dict[str, Floats] = {}

    def encode(self, texts: Sequence[str]) -> Floats:
        new = list(dict.fromkeys(text for text in texts if text not in self._known))
        if new:
            self._known |= zip(new, self._tagger.vectors(new, self._path), strict=True)
        return np.stack([self._known[text] for text in texts])
