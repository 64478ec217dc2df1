"""The Listener page in a real browser, on the demo."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable

import pandas as pd
import pytest
from playwright.sync_api import Page, expect

from recsys.artifacts.store import ArtifactSet
from tests.e2e.conftest import address_of, settled, unfold
from tests.e2e.server import ROOT

Visit = Callable[..., Page]
HISTORY = (
    b"artist,plays\n"
    b"Radiohead,120\nPortishead,80\nRadiohed,2\n"
    b"<img src=x onerror=document.title='ran'>,5\n"
    b'"=HYPERLINK(""http://x"")",4\n'
)


@pytest.fixture(scope="module")
def catalogue() -> pd.DataFrame:
    return ArtifactSet.open(ROOT / "artifacts" / "demo").catalogue


def upload(page: Page, name: str, content: bytes) -> None:
    page.locator(".st-key-upload input[type=file]").set_input_files(
        {"name": name, "mimeType": "application/octet-stream", "buffer": content}
    )


def test_an_uploaded_history_is_asked_about_and_nothing_in_it_runs(
    demo_app: str, visit: Visit, catalogue: pd.DataFrame
) -> None:
    page = visit(f"{demo_app}/listener?from=a+file+of+mine")
    assert {"Radiohead", "Portishead"} <= set(catalogue["name"])
    upload(page, "mine.csv", HISTORY)
    expect(page.get_by_role("heading", name="This listener: what each model would play next")).to_be_visible()
    settled(page)
    unfold(page, "are not in this set")
    assert page.title() != "ran"
    assert "Radiohead" not in page.url
    with page.expect_download() as file:
        page.get_by_test_id("stPopover").get_by_role("button", name="Download", exact=True).first.click()
        page.get_by_role("button", name="Both lists (CSV)").click()
    table = pd.read_csv(file.value.path())
    assert table["model"].value_counts().to_dict() == {"ALS": 10, "Word2vec": 10}
    assert table["because"].str.contains("Radiohead|Portishead").all()


def test_hostile_files_are_refused_and_the_page_goes_on(demo_app: str, visit: Visit) -> None:
    page = visit(f"{demo_app}/listener?from=a+file+of+mine")
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Streaming_History_Audio_0.json", b"[" + b" " * (600 << 20))
    for name, content in (
        ("history.zip", bomb.getvalue()),
        ("picture.csv", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40),
        ("wide.csv", b"a," * 1_000_000 + b"a\n"),
    ):
        upload(page, name, content)
        expect(page.get_by_test_id("stAlert")).to_be_visible()
        settled(page)
        page.locator(".st-key-upload").get_by_role("button", name="Remove").first.click()
        expect(page.get_by_test_id("stAlert")).to_have_count(0)
    upload(page, "mine.csv", HISTORY)
    expect(page.get_by_role("heading", name="what each model would play next")).to_be_visible()


def test_a_click_says_what_drove_a_recommendation_and_leads_on(demo_app: str, visit: Visit) -> None:
    page = visit(f"{demo_app}/listener?listener=7")
    third = page.locator("section.first td.name button").nth(2)
    name = third.inner_text()
    third.click()
    expect(page.get_by_role("button", name=f"See what is similar to {name}")).to_be_visible()
    settled(page)
    assert address_of(page, "why")
    page.get_by_role("button", name=f"See what is similar to {name}").click()
    expect(page.get_by_role("heading", name=f"Similar to {name}")).to_be_visible()


@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_is_wider_than_the_window(demo_app: str, visit: Visit, width: int) -> None:
    page = visit(f"{demo_app}/listener?from=items+I+choose&own=1*s000000&own=-2*s000003&pull=0.5", width=width)
    expect(page.locator("section.first td.name button")).to_have_count(10)
    assert page.evaluate("document.scrollingElement.scrollWidth") <= width
