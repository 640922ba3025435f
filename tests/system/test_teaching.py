"""The first ten minutes at a company, through the whole running product and a real browser: thirty texts by keyboard, a
model of one's own that reads from then on, and the way back."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, expect

from tests.system.product import Product
from tests.waiting import until

pytestmark = pytest.mark.browser

_PATIENCE = 60_000


def test_thirty_labels_by_keyboard_make_a_model_that_reads_from_then_on_and_one_can_go_back(
    browser: Browser, make_product: Callable[..., Product]
) -> None:
    product = make_product(sample=True).start()
    until(lambda: len(product.feedback()) >= 300, seconds=120, what="enough texts to be read")
    context = browser.new_context(base_url=product.page)
    page = context.new_page()
    page.set_default_timeout(_PATIENCE)
    page.goto("/teach")
    page.get_by_label("Your name").fill("Ana")
    page.keyboard.press("Enter")
    learn, lesson = page.get_by_role("button", name="Learn now"), page.locator(".lesson input[name=id]")
    expect(lesson).to_have_count(1, timeout=_PATIENCE)
    while learn.count() == 0:
        asked = lesson.input_value()
        for key in ("h", "7", "Enter"):  # to this person all of it is about getting help
            page.keyboard.press(key)
        page.wait_for_function("id => document.querySelector('.lesson input[name=id]')?.value !== id", arg=asked)
    learn.click()
    expect(page.locator("#made")).to_have_text(
        re.compile(r"From now on Palette reads with your 3\d labels\."), timeout=_PATIENCE
    )

    shipped = next(item["version"] for item in product.get("/v1/models")["items"] if item.get("shipped"))
    assert product.get("/v1/models")["in_force"] != shipped
    page.goto("/models")
    expect(page.locator("#now")).to_contain_text("Reads now: local-")
    page.get_by_text("Go back to it").click()
    page.get_by_role("button", name="Yes, go back").click()
    expect(page.locator("#now")).to_have_text("Reads now: the one that ships with Palette", timeout=_PATIENCE)
    assert product.get("/v1/models")["in_force"] == shipped
    context.close()
