from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from recsys.analysis.map_window import Window
from recsys.ui.charts import ALS_BLUE, WORD2VEC_VERMILION
from recsys.ui.listener_charts import KINDS, SALTIRE, Scene, listener_map_chart, reasons_chart

WINDOW = Window((-1.0, 6.0), (-2.0, 5.0))
OWN = pd.DataFrame({"x": [0.0, 1.0], "y": [2.0, 3.0], "name": ["a", "b"], "weight": [9.0, 4.0], "kind": list(KINDS)})
STAND = pd.DataFrame({"x": [4.0], "y": [1.0], "name": ["c"]})
OFFERED = pd.DataFrame({"x": [5.0, 4.5, 3.0], "y": [0.0, 1.0, 2.0], "name": ["d", "e", "f"], "rank": [1, 2, 3]})
LABELS = pd.DataFrame({"x": [4.0], "y": [1.0], "label": ["this listener"]})


def scene(**more: Any) -> Scene:
    others = pd.DataFrame({"x": [2.0], "y": [2.0]})
    shown = {"own": OWN, "stand": STAND, "offered": OFFERED.head(0), "density": None, "stand_names": LABELS, **more}
    names = {f"{kind}_names": LABELS.head(0) for kind in ("own", "offered")}
    return Scene(
        **{"title": "ALS, UMAP", "window": WINDOW, "others": others, "regions": LABELS.head(0), **names, **shown}
    )


def chart(side: int = 0, **more: Any) -> dict[str, Any]:
    return dict(listener_map_chart(scene(**more), side).to_dict())


def layers(spec: dict[str, Any], mark: str) -> list[dict[str, Any]]:
    return [layer for layer in spec["hconcat"][0]["layer"] if layer["mark"]["type"] == mark]


def rows(spec: dict[str, Any], layer: dict[str, Any]) -> list[dict[str, Any]]:
    return list(spec["datasets"][layer["data"]["name"]])


def lines(spec: dict[str, Any]) -> set[tuple[float, ...]]:
    (rule,) = layers(spec, "rule")
    return {(row["x"], row["y"], row["x2"], row["y2"]) for row in rows(spec, rule)}


def test_lines_lead_to_what_was_played_until_something_is_offered() -> None:
    assert lines(chart()) == {(0, 2, 4, 1), (1, 3, 4, 1)}
    assert lines(chart(offered=OFFERED)) == {(5, 0, 4, 1), (4.5, 1, 4, 1), (3, 2, 4, 1)}
    assert lines(chart(stand=STAND.head(0))) == set()


def test_a_line_to_what_is_disliked_is_dashed() -> None:
    dash = layers(chart(), "rule")[0]["encoding"]["strokeDash"]
    assert dash["scale"] == {"domain": list(KINDS), "range": [[1, 0], [3, 4]]}
    assert "strokeDash" not in layers(chart(offered=OFFERED), "rule")[0]["encoding"]


def test_what_is_played_is_sized_by_weight_and_what_is_disliked_has_a_shape_of_its_own() -> None:
    played = layers(chart(), "point")[0]["encoding"]
    assert played["size"]["field"] == "weight"
    assert played["size"]["scale"]["domain"] == [0, 9]
    assert played["shape"]["scale"] == {"domain": list(KINDS), "range": ["circle", SALTIRE]}


@pytest.mark.parametrize(("side", "colour", "shape"), [(0, ALS_BLUE, "square"), (1, WORD2VEC_VERMILION, "diamond")])
def test_each_model_offers_in_its_colour_and_shape(side: int, colour: str, shape: str) -> None:
    mark = layers(chart(side, offered=OFFERED), "point")[1]["mark"]
    assert (mark["color"], mark["shape"]) == (colour, shape)


def test_everything_stands_in_one_square_window_and_nothing_beyond_it() -> None:
    spec = chart(offered=OFFERED, density="data:image/png;base64,x")
    inner = spec["hconcat"][0]
    assert inner["width"] == inner["height"]
    for layer in inner["layer"]:
        assert layer["encoding"]["x"]["scale"]["domain"] == [-1, 6]
        assert layer["encoding"]["y"]["scale"]["domain"] == [-2, 5]
        assert layer["mark"]["type"] == "image" or layer["mark"]["clip"]


def test_density_lies_under_all_else_where_items_are_too_many() -> None:
    assert layers(chart(), "image") == []
    first = chart(density="data:image/png;base64,x")["hconcat"][0]["layer"][0]
    assert first["mark"]["type"] == "image"


def test_names_are_written_where_there_are_some() -> None:
    written = [row["label"] for layer in layers(chart(), "text") for row in rows(chart(), layer)]
    assert set(written) == {"this listener"}
    assert layers(chart(stand_names=LABELS.head(0)), "text") == []


def test_a_dark_page_has_light_ink() -> None:
    fills = [
        layers(listener_map_chart(scene(), 0, dark).to_dict(), "point")[0]["mark"]["fill"] for dark in (False, True)
    ]
    assert fills == ["#1d1d1b", "#eceae4"]


def test_reasons_stand_in_the_order_given() -> None:
    reasons = pd.DataFrame({"item": ["b", "a", "2 more items"], "adds": [0.4, -0.1, 0.2]})
    spec = reasons_chart(reasons, ALS_BLUE).to_dict()
    rows_shown = spec["datasets"][spec["data"]["name"]]
    assert [(row["item"], row["place"]) for row in rows_shown] == [("b", 0), ("a", 1), ("2 more items", 2)]
    assert spec["encoding"]["y"]["sort"] == {"field": "place"}
    assert spec["mark"]["color"] == ALS_BLUE
