"""Every chart of every page says what to make of it, above it and to who cannot see it."""

from __future__ import annotations

import ast
import re

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.conftest import ROOT, Open

# By page of the demo, how many charts it draws.
CHARTS = {"overview": 2, "neighbours": 0, "whatif": 3, "maps": 1, "listener": 4, "evaluation": 5, "blind_test": 0}


def plain(text: str) -> str:
    return re.sub(r"[\\\u2060\u2068\u2069*]", "", text)


def charts_without_words(at: AppTest) -> list[str]:
    """The words of charts for who cannot see them, where there are none, or they begin with none that stand above."""
    titles = [plain(each.value) for each in [*at.header, *at.subheader, *at.markdown]]
    return [
        each.proto.alt
        for each in at.get("vega_lite_chart")
        if not any(title and plain(each.proto.alt).startswith(title) for title in titles)
        or len(each.proto.alt.split()) < 6
    ]


def test_all_pages_are_looked_at() -> None:
    assert set(CHARTS) == {path.stem for path in (ROOT / "pages").glob("*.py")}


@pytest.mark.parametrize("page", CHARTS)
def test_every_chart_has_words_that_stand_above_it(open_page: Open, page: str) -> None:
    at = open_page(page, root=ROOT / "artifacts")
    assert not at.exception
    assert len(at.get("vega_lite_chart")) == CHARTS[page]
    assert charts_without_words(at) == []


def test_a_chart_without_words_is_found() -> None:
    at = AppTest.from_string(
        """
import altair, streamlit
chart = altair.Chart({"values": [{"a": 1}]}).mark_point()
streamlit.subheader("The models share 2 of 10 items")
streamlit.altair_chart(chart, key="told", alt="The models share 2 of 10 items")
streamlit.altair_chart(chart, key="silent")
streamlit.altair_chart(chart, key="elsewhere", alt="Something that stands nowhere on this page")
"""
    ).run()
    assert not at.exception
    assert charts_without_words(at) == ["", "Something that stands nowhere on this page"]


def test_no_chart_gets_past_the_one_way_to_show_it() -> None:
    calls = {
        path.name
        for path in [*(ROOT / "pages").glob("*.py"), *(ROOT / "recsys" / "ui").glob("*.py")]
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute)
        and (node.attr.endswith("_chart") or node.attr in ("map", "pyplot"))
        and isinstance(node.value, ast.Name)
        and node.value.id == "st"
    }
    assert calls == {"drawing.py"}
