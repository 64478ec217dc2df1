"""The Maps page on layouts made by hand: where things stand is what the page must show, however it came about."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from recsys.artifacts.manifest import MapEntry, MapQuality
from recsys.artifacts.store import ArtifactSet, ArtifactWriter
from tests.pages.conftest import Catalogue, Open, texts

QUALITY = {"faithfulness": 0.5, "trustworthiness": 0.9, "continuity": 0.8}


@pytest.fixture
def mapped(small_set: Path) -> ArtifactSet:
    """The small set with a map of each model; Word2vec lacks the last item."""
    base = ArtifactSet.open(small_set)
    n_items = base.manifest.counts.items
    rng = np.random.default_rng(0)
    entries = {}
    with ArtifactWriter(small_set) as writer:
        writer.adopt(base)
        for model in ("als", "word2vec"):
            layout = rng.normal(size=(n_items, 2)).astype(np.float32)
            if model == "word2vec":
                layout[-1] = np.nan
                writer.array("word2vec/maps/umap.shift", np.arange(n_items, dtype=np.float32))
            writer.array(f"{model}/maps/umap", layout)
            writer.array(f"{model}/maps/umap.faithfulness", rng.random(n_items).astype(np.float32))
            entries[f"{model}/umap"] = MapEntry(
                **QUALITY, model=model, method="umap", params={}, seed=0, n=15,
                random=MapQuality(faithfulness=0.01, trustworthiness=0.5, continuity=0.5),
                pca=MapQuality(faithfulness=0.2, trustworthiness=0.7, continuity=0.7),
                reference=None, shift_from="als/umap" if model == "word2vec" else None, median_shift=None,
            )  # fmt: skip
        folder = writer.publish(base.manifest.model_copy(update={"maps": entries, "files": writer.files}))
    return ArtifactSet.open(small_set / folder)


@pytest.fixture
def page(mapped: ArtifactSet, open_page: Open, catalogue: Catalogue) -> Callable[..., AppTest]:
    def opened(**query: str) -> AppTest:
        at = open_page("maps", item=catalogue[8][0], **query)
        assert not at.exception
        return at

    return opened


def drawn(at: AppTest) -> dict[str, Any]:
    return dict(json.loads(at.get("vega_lite_chart")[0].proto.spec))


def test_without_maps_the_page_says_how_to_make_some(open_page: Open) -> None:
    at = open_page("maps")
    assert not at.exception
    assert "No maps yet" in texts(at)
    assert "python -m recsys map artifacts/small --method umap" in texts(at)


def test_both_maps_and_what_they_bend_are_shown(page: Callable[..., AppTest]) -> None:
    at = page()
    spec = drawn(at)
    assert [half["title"] for half in spec["hconcat"]] == ["ALS, UMAP", "Word2vec, UMAP"]
    assert {param["name"] for param in spec["params"]} == {"hov", "pick", "brush"}
    assert "ALS's keeps 50% and Word2vec's keeps 50%" in texts(at)
    for share in ("0.01", "0.20", "0.90"):
        assert f"<td>{share}</td>" in texts(at)


@pytest.mark.parametrize("colour", ["popularity", "agreement", "shift", "faithfulness", "tag"])
def test_every_colour_is_drawn_from_its_own_numbers(
    page: Callable[..., AppTest], mapped: ArtifactSet, colour: str
) -> None:
    at = page()
    at.selectbox(key="colour").set_value(colour).run()
    assert not at.exception
    spec = drawn(at)
    field = spec["hconcat"][0]["layer"][0]["encoding"]["color"]["field"]
    assert field == colour


def test_a_rectangle_lists_what_is_in_it(page: Callable[..., AppTest], mapped: ArtifactSet) -> None:
    at = page()
    place = np.asarray(mapped.layout("als", "umap"))
    inside = (place[:, 0] > 0) & (place[:, 0] < 1) & (place[:, 1] > -1) & (place[:, 1] < 1)
    at.session_state["maps"] = {"selection": {"brush": {"x_0": [0.0, 1.0], "y_0": [1.0, -1.0]}}}
    at.run()
    assert not at.exception
    assert f"{inside.sum()} items in the rectangle" in texts(at)
    table = at.dataframe[0].value
    assert table["listeners"].is_monotonic_decreasing
    assert set(table["name"]) == set(mapped.catalogue["name"][inside])
