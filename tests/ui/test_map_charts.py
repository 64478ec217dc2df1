from __future__ import annotations

import numpy as np
import pandas as pd

from recsys.ui.map_charts import linked_maps_chart

POINTS = pd.DataFrame(
    {
        "item_row": [3, 5, 9], "name": ["a", "b", "c"], "listeners": [9, 8, 7], "popularity": [90.0, 50.0, 10.0],
        "x_0": [0.0, 1.0, 2.0], "y_0": [0.0, 1.0, 0.5], "x_1": [5.0, np.nan, 1.0], "y_1": [2.0, np.nan, 1.0],
    }
)  # fmt: skip
RAYS = pd.DataFrame({"map": [0, 1], "x": [0.0, 5.0], "y": [0.0, 2.0], "x2": [1.0, 1.0], "y2": [1.0, 1.0]})


def chart(points: pd.DataFrame = POINTS, colour: str = "popularity") -> dict[str, object]:
    return dict(linked_maps_chart(points, RAYS, ["one", "two"], colour, "words", 3).to_dict())


def test_both_maps_share_one_frame_and_one_set_of_selections() -> None:
    spec = chart()
    left, right = spec["hconcat"]  # type: ignore[misc]
    domains = {str(half["layer"][0]["encoding"][axis]["scale"]["domain"]) for half in (left, right) for axis in ("x",)}
    assert len(domains) == 1
    views = {param["name"]: param.get("views", []) for param in spec["params"]}  # type: ignore[union-attr, attr-defined]
    assert len(views["hov"]) >= 2
    assert len(views["pick"]) >= 2
    assert len(views["brush"]) == 1
    assert [half["layer"][0]["encoding"]["x"]["field"] for half in (left, right)] == ["x_0", "x_1"]


def test_each_map_draws_its_own_lines() -> None:
    spec = chart()
    for side, half in enumerate(spec["hconcat"]):  # type: ignore[arg-type, var-annotated]
        rules = [layer for layer in half["layer"] if layer["mark"]["type"] == "rule"]
        rows = spec["datasets"][rules[0]["data"]["name"]]  # type: ignore[index]
        assert [row["map"] for row in rows] == [side]


def test_a_tag_is_told_by_size_as_well_as_by_colour() -> None:
    spec = chart(POINTS.assign(tag=[True, False, False]), "tag")
    dots = spec["hconcat"][0]["layer"][0]["encoding"]  # type: ignore[index]
    assert dots["color"]["scale"]["domain"] == dots["size"]["scale"]["domain"] == [False, True]
    assert len(set(dots["size"]["scale"]["range"])) == 2
