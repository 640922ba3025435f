"""Sentences about labels, models and agreement, for people who teach. Pure words; measures nothing and decides nothing.

A gain is told with how sure it is, and as what was measured, never as what will be.
"""

from collections.abc import Sequence

from services.api.agreement import Kappa, Question
from services.api.names import SEVERITIES, Names
from services.api.teaching import Progress
from services.api.versions import Judged, Verdict, Version, Way
from services.api.wording import cap, count, listed
from services.contracts.events import FeedbackCorrected, Tags

_MOST_REASONS = 2
_FEW = 20
"""Below so many texts that two people answered, κ is a number and no finding."""
_STRENGTHS = (
    (0.8, "they agree almost always"),
    (0.6, "they agree well"),
    (0.4, "they agree by halves"),
    (0.2, "they agree little"),
    (0.0, "they hardly agree more than by chance"),
)
_HEADS = {
    "stage": "the step",
    "areas": "the part",
    "sentiment": "the feeling",
    "intent": "what they want",
    "severity": "how bad it is",
}
_WHY = {
    "first_of_its_source": "the first from this source",
    "first_of_its_stage": "the first of this step",
    "first_of_its_area": "the first about this part",
    "first_of_its_theme": "the first about this theme",
    "first_of_its_length": "the first of this length",
    "typical": "typical of what comes in",
    "not_ours": "a team says that its case is not theirs",
    "costly": "a mistake here would be costly",
    "frequent": "many others speak of the same",
    "sample": "drawn to check what Palette is sure of",
    "second_look": "somebody else has answered it, too: what do you say?",
}
TOLD = {
    "kept": "Kept, thank you.",
    "keeping": "Your answer is on its way.",
    "skipped": "Skipped; it may come back another day.",
    "taken": "Somebody answered this while you looked at it; here is the next one.",
    "untagged": "It has not been read yet.",
    "unreadable": "That answer could not be read. Look at the text again.",
    "name": "Say who you are: each answer is kept with its giver.",
    "away": "It could not be sent just now. Nothing was changed; try again in a moment.",
    "learning": "Palette is still learning from the labels.",
    "learnt": "Palette has learnt from the labels.",
    "too-few": "The labels come from too few customers to judge a model by. Some more, and Palette tries again.",
    "not-learnt": "Palette could not learn just now; the labels are kept. Try again in a moment.",
    "in_force": "In force now, everywhere.",
    "pending": "Said; it takes a moment until it is in force everywhere.",
    "unknown": "There is no such version.",
    "already": "It is in force already.",
    "judged": "The challenger was judged; what came of it stands below.",
    "not_judged": "Not brought into force: it has not been held against the model in force. Try a challenger first.",
    "outdated": "Not brought into force: it was held against a model that is not in force any more. Try a challenger.",
}
_VERDICTS = {
    "better": "Better than the model before it by the margin that was asked for.",
    "onboarding": "Made from the first labels, and not worse than the model before it.",
    "too_few_labels": "Too few labels to judge by.",
    "nothing_new": "No label is new since the model in force was made.",
    "not_better": "Not better by the margin that was asked for.",
    "not_sure": "Perhaps better, but it may be chance.",
    "class_worse": "Better on the whole, but worse at a step or part than is allowed.",
    "worse": "Worse than the model in force.",
}
_WAYS = {
    Way.IN_FORCE: "in force",
    Way.NOT_JUDGED: "It has not been held against the model in force. Try a challenger first.",
    Way.OUTDATED: "It was held against a model that is not in force any more. Try a challenger first.",
}


def told(word: str) -> str:
    """The sentence for what a form did; only words that are known here, nothing of an address is repeated."""
    reason = word.removeprefix("no-")
    if reason != word:
        return f"Not brought into force. {_VERDICTS[reason]}" if reason in _VERDICTS else ""
    return TOLD.get(word, "")


def why(reasons: Sequence[str], tags: Tags, names: Names) -> str:
    """Why a text was chosen: the strongest reasons, with the labels between which it hangs."""
    return "; ".join(_reason(reason, tags, names) for reason in reasons[:_MOST_REASONS])


def _reason(reason: str, tags: Tags, names: Names) -> str:
    if reason != "unsure":
        return _WHY.get(reason, reason.replace("_", " "))
    between = [names.stage(label) for label in dict.fromkeys((tags.stage, *tags.secondary))]
    return f"not sure between “{between[0]}” and “{between[1]}”" if len(between) > 1 else "not sure of it"


def ahead(progress: Progress) -> str:
    """What the next labels lead to."""
    if progress.next is None:
        return "All asked for. Further labels count with the daily ones."
    left = progress.next - progress.given
    again = "" if progress.given < min(progress.steps) else " again"
    return f"{count(left, 'label')} more, and Palette learns from them{again}."


# ---- models ---------------------------------------------------------------------------------------------------------


def verdict(found: Verdict) -> str:
    """The reason in a sentence."""
    return _VERDICTS.get(found.reason, cap(found.reason.replace("_", " ")) + ".")


def gain(found: Verdict) -> str:
    """What was measured, and how sure it is; empty where nothing was."""
    figures = found.figures
    if not {"champion", "challenger", "gain", "better_in", "reviewed"} <= figures.keys():
        return ""
    points = figures["gain"]
    moved = "the same" if abs(points) < 0.5 else f"{abs(points):.0f} {'better' if points > 0 else 'worse'}"
    labels = count(round(figures["reviewed"]), "label")
    return (
        f"On {labels}, each held back in turn, it scores {figures['challenger']:.0f} of 100 points where "
        f"the model before scores {figures['champion']:.0f}: {moved}. "
        f"{_chance(figures['better_in'])}"
    )


def _chance(better_in: float) -> str:
    """How sure a gain is: the share of redrawn samples of customers in which it shows."""
    drawn = f"redrawing the customers, it is better {better_in:.0f} times in 100"
    if better_in >= 95:
        return f"That is hardly chance: {drawn}."
    if better_in >= 80:
        return f"That is probably not chance: {drawn}."
    return f"That may well be chance: {drawn}."


def outcome(found: Verdict, *, activated: bool) -> str:
    """What became of a challenger."""
    return "The challenger won and reads now." if activated else f"The model in force stays. {verdict(found)}"


def from_now_on(version: Version, judged: Judged, *, awaited: bool) -> str:
    """What the first labels did."""
    if version.in_force:
        return f"From now on Palette reads with your {count(version.labels, 'label')}."
    if awaited:
        return f"A model made from {count(version.labels, 'label')} won and is coming into force …"
    if judged.verdict.promote:
        return f"A model made from {count(version.labels, 'label')} is ready and not in force."
    return f"The model before stays: with {count(version.labels, 'label')} it would not have become better."


def way(found: Way, version: Version) -> str:
    """Why a version cannot come into force."""
    if found is Way.REFUSED and version.last is not None:
        return verdict(version.last.verdict)
    return _WAYS.get(found, "")


# ---- people ---------------------------------------------------------------------------------------------------------


def agreement(found: Kappa) -> str:
    """How far people agree in one thing, in words and number."""
    what = _HEADS.get(found.head, found.head)
    if not found.events or found.alike is None:
        return f"{cap(what)}: nobody has answered the same text twice."
    same = round(found.alike * found.events)
    told = f"{cap(what)}: the same answer for {same} of {count(found.events, 'text')} that two people looked at"
    if found.kappa is None:
        return f"{told}; all gave one and the same label, so chance could explain it."
    if found.events < _FEW:
        return f"{told}; too few to judge by (κ {found.kappa:.2f})."
    return f"{told}; {_strength(found.kappa)} (κ {found.kappa:.2f})."


def _strength(kappa: float) -> str:
    """Landis and Koch's bounds, in plainer words."""
    for bound, words in _STRENGTHS:
        if kappa > bound:
            return words
    return "no more than by chance"


def question(found: Question, names: Names) -> str:
    """Two labels that people take for one another, as a question to those who keep the taxonomy."""
    first, second = (f"“{_label(found.head, label, names)}”" for label in found.labels)
    return f"Where does {first} end and {second} begin?"


def question_facts(found: Question) -> str:
    """How often, and who."""
    times = "once" if found.times == 1 else count(found.times, "time")
    texts = count(found.of, "text")
    return f"{listed(list(found.people))} chose differently {times}, in {texts} that got either label."


def said(corrected: FeedbackCorrected, names: Names) -> str:
    """What one person said of a text's tags: what was changed, or that they are right."""
    changed = " · ".join(_changed(corrected, corrected.of.tags, names))
    return f"says: {changed}" if changed else "says that the tags are right"


def confirms(corrected: FeedbackCorrected, tags: Tags) -> bool:
    """Whether a person said what these tags say."""
    return not _changed(corrected, tags, Names(None))


def _changed(corrected: FeedbackCorrected, tags: Tags, names: Names) -> list[str]:
    asked = corrected.correction
    found = []
    if asked.stage not in {None, tags.stage}:
        found.append(names.stage(asked.stage))
    if asked.areas is not None and asked.areas != tuple(tag.area for tag in tags.areas):
        found.append(listed([names.area(area) for area in asked.areas]))
    if asked.themes is not None and asked.themes != tags.themes:
        found.append(listed([names.theme(theme) for theme in asked.themes]) or "no theme")
    found += [
        str(given)
        for given, was in ((asked.sentiment, tags.sentiment), (asked.intent, tags.intent))
        if given not in {None, was}
    ]
    if asked.severity is not None and asked.severity != tags.severity:
        found.append(SEVERITIES[asked.severity])
    return found


def _label(head: str, label: str, names: Names) -> str:
    if head == "stage":
        return names.stage(label)
    if head == "areas":
        return names.area(label)
    return SEVERITIES[int(label)] if head == "severity" and label in {"0", "1", "2", "3"} else label
