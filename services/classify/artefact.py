"""The trained model as files: `model.skops` with a reviewed list of types, its SHA-256 beside it. Never pickle."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import skops.io

from services.classify.features import Vocabulary
from services.classify.model import Head, Model, Neighbours
from services.contracts.errors import Misconfigured

FOLDER = Path(__file__).parent / "artefact"
MODEL = "model.skops"
DIGEST = "model.skops.sha256"
LARGEST_BYTES = 4_000_000

TRUSTED: tuple[str, ...] = ()
"""Types that may be made while loading beyond skops' own list. The file holds plain containers and NumPy arrays only,
so nothing needs to be trusted; reviewed with each change of what is stored."""


def save(model: Model, folder: Path) -> str:
    """Writes model and digest. Answers the digest."""
    folder.mkdir(parents=True, exist_ok=True)
    near = model.neighbours
    skops.io.dump(
        {
            "version": model.version,
            "taxonomy": model.taxonomy,
            "lexicon": model.lexicon,
            "ngrams": list(model.vocabulary.ngrams),
            "idf": model.vocabulary.idf,
            "labels": list(model.vocabulary.labels),
            "heads": [
                {
                    "name": head.name,
                    "labels": list(head.labels),
                    "begin": head.begin,
                    "many": head.many,
                    "temperature": head.temperature,
                    "shift": head.shift,
                    "sure_from": head.sure_from,
                }
                for head in model.heads
            ],
            "ngram_weights": model.ngram_weights,
            "lexicon_weights": model.lexicon_weights,
            "bias": model.bias,
            "near_data": near.ngrams.data,
            "near_indices": near.ngrams.indices.astype(np.int32),
            "near_indptr": near.ngrams.indptr.astype(np.int32),
            "near_lexicon": near.lexicon,
            "near_labels": near.labels,
            "neighbours_read": model.neighbours_read,
            "neighbours_share": model.neighbours_share,
            "lexicon_scale": model.lexicon_scale,
            "area_from": model.area_from,
        },
        folder / MODEL,
        compression=8,  # deflate
    )
    digest = hashlib.sha256((folder / MODEL).read_bytes()).hexdigest()
    (folder / DIGEST).write_text(f"{digest}  {MODEL}\n", encoding="ascii")
    return digest


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
    shape = (len(d["near_labels"]), len(d["ngrams"]))
    return Model(
        version=d["version"],
        taxonomy=d["taxonomy"],
        lexicon=d["lexicon"],
        vocabulary=Vocabulary(tuple(d["ngrams"]), d["idf"], tuple(d["labels"])),
        heads=tuple(Head(**{**head, "labels": tuple(head["labels"])}) for head in d["heads"]),
        ngram_weights=d["ngram_weights"],
        lexicon_weights=d["lexicon_weights"],
        bias=d["bias"],
        neighbours=Neighbours(
            sp.csr_matrix((d["near_data"], d["near_indices"], d["near_indptr"]), shape=shape),
            d["near_lexicon"],
            d["near_labels"],
        ),
        neighbours_read=d["neighbours_read"],
        neighbours_share=d["neighbours_share"],
        lexicon_scale=d["lexicon_scale"],
        area_from=d["area_from"],
    )
