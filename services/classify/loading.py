"""From files to a tagger: the artefact, the model's own phrases, and the policy folder's taxonomy and theme phrases."""

from pathlib import Path

from services.classify.artefact import FOLDER, load
from services.classify.cascade import Cascade
from services.classify.minilm import MiniLM
from services.classify.phrases import OWN, digest_of, read_phrases
from services.classify.static import load_table
from services.classify.tagger import Tagger
from services.classify.taxonomy import Taxonomy, read_taxonomy
from services.contracts.errors import Misconfigured
from services.contracts.yamlfile import PolicyRefused

PHRASES = "lexicon"


def load_tagger(
    policy_dir: Path, *, artefact: Path = FOLDER, full: bool = True, cascade: Cascade | None = None
) -> Tagger:
    """A tagger ready to work. Without `full` it needs 100 MB less and every text takes the fast path. Raises
    Misconfigured with every problem found, each saying what to do."""
    model = load(artefact)
    try:
        taxonomy = read_taxonomy(policy_dir)
        own = read_phrases(OWN)
        themes = read_phrases(policy_dir / PHRASES, themes=(theme.id for theme in taxonomy.themes))
    except PolicyRefused as error:
        raise Misconfigured([str(problem) for problem in error.problems]) from None
    except OSError as error:
        raise Misconfigured([f"The policy folder has no readable {Path(str(error.filename)).name}."]) from None
    problems = _unlearnt(taxonomy, {head.name: head.labels for head in model.heads})
    if digest_of(own) != model.lexicon:
        problems.append(
            "The model was trained with other phrases than services/classify/lexicon holds; run `make train`."
        )
    if problems:
        raise Misconfigured(problems)
    static, slow = load_table(), MiniLM() if full else None
    return Tagger(model, own + themes, taxonomy, static=static, full=slow, cascade=cascade)


def _unlearnt(taxonomy: Taxonomy, learnt: dict[str, tuple[str, ...]]) -> list[str]:
    """Labels of the model that the taxonomy no longer has. New ones are no problem: nothing is tagged with them yet."""
    groups = {
        "stage": taxonomy.stages,
        "areas": taxonomy.areas,
        "sentiment": taxonomy.sentiments,
        "intent": taxonomy.intents,
    }
    found = []
    for head, entries in groups.items():
        missing = set(learnt[head]) - {entry.id for entry in entries}
        found += [
            f"taxonomy.yaml has no {head} `{label}`, which the model answers with; keep its line with `retired: true`, "
            "or change names instead of ids."
            for label in sorted(missing)
        ]
    return found
