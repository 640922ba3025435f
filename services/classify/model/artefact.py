"""The trained model as files: `model.skops` with a reviewed list of types, its SHA-256 beside it. Never pickle."""

import hashlib
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import skops.io
from numpy.typing import NDArray

from services.classify.model.probabilities import PATHS, Calibration, Examples, Head, Model
from services.classify.model.probabilities import Path as Reading
from services.classify.model.theme_chances import Judge, ThemeModel, ThemePath
from services.classify.reading.features import Floats, Vocabulary
from services.contracts.errors import Misconfigured

FOLDER = Path(__file__).parent / "artefact"
MODEL = "model.skops"
DIGEST = "model.skops.sha256"
LARGEST_BYTES = 12_000_000

TRUSTED: tuple[str, ...] = ()
"""Types that may be made while loading beyond skops' own list. The file holds plain containers and NumPy arrays only,
so nothing needs to be trusted; reviewed with each change of what is stored."""


_MOST_BYTE = 127


def save(model: Model, folder: Path) -> str:
    """Writes model and digest; weights as half floats, vectors as bytes. Answers the digest."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "version": model.version,
        "taxonomy": model.taxonomy,
        "lexicon": model.lexicon,
        "ngrams": list(model.vocabulary.ngrams),
        "idf": model.vocabulary.idf,
        "labels": list(model.vocabulary.labels),
        "heads": [
            {"name": head.name, "labels": list(head.labels), "begin": head.begin, "many": head.many}
            for head in model.heads
        ],
        "paths": {name: _packed(model.path(name)) for name in PATHS},
        "examples_lexicon": model.examples.lexicon.astype(np.float16),
        "examples_labels": np.packbits(model.examples.labels > 0, axis=1),
        "examples_weight": model.examples.weight,
        "neighbours_read": model.neighbours_read,
        "neighbours_share": model.neighbours_share,
        "lexicon_scale": model.lexicon_scale,
        "area_from": model.area_from,
        "critical_from": model.critical_from,
        "mix": model.mix,
        "themes": _packed_themes(model.themes),
    }
    skops.io.dump(content, folder / MODEL, compression=8)  # deflate
    digest = hashlib.sha256((folder / MODEL).read_bytes()).hexdigest()
    (folder / DIGEST).write_text(f"{digest}  {MODEL}\n", encoding="ascii")
    return digest


def _packed(path: Reading) -> dict[str, Any]:
    return {
        "ngram_weights": path.ngram_weights.astype(np.float16),
        "lexicon_weights": path.lexicon_weights,
        "dense_weights": path.dense_weights.astype(np.float16),
        "bias": path.bias,
        "near": _bytes(path.near),
        "calibrations": {
            name: {"temperature": c.temperature, "shift": c.shift, "prior": list(c.prior)}
            for name, c in path.calibrations.items()
        },
        "dense_scale": path.dense_scale,
        "lexicon_near": path.lexicon_near,
        "own": path.own,
    }


def _packed_themes(themes: ThemeModel) -> dict[str, Any]:
    return {
        "ids": list(themes.ids),
        "stages": list(themes.stages),
        "areas": list(themes.areas),
        "strengths": list(themes.strengths),
        "texts": list(themes.texts),
        "least": themes.least,
        "paths": {
            name: {
                "phrase_weights": path.phrase_weights.astype(np.float16),
                "dense_weights": path.dense_weights.astype(np.float16),
                "bias": path.bias,
                "centres": path.centres.astype(np.float16),
                "judge": msgspec.structs.asdict(path.judge) if path.judge is not None else None,
            }
            for name in PATHS
            if (path := themes.path(name)) is not None
        },
    }


def _themes(d: dict[str, Any] | None) -> ThemeModel:
    """The themes of a model; a version that was made before themes were learnt has none."""
    if d is None:
        return ThemeModel()
    paths = {
        name: ThemePath(
            phrase_weights=p["phrase_weights"].astype(np.float32),
            dense_weights=p["dense_weights"].astype(np.float32),
            bias=p["bias"],
            centres=p["centres"].astype(np.float32),
            judge=Judge(**p["judge"]) if p["judge"] is not None else None,
        )
        for name, p in d["paths"].items()
    }
    lists = {name: tuple(d[name]) for name in ("ids", "stages", "areas", "strengths", "texts")}
    return ThemeModel(**lists, fast=paths.get("fast"), full=paths.get("full"), least=d["least"])


def _bytes(vectors: Floats) -> NDArray[np.int8]:
    """Vectors of length 1 as bytes: their direction is what is read, so one scale serves all."""
    largest = float(np.abs(vectors).max(initial=1e-9))
    return np.round(vectors * (_MOST_BYTE / largest)).astype(np.int8)


def _vectors(whole: NDArray[np.int8]) -> Floats:
    vectors = whole.astype(np.float32)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return vectors


def load(folder: Path = FOLDER) -> Model:
    """The model. Raises Misconfigured when a file is missing, was changed, or asks for types that nobody reviewed."""
    try:
        data = (folder / MODEL).read_bytes()
        stated = (folder / DIGEST).read_text(encoding="ascii").split()[0]
    except (OSError, IndexError):
        raise Misconfigured([f"The model in {folder.name}/ is not complete; `make train` builds it."]) from None
    if hashlib.sha256(data).hexdigest() != stated:
        raise Misconfigured([f"{MODEL} is not the file that {DIGEST} names; take both from one version."])
    unknown = set(skops.io.get_untrusted_types(data=data)) - set(TRUSTED)
    if unknown:
        raise Misconfigured(
            [f"{MODEL} asks for types that are not on the reviewed list: {', '.join(sorted(unknown))}."]
        )
    return _model(skops.io.loads(data, trusted=list(TRUSTED)))


def _model(d: dict[str, Any]) -> Model:
    width = sum(len(head["labels"]) for head in d["heads"])
    labels = np.unpackbits(d["examples_labels"], axis=1, count=width).astype(np.float32)
    paths = {
        name: Reading(
            ngram_weights=p["ngram_weights"].astype(np.float32),
            lexicon_weights=p["lexicon_weights"],
            dense_weights=p["dense_weights"].astype(np.float32),
            bias=p["bias"],
            near=_vectors(p["near"]),
            calibrations={
                head: Calibration(c["temperature"], c["shift"], tuple(c["prior"]))
                for head, c in p["calibrations"].items()
            },
            dense_scale=p["dense_scale"],
            lexicon_near=p["lexicon_near"],
            own=p.get("own"),
        )
        for name, p in d["paths"].items()
    }
    themes = _themes(d.get("themes"))
    return Model(
        version=d["version"],
        taxonomy=d["taxonomy"],
        lexicon=d["lexicon"],
        vocabulary=Vocabulary(tuple(d["ngrams"]), d["idf"], tuple(d["labels"]), themes.ids),
        heads=tuple(Head(**{**head, "labels": tuple(head["labels"])}) for head in d["heads"]),
        fast=paths["fast"],
        full=paths["full"],
        examples=Examples(d["examples_lexicon"].astype(np.float32), labels, d["examples_weight"]),
        neighbours_read=d["neighbours_read"],
        neighbours_share=d["neighbours_share"],
        lexicon_scale=d["lexicon_scale"],
        area_from=d["area_from"],
        critical_from=d["critical_from"],
        mix=d["mix"],
        themes=themes,
    )
