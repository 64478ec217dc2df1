"""The app in a real browser, on the committed demo artifacts."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator

import pandas as pd
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import address_of, settled
from tests.e2e.server import ROOT, running_app

Visit = Callable[..., Page]


def names(page: Page, side: str) -> list[str]:
    expect(page.locator(f"section.{side} td.name button").first).to_be_visible()
    return page.locator(f"section.{side} td.name button").all_inner_texts()


def test_a_click_leads_to_two_lists(demo_app: str, visit: Visit) -> None:
    page = visit(demo_app)
    expect(page.get_by_role("heading", name="Two models of one listening log")).to_be_visible()
    page.get_by_role("link", name="Neighbours").click()
    expect(page.locator("section.first td.name button")).to_have_count(10)
    expect(page.locator("section.second td.name button")).to_have_count(10)
    settled(page)


def test_searching_by_keyboard_and_choosing(demo_app: str, visit: Visit) -> None:
    page = visit(f"{demo_app}/neighbours")
    box = page.get_by_label("Find an item")
    box.press_sequentially("bjor", delay=30)
    match = page.get_by_role("radio", name="Björk")
    expect(match).to_be_visible()
    for _ in range(4):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.innerText").startswith("Björk"):
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Similar to Björk")).to_be_visible()
    expect(box).to_have_value("")


def test_clicking_a_neighbour_makes_it_the_item_and_back_returns(demo_app: str, visit: Visit) -> None:
    page = visit(f"{demo_app}/neighbours?item=s000000")
    expect(page.get_by_role("heading", name="Similar to Radiohead")).to_be_visible()
    second = names(page, "first")[1]
    page.locator("section.first td.name button").nth(1).click()
    expect(page.get_by_role("heading", name=f"Similar to {second}")).to_be_visible()
    assert address_of(settled(page), "item") != "s000000"
    page.go_back()
    expect(page.get_by_role("heading", name="Similar to Radiohead")).to_be_visible()
    page.go_forward()
    expect(page.get_by_role("heading", name=f"Similar to {second}")).to_be_visible()


def test_a_link_shows_another_person_the_same_view(demo_app: str, visit: Visit) -> None:
    mine = visit(f"{demo_app}/neighbours?item=s000000&n=6")
    theirs = visit(mine.url)
    for side in ("first", "second"):
        assert names(mine, side) == names(theirs, side)
        assert len(names(mine, side)) == 6
    assert address_of(theirs, "build") == address_of(mine, "build")


def test_the_item_and_n_survive_a_visit_to_another_page(demo_app: str, visit: Visit) -> None:
    page = visit(f"{demo_app}/neighbours?item=s000000&n=6")
    page.get_by_role("link", name="Overview").click()
    expect(page.get_by_role("heading", name="Two models of one listening log")).to_be_visible()
    settled(page).get_by_role("link", name="Neighbours").click()
    expect(page.get_by_role("heading", name="Similar to Radiohead")).to_be_visible()
    settled(page)
    assert len(names(page, "first")) == 6


def test_overview_leads_to_a_disputed_item(demo_app: str, visit: Visit) -> None:
    page = visit(demo_app)
    pill = page.get_by_test_id("stButtonGroup").get_by_role("radio").first
    name = pill.inner_text().split(" · ")[0]
    pill.click()
    expect(page.get_by_role("heading", name=f"Similar to {name}")).to_be_visible()
    settled(page)


def test_shared_items_are_joined_by_lines_and_marked_in_words(demo_app: str, visit: Visit) -> None:
    page = visit(f"{demo_app}/neighbours?item=s000000")
    shared = set(names(page, "first")) & set(names(page, "second"))
    expect(page.locator("svg.slopes path")).to_have_count(len(shared))
    marks = page.locator("section.first td.where").all_inner_texts()
    assert [mark.startswith("both") for mark in marks] == [name in shared for name in names(page, "first")]


@pytest.mark.parametrize("page_name", ["", "neighbours"])
def test_nothing_is_cut_at_the_width_of_a_telephone(demo_app: str, visit: Visit, page_name: str) -> None:
    page = visit(f"{demo_app}/{page_name}", width=390)
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 390
    if page_name:
        box = page.locator("section.second").bounding_box()
        first = page.locator("section.first").bounding_box()
        assert box
        assert first
        assert box["y"] > first["y"] + first["height"] - 1  # one below the other
        assert box["x"] + box["width"] <= 390
        expect(page.locator("svg.slopes")).to_be_hidden()
        expect(page.locator("section.first .where-below").first).to_be_visible()


def test_markup_in_a_name_is_shown_as_text(visit: Visit, hostile_app: str) -> None:
    page = visit(f"{hostile_app}/neighbours?item=x1")
    assert page.evaluate("window.harmed") is None
    expect(page.locator("section.first td.name").filter(has_text="<img src=x onerror=")).to_have_count(1)
    expect(page.get_by_role("heading", name="Similar to <script>window.harmed=1</script>")).to_be_visible()
    visit(hostile_app)
    assert page.evaluate("window.harmed") is None


@pytest.fixture(scope="module")
def hostile_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The app on a set whose names are markup, Markdown and formulas."""
    from recsys.config import BuildConfig
    from recsys.pipeline import build

    folder = tmp_path_factory.mktemp("hostile")
    hostile = [
        "<script>window.harmed=1</script>",
        "<img src=x onerror=window.harmed=1>",
        "**bold** [a](javascript:1)",
        "=1+1",
        "$x$ :red[y]",
    ]
    rows = [f"u{u}\tx{i}\t{name}\t{u + i}" for u in range(9) for i, name in enumerate(hostile, 1) if (u * i) % 4 != 3]
    (folder / "log.tsv").write_text("user\titem\tname\tplays\n" + "\n".join(rows) + "\n")
    config = BuildConfig(min_listeners=1, maps=[], als={"factors": 4}, word2vec={"epochs": 3})
    build("events", folder / "log.tsv", folder / "sets" / "hostile", config)
    with running_app(folder / "sets") as address:
        yield address


def test_the_first_visitor_of_a_fresh_server_may_come_by_a_deep_link(visit: Visit) -> None:
    with running_app(ROOT / "artifacts") as address:
        page = visit(f"{address}/neighbours?item=s000000&n=4")
        expect(page.get_by_role("heading", name="Similar to Radiohead")).to_be_visible()
        expect(page.get_by_role("link", name="Overview")).to_be_visible()
        assert len(names(page, "first")) == 4
        assert page.locator("section.first").bounding_box()["y"] == page.locator("section.second").bounding_box()["y"]  # type: ignore[index]


@pytest.mark.parametrize("width", [390, 820, 1024, 1100, 1440])
def test_names_can_be_read_at_every_width(demo_app: str, visit: Visit, width: int) -> None:
    page = visit(f"{demo_app}/neighbours?item=s000000", width=width)
    names(page, "second")
    assert page.evaluate("document.scrollingElement.scrollWidth") <= width
    for side in ("first", "second"):
        box = page.locator(f"section.{side} td.name").first.bounding_box()
        assert box
        assert box["width"] >= 110
    if width <= 820:  # one list below the other: rows are as high as their names need
        cut = "all => all.filter(b => b.scrollHeight > b.clientHeight + 1 || b.scrollWidth > b.clientWidth + 1).length"
        assert page.locator("td.name button").evaluate_all(cut) == 0


def test_a_click_far_down_shows_whose_lists_these_are_and_keeps_the_focus(demo_app: str, visit: Visit) -> None:
    page = visit(f"{demo_app}/neighbours?item=s000000&n=30")
    last = page.locator("section.first td.name button").nth(29)
    name = last.inner_text()
    last.scroll_into_view_if_needed()
    last.click()
    heading = page.get_by_role("heading", name=f"Similar to {name}")
    expect(heading).to_be_in_viewport()
    settled(page)
    assert page.evaluate("document.activeElement.tagName") != "BODY"


def test_the_set_of_a_link_survives_other_pages_and_back(two_sets_app: str, visit: Visit) -> None:
    page = visit(f"{two_sets_app}/neighbours?set=second&item=s000000")
    page.get_by_role("link", name="Overview").click()
    expect(page.get_by_role("heading", name="Two models of one listening log")).to_be_visible()
    assert address_of(settled(page), "set") == "second"
    page.get_by_test_id("stButtonGroup").get_by_role("radio").first.click()
    expect(page.locator("section.first td.name button").first).to_be_visible()
    assert address_of(settled(page), "set") == "second"
    page.get_by_role("combobox", name="Artifact set").click()
    page.get_by_role("option", name="first").click()
    expect(page).to_have_url(re.compile("set=first"))
    settled(page)
    page.go_back()
    expect(page.get_by_role("combobox", name="Artifact set")).to_have_value("second")
    assert address_of(settled(page), "set") == "second"


@pytest.fixture(scope="module")
def two_sets_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The demo under two names."""
    folder = tmp_path_factory.mktemp("sets")
    for name in ("first", "second"):
        shutil.copytree(ROOT / "artifacts" / "demo", folder / name)
    with running_app(folder) as address:
        yield address


@pytest.mark.parametrize("width", [1180, 1280, 1440])
def test_lines_meet_the_rows_that_they_join(demo_app: str, visit: Visit, width: int) -> None:
    page = visit(f"{demo_app}/neighbours?item=s000000&n=30", width=width)
    expect(page.locator("svg.slopes")).to_be_visible()
    assert len(names(page, "first")) == 30
    lines = page.locator("svg.slopes").bounding_box()
    row = page.locator("section.first tbody tr").last.bounding_box()
    top = page.locator("section.first tbody tr").first.bounding_box()
    assert lines
    assert row
    assert top
    assert abs(lines["y"] - top["y"]) <= 3
    assert abs(lines["y"] + lines["height"] - row["y"] - row["height"]) <= 6


def test_a_neighbour_is_explained_and_the_link_keeps_it(demo_app: str, visit: Visit) -> None:
    page = visit(f"{demo_app}/neighbours?item=s000000")
    asked = names(page, "second")[2]
    box = page.get_by_role("combobox", name="Why is this a neighbour?")
    box.click()
    page.get_by_role("option", name=asked, exact=False).first.click()
    panel = page.locator(".evidence")
    expect(panel).to_contain_text("listeners played both")
    expect(panel.locator("li").first).to_contain_text(asked)
    link = settled(page).url
    again = visit(link)
    expect(again.locator(".evidence li").first).to_contain_text(asked)


def test_popularity_filters_and_the_lists_can_be_taken_away(demo_app: str, visit: Visit) -> None:
    page = visit(f"{demo_app}/neighbours?item=s000000&popularity=0&popularity=60")
    expect(page.locator(".verdict")).to_contain_text("among items of the 0 to 60 percentiles")
    shown = names(page, "first") + names(page, "second")  # waits until both lists are drawn
    popular = page.locator("td.popularity").all_inner_texts()
    assert popular
    assert all(int(re.sub(r"\D", "", text)) <= 60 for text in popular)
    settled(page)  # a click while a run replaces the button goes nowhere
    with page.expect_download() as coming:
        page.get_by_role("button", name="Download these lists (CSV)").click()
    table = pd.read_csv(coming.value.path(), encoding="utf-8-sig")
    assert table["name"].tolist() == shown
    assert set(table["popularity_to"]) == {60}
    assert table["build"].iloc[0] == address_of(page, "build")


FOCUSED = """() => {
  const element = document.activeElement, box = element.closest("[class*=st-key-]");
  return [element.getAttribute("aria-label"), element.innerText, box?.className].join(" ");
}"""


@pytest.mark.parametrize(
    ("path", "controls"),
    [
        (
            "/neighbours?item=s000000&pin=s000001",
            ["st-key-item_search", "st-key-n ", "st-key-popularity", "st-key-why", "Download these lists", "Pin "],
        ),
        ("/", ["st-key-among", "st-key-tag", "st-key-disputed", "st-key-agreed", "st-key-hubs_als"]),
        (
            "/whatif?item=s000000&k1=100&b=0.8",
            [*(f"st-key-{at}" for at in ("k1_slider_", "k1_field", "b_slider_", "b_field", "preset", "full", "metric")),
             "st-key-whatif_lists"],
        ),
    ],
    ids=["neighbours", "overview", "whatif"],
)  # fmt: skip
def test_every_control_of_a_page_is_reached_by_keyboard(
    demo_app: str, visit: Visit, path: str, controls: list[str]
) -> None:
    page = visit(f"{demo_app}{path}")
    page.get_by_role("button", name="CSV").or_(page.locator(".st-key-hubs_als, .st-key-full")).first.wait_for()
    settled(page)
    missing = set(controls)
    # More often than there are controls: whatever is drawn anew meanwhile sends the focus back to the beginning.
    for _ in range(280):
        page.keyboard.press("Tab")
        reached = f"{page.evaluate(FOCUSED)} "
        missing = {control for control in missing if control not in reached}
        if not missing:
            break
    assert missing == set()
