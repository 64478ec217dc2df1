from __future__ import annotations

import pandas as pd
import pytest

from recsys.ui.measured_grid import measured_words
from recsys.ui.whatif_charts import best_measured, grid_chart, length_chart, worth_chart

CURVES = pd.DataFrame({"setting": ["a", "a", "b", "b"], "plays": [1, 10, 1, 10], "worth": [1, 2, 1, 8]})
TICKS = pd.DataFrame({"plays": [1, 4], "listeners": [7, 2]})
GRID = pd.DataFrame(
    {
        "k1": [1.2, 1.2, 100, 100], "b": [0.0, 0.8, 0.0, 0.8], "ndcg": [0.25, 0.26, 0.16, 0.17],
        "ndcg_low": 0.1, "ndcg_high": 0.3, "best_region": [False, True, False, False],
    }
)  # fmt: skip


def test_curves_differ_by_more_than_colour_and_ticks_are_the_listeners() -> None:
    spec = worth_chart(CURVES, TICKS).to_dict()
    lines, ticks = spec["layer"]
    assert lines["encoding"]["color"]["scale"]["domain"] == ["a", "b"]
    assert len({tuple(dash) for dash in lines["encoding"]["strokeDash"]["scale"]["range"]}) == 2
    assert spec["datasets"][ticks["data"]["name"]] == TICKS.to_dict("records")
    assert {lines["encoding"][axis]["scale"]["type"] for axis in "xy"} == {"log"}


def test_one_setting_alone_is_drawn_too() -> None:
    spec = worth_chart(CURVES[CURVES["setting"] == "a"], TICKS).to_dict()
    assert spec["layer"][0]["encoding"]["color"]["scale"]["domain"] == ["a"]


def test_length_chart_marks_where_the_item_stands() -> None:
    curves = CURVES.rename(columns={"plays": "length", "worth": "factor"})
    spec = length_chart(curves, 3.5).to_dict()
    assert spec["datasets"][spec["layer"][1]["data"]["name"]] == [{"length": 3.5}]


def test_grid_shows_every_cell_with_its_number_marks_and_outline() -> None:
    spec = grid_chart(GRID, "ndcg", "nDCG@10", (1.2, 0.8), (100.0, 0.8)).to_dict()
    rows = next(iter(spec["datasets"].values()))
    assert {(row["K1"], row["B"], row["ndcg"], row["mark"]) for row in rows} == {
        ("1.2", "0", 0.25, ""), ("1.2", "0.8", 0.26, "●"), ("100", "0", 0.16, ""), ("100", "0.8", 0.17, "○"),
    }  # fmt: skip
    kinds = [layer["mark"]["type"] if isinstance(layer["mark"], dict) else layer["mark"] for layer in spec["layer"]]
    assert kinds == ["rect", "rect", "text", "text"]
    assert spec["layer"][1]["transform"] == [{"filter": "datum.best_region"}]
    assert any(param["name"] == "cell" for param in spec["params"])


def test_a_setting_off_the_grid_is_marked_nowhere_and_only_ndcg_has_an_outline() -> None:
    spec = grid_chart(GRID.assign(recall=0.1), "recall", "Recall", (1.2, 0.75), (100.0, 0.8)).to_dict()
    assert "●" not in [row["mark"] for row in next(iter(spec["datasets"].values()))]
    assert len(spec["layer"]) == 3


def test_both_marks_fall_together_where_the_person_asks_for_the_tutorial() -> None:
    spec = grid_chart(GRID, "ndcg", "nDCG@10", (100.0, 0.8), (100.0, 0.8)).to_dict()
    marks = [row["mark"] for row in next(iter(spec["datasets"].values()))]
    assert sorted(marks) == ["", "", "", "○●"]


@pytest.mark.parametrize(("grid", "best"), [(GRID, (1.2, 0.8)), (None, None), (GRID.assign(ndcg=float("nan")), None)])
def test_best_measured_is_the_highest_if_there_is_one(
    grid: pd.DataFrame | None, best: tuple[float, float] | None
) -> None:
    assert best_measured(grid) == best


def test_the_measured_line_compares_with_the_baseline_at_the_nearest_points() -> None:
    grid = GRID.assign(noise_floor=[0.6, 0.7, 0.3, 0.4])
    assert measured_words(grid, 10, (1.2, 0.8), (100.0, 0.8)) == (
        "Measured on held-out plays: nDCG@10 **0.260** ± 0.100, against 0.170 at K1 100, B 0.8; "
        "two fits share **70%** of their top 10, against 40%."
    )
    assert "nearby, at K1 1.2, B 0.8: " in measured_words(grid, 10, (1.0, 0.75), (100.0, 0.8))
    assert measured_words(grid, 10, (90.0, 0.8), (100.0, 0.8)) == ""
    assert measured_words(grid.assign(ndcg=float("nan")), 10, (1.2, 0.8), (100.0, 0.8)) == ""
