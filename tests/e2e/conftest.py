from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, Page, expect

from tests.e2e.server import running_app

# Seconds. Tests run a process a core and more: what a page shows at once on an idle machine may take long here, and no
# speed is tested.
PATIENCE = 120
expect.set_options(timeout=PATIENCE * 1000)

# A box has been as high for a quarter of a second: Streamlit unfolds what is in it, and begins late on a busy machine.
UNFOLDED = """box => {
    const last = box.lastHeight, height = box.open && box.offsetHeight;
    if (!height || height !== last) box.heightSince = performance.now();
    box.lastHeight = height;
    return height && performance.now() - box.heightSince > 250;
}"""
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


class Window:
    """A page that keeps the app's scripts: a visit in it takes half of what one in a new window takes."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        # What moves is drawn sixty times a second, on cores that other tests need.
        self.context = browser.new_context(reduced_motion="reduce")
        self.page = self.context.new_page()

    def of_another(self) -> Page:
        """A page of somebody else, who shares nothing with who is here."""
        return self.browser.new_page(reduced_motion="reduce")

    def emptied(self) -> Page:
        """The page, with nothing left of who was here before; another one, should it not answer."""
        try:
            self.page.evaluate("try { localStorage.clear(); sessionStorage.clear() } catch {}")
            self.page.goto("about:blank")
        except Error:
            self.page.close()
            self.page = self.context.new_page()
        self.context.clear_cookies()
        self.context.clear_permissions()
        self.page.emulate_media(color_scheme="light")
        return self.page


@pytest.fixture(scope="session")
def window(browser: Browser) -> Window:
    return Window(browser)


@pytest.fixture
def visit(window: Window) -> Iterator[Callable[..., Page]]:
    """Open an address in a window of some width, another for each call, and wait until the app has finished running."""
    pages: list[Page] = []

    def visited(address: str, width: int = 1440) -> Page:
        page = window.of_another() if pages else window.emptied()
        page.set_viewport_size({"width": width, "height": 1000})
        page.set_default_timeout(PATIENCE * 1000)
        pages.append(page)
        page.goto(address)
        return begun(page)

    yield visited
    for page in pages[1:]:
        page.close()


def begun(page: Page) -> Page:
    """Wait until a page that was just opened or loaded again has been drawn and its script has run to its end."""
    # Before its first run the app says that nothing runs, too.
    page.get_by_test_id("stElementContainer").first.wait_for(state="attached")
    return settled(page)


def settled(page: Page) -> Page:
    """Wait until the script, and one that begins right after it, has run to its end; make sure it did not fail."""
    page.evaluate("window.quietSince = 0")
    page.wait_for_function(QUIET, polling=25, timeout=PATIENCE * 1000)
    expect(page.get_by_test_id("stException")).to_have_count(0)
    return page


def unfold(page: Page, title: str) -> None:
    """Open the box of that title, and wait until what is in it moves no more: a click would miss it."""
    box = page.locator("details", has=page.locator("summary", has_text=title))
    box.locator("summary").get_by_text(title).click()
    page.wait_for_function(UNFOLDED, arg=box.element_handle(), polling=25, timeout=PATIENCE * 1000)


def eventually(page: Page, holds: Callable[[], bool]) -> None:
    """Wait until something holds that no locator tells."""
    until = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < until
        page.wait_for_timeout(100)


def address_of(page: Page, parameter: str) -> str | None:
    """One query parameter of the page's address."""
    found = re.search(rf"[?&]{parameter}=([^&]*)", page.url)
    return found.group(1) if found else None
