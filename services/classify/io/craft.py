"""Chooses the real things for the workshop: the shipped base, adapting and tagging on it, the files of a version."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from services.classify.experience.parts import Part, tag
from services.classify.experience.said import said
from services.classify.io.versions import Files
from services.classify.io.workshop import Craft
from services.classify.learning.adapting import LabelledText, adapt
from services.classify.learning.judging import Answer
from services.classify.learning.reviewed import Reviewed
from services.classify.loading import under_taxonomy
from services.classify.model.artefact import DIGEST, FOLDER, load, save
from services.classify.model.probabilities import PathName
from services.classify.reading.features import Floats
from services.classify.tagging.tagger import Tagger
from services.classify.taxonomy.labels import Taxonomy
from services.contracts.errors import Misconfigured

_AT_ONCE = 16
"""Texts tagged together: few enough that the doubtful ones get the slow look, as in live traffic."""


def digest_of(folder: Path) -> str:
    """The digest that a version's folder states; `load` holds the file to it. Raises OSError, IndexError."""
    return (folder / DIGEST).read_text(encoding="ascii").split()[0]


FILES = Files[Tagger](save=lambda tagger, folder: save(tagger.model, folder), digest_of=digest_of)


def with_version(tagger: Tagger, folder: Path) -> Tagger:
    """The tagger with the model of a folder, under the tagger's taxonomy. Raises Misconfigured when it does not fit."""
    model = load(folder)
    if model.lexicon != tagger.model.lexicon:
        raise Misconfigured(["The model was made with other phrases than this version of Palette has."])
    return under_taxonomy(model, tagger)


def craft_on(champion: Tagger, *, shipped: Path = FOLDER) -> Craft[Tagger]:
    """How to learn and to answer, beside the champion of the moment. Vectors are reckoned once for each text."""
    remembering = Tagger(
        champion.model,
        champion.phrases,
        champion.taxonomy,
        static=_Remembering(champion, "fast"),
        full=_Remembering(champion, "full") if champion.has_full else None,
    )
    base = under_taxonomy(load(shipped), remembering)

    def learnt(reviewed: Sequence[Reviewed]) -> Tagger:
        return base.with_model(adapt(base, [_labelled(item) for item in reviewed], version=base.model.version))

    ground = f"{digest_of(shipped)}/{base.model.taxonomy}/{base.versions.taxonomy}/{base.versions.lexicon}"
    return Craft(
        champion=remembering,
        version=champion.versions.model,
        base=hashlib.sha256(ground.encode()).hexdigest(),
        adapt=learnt,
        tag=_answers,
        named=lambda tagger, name: tagger.with_model(msgspec.structs.replace(tagger.model, version=name)),
        present=lambda reviewed: present(reviewed, champion.taxonomy),
    )


def present(reviewed: Sequence[Reviewed], taxonomy: Taxonomy) -> tuple[Reviewed, ...]:
    """Labels under the ids of now. What was said with a label that nothing took the place of says nothing any more."""
    found = []
    for item in reviewed:
        stage = taxonomy.today("stage", item.stage)
        areas = tuple(dict.fromkeys(now for area in item.areas if (now := taxonomy.today("areas", area)) is not None))
        if stage is not None and areas:
            found.append(msgspec.structs.replace(item, stage=stage, areas=areas))
    return tuple(found)


def _answers(tagger: Tagger, asked: Sequence[Reviewed]) -> list[Answer]:
    found = []
    for begin in range(0, len(asked), _AT_ONCE):
        found += tag([[_part(item)] for item in asked[begin : begin + _AT_ONCE]], tagger)
    return [Answer(told.tags.stage, tuple(area.area for area in told.tags.areas)) for told in found]


def _part(item: Reviewed) -> Part:
    return Part(item.text, item.rating, item.language, item.author, turns=item.turns)


def _labelled(item: Reviewed) -> LabelledText:
    return LabelledText(
        text=said(item.text, author=item.author, turns=item.turns).all_of_it,  # as tagging reads it
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
