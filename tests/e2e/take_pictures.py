"""Pictures of the pages for the README and figures for the guide, taken from the demo artifacts: `make pictures`."""

from __future__ import annotations

from playwright.sync_api import sync_playwright

from tests.e2e.conftest import settled
from tests.e2e.find_chromium import ARGUMENTS, find_chromium
from tests.e2e.server import ROOT, running_app

# By name: the address, and what is there when the page is drawn.
PAGES = {
    "overview": ("?tour=closed", "canvas"),
    "neighbours": ("neighbours?item=s000000", "td.name button"),
    "whatif": ("whatif?item=s000000&k1=100&b=0.8", "td.name button"),
    "maps": ("maps?item=s000000", ".st-key-maps_box canvas"),
    "listener": ("listener?listener=7", "td.name button"),
    "evaluation": ("evaluation", "canvas"),
    "blind_test": ("blind_test?item=s000000", ".blind"),
}
CHART = "[data-testid=stColumn]:has(canvas)"  # with the sentence above it
# By name: the address, and the part of the page that is shown.
FIGURES = {
    "verdict": ("neighbours?item=s000000", ".verdict"),
    "lists": ("neighbours?item=s000000", ".st-key-lists"),
    "agreement": ("?tour=closed", CHART),
    "worth": ("whatif?item=s000000&k1=100&b=0.8", CHART),
}


def main() -> None:
    with running_app(ROOT / "artifacts") as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        for name, (path, drawn) in {**PAGES, **FIGURES}.items():
            page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme="light")
            page.goto(f"{address}/{path}")
            shown = page.locator(drawn).first
            shown.wait_for()
            if name == "maps":  # which stand below their controls
                shown.evaluate("canvas => canvas.scrollIntoView({block: 'end'})")
            settled(page).wait_for_timeout(1500)
            (shown if name in FIGURES else page).screenshot(path=ROOT / "docs" / "pictures" / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main()
