"""The Maps page in a real Chromium, over the demo and over 292,365 items: how long a person waits.

At full size FOLDER/sets/full and FOLDER/sets/maps are what pages_at_full_size and maps_at_full_size leave; the second
one's maps are shown for the items of the first. There is nothing to compare with, so these are times of one machine,
beside what the product promises: 1.5 s (3 s) from a click on Maps to points, 250 ms from a hover to the other map, 500
ms from a rectangle to its table, and 1 s for a zoom at full size.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from benchmarks.data import Asked
from benchmarks.paired import ROOT
from recsys.artifacts.store import ArtifactSet
from recsys.artifacts.writer import ArtifactWriter
from tests.e2e.find_chromium import ARGUMENTS, find_chromium
from tests.e2e.server import running_app

TIMES = 9
# Software drawing of a canvas; what stands in for a graphics card here would be slower than either.
DRAWN_BY_PROCESSOR = "--disable-accelerated-2d-canvas"
PIXELS = """
    () => {
        const canvas = document.querySelector('.st-key-maps_box canvas');
        if (!canvas || canvas.seen) return null;
        const {width, height} = canvas;
        const data = canvas.getContext('2d').getImageData(0, 150, width, height - 150).data;
        let drawn = 0, sum = 0;
        for (let at = 3; at < data.length; at += 4)
            if (data[at]) { drawn += 1; sum = (sum * 31 + data[at - 1] + data[at - 2] + data[at - 3]) % 1000003; }
        return drawn > 2000 ? sum : null;
    }
"""


def measure(asked: Asked) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as scratch:
        sets = Path(scratch)
        shutil.copytree(ROOT / "artifacts" / "demo", sets / "demo")
        if asked.size == "full":
            _at_full_size(asked.folder / "sets", sets / "full")
        return {each.name: _measured(sets, each.name) for each in sorted(sets.iterdir())}


def _at_full_size(sets: Path, out: Path) -> None:
    shutil.copytree(sets / "full", out)
    base, mapped = ArtifactSet.open(out), ArtifactSet.open(sets / "maps")
    with ArtifactWriter(out) as writer:
        writer.adopt(base, but=lambda file: "/maps/" in file)
        for model, method in (name.split("/") for name in mapped.maps):
            writer.array(f"{model}/maps/{method}", mapped.layout(model, method))
            writer.array(f"{model}/maps/{method}.faithfulness", mapped.map_faithfulness(model, method))
            writer.table(f"{model}/maps/{method}.regions", mapped.map_regions(model, method))
        maps = {name: entry.model_copy(update={"shift_from": None}) for name, entry in mapped.manifest.maps.items()}
        writer.publish(base.manifest.model_copy(update={"maps": maps, "files": writer.files}))


def _measured(sets: Path, name: str) -> dict[str, Any]:
    with running_app(sets) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=[*ARGUMENTS, DRAWN_BY_PROCESSOR])
        page = browser.new_page(viewport={"width": 1440, "height": 1300})
        page.goto(f"{address}/?set={name}")
        page.get_by_role("heading").first.wait_for(timeout=120_000)
        measured = {"ms_first_switch_to_points": _summary([_switched(page)])}
        measured["ms_switch_to_points"] = _summary([_there_and_back(page) for _ in range(TIMES)])
        measured["ms_hover_to_the_other_map"] = _summary(
            [_hovered(page, (each + 0.5) / TIMES) for each in range(TIMES)]
        )
        brushed = [_brushed(page, each) for each in range(TIMES)]
        measured["ms_rectangle_to_its_table"] = _summary([ms for ms, _ in brushed])
        measured["items_in_rectangles"] = {"median": statistics.median(count for _, count in brushed)}
        measured["ms_zoom_to_points"] = _summary([_zoomed(page, each) for each in range(TIMES)])
        browser.close()
    return {"items": ArtifactSet.open(sets / name).manifest.counts.items, **measured}


def _until_drawn(page: Page, act: Callable[[], object]) -> float:
    """Milliseconds from an act until a canvas that was not there before holds points."""
    page.evaluate("() => document.querySelectorAll('canvas').forEach(canvas => canvas.seen = true)")
    start = time.perf_counter()
    act()
    page.wait_for_function(PIXELS, polling="raf", timeout=60_000)
    return 1000 * (time.perf_counter() - start)


def _settled(page: Page) -> None:
    page.wait_for_timeout(400)
    page.locator('[data-testid=stApp][data-test-script-state="notRunning"]').wait_for()
    page.wait_for_timeout(300)


def _switched(page: Page) -> float:
    _settled(page)
    taken = _until_drawn(page, page.get_by_role("link", name="Maps").first.click)
    _settled(page)
    return taken


def _there_and_back(page: Page) -> float:
    page.get_by_role("link", name="Overview").first.click()
    page.locator(".st-key-maps_box").wait_for(state="detached")
    return _switched(page)


def _zoomed(page: Page, each: int) -> float:
    name = "The whole maps" if each % 3 == 2 else "Zoom in"
    taken = _until_drawn(page, page.get_by_role("button", name=name).click)
    _settled(page)
    return taken


def _hovered(page: Page, share: float) -> float:
    """Milliseconds from pointing at a point of the first map until the second one has changed.

    share : how far down the map. What is taken for a point there may be part of a line or a letter; then the next is.
    """
    second = """
        () => {
            const canvas = document.querySelector('.st-key-maps_box canvas'), {width, height} = canvas;
            const data = canvas.getContext('2d').getImageData(width / 2, 150, width / 2, height - 150).data;
            let sum = 0;
            for (let at = 0; at < data.length; at += 1) sum = (sum * 31 + data[at]) % 1000003;
            return sum;
        }
    """
    point = page.evaluate(
        """
        share => {
            const canvas = document.querySelector('.st-key-maps_box canvas'), {width, height} = canvas;
            const box = canvas.getBoundingClientRect(), data = canvas.getContext('2d')
                .getImageData(0, 150, width / 2 - 20, height - 160);
            const found = [];
            for (let at = 0; at < data.data.length; at += 4) {
                const [red, green, blue, shown] = data.data.slice(at, at + 4);
                if (shown && Math.max(red, green, blue) - Math.min(red, green, blue) > 60)
                    found.push([(at / 4) % data.width, Math.floor(at / 4 / data.width)]);
            }
            const [x, y] = found[Math.floor(share * found.length)];
            return [box.x + (x + 0.5) * box.width / width, box.y + (y + 150.5) * box.height / height];
        }
        """,
        share,
    )
    page.mouse.move(5, 5)
    page.wait_for_timeout(600)
    before = page.evaluate(second)
    start = time.perf_counter()
    page.mouse.move(*point)
    try:
        page.wait_for_function(f"before => ({second})() !== before", arg=before, polling="raf", timeout=3000)
    except PlaywrightTimeout:
        return _hovered(page, (share + 0.017) % 1)
    taken = 1000 * (time.perf_counter() - start)
    page.mouse.move(5, 5)
    page.wait_for_timeout(300)
    return taken


def _brushed(page: Page, each: int) -> tuple[float, int]:
    """Milliseconds from letting go of a rectangle until its heading is there, and how many items it names."""
    box = page.locator(".st-key-maps_box canvas").first.bounding_box()
    assert box
    heading = page.get_by_role("heading", name="items in the rectangle")
    before = heading.inner_text() if heading.count() else ""
    left, top = box["x"] + 110 + 6 * each, box["y"] + 270 + 5 * each
    page.mouse.move(left, top)
    page.mouse.down()
    page.mouse.move(left + 210, top + 220, steps=6)
    page.wait_for_timeout(400)  # so that only what letting go brings about is measured
    if heading.count() and heading.inner_text() != before:
        before = heading.inner_text()
    page.mouse.move(left + 225, top + 235)
    start = time.perf_counter()
    page.mouse.up()
    page.wait_for_function(
        "before => { const found = [...document.querySelectorAll('h3')].find(h => h.innerText.includes('in the rect'));"
        " return found && found.innerText !== before; }",
        arg=before,
        polling="raf",
    )
    taken = 1000 * (time.perf_counter() - start)
    _settled(page)
    return taken, int(heading.inner_text().split()[0].replace(",", ""))


def _summary(taken: list[float]) -> dict[str, float]:
    return {"median": round(statistics.median(taken), 1), "most": round(max(taken), 1), "cases": len(taken)}
