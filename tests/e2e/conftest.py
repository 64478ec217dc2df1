from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.server import running_app

# Tests run a process a core: what a page shows in time on an idle machine may take longer here. No speed is tested.
expect.set_options(timeout=15_000)

# No script has run for a quarter of a second.
QUIET = """() => {
    const runs = document.querySelector("[data-testid=stApp]")?.dataset.testScriptState !== "notRunning";
    window.quietSince = runs ? 0 : window.quietSince || performance.now();
    return !runs && performance.now() - window.quietSince > 250;
}"""


@pytest.fixture(scope="session")
def demo_app() -> Iterator[str]:
    """Address of the app on the committed demo artifacts."""
    with running_app(Path(__file__).resolve().parents[2] / "artifacts") as address:
        yield address


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open an address in a new window of some width, and wait until the app has finished running."""
    pages: list[Page] = []

    def visited(address: str, width: int = 1440) -> Page:
        page = browser.new_page(viewport={"width": width, "height": 1000})
        page.set_default_timeout(15_000)
        pages.append(page)
        page.goto(address)
        # Before its first run the app says that nothing runs, too.
        page.get_by_test_id("stElementContainer").first.wait_for(state="attached", timeout=30_000)
        settled(page)
        return page

    yield visited
    for page in pages:
        page.close()


def settled(page: Page) -> Page:
    """Wait until the script, and one that begins right after it, has run to its end; make sure it did not fail."""
    page.evaluate("window.quietSince = 0")
    page.wait_for_function(QUIET, polling=25, timeout=30_000)
    expect(page.get_by_test_id("stException")).to_have_count(0)
    return page


def address_of(page: Page, parameter: str) -> str | None:
    """One query parameter of the page's address."""
    found = re.search(rf"[?&]{parameter}=([^&]*)", page.url)
    return found.group(1) if found else None
