"""Two maps in one linked view: DataFrames in, an alt.Chart out; no Streamlit."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import altair as alt
import pandas as pd

from recsys.analysis.map_window import Window
from recsys.ui.charts import BUILT, CANVAS, INK, MODEL_COLOURS, png_of, svg_of

SIDE, SIDE_ON_TELEPHONE = 520, 328
SMALL_DOTS, LARGE_DOTS, MANY = 16, 36, 2_000
PLAIN, MARKED = "#8a8a8a", "#b05105"
PAPER = {False: "#fdfcf9", True: "#16181a"}  # by whether it is dark
# Viridis without the end that cannot be told from the paper, by whether that is dark.
SEEN = {
    False: alt.SchemeParams(name="viridis", extent=[0, 0.9]),
    True: alt.SchemeParams(name="viridis", extent=[0.35, 1]),
}
LinkedMaps: TypeAlias = alt.HConcatChart | alt.VConcatChart
# A picture to take away may hold as many points as the page draws.
alt.data_transformers.disable_max_rows()


@dataclass(frozen=True)
class Half:
    """What one of two maps shows besides its points.

    rays : x, y, x2, y2: lines from the item asked about to its true neighbours.
    regions, names : x, y, label: what to call places, and single items.
    density : address of a picture of where all items stand, as large as the window; None where all are drawn.
    """

    title: str
    rays: pd.DataFrame
    regions: pd.DataFrame
    names: pd.DataFrame
    density: str | None = None


@dataclass(frozen=True)
class Colour:
    """What colour means: columns NAME_0 and NAME_1 of the points, numbers, or booleans for in and out."""

    name: str
    words: str
    is_whole: bool = False  # numbers without thousands separators or decimals, like years


def linked_maps_chart(
    points: pd.DataFrame,
    halves: tuple[Half, Half],
    colour: Colour,
    query: int,
    window: Window,
    rectangle: dict[str, list[float]] | None = None,
    dark: bool = False,
    places: tuple[int, int] = BUILT,
    small: bool = False,
) -> LinkedMaps:
    """Both models' maps side by side, in one window. Pointing at an item lights it on both; a click selects it under
    the name "pick"; a rectangle drawn on either map, named "brush", shows on the other where its items went.

    Parameters
    ----------
    points : one row an item: item_row, name, listeners, the columns of `colour`, and x_0, y_0, x_1, y_1, its places on
        the two maps; missing where a model lacks it.
    query : the item_row of the item asked about.
    rectangle : one that is drawn on the first map from the start: ranges x and y.
    places : which of the set's models the two are.
    small : for a telephone: smaller, one below the other, without names of single items.
    """
    hover = alt.selection_point(name="hov", fields=["item_row"], on="pointerover", clear="pointerout", empty=False)
    pick = alt.selection_point(name="pick", fields=["item_row"], on="click", empty=False)
    drawn: Any = rectangle or alt.Undefined
    brush = alt.selection_interval(name="brush", empty=False, value=drawn)
    maps = []
    for side, half in enumerate(halves):
        x, y = axis_of(alt.X, f"x_{side}", window.x), axis_of(alt.Y, f"y_{side}", window.y)
        base = alt.Chart().transform_filter(f"isValid(datum.x_{side})").encode(x=x, y=y)
        column = f"{colour.name}_{side}"
        is_flag = points[column].dtype == bool
        # What has no value has a place all the same, and is drawn grey.
        dots = base.mark_circle(opacity=0.6, clip=True, invalid=None).encode(
            color=_colour(column, colour, is_flag, dark),
            # Never colour alone: what is in stands out by its size.
            size=alt.Size(f"{column}:N", scale=alt.Scale(domain=[False, True], range=[14, 60]), legend=None)
            if is_flag
            else alt.SizeValue(SMALL_DOTS if len(points) > MANY else LARGE_DOTS),
            tooltip=[
                alt.Tooltip("name:N"),
                alt.Tooltip("listeners:Q", format=","),
                alt.Tooltip(f"{column}:{'N' if is_flag or colour.is_whole else 'Q'}", title=colour.words),
            ],
        )
        lit, asked = base.transform_filter(hover), base.transform_filter(alt.datum.item_row == query)
        own = MODEL_COLOURS[places[side]]
        layers: list[Any] = [
            *([picture_layer(half.density, window)] if half.density else []),
            dots.add_params(hover, pick, brush),
            base.transform_filter(brush).mark_circle(size=34, color=MARKED, opacity=0.9, clip=True),
            *([] if small else text_layers(half.names, window, dark, fontSize=11, dy=-9, opacity=0.8)),
            *text_layers(half.regions, window, dark, fontSize=10 if small else 12, fontWeight=600),
            alt.Chart(half.rays)
            .mark_rule(color=own, opacity=0.7, strokeWidth=1.5, clip=True)
            .encode(x=axis_of(alt.X, "x", window.x), y=axis_of(alt.Y, "y", window.y), x2=alt.X2("x2"), y2=alt.Y2("y2")),
            asked.mark_point(shape="cross", size=160, strokeWidth=3, color=own, clip=True),
            *(
                asked.mark_text(dy=-14, fontSize=13, fontWeight="bold", clip=True, **style).encode(text="name:N")
                for style in ({"color": PAPER[dark], "stroke": PAPER[dark], "strokeWidth": 4}, {"color": INK[dark]})
            ),
            lit.mark_point(size=220, strokeWidth=2.5, color=MARKED, clip=True),
            lit.mark_text(dy=-16, fontSize=13, color=MARKED, clip=True).encode(text=alt.Text("name:N")),
        ]
        length = SIDE_ON_TELEPHONE if small else SIDE
        maps.append(alt.layer(*layers, width=length, height=length, title=half.title))
    with warnings.catch_warnings():
        # One parameter for both maps is what links them; Altair says each time that it made one of two.
        warnings.filterwarnings("ignore", "Automatically deduplicated selection parameter")
        # All in one step: each that follows would copy every layer.
        linked: LinkedMaps = (alt.vconcat if small else alt.hconcat)(
            *maps,
            data=points,
            resolve=alt.Resolve(scale=alt.ScaleResolveMap(color="shared")),
            config=alt.Config(scale=alt.ScaleConfig(invalid=alt.ScaleInvalidDataConfig(color={"value": PLAIN}))),
            usermeta=CANVAS,
        )
    return linked


def picture_of(
    chart: LinkedMaps, title: str, facts: list[str], form: Literal["png", "svg"], dark: bool = False
) -> bytes:
    """The chart as a file, under a title and the facts that belong to it."""
    head = alt.Title(title, subtitle=facts, anchor="start", fontSize=18, subtitleFontSize=12, offset=14)
    themed = chart.properties(title=head, background=PAPER[dark])
    if dark:
        themed = themed.configure_title(color=INK[True], subtitleColor=INK[True]).configure_legend(
            labelColor=INK[True], titleColor=INK[True]
        )
    return svg_of(themed).encode() if form == "svg" else png_of(themed, scale=2)


def axis_of(channel: Any, field: str, ends: tuple[float, float]) -> Any:
    """x or y of a map: without an axis, from one end of the window to the other."""
    return channel(f"{field}:Q", axis=None, scale=alt.Scale(domain=list(ends), nice=False, zero=False))


def picture_layer(address: str, window: Window) -> alt.Chart:
    """A picture that fills the window."""
    corners = pd.DataFrame(
        {"x": [window.x[0]], "x2": [window.x[1]], "y": [window.y[0]], "y2": [window.y[1]], "url": [address]}
    )
    picture: alt.Chart = (
        alt.Chart(corners)
        .mark_image(aspect=False)
        .encode(
            x=axis_of(alt.X, "x", window.x),
            x2=alt.X2("x2"),
            y=axis_of(alt.Y, "y", window.y),
            y2=alt.Y2("y2"),
            url=alt.Url("url:N"),
        )
    )
    return picture


def text_layers(labels: pd.DataFrame, window: Window, dark: bool, **style: Any) -> list[alt.Chart]:
    """Text on a map, readable over points. labels : x, y, label. style : of the letters."""
    text = alt.Chart(labels).encode(
        x=axis_of(alt.X, "x", window.x), y=axis_of(alt.Y, "y", window.y), text=alt.Text("label:N")
    )
    # Paper around the letters, so that they can be read over the points.
    paper = {**style, "stroke": PAPER[dark], "strokeWidth": 3.5, "color": PAPER[dark], "opacity": 0.85}
    return [text.mark_text(clip=True, **paper), text.mark_text(clip=True, **{"color": INK[dark], **style})]


def _colour(column: str, colour: Colour, is_flag: bool, dark: bool) -> alt.Color:
    if is_flag:
        scale = alt.Scale(domain=[False, True], range=[PLAIN, MARKED])
        return alt.Color(f"{column}:N", title=colour.words, scale=scale, legend=alt.Legend(orient="top"))
    number = "d" if colour.is_whole else alt.Undefined
    legend = alt.Legend(orient="top", gradientLength=180, titleLimit=600, format=number)
    return alt.Color(f"{column}:Q", title=colour.words, scale=alt.Scale(scheme=SEEN[dark]), legend=legend)
