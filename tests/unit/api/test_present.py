"""Events keep the ids that they were given; what people look at brings them together under the ids in use."""

from pathlib import Path
from typing import Any

import yaml

from services.api import present
from services.api.figures import Cell
from services.api.io import figures as sums
from services.api.io.actions import list_actions
from services.api.io.feedback import list_feedback
from services.api.io.store import Store
from services.api.names import Names
from services.api.queries import ActionFilter, FeedbackFilter
from services.contracts.policyfiles import load_policy, read_folder
from tests.unit.api.builders import NOON, Topics, action, classified, plan, project, received

POLICY = Path(__file__).parents[3] / "deploy" / "policy"


def names_after_changes() -> Names:
    """`pay` was renamed to `billing`, theme `wrong-bill` to `bill-wrong`, and `stay` went into `use`."""
    files = read_folder(POLICY)
    data: dict[str, Any] = yaml.safe_load(files["taxonomy.yaml"])
    stages = {entry["id"]: entry for entry in data["stages"]}
    stages["pay"].update(id="billing", name="being billed", was="pay")
    stages["stay"].update(retired=True, becomes="use")
    next(theme for theme in data["themes"] if theme["id"] == "wrong-bill").update(id="bill-wrong", was=["wrong-bill"])
    files["taxonomy.yaml"] = yaml.safe_dump(data)
    for name in ("rules.yaml", "teams.yaml"):
        files[name] = files[name].replace("wrong-bill", "bill-wrong").replace("stage: pay", "stage: billing")
    return Names(load_policy(files))


def test_a_former_id_is_shown_under_the_present_name() -> None:
    names = names_after_changes()

    assert names.stage("pay") == names.stage("billing") == "being billed"
    assert names.theme("wrong-bill") == names.theme("bill-wrong")
    assert names.stage("stay") == names.stage("use")
    assert "pay" not in names.stages
    assert "stay" not in names.stages
    assert "billing" in names.ids()["stages"]


def test_counts_of_before_and_after_are_added_up() -> None:
    names = names_after_changes()
    before, after = Cell(3, 2, 1, 0, 1), Cell(4, 4, 0, 2, 0)

    assert present.cells(names, {("pay", "price"): before, ("billing", "price"): after}) == {
        ("billing", "price"): Cell(7, 6, 1, 2, 1)
    }
    assert present.days(names, "stages", {"pay": {1: 2, 2: 1}, "billing": {2: 3}, "buy": {1: 1}}) == {
        "billing": {1: 2, 2: 4},
        "buy": {1: 1},
    }
    assert present.ratings(names, {("price", "nps"): (1, 2), ("", "nps"): (4, 4)}) == {
        ("price", "nps"): (1, 2),
        ("", "nps"): (4, 4),
    }


def test_a_list_that_asks_for_one_id_finds_what_has_a_former_one(store: Store) -> None:
    topics, names = Topics(), names_after_changes()
    for stage, theme in (("pay", "wrong-bill"), ("billing", "bill-wrong"), ("stay", "loyalty-points"), ("use", "")):
        event = received(f"of-{stage}")
        topics.put(event, classified(event, stage=stage, themes=(theme,) if theme else ()))
    topics.put(action(plan=plan(theme="wrong-bill")), action(id="a-2", group="g-2", plan=plan(theme="bill-wrong")))
    project(store, topics.messages)

    def listed(**over: str) -> list[str]:
        with store.reading() as connection:
            page = list_feedback(connection, store, FeedbackFilter(**over), limit=9, after=None, names=names)
        return sorted(voice.event.source_id for voice in page.items)

    def cases(theme: str) -> int:
        with store.reading() as connection:
            return len(list_actions(connection, ActionFilter(theme=theme), limit=9, after=None, names=names).items)

    assert listed(stage="billing") == listed(stage="pay") == ["of-billing", "of-pay"]
    assert listed(theme="bill-wrong") == listed(theme="wrong-bill") == ["of-billing", "of-pay"]
    assert listed(stage="use") == ["of-stay", "of-use"]
    assert listed(stage="buy") == []
    assert listed(area="fulfilment") == ["of-billing", "of-pay", "of-stay", "of-use"]
    assert cases("bill-wrong") == cases("wrong-bill") == 2
    assert cases("loyalty-points") == 0


def test_places_and_people_are_counted_under_the_theme_in_use(store: Store) -> None:
    topics, names = Topics(), names_after_changes()
    for number, theme in enumerate(("wrong-bill", "bill-wrong", "bill-wrong")):
        speaker = {"channel": "employee", "author": "employee"} if number else {}
        event = received(f"r-{number}", **speaker)
        topics.put(event, classified(event, stage="unknown" if number else "pay", themes=(theme,)))
    topics.put(event := received("r-9"), classified(event, stage="billing", themes=("bill-wrong",)))
    project(store, topics.messages)

    day = NOON.date().toordinal()
    with store.reading() as connection:
        assert sums.own_people(connection, names, 0) == {"bill-wrong": 2}
        places = sums.theme_places(connection, names, ["bill-wrong"], day, day)
    assert {(place.attribute, place.value): place.n for place in places["bill-wrong"]}[("region", "north")] == 2


def test_an_older_link_is_read_as_what_is_in_use() -> None:
    found = present.asked(names_after_changes(), FeedbackFilter(stage="pay", theme="wrong-bill", area="price", q="x"))
    assert found == FeedbackFilter(stage="billing", theme="bill-wrong", area="price", q="x")


def test_without_a_policy_ids_stay_as_they_are() -> None:
    assert present.days(Names(None), "stages", {"pay": {1: 2}}) == {"pay": {1: 2}}
