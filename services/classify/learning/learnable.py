"""Can a taxonomy be learnt? Each label is taught without some of its examples and asked about these.

Findings are sentences with a line and a way out: what is too little, what is confused with what, what says the same
twice, what nothing will ever find. Knows texts of the taxonomy and what a model makes of them; reads no files.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import msgspec
import numpy as np

from services.classify.learning.extending import FEWEST_EXAMPLES, HEADS, Learner, extension_of
from services.classify.model.probabilities import Model
from services.classify.reading.features import Floats
from services.classify.tagging.likeness import ThemeExamples, taught
from services.classify.tagging.tagger import Tagger
from services.classify.taxonomy.findings import Code, Finding, Level, Places
from services.classify.taxonomy.labels import GROUPS
from services.contracts.events import AreaTag
from services.contracts.yamlfile import Marked

ADVISED_EXAMPLES = 12
WELL_FROM, AT_ALL_FROM = 0.7, 0.5
"""Share of left-out examples that must be recognised: to be learnt well, and to be learnt at all."""
_OFTEN = 0.25
_NEARLY_THE_SAME = 0.93
_TAKEN_OVER = 0.1
_HARDLY_EVER = 0.002
_MOST_FOLDS, _FEWEST_FOLDS = 12, 6
_FEW_LABELS = 2
_SHOWN = 90


def findings(marked: Marked, tagger: Tagger, phrased: Sequence[str]) -> list[Finding]:
    """Everything to know about a taxonomy that obeys its rules. The tagger is the shipped one under it, before it has
    learnt the new labels; `phrased` are the themes that phrases find. Takes seconds to a minute."""
    places = Places(marked)
    found = [
        *_without_examples(places, tagger),
        *_saying_the_same(places, tagger),
        *_left_out(places, tagger),
        *_themes(places, tagger, frozenset(phrased)),
    ]
    return sorted(found, key=lambda finding: (finding.line, list(Level).index(finding.level), finding.message))


class Given(msgspec.Struct, frozen=True):
    """The labels that one event of a sample was given."""

    stage: str
    areas: tuple[AreaTag, ...]
    themes: tuple[str, ...] = ()


def starving(marked: Marked, tagger: Tagger, tags: Sequence[Given]) -> list[Finding]:
    """What a sample of events, tagged under the taxonomy, says of labels of one's own: which would hardly ever be
    given. `tagger` has not learnt the new labels."""
    places, found = Places(marked), []
    counts = {
        "stage": Counter(t.stage for t in tags),
        "areas": Counter(area.area for t in tags for area in t.areas),
        "theme": Counter(theme for t in tags for theme in t.themes),
    }
    new = extension_of(tagger.taxonomy, tagger.model).new
    themes = tuple(theme.id for theme in tagger.taxonomy.theme.values() if taught(theme))
    for head, labels in (*new.items(), ("theme", themes)):
        for label in labels:
            count = counts[head][label]
            share = count / max(1, len(tags))
            said = f"{count} of {len(tags)} events would be `{label}`."
            if share < _HARDLY_EVER:
                hint = "Is it worth telling apart? If it should be more, give examples in the words of these events."
                found.append(places.finding(Level.WARNING, Code.STARVES, (head, label), said, hint, share=share))
            else:
                found.append(places.finding(Level.NOTE, Code.LEARNT, (head, label), said, share=share))
    return found


def _without_examples(places: Places, tagger: Tagger) -> Iterator[Finding]:
    taxonomy, model = tagger.taxonomy, tagger.model
    for head in HEADS:
        ids = {entry.id for entry in taxonomy.labels(head)}
        for label in model.head(head).labels:
            if label not in ids:
                message = f"`{label}` is gone from {GROUPS[head]}, and the model answers with it."
                hint = f"Keep its entry with `retired: true`, or write `was: {label}` where another took its place."
                yield places.finding(Level.ERROR, Code.MISSING, (head, label), message, hint)
    extension = extension_of(taxonomy, model)
    entries = {(head, entry.id): entry for head in HEADS for entry in taxonomy.labels(head)}
    for head, labels in extension.starving.items():
        for label in labels:
            count = len(set(entries[head, label].examples))
            message = (
                f"`{label}` is new and has {_examples(count)}; it cannot be learnt from fewer than {FEWEST_EXAMPLES}."
            )
            yield places.finding(
                Level.ERROR, Code.TOO_FEW, (head, label), message, f"Give {ADVISED_EXAMPLES}, in the customers' words."
            )
    for head, labels in extension.new.items():
        for label in labels:
            count = len(set(entries[head, label].examples))
            if count < ADVISED_EXAMPLES:
                message = f"`{label}` has {_examples(count)}."
                yield places.finding(
                    Level.WARNING, Code.TOO_FEW, (head, label), message, f"{ADVISED_EXAMPLES} teach noticeably better."
                )


def _saying_the_same(places: Places, tagger: Tagger) -> Iterator[Finding]:
    """Pairs of examples that differ by a word or two: in one label they teach once, in two labels they contradict."""
    for head in GROUPS:
        given = [
            (entry, number, text)
            for entry in tagger.taxonomy.labels(head)
            if not entry.retired
            for number, text in enumerate(entry.examples)
        ]
        if len(given) < 2:
            continue
        vectors = tagger.vectors([text for _, _, text in given], "fast")
        likeness = np.triu(vectors @ vectors.T, 1)
        for first, second in zip(*np.nonzero(likeness >= _NEARLY_THE_SAME), strict=True):
            one, number, text = given[first]
            other, place, _ = given[second]
            if one.id == other.id:
                message = f"Examples {number + 1} and {place + 1} of `{one.id}` say nearly the same: “{_cut(text)}”."
                yield places.finding(
                    Level.WARNING, Code.SAME_TWICE, (head, other.id), message, "Replace one.", example=place
                )
            elif head != "areas":  # an event may have several areas, but it has one stage
                message = f"“{_cut(text)}” is an example of `{one.id}` and, nearly so, of `{other.id}`."
                yield places.finding(
                    Level.WARNING, Code.SAME_TWICE, (head, other.id), message, "Decide for one.", example=place
                )


# ---- stages and areas: left out and asked ---------------------------------------------------------------------------


class Answered(msgspec.Struct, frozen=True):
    """What became of a label's left-out examples: those recognised, and for the others what they were taken for."""

    recognised: int
    taken: tuple[tuple[str, str], ...]
    """Label that was answered instead, and the text."""

    @property
    def count(self) -> int:
        return self.recognised + len(self.taken)

    @property
    def share(self) -> float:
        return self.recognised / max(1, self.count)


def answers(tagger: Tagger) -> dict[tuple[str, str], Answered]:
    """(head, label) -> what the model says of the label's examples when it was taught without them."""
    extension = extension_of(tagger.taxonomy, tagger.model)
    if not extension.lessons:
        return {}
    learner = Learner(tagger, extension)
    path = learner.paths[-1]
    labels = sum(map(len, extension.new.values()))
    folds = min(_MOST_FOLDS if labels <= _FEW_LABELS else _FEWEST_FOLDS, len(extension.lessons))
    recognised: Counter[tuple[str, str]] = Counter()
    taken: dict[tuple[str, str], list[tuple[str, str]]] = {}
    everything = range(len(extension.lessons))
    for fold in range(folds):
        asked = [number for number in everything if number % folds == fold]
        model = learner.model([number for number in everything if number % folds != fold])
        chances = learner.chances(model, asked, path)
        for row, number in enumerate(asked):
            lesson = extension.lessons[number]
            for head, wanted in lesson.labels.items():
                said = _said(model, head, chances[head][row])
                for label in wanted:
                    if label in said:
                        recognised[head, label] += 1
                    else:
                        taken.setdefault((head, label), []).append((said[0], lesson.text))
    return {
        key: Answered(recognised[key], tuple(taken.get(key, ())))
        for key in {(head, label) for lesson in extension.lessons for head, ls in lesson.labels.items() for label in ls}
    }


def _said(model: Model, head_name: str, chances: Floats) -> list[str]:
    """The labels that would be given, the main one first."""
    head = model.head(head_name)
    order = np.argsort(-chances)
    most = 3 if head.many else 1
    return [
        head.labels[number]
        for place, number in enumerate(order[:most])
        if place == 0 or chances[number] >= model.area_from
    ]


def _left_out(places: Places, tagger: Tagger) -> Iterator[Finding]:
    told = answers(tagger)
    for (head, label), answered in sorted(told.items()):
        said = f"{answered.recognised} of {_examples(answered.count)} of `{label}` are recognised when left out"
        level = Level.NOTE if answered.share >= WELL_FROM else Level.WARNING
        level = Level.ERROR if answered.share < AT_ALL_FROM else level
        mistaken = Counter(other for other, _ in answered.taken).most_common(3)
        others = "; taken for " + ", ".join(f"`{o}` {n} times" if n > 1 else f"`{o}` once" for o, n in mistaken)
        hint = ""
        if level is not Level.NOTE:
            hint = "Give examples that could be nothing else, or make the definition narrower."
        code = Code.LEARNT if level is Level.NOTE else Code.CONFUSED
        yield places.finding(
            level, code, (head, label), said + (others if mistaken else "") + ".", hint, share=round(answered.share, 3)
        )
    yield from _overlaps(places, told)
    yield from _taken_over(places, tagger)


def _overlaps(places: Places, told: Mapping[tuple[str, str], Answered]) -> Iterator[Finding]:
    """Pairs of labels whose examples are mutually taken for each other."""
    for (head, label), answered in sorted(told.items()):
        for other in sorted({other for other, _ in answered.taken if other > label}):
            back = told.get((head, other))
            if back is None:
                continue
            one_way = [text for name, text in answered.taken if name == other]
            other_way = [text for name, text in back.taken if name == label]
            if other_way and len(one_way) + len(other_way) >= _OFTEN * (answered.count + back.count) / 2:
                message = (
                    f"`{label}` and `{other}` are taken for each other: “{_cut(one_way[0])}” for `{other}`, "
                    f"“{_cut(other_way[0])}” for `{label}`."
                )
                hint = "Make them one, or give both examples of what tells them apart."
                yield places.finding(Level.WARNING, Code.OVERLAPS, (head, label), message, hint)


def _taken_over(places: Places, tagger: Tagger) -> Iterator[Finding]:
    """New labels that much of what the model was taught as another label looks like."""
    extension = extension_of(tagger.taxonomy, tagger.model)
    if not any(extension.new.values()):
        return
    learner = Learner(tagger, extension)
    for head, labels in extension.new.items():
        for label in labels:
            for other, share in learner.looks_like(head, label).items():
                if share >= _TAKEN_OVER:
                    message = f"{share:.0%} of the texts that the model was taught as `{other}` look like `{label}`."
                    hint = f"If `{label}` is a part of `{other}` this is as it should be; else narrow its examples."
                    yield places.finding(Level.WARNING, Code.TAKES_OVER, (head, label), message, hint, share=share)


# ---- themes ---------------------------------------------------------------------------------------------------------


def _themes(places: Places, tagger: Tagger, phrased: frozenset[str]) -> Iterator[Finding]:
    taxonomy = tagger.taxonomy
    examples = ThemeExamples(taxonomy, lambda texts: tagger.vectors(texts, "fast"), tagger.model.fast.near)
    for theme in taxonomy.theme.values():
        if not taught(theme):
            if theme.id not in phrased:
                message = f"Nothing finds theme `{theme.id}`: it has no phrases and {_examples(len(theme.examples))}."
                hint = f"Write phrases for it in lexicon/, or give {FEWEST_EXAMPLES} examples."
                yield places.finding(Level.WARNING, Code.NOT_FOUND, ("theme", theme.id), message, hint)
            continue
        found, count = examples.recognised(theme.id), len(set(theme.examples))
        message = f"{found} of {_examples(count)} of theme `{theme.id}` are found by the others"
        share = found / count
        if examples.bars[theme.id].at_large > examples.bars[theme.id].own:
            message += ", because texts about all sorts of things are as like them as they are like each other"
        level = Level.NOTE if share >= WELL_FROM else Level.WARNING
        hint = "" if level is Level.NOTE else "Say the same thing in more ways, in one sentence each; or write phrases."
        code = Code.LEARNT if level is Level.NOTE else Code.NOT_FOUND
        yield places.finding(level, code, ("theme", theme.id), message + ".", hint, share=round(share, 3))


def _examples(count: int) -> str:
    return f"{count} example" if count == 1 else f"{count} examples"


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1].rstrip()}…"
