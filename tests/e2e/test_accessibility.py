"""What axe-core finds on every page, in a real browser; and the pages by keyboard and on a telephone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import address_of, settled, unfold

Visit = Callable[..., Page]
# By page, what is there when it is drawn, and how many of it.
PAGES = {
    "": ("[data-testid=stVegaLiteChart] canvas", 2),
    "neighbours?item=s000000&pin=s000001": ("td.name button", 20),
    "whatif?item=s000000&k1=100&b=0.8": ("[data-testid=stVegaLiteChart] canvas", 3),
    "maps?item=s000000": ("[data-testid=stVegaLiteChart] canvas", 1),
    "listener?listener=7": (".st-key-maps_box canvas", 2),
    "evaluation": ("[data-testid=stVegaLiteChart] canvas", 5),
    "blind_test": (".blind li", 20),
}
AXE = Axe()
# What is Streamlit's own and cannot be mended from here: by rule of axe-core, how the selector of the element ends.
# Empty: nothing needs it. What is added names one element, and why.
STREAMLITS_OWN: dict[str, str] = {}


def found_by_axe(page: Page) -> list[str]:
    """What is serious or critical, a line each: the rule, the element, and what is wrong with it."""
    # What a run is about to replace is pale, and fades in again.
    settled(page).wait_for_function("() => document.getAnimations().every((each) => each.playState !== 'running')")
    violations: list[dict[str, Any]] = AXE.run(page).response["violations"]
    return [
        f"{each['id']}: {node['html'][:200]} ({node['failureSummary']})"
        for each in violations
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
        if not (each["id"] in STREAMLITS_OWN and str(node["target"][-1]).endswith(STREAMLITS_OWN[each["id"]]))
    ]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.partition("?")[0] or "overview")
def test_axe_finds_nothing_serious_wide_and_light_or_narrow_and_dark(demo_app: str, visit: Visit, path: str) -> None:
    page = visit(f"{demo_app}/{path}")
    what, count = PAGES[path]
    expect(page.locator(what)).to_have_count(count)
    assert found_by_axe(page) == []
    page.set_viewport_size({"width": 390, "height": 900})
    page.emulate_media(color_scheme="dark")
    expect(page.get_by_test_id("stApp")).to_have_css("background-color", "rgb(22, 24, 26)")
    expect(page.locator(what)).to_have_count(count)
    assert found_by_axe(page) == []
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 390


def test_axe_finds_nothing_serious_in_what_is_opened_but_what_is_put_there(demo_app: str, visit: Visit) -> None:
    page = visit(f"{demo_app}/blind_test?tour=closed")
    page.get_by_role("button", name="Glossary").click()
    expect(page.locator("dl.words")).to_be_visible()
    unfold(page, "The tally, and which model is which")
    expect(page.get_by_role("button", name="Show the tally")).to_be_visible()
    assert found_by_axe(page) == []
    page.evaluate("document.querySelector('[data-testid=stMain]').insertAdjacentHTML('beforeend', '<button></button>')")
    assert [line.split(":")[0] for line in found_by_axe(page)] == ["button-name"]


def test_the_tour_goes_on_leads_away_and_back_and_closes_by_keyboard_on_a_telephone(
    demo_app: str, visit: Visit
) -> None:
    page = visit(demo_app, width=390)
    onward = page.get_by_role("button", name="Next")
    page.get_by_role("combobox", name="Artifact set").focus()
    for _ in range(12):
        page.keyboard.press("Tab")
        if onward.evaluate("button => button === document.activeElement"):
            break
    expect(onward).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_text("step 2 of 6")).to_be_visible()
    settled(page)
    expect(onward).to_be_focused()
    assert address_of(page, "tour") == "2"
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Similar to")).to_be_visible()
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 390
    settled(page).get_by_role("link", name="Back to the tour, step 2").press("Enter")
    expect(page.get_by_text("step 2 of 6")).to_be_visible()
    close = settled(page).get_by_role("button", name="Close the tour")
    box = close.bounding_box()
    assert box
    assert box["x"] + box["width"] <= 390
    close.press("Enter")
    expect(page.get_by_text("step 2 of 6")).to_be_hidden()
    page.reload()
    reopen = page.get_by_role("button", name="Take the tour")
    expect(reopen).to_be_visible()
    settled(page)
    reopen.press("Enter")
    expect(page.get_by_text("step 1 of 6")).to_be_visible()


def test_a_telephone_has_maps_that_it_need_not_scroll(demo_app: str, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 900}, user_agent="Mozilla/5.0 (Linux; Android 14) Mobile")
    page.goto(f"{demo_app}/maps?item=s000000")
    maps = page.locator(".st-key-maps_box canvas")
    expect(maps).to_have_count(1)
    box = settled(page).locator(".st-key-maps_box")
    assert box.evaluate("box => box.scrollWidth <= box.clientWidth")
    drawn = maps.bounding_box()
    assert drawn
    assert drawn["width"] <= 358
    assert drawn["height"] > 2 * 328  # one below the other
    page.close()
