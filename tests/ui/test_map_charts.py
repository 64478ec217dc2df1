from __future__ import annotations

import io
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from recsys.analysis.map_window import Window
from recsys.ui.map_charts import Colour, Half, linked_maps_chart, picture_of

POINTS = pd.DataFrame(
    {
        "item_row": [3, 5, 9], "name": ["a", "b", "c"], "listeners": [9, 8, 7],
        "popularity_0": [90.0, 50.0, np.nan], "popularity_1": [90.0, 50.0, np.nan],
        "x_0": [0.0, 1.0, 2.0], "y_0": [0.0, 1.0, 0.5], "x_1": [5.0, np.nan, 1.0], "y_1": [2.0, np.nan, 1.0],
    }
)  # fmt: skip
WINDOW = Window((-1.0, 6.0), (-2.0, 5.0))
PLACES = pd.DataFrame({"x": [1.0], "y": [2.0], "label": ["a region"]})
NOTHING = PLACES.head(0)


def half(title: str, end: float, density: str | None = None) -> Half:
    rays = pd.DataFrame({"x": [0.0], "y": [0.0], "x2": [end], "y2": [1.0]})
    return Half(title, rays, PLACES, NOTHING, density)


def chart(points: pd.DataFrame = POINTS, colour: str = "popularity", **more: Any) -> dict[str, Any]:
    halves = half("one", 1.0), half("two", 2.0)
    return dict(linked_maps_chart(points, halves, Colour(colour, "words"), 3, WINDOW, **more).to_dict())


def layers(spec: dict[str, Any], side: int, mark: str) -> list[dict[str, Any]]:
    return [layer for layer in spec["hconcat"][side]["layer"] if layer["mark"]["type"] == mark]


def test_both_maps_stand_in_one_window_and_share_their_selections() -> None:
    spec = chart()
    for axis, ends in (("x", [-1, 6]), ("y", [-2, 5])):
        for side in (0, 1):
            drawn = [layer["encoding"][axis]["scale"]["domain"] for layer in spec["hconcat"][side]["layer"]]
            assert all(domain == ends for domain in drawn)
    views = {param["name"]: param.get("views", []) for param in spec["params"]}
    assert all(len(views[name]) >= 2 for name in ("hov", "pick", "brush"))
    assert [layers(spec, side, "circle")[0]["encoding"]["x"]["field"] for side in (0, 1)] == ["x_0", "x_1"]


def test_nothing_is_drawn_beyond_the_window() -> None:
    marks = [layer["mark"] for half in chart()["hconcat"] for layer in half["layer"]]
    assert all(mark["clip"] for mark in marks)


def test_points_travel_once_and_each_map_draws_its_own_lines() -> None:
    spec = chart()
    assert sum(rows == spec["datasets"][spec["data"]["name"]] for rows in spec["datasets"].values()) == 1
    for side, end in ((0, 1.0), (1, 2.0)):
        (rule,) = layers(spec, side, "rule")
        assert [row["x2"] for row in spec["datasets"][rule["data"]["name"]]] == [end]


def test_each_map_is_coloured_by_its_own_numbers_and_what_is_not_known_is_grey() -> None:
    spec = chart()
    for side in (0, 1):
        colour = layers(spec, side, "circle")[0]["encoding"]["color"]
        assert colour["field"] == f"popularity_{side}"
        assert layers(spec, side, "circle")[0]["mark"]["invalid"] is None
        assert {"filter": f"isValid(datum.x_{side})"} in layers(spec, side, "circle")[0]["transform"]
    assert spec["config"]["scale"]["invalid"] == {"color": {"value": "#8a8a8a"}}


def test_a_tag_is_told_by_size_as_well_as_by_colour() -> None:
    flags = POINTS.assign(tag_0=[True, False, False], tag_1=[True, False, False])
    dots = layers(chart(flags, "tag"), 0, "circle")[0]["encoding"]
    assert dots["color"]["scale"]["domain"] == dots["size"]["scale"]["domain"] == [False, True]
    assert len(set(dots["size"]["scale"]["range"])) == 2


def test_a_rectangle_that_was_drawn_before_is_there_from_the_start() -> None:
    assert "value" not in next(param for param in chart()["params"] if param["name"] == "brush")
    spec = chart(rectangle={"x": [1.0, 2.0], "y": [0.0, 3.0]})
    brush = next(param for param in spec["params"] if param["name"] == "brush")
    assert brush["value"] == {"x": [1.0, 2.0], "y": [0.0, 3.0]}


def test_a_picture_of_density_fills_the_window_under_the_points() -> None:
    halves = half("one", 1.0, "data:image/png;base64,x"), half("two", 2.0)
    spec = linked_maps_chart(POINTS, halves, Colour("popularity", "words"), 3, WINDOW).to_dict()
    first = spec["hconcat"][0]["layer"][0]
    assert first["mark"]["type"] == "image"
    assert not first["mark"]["aspect"]
    assert spec["datasets"][first["data"]["name"]] == [
        {"x": -1.0, "x2": 6.0, "y": -2.0, "y2": 5.0, "url": "data:image/png;base64,x"}
    ]
    assert layers(spec, 1, "image") == []


@pytest.mark.parametrize("dark", [False, True])
def test_the_maps_can_be_taken_away_with_what_belongs_to_them(dark: bool) -> None:
    halves = half("one", 1.0), half("two", 2.0)
    drawn = linked_maps_chart(POINTS, halves, Colour("popularity", "words"), 3, WINDOW, dark=dark)
    svg = picture_of(drawn, "A title & more", ["a fact"], "svg", dark).decode()
    for words in ("A title &amp; more", "a fact", "one", "two", "a region"):
        assert f">{words}<" in svg
    png = Image.open(io.BytesIO(picture_of(drawn, "A title", ["a fact"], "png", dark)))
    assert png.width > 2 * 2 * 520
    assert np.asarray(png.convert("L"))[3, -3] < 128 if dark else np.asarray(png.convert("L"))[3, -3] > 128


def test_what_xml_may_not_hold_is_left_out_of_a_picture() -> None:
    halves = half("o\0n\x07e\ufffe", 1.0), half("två\t\U0001f3b5", 2.0)
    drawn = linked_maps_chart(POINTS, halves, Colour("popularity", "words"), 3, WINDOW)
    svg = ElementTree.fromstring(picture_of(drawn, "A title", ["a fact"], "svg"))
    words = [element.text for element in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert "one" in words
    assert any(each and each.startswith("två") and "\U0001f3b5" in each for each in words)


def test_for_a_telephone_maps_are_small_and_stand_one_below_the_other() -> None:
    small, large = chart(small=True), chart()
    assert [(each["width"], each["height"]) for each in small["vconcat"]] == [(328, 328)] * 2
    assert "hconcat" not in small
    # Names of single items, on their paper, are left out; those of regions are not.
    texts = [sum(layer["mark"]["type"] == "text" for layer in half["layer"]) for half in small["vconcat"]]
    assert [count + 2 for count in texts] == [len(layers(large, side, "text")) for side in (0, 1)]


@pytest.mark.parametrize(("dark", "extent"), [(False, [0, 0.9]), (True, [0.35, 1])])
def test_colours_leave_out_the_end_that_the_paper_swallows(dark: bool, extent: list[float]) -> None:
    dots = layers(chart(dark=dark), 0, "circle")[0]
    assert dots["encoding"]["color"]["scale"]["scheme"] == {"name": "viridis", "extent": extent}
