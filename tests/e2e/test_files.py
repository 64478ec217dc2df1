"""Files made when asked for, on a server that others use as well."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page

from tests.e2e.conftest import settled

Visit = Callable[..., Page]
LISTS = "/neighbours?item=s000000"


def run_twice(page: Page) -> None:
    for _ in range(2):
        page.locator(".st-key-pin_turn button").first.click()
        settled(page)


def test_a_file_is_there_until_who_asked_for_it_goes_on(demo_app: str, visit: Visit) -> None:
    page, other = visit(f"{demo_app}{LISTS}"), visit(f"{demo_app}{LISTS}")
    with page.expect_download() as coming:
        page.get_by_role("button", name="Download these lists (CSV)").click()
    address = coming.value.url
    run_twice(other)  # after two runs of anybody, what belongs to nobody is deleted
    assert page.request.get(address).status == 200
    run_twice(page)
    assert page.request.get(address).status == 404
