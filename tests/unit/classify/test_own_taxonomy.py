"""A taxonomy of one's own: labels renamed, retired, added; themes by example; what is refused, with its line."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from services.classify.io.craft import present
from services.classify.learning.reviewed import Reviewed
from services.classify.loading import load_tagger, under_taxonomy
from services.classify.model.artefact import load, save
from services.classify.tagging.doubt import Reason
from services.classify.tagging.tagger import Tagger, TagInput
from services.classify.taxonomy.labels import read_taxonomy
from services.contracts.errors import Misconfigured
from services.contracts.events import Tags
from services.contracts.yamlfile import PolicyRefused
from tests.unit.classify.own_labels import (
    CHARGING,
    NOT_CHARGING,
    UNTAUGHT_CHARGING,
    changed_policy,
    charging,
    entry_of,
)

DOUBLE = "I was charged twice for the same order this month"
DELIVERED = "Your driver marked it delivered, nothing is here"

Change = Callable[[dict[str, Any]], None]
Changed = Callable[[Change], Path]


@pytest.fixture(scope="module")
def shipped(policy: Path) -> Tagger:
    """The shipped tagger without the slow look, as most are here."""
    return load_tagger(policy, full=False)


@pytest.fixture
def changed(policy: Path, tmp_path: Path) -> Changed:
    """Makes a policy folder with a changed taxonomy."""
    return lambda change: changed_policy(policy, tmp_path / "policy", change)


def tags(tagger: Tagger, texts: Sequence[str]) -> list[Tags]:
    return tagger.tag([TagInput(text) for text in texts])


# ---- renaming -------------------------------------------------------------------------------------------------------


def test_another_name_for_the_same_id_changes_no_tag(shipped: Tagger, changed: Changed) -> None:
    def change(data: dict[str, Any]) -> None:
        entry_of(data, "stages", "pay")["name"] = "being billed"

    renamed = load_tagger(changed(change), full=False)

    (before,), (after,) = tags(shipped, [DOUBLE]), tags(renamed, [DOUBLE])
    assert (after.stage, after.stage_confidence, after.evidence) == ("pay", before.stage_confidence, before.evidence)
    assert after.versions.taxonomy == "own-1"


def test_a_new_id_takes_over_all_that_the_former_one_had(shipped: Tagger, changed: Changed) -> None:
    def change(data: dict[str, Any]) -> None:
        entry_of(data, "stages", "pay").update(id="billing", was="pay")
        entry_of(data, "areas", "price").update(id="money", was=["price"])
        entry_of(data, "themes", "charged-twice").update(id="paid-twice", was="charged-twice")
        for theme in data["themes"]:
            theme["stage"] = theme["stage"].replace("pay", "billing")
            theme["area"] = theme["area"].replace("price", "money")

    renamed = load_tagger(changed(change), full=False)

    (before,), (after,) = tags(shipped, [DOUBLE]), tags(renamed, [DOUBLE])
    assert (before.stage, before.areas[0].area, before.themes[0]) == ("pay", "price", "charged-twice")
    assert (after.stage, after.areas[0].area, after.themes) == ("billing", "money", ("paid-twice", *before.themes[1:]))
    assert (after.stage_confidence, after.status) == (before.stage_confidence, before.status)
    assert [(e.start, e.end) for e in after.evidence] == [(e.start, e.end) for e in before.evidence]
    assert {e.label for e in after.evidence if e.head == "stage"} == {"billing"}
    assert renamed.taxonomy.today("stage", "pay") == "billing"


# ---- retiring -------------------------------------------------------------------------------------------------------


def test_what_a_retired_label_would_have_got_goes_to_what_took_its_place(shipped: Tagger, changed: Changed) -> None:
    def change(data: dict[str, Any]) -> None:
        entry_of(data, "stages", "receive").update(retired=True, becomes="buy")
        entry_of(data, "areas", "fulfilment").update(retired=True, becomes="service")
        for theme in data["themes"]:
            theme["stage"] = theme["stage"].replace("receive", "buy")
            theme["area"] = theme["area"].replace("fulfilment", "service")

    retired = load_tagger(changed(change), full=False)

    (before,), (after,) = tags(shipped, [DELIVERED]), tags(retired, [DELIVERED])
    assert (before.stage, before.areas[0].area) == ("receive", "fulfilment")
    assert (after.stage, after.areas[0].area, after.status) == ("buy", "service", "tagged")
    assert after.stage_confidence > before.stage_confidence - 0.1
    assert {DELIVERED[e.start : e.end] for e in after.evidence if e.head == "stage"} >= {"driver marked it delivered"}
    assert retired.taxonomy.today("stage", "receive") == "buy"


def test_where_nothing_took_its_place_the_next_best_is_said_but_not_sure_of(changed: Changed) -> None:
    def change(data: dict[str, Any]) -> None:
        entry_of(data, "stages", "receive").update(retired=True)
        for theme in data["themes"]:
            theme["stage"] = theme["stage"].replace("receive", "buy")

    retired = load_tagger(changed(change), full=False)

    (after,) = tags(retired, ["It was handed over at the depot on Friday as arranged"])
    assert after.stage != "receive"
    assert after.status == "unsure"
    assert ("stage", Reason.RETIRED) in {(u.head, u.reason) for u in after.unsure}
    assert retired.taxonomy.today("stage", "receive") is None


def test_the_phrases_of_a_retired_theme_speak_for_its_successor(changed: Changed) -> None:
    def change(data: dict[str, Any]) -> None:
        entry_of(data, "themes", "charged-twice").update(retired=True, becomes="wrong-bill")

    assert tags(load_tagger(changed(change), full=False), [DOUBLE])[0].themes == ("wrong-bill",)


# ---- adding ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("head", ["stage", "areas"])
def test_a_new_label_is_found_in_texts_that_nobody_taught(shipped: Tagger, changed: Changed, head: str) -> None:
    def change(data: dict[str, Any]) -> None:
        data["stages" if head == "stage" else "areas"].append(charging())

    own = load_tagger(changed(change), full=False)

    def said(texts: Sequence[str]) -> list[str]:
        return [t.stage if head == "stage" else t.areas[0].area for t in tags(own, texts)]

    assert said(UNTAUGHT_CHARGING).count("charging") >= 5
    assert "charging" not in said(NOT_CHARGING)
    assert [t.stage for t in tags(own, NOT_CHARGING)] == [t.stage for t in tags(shipped, NOT_CHARGING)]


def test_the_slow_look_knows_a_new_label_too_and_shows_the_words(changed: Changed) -> None:
    own = load_tagger(changed(lambda data: data["stages"].append(charging())))

    found = tags(own, UNTAUGHT_CHARGING)
    assert [t.stage for t in found].count("charging") >= 5
    assert "full" in {t.path for t in found}
    shown = [
        text[e.start : e.end]
        for text, t in zip(UNTAUGHT_CHARGING, found, strict=True)
        for e in t.evidence
        if (e.head, e.label) == ("stage", "charging")
    ]
    assert any("charg" in words.lower() for words in shown)


def test_the_fast_path_answers_the_same_with_and_without_the_other(changed: Changed) -> None:
    folder = changed(lambda data: data["stages"].append(charging()))
    alone, beside = load_tagger(folder, full=False), load_tagger(folder)

    inputs = [TagInput(text, hurry=True) for text in (*UNTAUGHT_CHARGING, *NOT_CHARGING)]
    assert alone.tag(inputs) == beside.tag(inputs)


def test_a_model_that_was_kept_knows_its_new_labels_and_is_not_taught_twice(changed: Changed, tmp_path: Path) -> None:
    own = load_tagger(changed(lambda data: data["stages"].append(charging())), full=False)
    save(own.model, tmp_path / "kept")
    kept = load(tmp_path / "kept")

    again = under_taxonomy(kept, own)
    assert again.model is kept
    assert [t.stage for t in tags(again, UNTAUGHT_CHARGING)] == [t.stage for t in tags(own, UNTAUGHT_CHARGING)]


def test_a_new_label_with_too_few_examples_is_refused_with_a_sentence(changed: Changed) -> None:
    folder = changed(lambda data: data["stages"].append(charging(examples=list(CHARGING[:7]))))

    with pytest.raises(Misconfigured, match=r"`charging` of stages, and 7 examples of it are too few .* at least 8"):
        load_tagger(folder, full=False)


def test_a_label_that_vanishes_is_refused_and_told_how(changed: Changed) -> None:
    def change(data: dict[str, Any]) -> None:
        data["stages"].remove(entry_of(data, "stages", "discover"))
        for theme in data["themes"]:
            theme["stage"] = theme["stage"].replace("discover", "choose")

    with pytest.raises(Misconfigured, match=r"no stage `discover`.*retired: true.*was: discover"):
        load_tagger(changed(change), full=False)


# ---- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: entry_of(d, "stages", "pay").update(becomes="buy"), "`pay` is in use"),
        (lambda d: entry_of(d, "stages", "pay").update(was="buy"), "`buy` still has an entry"),
        (lambda d: entry_of(d, "stages", "pay").update(retired=True, becomes="bye"), "Did you mean buy"),
        (lambda d: entry_of(d, "stages", "unknown").update(retired=True), "`unknown` cannot be retired"),
        (lambda d: entry_of(d, "areas", "price").update(was="unknown"), "`unknown` still has an entry"),
        (lambda d: d["intents"].pop(), "The ids of intents are fixed"),
        (lambda d: entry_of(d, "stages", "pay").update(retired=True, becomes="use"), "in use. Write use"),
        (lambda d: d["stages"].append(charging(id="pay")), "`pay` is given twice"),
        (
            lambda d: d["stages"].extend([charging(was="old"), charging(id="charging_2", was="old")]),
            "`old` is already what `charging` was",
        ),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_with_its_line(changed: Changed, change: Change, message: str) -> None:
    with pytest.raises(PolicyRefused) as refused:
        read_taxonomy(changed(change))

    assert any(message in str(problem) and problem.line > 1 for problem in refused.value.problems), refused.value


# ---- themes by example ----------------------------------------------------------------------------------------------


def with_charging_theme(data: dict[str, Any]) -> None:
    data["themes"].append(
        {
            "id": "charging-fails",
            "name": "charging fails",
            "stage": "use",
            "area": "product",
            "examples": list(CHARGING),
        }
    )


def test_a_theme_without_phrases_is_found_by_its_examples_and_names_the_nearest(changed: Changed) -> None:
    own = load_tagger(changed(with_charging_theme), full=False)

    found = [(text, t) for text, t in zip(UNTAUGHT_CHARGING, tags(own, UNTAUGHT_CHARGING), strict=True)]
    assert sum("charging-fails" in t.themes for _, t in found) >= 4
    assert not any("charging-fails" in t.themes for t in tags(own, NOT_CHARGING))
    spans = [e for _, t in found for e in t.evidence if e.label == "charging-fails"]
    assert all(e.head == "theme" and e.like is not None and 1 <= e.like <= len(CHARGING) for e in spans)


def test_the_sentence_that_is_alike_is_shown_and_no_more_of_the_text(changed: Changed) -> None:
    own = load_tagger(changed(with_charging_theme), full=False)
    before = "The hotel was fine &amp; clean, breakfast was good. "
    text = before + "Both rapid chargers on the motorway were out of order last night. We will come again."

    (found,) = tags(own, [text])
    spans = [text[e.start : e.end] for e in found.evidence if e.label == "charging-fails"]
    assert spans == ["Both rapid chargers on the motorway were out of order last night."]


def test_praise_is_not_given_a_problem_by_likeness(changed: Changed) -> None:
    own = load_tagger(changed(with_charging_theme), full=False)

    (found,) = tags(own, ["Lovely fast chargers at the motorway services, all of them worked, absolutely brilliant!"])
    assert found.sentiment == "positive"
    assert found.themes == () or "charging-fails" not in found.themes


# ---- what people said before ----------------------------------------------------------------------------------------


def test_labels_of_an_earlier_taxonomy_teach_under_the_ids_of_now(changed: Changed) -> None:
    def change(data: dict[str, Any]) -> None:
        entry_of(data, "stages", "pay").update(id="billing", was="pay")
        entry_of(data, "stages", "discover").update(retired=True)
        for theme in data["themes"]:
            theme["stage"] = theme["stage"].replace("pay", "billing").replace("discover", "choose")

    taxonomy = read_taxonomy(changed(change))

    def reviewed(stage: str) -> Reviewed:
        at = datetime(2026, 11, 3, tzinfo=UTC)
        return Reviewed(id=stage, source="s", group=stage, text=DOUBLE, stage=stage, areas=("price",), by="ana", at=at)

    assert [item.stage for item in present([reviewed(stage) for stage in ("pay", "buy", "discover")], taxonomy)] == [
        "billing",
        "buy",
    ]
