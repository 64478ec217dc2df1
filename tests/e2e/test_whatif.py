"""The BM25 what-if page in a real browser, on a copy of the demo."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, WebSocketRoute, expect

from recsys.artifacts.store import ArtifactSet
from recsys.whatif.engine import WhatIfEngine
from tests.e2e.conftest import address_of, settled, unfold
from tests.e2e.server import ROOT, running_app

Visit = Callable[..., Page]
ITEM = "s000000"


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(ROOT / "artifacts" / "demo", tmp_path_factory.mktemp("sets") / "demo"))


@pytest.fixture(scope="module")
def small(copied: Path, built_once: Path) -> Path:
    """Another set beside it, which is fitted in a moment."""
    return Path(shutil.copytree(built_once, copied.parent / "small"))


@pytest.fixture(scope="module")
def whatif_app(copied: Path) -> Iterator[str]:
    """The app on a copy of the demo: scenarios are written beside it."""
    with running_app(copied.parent) as address:
        yield address


@pytest.fixture(scope="module")
def engine(copied: Path) -> WhatIfEngine:
    return WhatIfEngine(ArtifactSet.open(copied))


def expected(engine: WhatIfEngine, k1: float, b: float) -> list[str]:
    row = engine.artifacts.catalogue["item_id"].tolist().index(ITEM)
    return list(engine.refine(row, k1=k1, b=b, n=10).view.lists["whatif"]["name"])


def new_list(page: Page) -> Locator:
    return page.locator("section.first td.name button")


def test_twenty_quick_moves_end_at_the_last_value(whatif_app: str, visit: Visit, engine: WhatIfEngine) -> None:
    page = visit(f"{whatif_app}/whatif?set=demo&item={ITEM}&k1=0.01&b=0.5")
    expect(new_list(page)).to_have_text(expected(engine, 0.01, 0.5))
    slider = page.locator("[class*='st-key-k1_slider']").get_by_role("slider")
    slider.focus()
    for _ in range(20):
        page.keyboard.press("ArrowRight", delay=15)
    last = "1"  # twenty steps of ten a decade
    expect(slider).to_have_attribute("aria-valuetext", last)
    expect(page).to_have_url(re.compile(rf"[?&]k1={last}(&|$)"))  # the slider waits a moment before it tells the server
    settled(page)
    expect(page.locator(".st-key-k1_field input")).to_have_attribute("placeholder", last)
    expect(new_list(page)).to_have_text(expected(engine, float(last), 0.5))
    # Nothing goes on: what stands there stays.
    expect(page.get_by_test_id("stProgress")).to_have_count(0)
    page.wait_for_timeout(700)
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    expect(new_list(page)).to_have_text(expected(engine, float(last), 0.5))


def test_the_page_refines_by_itself_and_moving_on_leaves_that_behind(
    whatif_app: str, visit: Visit, engine: WhatIfEngine
) -> None:
    page = visit(f"{whatif_app}/whatif?set=demo&item={ITEM}&k1=100&b=0.8")
    expect(page.get_by_text("Refined,", exact=False)).to_be_visible()
    expect(page.get_by_test_id("stProgress")).to_have_count(0)
    expect(new_list(page)).to_have_text(expected(engine, 100, 0.8))
    slider = page.locator("[class*='st-key-b_slider']").get_by_role("slider")
    slider.focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".st-key-b_field input")).to_have_attribute("placeholder", "0.75")
    expect(page.get_by_text("Refined,", exact=False)).to_be_visible()
    expect(new_list(page)).to_have_text(expected(engine, 100, 0.75))
    assert address_of(settled(page), "b") == "0.75"


def test_a_full_fit_becomes_a_scenario_that_can_be_opened_by_link_and_deleted(
    whatif_app: str, visit: Visit, small: Path
) -> None:
    item = ArtifactSet.open(small).catalogue["item_id"][0]
    page = visit(f"{whatif_app}/whatif?set=small&item={item}&k1=100&b=0.8")
    page.get_by_label("Name of a scenario").fill("Tutorial")
    page.keyboard.press("Enter")
    settled(page)
    page.get_by_role("button", name="Fit in full and keep").click()
    expect(page.get_by_role("heading", name="Scenarios kept beside this set")).to_be_visible()
    settled(page)
    folder = small.with_name("small--tutorial")
    assert ArtifactSet.open(folder).manifest.models["als"].params["k1"] == 100
    page.get_by_role("button", name="Open Tutorial").click()
    settled(page)
    assert address_of(page, "set") == "small--tutorial"
    expect(page.locator(".st-key-k1_field input")).to_have_attribute("placeholder", "100")
    again = visit(page.url)
    expect(again.get_by_text("itself a scenario of", exact=False)).to_be_visible()
    back = visit(f"{whatif_app}/whatif?set=small&item={item}")
    unfold(back, "Delete Tutorial …")
    back.get_by_role("button", name="Delete it").click()
    expect(back.get_by_role("heading", name="Scenarios kept beside this set")).to_have_count(0)
    assert not folder.exists()


def test_a_click_on_a_neighbour_keeps_the_setting(whatif_app: str, visit: Visit, engine: WhatIfEngine) -> None:
    page = visit(f"{whatif_app}/whatif?set=demo&item={ITEM}&k1=100&b=0.8")
    names = expected(engine, 100, 0.8)
    expect(new_list(page)).to_have_text(names)  # until then a click may meet another name
    expect(page.get_by_test_id("stProgress")).to_have_count(0)
    new_list(page).nth(1).click()
    expect(page.get_by_role("heading", name=re.compile(f"Similar to {re.escape(names[1])}"))).to_be_visible()
    settled(page)
    assert address_of(page, "k1") == "100"
    page.go_back()
    expect(page.get_by_role("heading", name="Similar to Radiohead")).to_be_visible()


def test_answers_that_arrive_late_and_all_at_once_keep_the_setting(whatif_app: str, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    late: list[Callable[[], None]] = []
    held = True

    def hold(line: WebSocketRoute) -> None:
        def pass_on(message: str | bytes) -> None:
            if held:
                late.append(lambda: line.send(message))
            else:
                line.send(message)

        line.connect_to_server().on_message(pass_on)

    page.route_web_socket(re.compile("/_stcore/stream"), hold)
    page.goto(f"{whatif_app}/whatif?set=demo&item={ITEM}&k1=100&b=0.8&n=7")
    until, seen = time.monotonic() + 30, 0
    while time.monotonic() < until and (not seen or seen < len(late)):  # until the refine is over and drawn, too
        seen = len(late)
        page.wait_for_timeout(2500)
    for message in late:
        message()
    held = False
    slider = page.locator("[class*='st-key-k1_slider']").get_by_role("slider")
    expect(slider).to_have_attribute("aria-valuetext", "100")
    new_list(page).nth(1).click()
    expect(page.get_by_role("heading", name="Similar to Radiohead")).to_have_count(0)
    assert address_of(settled(page), "k1") == "100"
    expect(slider).to_have_attribute("aria-valuetext", "100")
    assert address_of(page, "n") == "7"
    expect(new_list(page)).to_have_count(7)
    page.close()


@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_is_wider_than_the_window(whatif_app: str, visit: Visit, width: int) -> None:
    page = visit(f"{whatif_app}/whatif?set=demo&item={ITEM}&k1=100&b=0.8", width=width)
    expect(new_list(page)).to_have_count(10)
    assert page.evaluate("document.scrollingElement.scrollWidth") <= width
