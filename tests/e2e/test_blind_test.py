"""The Blind test page in a real browser, on the demo, with votes in a file of its own."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import begun, settled, unfold
from tests.e2e.server import ROOT, running_app

Visit = Callable[..., Page]
READING = 1100  # milliseconds; a faster answer is not counted


@pytest.fixture(scope="module")
def votes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("votes") / "votes.sqlite"


@pytest.fixture(scope="module")
def blind_app(votes: Path) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("RECSYS_VOTES", f"sqlite:///{votes}")
        with running_app(ROOT / "artifacts") as address:
            yield f"{address}/blind_test"


def kept(votes: Path) -> list[tuple[str, int]]:
    with closing(sqlite3.connect(votes)) as connection:
        return connection.execute("SELECT answer, looked FROM blind_votes ORDER BY rowid").fetchall()


def question(page: Page) -> str:
    return page.get_by_role("heading", level=2).inner_text()


def test_keys_vote_a_reload_loses_nothing_and_the_tally_names_the_models(
    blind_app: str, visit: Visit, votes: Path, tmp_path: Path
) -> None:
    page = visit(blind_app)
    for key in "1243":
        page.wait_for_timeout(READING)
        asked = question(page)
        page.keyboard.press(key)
        expect(page.get_by_role("heading", level=2)).not_to_have_text(asked)
        settled(page)
    expect(page.get_by_role("status")).to_have_text("Thank you: 4 votes so far. Here is the next item.")
    assert kept(votes) == [("left", 0), ("right", 0), ("unknown", 0), ("equal", 0)]
    page.reload()
    begun(page)
    # Not of any case: Toots & the Maytals may be on a list.
    expect(page.get_by_text(re.compile(r"\bALS\b|Word2vec"))).to_have_count(0)
    unfold(page, "The tally, and which model is which")
    page.get_by_role("button", name="Show the tally").click()
    expect(page.locator(".tally tbody tr").first).to_contain_text("all items")
    expect(page.locator(".blind h3").filter(has_text="ALS")).to_have_count(1)
    settled(page)
    with page.expect_download() as file:
        page.get_by_role("button", name="All votes about this build (CSV)").click()
    table = pd.read_csv(file.value.path())
    assert sorted(table["answer"]) == ["equal", "left", "right", "unknown"]
    assert len(set(table["session"])) == 1


def test_a_double_click_and_digits_in_the_search_are_no_second_vote(blind_app: str, visit: Visit, votes: Path) -> None:
    page = visit(blind_app)
    before = len(kept(votes))
    page.wait_for_timeout(READING)
    asked = question(page)
    page.get_by_role("button", name="List A is better").dblclick()
    expect(page.get_by_role("heading", level=2)).not_to_have_text(asked)
    settled(page)
    page.wait_for_timeout(READING)
    settled(page)
    page.get_by_label("Ask about an item of your own").fill("")
    page.get_by_label("Ask about an item of your own").press_sequentially("112 3")
    settled(page)
    assert len(kept(votes)) == before + 1


def test_an_item_of_ones_own_can_be_asked_about_and_all_fits_a_telephone(blind_app: str, visit: Visit) -> None:
    page = visit(blind_app, width=390)
    page.get_by_label("Ask about an item of your own").press_sequentially("radiohead")
    page.get_by_role("radio", name="Radiohead").click()
    expect(page.get_by_role("heading", name="Similar to Radiohead: which list is better?")).to_be_visible()
    settled(page)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    boxes = [page.get_by_role("region", name=f"List {each}").bounding_box() for each in "AB"]
    assert all(box and box["x"] >= 0 and box["x"] + box["width"] <= 390 for box in boxes)
