"""A running product for tests that may share one, and a way to make more."""

import gc
import os
import shutil
import warnings
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.system.product import Product

_LEFT_SOCKETS = r"ignore:Exception ignored in. <socket\.socket:pytest.PytestUnraisableExceptionWarning"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.system)
            # the services run in processes of their own: a socket that is collected here was the Kafka client's
            item.add_marker(pytest.mark.filterwarnings(_LEFT_SOCKETS))
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(400))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure shows what the products of its test said, and what their services wrote last."""
    report = yield
    if report.failed:
        for product in getattr(item, "funcargs", {}).values():
            if isinstance(product, Product):
                report.sections.append((f"the product in {product.data_dir}", product.last_words()))
    return report


@pytest.fixture(scope="module")
def make_product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Product]]:
    """Makes products (not started); all of them are ended afterwards."""
    made: list[Product] = []

    def make(*, sample: bool = False, data_dir: Path | None = None, **environment: str) -> Product:
        made.append(Product(data_dir or tmp_path_factory.mktemp("palette data"), sample=sample, **environment))
        return made[-1]

    yield make
    for product in made:
        product.end()


@pytest.fixture(scope="module")
def product(make_product: Callable[..., Product]) -> Product:
    """One running product without the sample, shared by the tests of a module."""
    return make_product().start()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = os.environ.get("PALETTE_TEST_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        message = "NOT TESTED: browser (apt install chromium)"
        if os.environ.get("PALETTE_TEST_REQUIRE_ALL") == "1":
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox", "--disable-background-networking"]
        )
        yield running
        running.close()


@pytest.fixture(scope="module", autouse=True)
def sockets_left_by_the_kafka_client_are_gone() -> Iterator[None]:
    """kafka-python leaves sockets to the collector when a broker goes away; here, not in somebody else's test."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
