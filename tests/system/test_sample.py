"""The bundled sample: the story that it tells is what the product shows; and a rebuilt store is the same store."""

from collections.abc import Callable, Iterator

import pytest

from tests.system.product import Product
from tests.waiting import until


@pytest.fixture(scope="module")
def sampled(make_product: Callable[..., Product]) -> Iterator[Product]:
    return make_product(sample=True).start()


def action(product: Product, **meant: str) -> dict:
    def matches(found: dict) -> bool:
        known = found["attributes"] | {"theme": found["theme"]}
        return all(known.get(k) == v for k, v in meant.items())

    found = [a for a in product.get("/v1/actions", limit=200)["items"] if matches(a)]
    assert found, f"no action of {meant}"
    return max(found, key=lambda a: a["opened_at"])


def test_it_went_as_the_story_tells(sampled: Product) -> None:
    log = (sampled.data_dir / "log" / "launcher.log").read_text(encoding="utf-8")
    assert '"problem"' not in log, log


def test_the_fix_that_worked_is_verified_and_the_one_that_did_not_is_open_again(sampled: Product) -> None:
    def verified() -> dict | None:
        found = action(sampled, theme="driver-marked-delivered", region="north")
        return found if found["state"] == "verified" else None

    worked = until(verified, what="the numbers to be looked at")
    assert worked["expectation"]["baseline_per_week"] < 4
    failed = action(sampled, theme="app-logs-out")
    assert failed["reopened"] >= 1
    assert failed["state"] not in {"resolved", "verified"}


def test_nobody_was_notified_and_nothing_open_claims_to_have_told_a_team(sampled: Product) -> None:
    assert sampled.topic("notifications") == []


def test_the_first_page_states_what_broke_who_owns_it_and_how_it_went(sampled: Product) -> None:
    page = sampled.http.get(sampled.page + "/")
    assert page.status_code == 200
    for word in ("marked", "north", "Delivery"):
        assert word in page.text


def test_a_rebuilt_store_holds_the_same_bytes(sampled: Product) -> None:
    told = sampled.cli("rebuild", seconds=180)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "same" in told.stdout
    sampled.wait_ready()


def test_a_second_start_plays_nothing_and_remembers_what_people_did(sampled: Product) -> None:
    open_one = next(a for a in sampled.get("/v1/actions", limit=200)["items"] if a["state"] == "open")
    answer = sampled.http.post(
        f"{sampled.page}/v1/actions/{open_one['id']}/commands", json={"command": "acknowledge", "by": "Ana"}
    )
    assert answer.status_code == 200, answer.text
    before = len(sampled.feedback())
    assert sampled.stop() == 0
    sampled.start()
    assert not any("sample" in line.lower() for line in sampled.lines)
    assert len(sampled.feedback()) == before
    assert sampled.get(f"/v1/actions/{open_one['id']}")["state"] == "acknowledged"
