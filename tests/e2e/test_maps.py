"""The Maps page in a real browser, on a copy of the demo with places made by hand."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from recsys.artifacts.manifest import MapEntry, MapQuality
from recsys.artifacts.store import ArtifactSet
from recsys.artifacts.writer import ArtifactWriter
from tests.e2e.conftest import address_of, eventually, settled
from tests.e2e.server import ROOT, running_app

Visit = Callable[..., Page]
LEGEND = 120  # pixels of the canvas above both maps


@pytest.fixture(scope="module")
def maps_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The demo, its items on a grid; on the second map turned by a right angle."""
    path = Path(shutil.copytree(ROOT / "artifacts" / "demo", tmp_path_factory.mktemp("sets") / "demo"))
    base = ArtifactSet.open(path)
    n_items = base.manifest.counts.items
    side = int(np.ceil(np.sqrt(n_items)))
    grid = np.column_stack([np.arange(n_items) % side, np.arange(n_items) // side]).astype(np.float32) - side / 2
    poor = MapQuality(faithfulness=0.0, trustworthiness=0.5, continuity=0.5)
    entries = {}
    with ArtifactWriter(path) as writer:
        writer.adopt(base)
        for model, layout in (("als", grid), ("word2vec", grid[:, ::-1])):
            writer.array(f"{model}/maps/umap", layout)
            writer.array(f"{model}/maps/umap.faithfulness", np.zeros(n_items, np.float32))
            entries[f"{model}/umap"] = MapEntry(
                **poor.model_dump(), model=model, method="umap", params={}, seed=0, n=15, random=poor, pca=poor,
                reference=None, shift_from=None, median_shift=None,
            )  # fmt: skip
        writer.publish(base.manifest.model_copy(update={"maps": entries, "files": writer.files}))
    with running_app(path.parent) as address:
        yield address


@pytest.fixture
def maps_page(maps_app: str, visit: Visit) -> Page:
    """The page in a window that shows both maps from top to bottom, drawn."""
    page = visit(f"{maps_app}/maps?item=s000000")
    page.set_viewport_size({"width": 1440, "height": 1400})
    seen = picture(page)[0]

    def still() -> bool:
        nonlocal seen
        page.wait_for_timeout(400)
        before, seen = seen, picture(page)[0]
        return np.array_equal(before, seen)

    eventually(page, still)
    return page


def picture(page: Page) -> tuple[np.ndarray, dict[str, float]]:
    """What the canvas shows, (height, width, 3), and where it is."""
    canvas = page.locator(".st-key-maps_box canvas").first
    canvas.wait_for()
    box = canvas.bounding_box()
    assert box
    clip = {key: box[key] for key in ("x", "y", "width", "height")}
    return np.asarray(Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB")).astype(int), dict(box)  # type: ignore[arg-type]


def test_pointing_at_an_item_lights_it_on_both_maps_and_a_click_asks_about_it(maps_page: Page) -> None:
    page = maps_page
    before, box = picture(page)
    half = before.shape[1] // 2
    left = before[LEGEND:, : half - 20]
    ys, xs = np.nonzero(left.max(axis=2) - left.min(axis=2) > 60)
    place = box["x"] + xs[len(xs) // 3] + 0.5, box["y"] + LEGEND + ys[len(ys) // 3] + 0.5
    page.mouse.move(*place)

    def lit_on_both() -> bool:
        changed = np.abs(picture(page)[0] - before).sum(axis=2) > 60
        return min(changed[:, :half].sum(), changed[:, half:].sum()) > 20

    eventually(page, lit_on_both)
    page.mouse.click(*place)
    expect(page.get_by_role("heading", name="among all items")).not_to_contain_text("Radiohead")
    settled(page)
    assert address_of(page, "item") != "s000000"
    page.get_by_role("button", name="See its neighbours as lists").click()
    expect(page.get_by_role("heading", name="Similar to")).to_be_visible()


def draw_rectangle(page: Page, side: int) -> None:
    shown, box = picture(page)
    left = box["x"] + side * shown.shape[1] / 2
    page.mouse.move(left + 60, box["y"] + 200)
    page.mouse.down()
    page.mouse.move(left + shown.shape[1] / 2 - 120, box["y"] + box["height"] - 120, steps=8)
    page.mouse.up()


@pytest.mark.parametrize("side", [0, 1])
def test_a_rectangle_on_either_map_lists_its_items_and_leads_into_it(maps_page: Page, visit: Visit, side: int) -> None:
    page = maps_page
    before, _ = picture(page)
    draw_rectangle(page, side)
    heading = page.get_by_role("heading", name="items in the rectangle")
    expect(heading).to_be_visible()
    listed = int(heading.inner_text().split()[0])
    assert 100 < listed < 748
    settled(page)
    with page.expect_download() as file:
        page.get_by_role("button", name="Download them (CSV)").click()
    assert len(pd.read_csv(file.value.path())) == listed
    # Its items are marked on the other map, too.
    middle = before.shape[1] // 2
    other = slice(middle, None) if side == 0 else slice(0, middle)
    eventually(page, lambda: (np.abs(picture(page)[0] - before)[:, other].sum(axis=2) > 60).sum() > 200)
    page.get_by_role("button", name="Zoom to the rectangle").click()
    expect(heading).to_have_count(0)
    settled(page)
    assert address_of(page, "window")
    again = visit(page.url)
    expect(again.get_by_role("button", name="The whole maps")).to_be_enabled()


def test_both_maps_can_be_taken_away_as_they_are_shown(maps_page: Page) -> None:
    page = maps_page
    page.get_by_test_id("stPopover").get_by_role("button", name="Download").click()
    found = {}
    for label in ("as shown (PNG)", "as shown (SVG)", "Places of all items", "ALS's vectors", "Names and facts"):
        with page.expect_download() as file:
            page.get_by_test_id("stPopoverBody").get_by_role("button").filter(has_text=label).click()
        found[label] = file.value.path()
    assert Image.open(found["as shown (PNG)"]).width > 1500
    drawing = found["as shown (SVG)"].read_text("utf-8")
    assert "Radiohead among all items" in drawing
    assert "Simulated data" in drawing
    assert len(pd.read_parquet(found["Places of all items"])) == 748
    assert len(found["ALS's vectors"].read_text().splitlines()) == 748
    assert len(found["Names and facts"].read_text("utf-8").splitlines()) == 749


@pytest.mark.parametrize("width", [390, 1440])
def test_the_page_itself_is_not_wider_than_the_window(maps_app: str, visit: Visit, width: int) -> None:
    page = visit(f"{maps_app}/maps?item=s000000", width=width)
    picture(page)
    assert page.evaluate("document.scrollingElement.scrollWidth") <= width
