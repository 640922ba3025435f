"""`palette taxonomy check`: what is wrong with a taxonomy, and whether its labels can be learnt, before it counts."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is loaded
os.environ.setdefault("OMP_NUM_THREADS", "1")

import contextlib
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from services.classify.learning.learnable import Given, findings, starving
from services.classify.loading import PHRASES, theme_phrases, under_taxonomy, untaught_tagger
from services.classify.reading.phrases import Phrase
from services.classify.tag_command import POLICY, batches, tag_lines
from services.classify.tagging.tagger import Tagger
from services.classify.taxonomy.findings import Code, Finding, Level
from services.classify.taxonomy.labels import FILE, Taxonomy, taxonomy_of
from services.contracts.errors import Misconfigured
from services.contracts.yamlfile import Marked, PolicyRefused, load_marked

MOST_EVENTS = 5_000


def check(file: Path | None = None, *, events: Path | None = None, as_json: bool = False) -> int:
    """Checks a taxonomy file, by default the one in use; `events` are JSON lines as `palette tag` reads them.

    0 when it can be used, warnings or not; 1 with errors. Prints one line per finding: file, line, sentence, way out.
    """
    path = file or Path(os.environ.get("PALETTE_POLICY_DIR", POLICY)) / FILE
    try:
        found = _found(path, events)
    except PolicyRefused as refused:
        found = [
            Finding(Level.ERROR, Code.REFUSED, problem.file, problem.line, problem.message, problem.suggestion)
            for problem in refused.problems
        ]
    except OSError as error:
        raise Misconfigured([f"{Path(str(error.filename)).name} cannot be read ({type(error).__name__})."]) from None
    if as_json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    else:
        sys.stdout.write("".join(f"{finding}\n" for finding in found))
        sys.stderr.write(_summary(found))
    return 1 if any(finding.level is Level.ERROR for finding in found) else 0


def _found(path: Path, events: Path | None) -> list[Finding]:
    marked = load_marked(path.read_text(encoding="utf-8"), file=path.name)
    taxonomy = taxonomy_of(marked)
    themes = _phrases(path, taxonomy)
    tagger = untaught_tagger(taxonomy, themes)
    found = findings(marked, tagger, [phrase.label for phrase in themes if phrase.head == "theme"])
    if events is None or any(finding.level is Level.ERROR for finding in found):
        return found
    return [*found, *_starving(marked, tagger, events)]


def _phrases(path: Path, taxonomy: Taxonomy) -> tuple[Phrase, ...]:
    """The phrases beside the file; of a file that stands alone, those of the policy in use."""
    beside = path.parent / PHRASES
    in_use = Path(os.environ.get("PALETTE_POLICY_DIR", POLICY)) / PHRASES
    return theme_phrases(beside if beside.is_dir() else in_use, taxonomy)


def _starving(marked: Marked, tagger: Tagger, events: Path) -> Sequence[Finding]:
    taught = under_taxonomy(tagger.model, tagger)
    given: list[Given] = []
    with events.open("rb") as stream:
        for lines in batches(stream):
            for line in tag_lines(lines, taught):
                with contextlib.suppress(msgspec.ValidationError):  # a line that could not be read says so
                    given.append(msgspec.json.decode(line, type=Given))
            if len(given) >= MOST_EVENTS:
                break
    return starving(marked, tagger, given)


def _summary(found: Iterable[Finding]) -> str:
    levels = [finding.level for finding in found]
    errors, warnings = levels.count(Level.ERROR), levels.count(Level.WARNING)
    if errors:
        return f"{errors} to mend, {warnings} to look at; the taxonomy in force stays.\n"
    return f"It can be used; {warnings} to look at.\n" if warnings else "It can be used.\n"
