from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from recsys.artifacts.store import ArtifactSet

ROOT = Path(__file__).resolve().parents[2]
Open = Callable[..., AppTest]
Catalogue = list[tuple[str, str]]


@pytest.fixture(scope="module", autouse=True)
def _what_stays_is_not_searched_for_garbage() -> Iterator[None]:
    """Streamlit collects garbage after every run of a page, among all that the tests of a process have imported."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _clean_caches() -> Iterator[None]:
    yield
    st.cache_resource.clear()
    st.cache_data.clear()


@pytest.fixture
def open_page(small_set: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Open a page on the small artifact set (or another root), with query parameters."""

    def opened(page: str, root: Path = small_set.parent, **query: str) -> AppTest:
        monkeypatch.setenv("RECSYS_ARTIFACTS", str(root))
        at = AppTest.from_file(ROOT / "app.py", default_timeout=180)
        for name, value in query.items():
            at.query_params[name] = value
        return at.switch_page(f"pages/{page}.py").run()

    return opened


@pytest.fixture
def catalogue(small_set: Path) -> list[tuple[str, str]]:
    items = ArtifactSet.open(small_set).catalogue
    return list(zip(items["item_id"], items["name"], strict=True))


def texts(at: AppTest) -> str:
    """All the words of a page, one block a line."""
    kinds = ("header", "subheader", "markdown", "caption", "warning", "text", "code")
    words = [element.value for kind in kinds for element in getattr(at, kind)]
    return "\n".join([*words, *(element.proto.body for element in at.get("html"))])
