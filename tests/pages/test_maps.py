"""The Maps page on layouts made by hand: where things stand is what the page must show, however it came about."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from streamlit.testing.v1 import AppTest

from recsys.analysis import map_window
from recsys.artifacts.manifest import MapEntry, MapQuality
from recsys.artifacts.store import ArtifactSet
from recsys.artifacts.writer import ArtifactWriter
from recsys.ui.map_downloads import places_table, projector_metadata, projector_vectors
from recsys.ui.map_view import COLOURS, colours_of, decade_of
from tests.pages.conftest import Catalogue, Open, texts

REGIONS = pd.DataFrame({"level": [0], "x": [0.0], "y": [0.0], "items": [9], "label": ["a region"]})
QUALITY = {"faithfulness": 0.5, "trustworthiness": 0.9, "continuity": 0.8}


@pytest.fixture
def mapped(small_set: Path) -> ArtifactSet:
    """The small set with maps of each model, t-SNE's far from UMAP's; Word2vec lacks the last item."""
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
            held = rng.random(n_items).astype(np.float32)
            for method, place in (("umap", layout), ("tsne", layout + 100)):
                writer.array(f"{model}/maps/{method}", place)
                writer.table(f"{model}/maps/{method}.regions", REGIONS)
                writer.array(f"{model}/maps/{method}.faithfulness", held)
                entries[f"{model}/{method}"] = MapEntry(
                    **QUALITY, model=model, method=method, params={}, seed=0, n=15,
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


def datasets(at: AppTest) -> dict[str, list[dict[str, Any]]]:
    """By name, the rows of what the chart is drawn from."""
    return {
        each.name: pa.ipc.open_stream(each.data.data).read_all().to_pylist()
        for each in at.get("vega_lite_chart")[0].proto.datasets
    }


def points_drawn(at: AppTest) -> pd.DataFrame:
    return pd.DataFrame(datasets(at)[drawn(at)["data"]["name"]]).sort_values("item_row")


def circles(spec: dict[str, Any], side: int) -> dict[str, Any]:
    return next(layer for layer in spec["hconcat"][side]["layer"] if layer["mark"]["type"] == "circle")


def window_of(at: AppTest) -> list[float]:
    encoding = circles(drawn(at), 0)["encoding"]
    return [*encoding["x"]["scale"]["domain"], *encoding["y"]["scale"]["domain"]]


def test_without_maps_the_page_says_how_to_make_some(open_page: Open, small_set: Path) -> None:
    at = open_page("maps")
    assert not at.exception
    assert "No maps yet" in texts(at)
    assert f"python -m recsys map {small_set} --method umap" in texts(at)


def test_both_maps_and_what_they_bend_are_shown(page: Callable[..., AppTest]) -> None:
    at = page()
    spec = drawn(at)
    assert [half["title"] for half in spec["hconcat"]] == ["ALS, UMAP", "Word2vec, UMAP"]
    assert {param["name"] for param in spec["params"]} == {"hov", "pick", "brush"}
    assert "ALS's keeps 50% and Word2vec's keeps 50%" in texts(at)
    assert "<td>0.50<small>by chance 0.01, PCA 0.20</small></td>" in texts(at)
    assert "<td>0.90<small>by chance 0.50" in texts(at)


@pytest.mark.parametrize("colour", ["popularity", "agreement", "stability", "shift", "faithfulness"])
def test_every_colour_is_drawn_from_its_own_numbers(
    page: Callable[..., AppTest], mapped: ArtifactSet, colour: str
) -> None:
    at = page()
    at.selectbox(key="colour").set_value(colour).run()
    assert not at.exception
    spec = drawn(at)
    expected = {
        "popularity": [mapped.catalogue["popularity"]] * 2,
        "agreement": [mapped.agreement["overlap"]] * 2,
        "stability": [mapped.agreement["floor_als"], mapped.agreement["floor_word2vec"]],
        "shift": [mapped.map_shift("word2vec", "umap")] * 2,
        "faithfulness": [mapped.map_faithfulness(model, "umap") for model in ("als", "word2vec")],
    }[colour]
    points = points_drawn(at)
    for side, values in enumerate(expected):
        assert circles(spec, side)["encoding"]["color"]["field"] == f"{colour}_{side}"
        assert points[f"{colour}_{side}"].tolist() == pytest.approx(
            np.asarray(values, float).tolist(), abs=6e-4, nan_ok=True
        )


def test_what_cannot_be_known_is_no_choice(
    page: Callable[..., AppTest], mapped: ArtifactSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert page().selectbox(key="colour").options == list(COLOURS)
    bare = mapped.catalogue.drop(columns="decade").assign(tags=[[]] * len(mapped.catalogue))
    monkeypatch.setitem(mapped.__dict__, "catalogue", bare)
    known = [each for each in COLOURS if each not in ("tag", "decade")]
    assert colours_of(mapped, "without tags", mapped.pair) == known
    tagged = bare.assign(tags=[["rock", "80s", "70s"], *[["rock"]] * (len(bare) - 1)])
    monkeypatch.setitem(mapped.__dict__, "catalogue", tagged)
    assert colours_of(mapped, "with tags", mapped.pair) == list(COLOURS)


def test_a_decade_is_what_the_catalogue_says_else_what_a_tag_names() -> None:
    told = {"80s": 1980, "1970s": 1970, "60's": 1960, "00s": 2000, "10s": 2010, "1890s": 1890, "2000S": 2000}
    assert {tag: decade_of(tag) for tag in told} == told
    assert [decade_of(tag) for tag in ("80", "1985s", "eighties", "080s", "s")] == [None] * 5


def test_a_rectangle_lists_what_is_in_it(page: Callable[..., AppTest], mapped: ArtifactSet) -> None:
    at = page()
    for side, model in enumerate(("als", "word2vec")):
        place = np.asarray(mapped.layout(model, "umap"))
        inside = (place[:, 0] > 0) & (place[:, 0] < 1) & (place[:, 1] > -1) & (place[:, 1] < 1)
        assert 0 < inside.sum() < len(place)
        at.session_state["rectangle"] = {f"x_{side}": [0.0, 1.0], f"y_{side}": [-1.0, 1.0]}
        at.run()
        assert not at.exception
        assert f"{inside.sum()} items in the rectangle" in texts(at)
        table = at.dataframe[0].value
        assert table["listeners"].is_monotonic_decreasing
        assert set(table["name"]) == set(mapped.catalogue["name"][inside])


def test_a_rectangle_stays_through_another_colour_and_goes_with_another_window(page: Callable[..., AppTest]) -> None:
    at = page()
    at.session_state["rectangle"] = {"x_0": [0.0, 1.0], "y_0": [-1.0, 1.0]}
    at.selectbox(key="colour").set_value("agreement").run()
    brush = next(param for param in drawn(at)["params"] if param["name"] == "brush")
    assert brush["value"] == {"x": [0.0, 1.0], "y": [-1.0, 1.0]}
    assert "items in the rectangle" in texts(at)
    at.button(key="zoom_in").click().run()
    assert "items in the rectangle" not in texts(at)
    assert "value" not in next(param for param in drawn(at)["params"] if param["name"] == "brush")


def test_zooming_stands_in_the_address_and_leads_back(page: Callable[..., AppTest], mapped: ArtifactSet) -> None:
    at = page()
    whole = window_of(at)
    assert at.button(key="zoom_out").disabled
    at.button(key="zoom_in").click().run()
    inner = window_of(at)
    assert inner[1] - inner[0] == pytest.approx((whole[1] - whole[0]) / 2, rel=1e-4)
    linked = str(at.query_params["window"])
    assert [float(part) for part in linked.split(",")] == pytest.approx(inner)
    place = np.asarray(mapped.layout("als", "umap"))
    points = points_drawn(at)
    assert 0 < len(points) < len(place)
    at.button(key="zoom_out").click().run()
    assert window_of(at) == pytest.approx(whole)
    assert "window" not in at.query_params


def test_an_item_is_flown_to_and_the_window_follows_the_next(
    page: Callable[..., AppTest], mapped: ArtifactSet, catalogue: Catalogue
) -> None:
    at = page()
    at.button(key="zoom_item").click().run()
    places = [np.asarray(mapped.layout(model, "umap")) for model in ("als", "word2vec")]

    def holds(row: int) -> bool:
        left, right, low, high = window_of(at)
        return any(left <= place[row, 0] <= right and low <= place[row, 1] <= high for place in places)

    assert holds(8)
    far = next(row for row in range(len(catalogue)) if not holds(row) and np.isfinite(places[0][row]).all())
    at.query_params["item"] = catalogue[far][0]
    at.run()
    assert not at.exception
    assert holds(far)


@pytest.mark.parametrize(
    "window", ["1,2,3", "a,b,c,d", "2,1,0,1", "nan,1,0,1", "900,901,0,1", "0,inf,0,1", "0,1e-9,0,1"]
)
def test_a_window_that_is_none_is_said_and_left_out(page: Callable[..., AppTest], window: str) -> None:
    at = page(window=window)
    assert "is no part of these maps" in texts(at)
    assert window_of(at) == window_of(page())


def test_a_window_ends_with_the_maps_it_is_a_part_of(page: Callable[..., AppTest]) -> None:
    at = page()
    at.button(key="zoom_in").click().run()
    at.radio(key="method").set_value("tsne").run()
    assert not at.exception
    assert "window" not in at.query_params
    assert "is no part of these maps" not in texts(at)
    assert at.button(key="zoom_out").disabled


def test_of_many_items_the_density_is_drawn_and_more_come_with_zoom(
    page: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(map_window, "MOST_POINTS", 20)
    monkeypatch.setattr(map_window, "SHOWN_OF_MORE", 5)
    at = page()
    assert "most popular as points" in texts(at)
    spec = drawn(at)
    for half in spec["hconcat"]:
        assert half["layer"][0]["mark"]["type"] == "image"
    shown = set(points_drawn(at)["item_row"])
    assert set(range(5)) < shown
    assert 8 in shown
    for _ in range(8):
        at.button(key="zoom_in").click().run()
    assert "most popular as points" not in texts(at)
    assert drawn(at)["hconcat"][0]["layer"][0]["mark"]["type"] == "circle"


def test_regions_are_named_where_the_set_knows_them(page: Callable[..., AppTest], mapped: ArtifactSet) -> None:
    spec = drawn(page())
    texts_drawn = {row["label"] for rows in datasets(page()).values() for row in rows if "label" in row}
    assert "a region" in texts_drawn
    assert [layer["mark"]["type"] for layer in spec["hconcat"][0]["layer"]].count("text") >= 4


def test_what_is_taken_away_is_the_whole_catalogue_in_its_order(mapped: ArtifactSet) -> None:
    table = places_table(mapped, mapped.pair, "umap")
    assert table["item_id"].tolist() == mapped.catalogue["item_id"].tolist()
    assert table["word2vec_x"].isna().tolist() == [False] * (len(table) - 1) + [True]
    assert table["als_y"].tolist() == np.asarray(mapped.layout("als", "umap"))[:, 1].tolist()
    assert "word2vec_shift" in table
    assert "als_shift" not in table
    vectors = np.loadtxt(projector_vectors(mapped, "als").decode().splitlines(), delimiter="\t")
    assert vectors == pytest.approx(np.asarray(mapped.array("als/vectors")), abs=1e-4)
    lines = projector_metadata(mapped).decode().splitlines()
    assert lines[0].split("\t") == ["name", "item_id", "listeners", "tags"]
    assert len(lines) == len(vectors) + 1
    assert {line.count("\t") for line in lines} == {3}


def test_a_name_cannot_end_a_field_of_what_is_taken_away(mapped: ArtifactSet, monkeypatch: pytest.MonkeyPatch) -> None:
    hostile = mapped.catalogue.assign(name="tab\there\nand\r\nthere")
    monkeypatch.setitem(mapped.__dict__, "catalogue", hostile)
    lines = projector_metadata(mapped).decode().splitlines()
    assert len(lines) == len(hostile) + 1
    assert lines[1].startswith("tab here and there\t")
