"""Two maps in one linked view: a DataFrame in, an alt.Chart out; no Streamlit."""

from __future__ import annotations

import warnings
from typing import Any

import altair as alt
import pandas as pd

from recsys.ui.charts import CANVAS, MODEL_COLOURS

SIDE = 520
SMALL_DOTS, LARGE_DOTS, MANY = 16, 36, 2_000
PLAIN, MARKED = "#8a8a8a", "#b05105"


def linked_maps_chart(
    points: pd.DataFrame, rays: pd.DataFrame, titles: list[str], colour: str, words: str, query: int
) -> alt.HConcatChart:
    """Both models' maps side by side. Pointing at an item lights it on both; a click selects it under the name "pick";
    a rectangle drawn on the first map, named "brush", shows on the second where its items went.

    Parameters
    ----------
    points : one row an item: item_row, name, listeners, the column `colour` (numbers, or booleans for in and out), and
        x_0, y_0, x_1, y_1, its places on the two maps; missing where a model lacks it.
    rays : map (0 or 1), x, y, x2, y2: lines from the item asked about to its true neighbours.
    titles : of the two maps. words : what the colour means.
    query : the item_row of the item asked about.
    """
    hover = alt.selection_point(name="hov", fields=["item_row"], on="pointerover", clear="pointerout", empty=False)
    pick = alt.selection_point(name="pick", fields=["item_row"], on="click", empty=False)
    brush = alt.selection_interval(name="brush", empty=False)
    halves = []
    for side, title in enumerate(titles):
        base = alt.Chart(points).encode(x=_axis(alt.X, "x", side, points), y=_axis(alt.Y, "y", side, points))
        dots = base.mark_circle(opacity=0.6).encode(
            color=_colour(points, colour, words),
            # Never colour alone: what is in stands out by its size.
            size=alt.Size(f"{colour}:N", scale=alt.Scale(domain=[False, True], range=[14, 60]), legend=None)
            if points[colour].dtype == bool
            else alt.value(SMALL_DOTS if len(points) > MANY else LARGE_DOTS),
            tooltip=[
                alt.Tooltip("name:N"),
                alt.Tooltip("listeners:Q", format=","),
                alt.Tooltip(f"{colour}:N" if points[colour].dtype == bool else f"{colour}:Q", title=words),
            ],
        )
        dots = dots.add_params(hover, pick, brush) if side == 0 else dots.add_params(hover, pick)
        lit = base.transform_filter(hover)
        lines = (
            alt.Chart(rays[rays["map"] == side])
            .mark_rule(color=MODEL_COLOURS[side], opacity=0.7, strokeWidth=1.5)
            .encode(x=_axis(alt.X, "x", side, points, "x"), y=_axis(alt.Y, "y", side, points, "y"), x2="x2", y2="y2")
        )
        asked = base.transform_filter(alt.datum.item_row == query)
        layers = [
            dots,
            base.transform_filter(brush).mark_circle(size=34, color=MARKED, opacity=0.9),
            lines,
            asked.mark_point(shape="cross", size=160, strokeWidth=3, color=MODEL_COLOURS[side]),
            asked.mark_text(dy=-14, fontSize=13, fontWeight="bold", color=MODEL_COLOURS[side]).encode(text="name:N"),
            lit.mark_point(size=220, strokeWidth=2.5, color=MARKED),
            lit.mark_text(dy=-16, fontSize=13, color=MARKED).encode(text="name:N"),
        ]
        halves.append(alt.layer(*layers).properties(width=SIDE, height=SIDE, title=title))
    with warnings.catch_warnings():
        # One parameter for both maps is what links them; Altair says each time that it made one of two.
        warnings.filterwarnings("ignore", "Automatically deduplicated selection parameter")
        both: alt.HConcatChart = alt.hconcat(*halves).resolve_scale(color="shared").properties(usermeta=CANVAS)
    return both


def _axis(channel: Any, letter: str, side: int, points: pd.DataFrame, field: str = "") -> Any:
    # Both maps in one frame, so that what stands elsewhere is seen to.
    both = points[[f"{letter}_0", f"{letter}_1"]]
    low, high = float(both.min().min()), float(both.max().max())
    edge = 0.04 * (high - low)
    scale = alt.Scale(domain=[low - edge, high + edge], nice=False, zero=False)
    return channel(f"{field or f'{letter}_{side}'}:Q", axis=None, scale=scale)


def _colour(points: pd.DataFrame, colour: str, words: str) -> alt.Color:
    if points[colour].dtype == bool:
        scale = alt.Scale(domain=[False, True], range=[PLAIN, MARKED])
        return alt.Color(f"{colour}:N", title=words, scale=scale, legend=alt.Legend(orient="top"))
    return alt.Color(
        f"{colour}:Q", title=words, scale=alt.Scale(scheme="viridis"),
        legend=alt.Legend(orient="top", gradientLength=180, titleLimit=320),
    )  # fmt: skip
