"""The page in a real browser: what a reader sees, what a click and a key do, and whether everybody can use it.

It stands on a store full of the sample, with the router's real fold behind the buttons instead of Kafka.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from services.kit.server import ThreadedServer
from services.kit.settings import Settings
from tests.ports import free_port
from tests.unit.api.engine import EnginePublisher
from tests.unit.api.shown import ROOMS
from tests.waiting import until

pytestmark = pytest.mark.browser

DESKTOP, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


class Product:
    """The application on one data folder; `restart` opens the same store anew, on the same port."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.settings = Settings(data_dir=folder, api_port=self.port)
        self.engine = EnginePublisher(self.settings)
        self.start()
        self.engine.fill()

    def start(self) -> None:
        self.parts = self.engine.build()
        self.server = ThreadedServer(self.parts.app, host="127.0.0.1", port=self.port).start()
        until(lambda: self.server.is_listening, what="the page to be served")

    def stop(self) -> None:
        self.server.stop()
        self.engine.take_down()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    running = Product(tmp_path_factory.mktemp("page"))
    yield running
    running.stop()


@pytest.fixture
def page(browser: Browser, product: Product) -> Iterator[Page]:
    """A fresh reader; whatever the browser complains about fails the test."""
    context = browser.new_context(viewport=DESKTOP, base_url=product.url)
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("console", lambda message: _note(complaints, message))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("request", lambda request: _only_ours(complaints, request.url, product.url))
    yield opened
    context.close()
    assert complaints == []


def _note(complaints: list[str], message: ConsoleMessage) -> None:
    if message.type in {"error", "warning"}:
        complaints.append(message.text)


def _only_ours(complaints: list[str], asked: str, ours: str) -> None:
    if not asked.startswith((ours, "data:")):
        complaints.append(f"loads {asked}")


def _paths(page: Page) -> list[str]:
    """Every room, one case and one voice."""
    page.goto("/")
    case = page.locator("h1 a").first.get_attribute("href")
    page.goto("/feedback")
    voice = page.locator("[data-opens]").first.get_attribute("href")
    return [*ROOMS, str(case), str(voice)]


@pytest.mark.parametrize(
    ("viewport", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["desktop-light", "phone-dark"]
)
def test_no_page_breaks_an_accessibility_rule(page: Page, viewport: Any, scheme: Any) -> None:
    page.set_viewport_size(viewport)
    page.emulate_media(color_scheme=scheme)
    for path in _paths(page):
        page.goto(path)
        found = Axe().run(page)
        assert found.violations_count == 0, f"{path}: {found.generate_report()}"


def test_no_page_is_wider_than_a_phone(page: Page) -> None:
    page.set_viewport_size(PHONE)
    for path in _paths(page):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path


def test_the_first_page_tells_the_story_and_shows_the_palette(page: Page) -> None:
    page.goto("/")
    expect(page.locator("h1")).to_contain_text("Driver marked it delivered, in the north")
    expect(page.locator("h1")).to_contain_text("Complaints fell from about a dozen a week to two: back to normal")
    for row in ("How it is today", "What they say", "What is worked on", "Who is responsible"):
        expect(page.get_by_role("rowheader", name=row)).to_be_visible()
    expect(page.get_by_role("columnheader", name="delivery and appointments")).to_be_visible()


def test_a_case_is_acknowledged_by_click_and_the_state_survives_a_restart(page: Page, product: Product) -> None:
    address = _an_open_case(page)
    page.goto(address)
    page.get_by_label("Your name").fill("Ana")
    page.get_by_role("button", name="We have seen it").click()
    expect(page.get_by_role("status")).to_have_text("Seen")
    expect(page.locator(".state strong")).to_have_text("Seen")

    product.stop()
    product.start()

    page.goto(address)
    expect(page.locator(".state strong")).to_have_text("Seen")
    expect(page.locator(".history")).to_contain_text("Seen by Ana")


def test_a_case_is_found_and_acknowledged_by_keyboard_alone(page: Page) -> None:
    page.goto("/actions?state=open&kind=cause")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    chosen = page.locator("[data-item].here")
    expect(chosen).to_have_count(1)
    address = chosen.get_attribute("data-open")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{address}")
    page.keyboard.press("a")
    expect(page.get_by_label("Your name")).to_be_focused()
    page.keyboard.type("Bo")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("Seen")

    page.goto("/actions?state=open&kind=cause")
    page.keyboard.press("j")
    second = page.locator("[data-item].here").get_attribute("data-open")
    page.keyboard.press("a")
    page.wait_for_url(f"**{second}*")
    expect(page.get_by_role("status")).to_have_text("Seen")


def test_a_tag_is_corrected_in_place(page: Page) -> None:
    page.goto("/feedback?theme=app-logs-out")
    page.keyboard.press("j")
    page.keyboard.press("c")
    voice = page.locator("[data-item].here")
    voice.get_by_label("Step").select_option("pay")
    voice.get_by_label("Your name").fill("Ana")
    name = voice.get_attribute("id")
    voice.get_by_role("button", name="Correct").click()
    corrected = page.locator(f"#{name}")
    expect(corrected.get_by_role("status")).to_contain_text("Corrected, thank you")
    expect(corrected.locator(".tags").first).to_contain_text("paying")
    assert "theme=app-logs-out" in page.url


def test_the_help_is_a_key_away_and_search_too(page: Page) -> None:
    page.goto("/")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.keyboard.press("/")
    page.wait_for_url(re.compile("/feedback$"))  # with the patience that a page has while other tests run
    page.wait_for_load_state()  # the address changes before the new page listens to keys
    page.keyboard.press("/")
    expect(page.get_by_label("Words")).to_be_focused()


def test_everything_works_without_javascript(browser: Browser, product: Product) -> None:
    context = browser.new_context(java_script_enabled=False, base_url=product.url)
    page = context.new_page()
    page.goto(_an_open_case(page))
    page.get_by_label("Your name").fill("Cy")
    page.get_by_label("What was done, or a comment").fill("The scanner's firmware was old; all replaced.")
    page.get_by_role("button", name="It is put right").click()
    expect(page.get_by_role("status")).to_contain_text("Palette counts from now on")
    expect(page.locator(".state strong")).to_have_text("Done, being checked")
    context.close()


def test_paper_shows_the_palette_whole(page: Page) -> None:
    page.goto("/palette")
    page.emulate_media(media="print")
    assert not page.get_by_role("navigation").is_visible()
    assert page.evaluate("getComputedStyle(document.querySelector('.wide')).overflowX") == "visible"


def _an_open_case(page: Page) -> str:
    page.goto("/actions?state=open&kind=cause")
    return str(page.locator("[data-item]").first.get_attribute("data-open"))


def test_three_texts_are_labelled_by_keyboard_alone_and_the_last_answer_is_changed(page: Page) -> None:
    page.goto("/teach")
    page.get_by_label("Your name").fill("Ana")
    page.keyboard.press("Enter")
    progress, lesson = page.locator(".progress"), page.locator(".lesson")
    before = int(progress.inner_text().split()[0])  # corrections of other tests are labels, too

    page.keyboard.press("y")
    expect(progress).to_contain_text(f"{before + 1} of 60 labels")
    page.keyboard.press("g")
    page.keyboard.press("3")
    page.keyboard.press("Shift+6")
    expect(lesson.get_by_role("radio", name="paying")).to_be_checked()
    expect(lesson.get_by_role("radio", name="price and billing")).to_be_checked()
    expect(lesson.get_by_role("checkbox", name="people")).to_be_checked()
    expect(lesson.locator("[data-changed]")).to_contain_text("Keep my choice")
    page.keyboard.press("Enter")
    expect(progress).to_contain_text(f"{before + 2} of 60 labels")
    page.keyboard.press("x")
    expect(progress).to_contain_text(f"{before + 3} of 60 labels")

    page.keyboard.press("u")
    expect(lesson.get_by_role("radio", name="no step told")).to_be_checked()
    page.keyboard.press("b")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Kept, thank you.")
    expect(progress).to_contain_text(f"{before + 3} of 60 labels")

    page.goto("/")
    expect(page.locator(".newcomer")).to_contain_text(f"{before + 3} of 60 are done")


@pytest.mark.parametrize(
    ("viewport", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["desktop-light", "phone-dark"]
)
def test_a_text_to_label_breaks_no_accessibility_rule_and_fits(page: Page, viewport: Any, scheme: Any) -> None:
    page.set_viewport_size(viewport)
    page.emulate_media(color_scheme=scheme)
    page.goto("/teach")
    page.get_by_label("Your name").fill("Cy")
    page.get_by_role("button", name="Begin").click()
    page.get_by_text("and which parts besides").click()
    page.locator(".lesson .chip").first.click()
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]


def test_a_text_is_labelled_on_a_phone_without_javascript(browser: Browser, product: Product) -> None:
    context = browser.new_context(java_script_enabled=False, base_url=product.url, viewport=PHONE)
    page = context.new_page()
    page.goto("/review")
    page.get_by_label("Your name").fill("Bo")
    page.get_by_role("button", name="Begin").click()
    expect(page.locator("h1")).to_have_text("5 texts for today")
    page.locator(".lesson label", has_text="setting up").click()
    page.get_by_role("button", name="Keep my choice").click()
    expect(page.get_by_role("status")).to_contain_text("Kept, thank you.")
    expect(page.locator("h1")).to_have_text("4 more for today")
    context.close()
