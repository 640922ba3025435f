"""Room in a model for labels that it has not learnt, and other names for those that it has. Changes no answer."""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from services.classify.model.probabilities import Calibration, Examples, Head, Model, Path
from services.classify.reading.features import Floats
from services.classify.reading.phrases import Phrase
from services.classify.taxonomy.labels import Taxonomy

_IMPROBABLE = -12.0
VOICE = {"stage": "stage", "areas": "area"}
"""Head -> what the lexicon calls it."""


def renamed(model: Model, taxonomy: Taxonomy) -> Model:
    """The model under the taxonomy's present ids."""
    former = taxonomy.former
    voices = {f"{VOICE[head]}:{old}": f"{VOICE[head]}:{new}" for head in VOICE for old, new in former[head].items()}
    themes = former["theme"] | {old: new for old, new in taxonomy.retired["theme"].items() if new}
    if not voices and not themes:
        return model

    def now(head: str, label: str) -> str:
        return former.get(head, {}).get(label, label)

    return msgspec.structs.replace(
        model,
        heads=tuple(
            msgspec.structs.replace(head, labels=tuple(now(head.name, label) for label in head.labels))
            for head in model.heads
        ),
        vocabulary=msgspec.structs.replace(
            model.vocabulary,
            labels=tuple(voices.get(name, name) for name in model.vocabulary.labels),
            themes=tuple(themes.get(theme, theme) for theme in model.vocabulary.themes),
        ),
        themes=msgspec.structs.replace(
            model.themes,
            ids=tuple(themes.get(theme, theme) for theme in model.themes.ids),
            stages=tuple(now("stage", stage) for stage in model.themes.stages),
            areas=tuple(now("areas", area) for area in model.themes.areas),
        ),
        mix={head: {now(head, label): share for label, share in shares.items()} for head, shares in model.mix.items()},
    )


def renamed_phrases(phrases: Sequence[Phrase], taxonomy: Taxonomy) -> tuple[Phrase, ...]:
    """Phrases under the taxonomy's present ids. Those of a retired theme speak for its successor; those of a retired
    stage or area go on to tell the model what it was taught that they tell."""
    now: dict[tuple[str, str], str] = {}
    for head, voice in (*VOICE.items(), ("theme", "theme")):
        now |= {(voice, old): new for old, new in taxonomy.former[head].items()}
    successors = {old: new for old, new in taxonomy.retired["theme"].items() if new}
    if not now and not successors:
        return tuple(phrases)
    found = []
    for phrase in phrases:
        label = now.get((phrase.head, phrase.label), phrase.label)
        label = successors.get(label, label) if phrase.head == "theme" else label
        found.append(msgspec.structs.replace(phrase, label=label))
    return tuple(found)


def widened(model: Model, new: Mapping[str, Sequence[str]], phrases: Sequence[Phrase], taxonomy: Taxonomy) -> Model:
    """The model with columns for new labels at the end of their heads, improbable so far, and with the lexicon's voice
    for them where phrases or themes speak for them."""
    model = _with_voices(model, new, phrases, taxonomy)
    for name, labels in new.items():
        if labels:
            model = _with_labels(model, model.head(name), tuple(labels))
    return model


def _with_labels(model: Model, head: Head, labels: tuple[str, ...]) -> Model:
    at, count = head.begin + len(head.labels), len(labels)

    def wider(array: Floats, value: float = 0.0) -> Floats:
        room = np.full((*array.shape[:-1], count), value, dtype=np.float32)
        return np.concatenate([array[..., :at], room, array[..., at:]], axis=-1)

    def wider_path(path: Path) -> Path:
        calibrations = path.calibrations
        known = calibrations.get(head.name)
        if known is not None and known.prior:
            prior = (*known.prior, *[0.0] * count)
            calibrations = calibrations | {head.name: Calibration(known.temperature, known.shift, prior)}
        return msgspec.structs.replace(
            path,
            ngram_weights=wider(path.ngram_weights),
            lexicon_weights=wider(path.lexicon_weights),
            dense_weights=wider(path.dense_weights),
            bias=wider(path.bias, _IMPROBABLE),
            calibrations=calibrations,
            own=None if path.own is None else wider(path.own),
        )

    heads = tuple(
        msgspec.structs.replace(
            other,
            labels=(*other.labels, *labels) if other.name == head.name else other.labels,
            begin=other.begin + count * (other.begin > head.begin),
        )
        for other in model.heads
    )
    examples = model.examples
    return msgspec.structs.replace(
        model,
        heads=heads,
        fast=wider_path(model.fast),
        full=wider_path(model.full),
        examples=Examples(examples.lexicon, wider(examples.labels), examples.weight),
        mix=model.mix | {head.name: model.mix.get(head.name, {}) | dict.fromkeys(labels, 0.0)},
    )


def _with_voices(
    model: Model, new: Mapping[str, Sequence[str]], phrases: Sequence[Phrase], taxonomy: Taxonomy
) -> Model:
    """A column of the lexicon's voice for each new label that it speaks for, which counts for that label as much as the
    others' own columns do for theirs on average."""
    spoken = {(phrase.head, phrase.label) for phrase in phrases}
    for theme in taxonomy.theme.values():
        if ("theme", theme.id) in spoken:
            spoken |= {("stage", theme.stage), ("area", theme.area)}
    names = tuple(
        f"{VOICE[head]}:{label}"
        for head, labels in new.items()
        for label in labels
        if (VOICE[head], label) in spoken and f"{VOICE[head]}:{label}" not in model.vocabulary.labels
    )
    if not names:
        return model
    vocabulary = model.vocabulary
    room = np.zeros((len(model.examples.lexicon), len(names)), dtype=np.float32)
    return msgspec.structs.replace(
        model,
        vocabulary=msgspec.structs.replace(vocabulary, labels=(*vocabulary.labels, *names)),
        fast=_with_rows(model.fast, len(names)),
        full=_with_rows(model.full, len(names)),
        examples=msgspec.structs.replace(
            model.examples, lexicon=np.concatenate([model.examples.lexicon, room], axis=1)
        ),
    )


def _with_rows(path: Path, count: int) -> Path:
    room = np.zeros((count, path.lexicon_weights.shape[1]), dtype=np.float32)
    return msgspec.structs.replace(path, lexicon_weights=np.concatenate([path.lexicon_weights, room]))
