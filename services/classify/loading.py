"""From files to a tagger: the artefact, the model's own phrases, and the policy folder's taxonomy and theme phrases.

A model is always used under a taxonomy: former ids renamed, labels of the organisation's own learnt.
"""

from collections.abc import Sequence
from pathlib import Path

from services.classify.learning.extending import FEWEST_EXAMPLES, extend, extension_of
from services.classify.learning.widening import renamed, renamed_phrases
from services.classify.model.artefact import FOLDER, load
from services.classify.model.cascade import Cascade
from services.classify.model.probabilities import Model
from services.classify.reading.minilm import MiniLM
from services.classify.reading.phrases import OWN, Phrase, digest_of, read_phrases
from services.classify.reading.static import load_table
from services.classify.tagging.tagger import Tagger
from services.classify.taxonomy.labels import GROUPS, Taxonomy, read_taxonomy
from services.contracts.errors import Misconfigured
from services.contracts.yamlfile import PolicyRefused

PHRASES = "lexicon"


def load_tagger(
    policy_dir: Path, *, artefact: Path = FOLDER, full: bool = True, cascade: Cascade | None = None
) -> Tagger:
    """A tagger ready to work. Without `full` it needs 100 MB less and every text takes the fast path. Raises
    Misconfigured with every problem found, each saying what to do."""
    try:
        taxonomy = read_taxonomy(policy_dir)
        themes = theme_phrases(policy_dir / PHRASES, taxonomy)
    except PolicyRefused as error:
        raise Misconfigured([str(problem) for problem in error.problems]) from None
    except OSError as error:
        raise Misconfigured([f"The policy folder has no readable {Path(str(error.filename)).name}."]) from None
    base = untaught_tagger(taxonomy, themes, artefact=artefact, full=full, cascade=cascade)
    return under_taxonomy(base.model, base)


def untaught_tagger(
    taxonomy: Taxonomy,
    themes: Sequence[Phrase],
    *,
    artefact: Path = FOLDER,
    full: bool = True,
    cascade: Cascade | None = None,
) -> Tagger:
    """A tagger with a model as it was trained, under a taxonomy whose own labels it has not learnt. Raises
    Misconfigured."""
    model = load(artefact)
    own = read_phrases(OWN)
    if digest_of(own) != model.lexicon:
        raise Misconfigured(
            ["The model was trained with other phrases than services/classify/reading/lexicon holds; run `make train`."]
        )
    static, slow = load_table(), MiniLM() if full else None
    phrases = (*renamed_phrases(own, taxonomy), *themes)
    return Tagger(renamed(model, taxonomy), phrases, taxonomy, static=static, full=slow, cascade=cascade)


def theme_phrases(folder: Path, taxonomy: Taxonomy) -> tuple[Phrase, ...]:
    """The phrases of a folder under the taxonomy's present ids. Raises PolicyRefused, OSError."""
    known = {theme.id for theme in taxonomy.themes} | taxonomy.former["theme"].keys()
    return renamed_phrases(read_phrases(folder, themes=known), taxonomy)


def under_taxonomy(model: Model, tagger: Tagger) -> Tagger:
    """The tagger with another model (the shipped one, or one of one's own) under the tagger's taxonomy. Raises
    Misconfigured when the model does not fit it."""
    model = renamed(model, tagger.taxonomy)
    problems = misfits(model, tagger.taxonomy)
    if problems:
        raise Misconfigured(problems)
    base = tagger if model is tagger.model else tagger.with_model(model)
    extended = extend(base, tagger.taxonomy)
    return base if extended is base.model else base.with_model(extended)


def misfits(model: Model, taxonomy: Taxonomy) -> list[str]:
    """Why a model cannot be used under a taxonomy, a sentence each: labels of the model that the taxonomy no longer
    has, and labels of the taxonomy that cannot be learnt for want of examples."""
    groups = {
        "stage": taxonomy.stages,
        "areas": taxonomy.areas,
        "sentiment": taxonomy.sentiments,
        "intent": taxonomy.intents,
    }
    found = []
    for head, entries in groups.items():
        missing = set(model.head(head).labels) - {entry.id for entry in entries}
        found += [
            f"taxonomy.yaml has no {head} `{label}`, which the model answers with; keep its line with `retired: true`, "
            f"or write `was: {label}` where another took its place."
            for label in sorted(missing)
        ]
    for head, labels in extension_of(taxonomy, model).starving.items():
        given = {entry.id: len(set(entry.examples)) for entry in groups[head]}
        found += [
            f"taxonomy.yaml: the model does not know `{label}` of {GROUPS[head]}, and {given[label]} examples of it "
            f"are too few to learn it; give a dozen, at least {FEWEST_EXAMPLES}."
            for label in labels
        ]
    return found
