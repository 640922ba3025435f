"""The cases of `tests/unit/test_chain.py`, which run over lists there, on the running product and its real Kafka."""

import pytest

from tests.builders import feedback
from tests.cases import CASES, Case
from tests.system.product import Product
from tests.waiting import until


def cause_of(product: Product, region: str) -> dict | None:
    for action in product.get("/v1/actions", limit=200)["items"]:
        if action["kind"] == "cause" and action["attributes"].get("region") == region:
            return action
    return None


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_must_become_of_feedback(product: Product, case: Case) -> None:
    events = case.events()
    headers = {"Palette-Mode": case.mode} if case.mode else {}
    for event in events:
        assert product.http.post(product.intake, json=event, headers=headers).status_code == 202
    if case.opens is not None:
        opens = case.opens

        def opened() -> dict | None:
            found = cause_of(product, case.region)
            return found if found and found["signals"] == opens.signals else None

        found = until(opened, what="the action")
        assert (found["team"], found["theme"], found["state"]) == (opens.team, opens.theme, "open")
        assert found["severity"] >= opens.severity
        return
    # what comes after it has gone through every topic behind it: then nothing more can come of the case itself
    later = [
        feedback(
            text="The driver marked it delivered but nothing is here.",
            customer=events[0]["customer"],
            attributes={"region": f"after-{case.region}"},
        )
        for _ in range(3)
    ]
    for event in later:
        assert product.post(event).status_code == 202
    until(lambda: cause_of(product, f"after-{case.region}"), what="the action of what came later")
    assert cause_of(product, case.region) is None
