"""Events keep the ids that they were given; what people look at brings them together under the ids in use."""

from pathlib import Path
from typing import Any

import yaml

from services.api import present
from services.api.figures import Cell
from services.api.names import Names
from services.contracts.policyfiles import load_policy, read_folder

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


def test_without_a_policy_ids_stay_as_they_are() -> None:
    assert present.days(Names(None), "stages", {"pay": {1: 2}}) == {"pay": {1: 2}}
