"""Charts of the BM25 what-if page: DataFrames in, an alt.Chart out; no Streamlit."""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from recsys.ui.charts import ALS_BLUE, CANVAS
from recsys.whatif.result import setting
from recsys.whatif.trust import TUTORIAL

BASELINE_GREY = "#767676"
HEIGHT = 330


def worth_chart(curves: pd.DataFrame, ticks: pd.DataFrame) -> alt.LayerChart | alt.FacetChart:
    """What plays are worth under each setting, and below how often the item's listeners played it.

    Parameters
    ----------
    curves : `whatif.curves.worth_of_plays`; the baseline's setting first.
    ticks : `whatif.curves.listeners_by_plays`.
    """
    x = _logarithmic(alt.X, "plays:Q", "plays by one listener")
    lines = _lines(curves, x, _logarithmic(alt.Y, "worth:Q", "worth, in first plays"), "plays")
    # At the foot of the chart, whatever the range of worth.
    rug = (
        alt.Chart(ticks)
        .mark_tick(thickness=1.5, size=12, color=BASELINE_GREY, opacity=0.7)
        .encode(
            x=x,
            y=alt.value(alt.ExprRef("height - 7")),
            tooltip=[alt.Tooltip("plays:Q", format=",.0f"), alt.Tooltip("listeners:Q", format=",")],
        )
    )
    return alt.layer(lines, rug).properties(height=HEIGHT, usermeta=CANVAS)


def length_chart(curves: pd.DataFrame, length: float) -> alt.LayerChart | alt.FacetChart:
    """How item length slows saturation under each setting, with a line where the item stands.

    Parameters
    ----------
    curves : `whatif.curves.length_factors`; the baseline's setting first.
    length : of the item, its plays over the mean item's.
    """
    x = _logarithmic(alt.X, "length:Q", "an item's plays over the mean item's")
    factor = _logarithmic(alt.Y, "factor:Q", "saturates so many times slower")
    here = alt.Chart(pd.DataFrame({"length": [length]})).mark_rule(strokeDash=[2, 3], color=BASELINE_GREY).encode(x=x)
    return alt.layer(_lines(curves, x, factor, "length"), here).properties(height=HEIGHT, usermeta=CANVAS)


def grid_chart(
    grid: pd.DataFrame, metric: str, title: str, current: tuple[float, float], tutorial: tuple[float, float]
) -> alt.LayerChart | alt.FacetChart:
    """A measured K1 × B grid as a heat map; a click on a cell selects it under the name "cell".

    Parameters
    ----------
    grid : tuning.parquet, one row a setting: k1, b, the metric, best_region.
    metric, title : column shown, and its name for people.
    current, tutorial : K1 and B that are marked: with ● and ○, where they lie on the grid.
    """
    k1s, bs = sorted(grid["k1"].unique()), sorted(grid["b"].unique())
    marks = {tutorial: "○"}
    marks[current] = f"{marks.get(current, '')}●"
    shown = grid.assign(
        K1=grid["k1"].map(lambda v: f"{v:g}"), B=grid["b"].map(lambda v: f"{v:g}"),
        mark=[marks.get(each, "") for each in zip(grid["k1"], grid["b"], strict=True)],
        best=grid["best_region"].map({True: "as good as the best", False: "below the best"}),
    )  # fmt: skip
    x = alt.X("K1:N", sort=[f"{v:g}" for v in k1s], axis=alt.Axis(labelAngle=0), title="K1")
    y = alt.Y("B:N", sort=[f"{v:g}" for v in reversed(bs)], title="B")
    picked = alt.selection_point(name="cell", fields=["k1", "b"], on="click", empty=False)
    tooltip = [
        alt.Tooltip("k1:Q", title="K1"),
        alt.Tooltip("b:Q", title="B"),
        alt.Tooltip("best:N", title="within noise"),
    ]
    tooltip += [
        alt.Tooltip(f"{column}:Q", title=words, format=".3f")
        for column, words in (
            ("ndcg", "nDCG"), ("ndcg_low", "from"), ("ndcg_high", "to"), ("recall", "Recall"),
            ("noise_floor", "two fits share"), ("coverage", "coverage"), ("tag_share", "tag share"),
        )
        if column in grid
    ]  # fmt: skip
    base = alt.Chart(shown).encode(x=x, y=y, tooltip=tooltip)
    cells = (
        base.mark_rect()
        .encode(color=alt.Color(f"{metric}:Q", title=title, scale=alt.Scale(scheme="cividis"), legend=LEGEND))
        .add_params(picked)
    )
    # Never colour alone: numbers in all cells, a ring around those within noise of the best.
    dark = f"datum['{metric}'] <= {float(grid[metric].min() + grid[metric].max()) / 2}"
    ink = alt.condition(dark, alt.value("#ffffff"), alt.value("#1d1d1b"))
    numbers = base.mark_text(fontSize=12, dy=-4).encode(
        text=alt.Text(f"{metric}:Q", format=".1f" if metric == "popularity" else ".3f"), color=ink
    )
    marks = base.mark_text(fontSize=13, dy=12).encode(text="mark:N", color=ink)
    outline = base.transform_filter("datum.best_region").mark_rect(fill=None, stroke="#1d1d1b", strokeWidth=2)
    # The region is measured for nDCG and says nothing of other metrics.
    best = [outline] if metric == "ndcg" else []
    return alt.layer(cells, *best, numbers, marks).properties(height=HEIGHT + 60, usermeta=CANVAS)


LEGEND = alt.Legend(orient="top", gradientLength=160, titleLimit=240)


def _logarithmic(channel: Any, field: str, title: str) -> Any:
    axis = alt.Axis(grid=False, tickCount=5, format=",~r")
    return channel(field, title=title, scale=alt.Scale(type="log", nice=False), axis=axis)


def _lines(curves: pd.DataFrame, x: alt.X, y: alt.Y, along: str) -> alt.Chart:
    order = list(dict.fromkeys(curves["setting"]))
    colours, dashes = [BASELINE_GREY, ALS_BLUE][-len(order) :], [[5, 3], [1, 0]][-len(order) :]

    def by_setting(channel: Any, values: list[Any], **more: Any) -> Any:
        return channel("setting:N", sort=order, title=None, scale=alt.Scale(domain=order, range=values), **more)

    lines: alt.Chart = (
        alt.Chart(curves)
        .mark_line(strokeWidth=2.5)
        .encode(
            x=x,
            y=y,
            color=by_setting(alt.Color, colours, legend=alt.Legend(orient="top", columns=1, symbolType="stroke")),
            strokeDash=by_setting(alt.StrokeDash, dashes),
            tooltip=[
                "setting:N", alt.Tooltip(f"{along}:Q", format=",.3~r"), alt.Tooltip(f"{y.shorthand}", format=",.3~r"),
            ],
        )
    )  # fmt: skip
    return lines


def best_measured(grid: pd.DataFrame | None) -> tuple[float, float] | None:
    """K1 and B of the best setting of a measured grid."""
    if grid is None or not grid["ndcg"].notna().any():
        return None
    best = int(np.nanargmax(grid["ndcg"]))
    return float(grid["k1"].iloc[best]), float(grid["b"].iloc[best])


def grid_sentence(grid: pd.DataFrame, n: int) -> str:
    """Which setting of a measured grid recommends best, and what cannot be told from it."""
    best = best_measured(grid)
    if best is None:
        return "No setting of the grid could be measured"
    among = grid[grid["best_region"]]
    row = grid.iloc[int(np.nanargmax(grid["ndcg"]))]
    half = (row["ndcg_high"] - row["ndcg_low"]) / 2
    words = f"{setting(*best)} recommends best: nDCG@{n} {row['ndcg']:.3f} ± {half:.3f}"
    if len(among) > 1:
        widest = among.iloc[int(np.nanargmax(among["coverage"]))]
        words += f"; {len(among) - 1} other settings cannot be told from it"
        if widest["coverage"] - row["coverage"] > 0.01:
            other = setting(float(widest["k1"]), float(widest["b"]))
            covered = f"{widest['coverage']:.0%} of the catalogue instead of {row['coverage']:.0%}"
            words += f", and {other} among them recommends {covered}"
    tutorial = grid[(grid["k1"] == TUTORIAL[0]) & (grid["b"] == TUTORIAL[1])]
    return words + (
        f". The tutorial's {setting(*TUTORIAL)} has {tutorial['ndcg'].iloc[0]:.3f}" if len(tutorial) else ""
    )
