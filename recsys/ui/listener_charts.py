"""A listener on a map, and what drove a recommendation: DataFrames in, an alt.Chart out; no Streamlit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import altair as alt
import pandas as pd

from recsys.analysis.map_window import Window
from recsys.ui.charts import CANVAS, INK, MODEL_COLOURS, SHAPES
from recsys.ui.map_charts import PAPER, PLAIN, SIDE, SIDE_ON_TELEPHONE, axis_of, picture_layer, text_layers

KINDS = ("more like this", "less like this")
SALTIRE = "M-1,-1L1,1M-1,1L1,-1"
SMALLEST, LARGEST = 25, 220  # square pixels
NAME_ABOVE = -11


@dataclass(frozen=True)
class Scene:
    """What one map shows of a listener; a table without rows is not shown yet, or there is nothing to show.

    window : what part of the map is seen.
    others : x, y: all other items, drawn pale. density : address of a picture of them in their place, where they are
        too many.
    own : x, y, name, weight (how much it counts, > 0), kind (one of KINDS).
    stand : x, y, name: the listener, one row; name says at which item.
    offered : x, y, name, rank.
    own_names, stand_names, offered_names, regions : x, y, label: what there is room to call by name.
    """

    title: str
    window: Window
    others: pd.DataFrame
    density: str | None
    own: pd.DataFrame
    stand: pd.DataFrame
    offered: pd.DataFrame
    own_names: pd.DataFrame
    stand_names: pd.DataFrame
    offered_names: pd.DataFrame
    regions: pd.DataFrame


def listener_map_chart(scene: Scene, side: int, dark: bool = False, small: bool = False) -> alt.HConcatChart:
    """One model's map with the listener, what they played and what is offered, and lines between.

    Lines lead from the listener to what is offered; while nothing is, to what they played.

    Parameters
    ----------
    side : which of the set's models it is, from 0: its colour and shape.
    small : for a telephone, without names of regions.
    """
    ink, paper, own_colour = INK[dark], PAPER[dark], MODEL_COLOURS[side]
    window = scene.window

    def at(table: pd.DataFrame) -> alt.Chart:
        placed: alt.Chart = alt.Chart(table).encode(x=axis_of(alt.X, "x", window.x), y=axis_of(alt.Y, "y", window.y))
        return placed

    def called(names: pd.DataFrame, **style: Any) -> list[alt.Chart]:
        return [] if names.empty else text_layers(names, window, dark, **style)

    offers = not scene.offered.empty
    # The listener's place is one row, or none: then there are no lines.
    ends = (scene.offered if offers else scene.own).merge(scene.stand, how="cross", suffixes=("", "2"))
    lines = at(ends).encode(x2=alt.X2("x2"), y2=alt.Y2("y2"))
    if not offers:
        dash = alt.Scale(domain=list(KINDS), range=[[1, 0], [3, 4]])
        lines = lines.encode(strokeDash=alt.StrokeDash("kind:N", scale=dash, legend=None))
    shapes = alt.Scale(domain=list(KINDS), range=["circle", SALTIRE])
    largest = float(scene.own["weight"].max()) if len(scene.own) else 1.0
    played = at(scene.own).encode(
        size=alt.Size(
            "weight:Q", scale=alt.Scale(type="sqrt", domain=[0, largest], range=[SMALLEST, LARGEST]), legend=None
        ),
        # Never colour alone: what is disliked has a shape of its own.
        shape=alt.Shape("kind:N", scale=shapes, legend=None),
        tooltip=[alt.Tooltip("name:N"), alt.Tooltip("weight:Q", format=",.4~g"), alt.Tooltip("kind:N", title="counts")],
    )
    layers: list[Any] = [
        *([picture_layer(scene.density, window)] if scene.density else []),
        at(scene.others).mark_circle(size=9, color=PLAIN, opacity=0.35, clip=True),
        *([] if small else called(scene.regions, fontSize=12, fontStyle="italic", opacity=0.6)),
        lines.mark_rule(
            color=own_colour if offers else ink, opacity=0.6 if offers else 0.35, strokeWidth=1.3, clip=True
        ),
        played.mark_point(filled=True, fill=ink, stroke=ink, strokeWidth=1.5, opacity=0.55, clip=True),
        at(scene.offered)
        .mark_point(
            filled=True, shape=SHAPES[1 + side], size=90, color=own_colour, stroke=paper, strokeWidth=1, opacity=1,
            clip=True,
        )
        .encode(tooltip=[alt.Tooltip("rank:Q"), alt.Tooltip("name:N")]),
        at(scene.stand).mark_point(filled=True, shape="cross", size=420, color=paper, opacity=1, clip=True),
        at(scene.stand)
        .mark_point(filled=True, shape="cross", size=230, color=own_colour, opacity=1, clip=True)
        .encode(tooltip=alt.Tooltip("name:N", title="stands at")),
        *called(scene.own_names, fontSize=11, dy=NAME_ABOVE, opacity=0.85),
        *called(scene.offered_names, fontSize=12, fontWeight=600, dy=NAME_ABOVE),
        *called(scene.stand_names, fontSize=13, fontWeight="bold", dy=NAME_ABOVE - 3),
    ]  # fmt: skip
    length = SIDE_ON_TELEPHONE if small else SIDE
    drawn = alt.layer(*layers, width=length, height=length, title=scene.title)
    # A row of one: Streamlit fits a single chart into its box, title and all, which makes the square a rectangle.
    row: alt.HConcatChart = alt.hconcat(drawn, usermeta=CANVAS)
    return row


def reasons_chart(reasons: pd.DataFrame, colour: str) -> alt.Chart:
    """What each of a listener's items adds to a score, in the order given. reasons : item, adds; both in one row."""
    chart: alt.Chart = (
        alt.Chart(reasons.assign(place=range(len(reasons))))
        .mark_bar(color=colour, height=14)
        .encode(
            y=alt.Y("item:N", sort=alt.EncodingSortField("place"), title=None, axis=alt.Axis(labelLimit=180)),
            x=alt.X("adds:Q", title="adds to the score"),
            tooltip=[alt.Tooltip("item:N"), alt.Tooltip("adds:Q", format="+.3f")],
        )
        .properties(height=alt.Step(24), usermeta=CANVAS)
    )
    return chart
