"""`palette taxonomy check`: what can be learnt, what overlaps, what starves, each with its line and a way out."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from services.classify.learning.learnable import Given, findings, starving
from services.classify.loading import PHRASES, theme_phrases, untaught_tagger
from services.classify.tagging.tagger import Tagger
from services.classify.taxonomy.findings import Code, Finding, Level
from services.classify.taxonomy.labels import FILE, taxonomy_of
from services.classify.taxonomy_command import check
from services.contracts.events import AreaTag
from services.contracts.yamlfile import Marked, load_marked
from tests.unit.classify.own_labels import CHARGING, changed_policy, charging

ANYTHING = (
    "Your driver marked it delivered, nothing is here.",
    "I was charged twice for the same order this month.",
    "Nobody answers the phone, I have tried all week.",
    "The washing machine stopped working after three weeks.",
    "They make it impossible to cancel the subscription.",
    "Your radio advert promised free delivery, not true.",
    "My loyalty points have expired without any notice.",
    "The insurer refused my claim because of the small print.",
    "I cannot activate my new card in the app.",
    "Do you deliver to the islands, and is the oak table in stock?",
)
SAME_SUBJECT = (
    "Two charge points at the supermarket and neither of them works.",
    "The rapid charger gave up half way and I was stuck.",
    "Someone left a diesel van in the electric charging bay.",
    "I could not get the plug out of my car after charging.",
    "Charging was painfully slow, nearly two hours for half a battery.",
    "Map says the charger is free but it is taped off.",
    "Not one working public charger between here and the coast.",
    "The plug does not fit the socket of my electric car.",
    "The charger stopped by itself and the battery was empty in the morning.",
    "An hour in the queue for the only working charger on the motorway.",
    "Great chargers, quick and reliable, on the road again in no time.",
    "The cable of the charge point is far too short for my car.",
)

Check = Callable[..., tuple[Marked, Tagger, list[Finding]]]


@pytest.fixture
def checked(policy: Path, tmp_path: Path) -> Check:
    """Checks a changed taxonomy, on the fast path."""

    def run(change: Callable[[dict[str, Any]], None]) -> tuple[Marked, Tagger, list[Finding]]:
        folder = changed_policy(policy, tmp_path / "policy", change)
        marked = load_marked((folder / FILE).read_text(encoding="utf-8"), file=FILE)
        taxonomy = taxonomy_of(marked)
        themes = theme_phrases(folder / PHRASES, taxonomy)
        tagger = untaught_tagger(taxonomy, themes, full=False)
        return marked, tagger, findings(marked, tagger, [phrase.label for phrase in themes])

    return run


def of(found: Sequence[Finding], code: Code) -> list[Finding]:
    return [finding for finding in found if finding.code is code]


def line_of(marked: Marked, words: str, folder: Path) -> int:
    """The line of a file on which words stand."""
    lines = (folder / "policy" / FILE).read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, start=1) if words in line)


def test_a_label_with_a_dozen_good_examples_can_be_learnt_and_the_figure_is_told(
    checked: Check, tmp_path: Path
) -> None:
    marked, _, found = checked(lambda data: data["stages"].append(charging()))

    (learnt,) = [finding for finding in found if finding.label == "charging"]
    assert (learnt.level, learnt.code) == (Level.NOTE, Code.LEARNT)
    assert learnt.share is not None
    assert learnt.share >= 0.8
    assert f"of {len(CHARGING)} examples of `charging` are recognised when left out" in learnt.message
    assert learnt.line == line_of(marked, "- id: charging", tmp_path)


def test_examples_about_all_sorts_of_things_cannot_be_learnt_and_it_says_what_they_are_taken_for(
    checked: Check,
) -> None:
    _, _, found = checked(lambda data: data["stages"].append(charging(examples=list(ANYTHING))))

    (confused,) = of(found, Code.CONFUSED)
    assert confused.level is Level.ERROR
    assert "taken for `" in confused.message
    assert confused.suggestion


def test_labels_that_are_taken_for_each_other_are_named_with_examples(checked: Check) -> None:
    def change(data: dict[str, Any]) -> None:
        data["stages"] += [charging(), charging(id="plugging_in", examples=list(SAME_SUBJECT))]

    _, _, found = checked(change)

    (overlap,) = of(found, Code.OVERLAPS)
    assert "`charging` and `plugging_in` are taken for each other" in overlap.message
    assert any(text[:60] in overlap.message for text in CHARGING)
    assert any(text[:60] in overlap.message for text in SAME_SUBJECT)


def test_too_few_examples_are_an_error_at_their_entry(checked: Check, tmp_path: Path) -> None:
    marked, _, found = checked(lambda data: data["areas"].append(charging(examples=list(CHARGING[:5]))))

    (few,) = of(found, Code.TOO_FEW)
    assert (few.level, few.line) == (Level.ERROR, line_of(marked, "- id: charging", tmp_path))
    assert "has 5 examples" in few.message


def test_a_vanished_label_is_an_error(checked: Check) -> None:
    def change(data: dict[str, Any]) -> None:
        data["areas"] = [entry for entry in data["areas"] if entry["id"] != "place"]
        for theme in data["themes"]:
            theme["area"] = theme["area"].replace("place", "product")

    _, _, found = checked(change)

    (missing,) = of(found, Code.MISSING)
    assert (missing.level, missing.label) == (Level.ERROR, "place")
    assert "was: place" in missing.suggestion


def test_examples_that_say_the_same_are_found_in_one_label_and_across_two(checked: Check, tmp_path: Path) -> None:
    twice = [*CHARGING[:9], "Three of the four charging bays were blocked by petrol car."]
    other = [*SAME_SUBJECT[:9], CHARGING[5]]

    def change(data: dict[str, Any]) -> None:
        data["stages"] += [charging(examples=twice), charging(id="plugging_in", examples=other)]

    marked, _, found = checked(change)

    same = of(found, Code.SAME_TWICE)
    assert any("Examples 3 and 10 of `charging`" in finding.message for finding in same)
    assert any("is an example of `charging` and, nearly so, of `plugging_in`" in finding.message for finding in same)
    assert line_of(marked, "blocked by petrol car.", tmp_path) in {finding.line for finding in same}


def test_a_theme_that_nothing_finds_is_told(checked: Check) -> None:
    theme = {"id": "charging-fails", "name": "charging fails", "stage": "use", "area": "product"}
    _, _, found = checked(lambda data: data["themes"].append(theme))

    (nothing,) = of(found, Code.NOT_FOUND)
    assert (nothing.level, nothing.label) == (Level.WARNING, "charging-fails")


def test_a_label_that_events_would_hardly_ever_get_starves(checked: Check) -> None:
    marked, tagger, _ = checked(lambda data: data["stages"].append(charging()))
    ordinary = Given("use", (AreaTag(area="product", confidence=0.9),))

    (starved,) = starving(marked, tagger, [ordinary] * 1000)
    assert (starved.level, starved.code, starved.share) == (Level.WARNING, Code.STARVES, 0.0)
    assert "0 of 1000 events" in starved.message

    (fed,) = starving(marked, tagger, [ordinary] * 990 + [Given("charging", ordinary.areas)] * 10)
    assert (fed.level, fed.share) == (Level.NOTE, 0.01)


def test_the_shipped_taxonomy_has_nothing_to_mend(capsys: pytest.CaptureFixture[str], policy: Path) -> None:
    assert check(policy / FILE) == 0
    assert capsys.readouterr().out == ""


def test_a_file_that_is_refused_says_so_with_its_line_also_as_json(
    tmp_path: Path, policy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = changed_policy(policy, tmp_path / "policy", lambda data: data["stages"].append(charging(becomes="use")))

    assert check(folder / FILE) == 1
    printed = capsys.readouterr()
    assert printed.out.startswith(f"{FILE}:")
    assert "error: `charging` is in use" in printed.out
    assert "stays" in printed.err

    assert check(folder / FILE, as_json=True) == 1
    (finding,) = json.loads(capsys.readouterr().out)
    assert (finding["level"], finding["code"], finding["file"]) == ("error", "refused", FILE)


def test_a_sample_of_events_is_tagged_and_counted(
    tmp_path: Path, policy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = changed_policy(policy, tmp_path / "policy", lambda data: data["stages"].append(charging()))
    sample = tmp_path / "events.jsonl"
    sample.write_text("".join(json.dumps({"text": text}) + "\n" for text in ANYTHING) + "not json\n")

    assert check(folder / FILE, events=sample) == 0
    assert f"0 of {len(ANYTHING)} events would be `charging`" in capsys.readouterr().out
