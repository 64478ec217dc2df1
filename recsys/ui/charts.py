"""Charts: a DataFrame in, an alt.Chart out; no Streamlit.

Titles are sentences computed from the data, by a function of their own: the page sets them as text, which wraps where a
chart's own title would be cut.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd
import vl_convert
from altair.utils import schemapi

ALS_BLUE, WORD2VEC_VERMILION, SHARED_GREY = "#0072B2", "#D55E00", "#767676"
# By which of the set's models it is: those of the build, then imported ones; Okabe and Ito's, which everybody can tell
# apart.
MODEL_COLOURS = (ALS_BLUE, WORD2VEC_VERMILION, "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
INK = {False: "#1d1d1b", True: "#eceae4"}  # the page's text, by whether it is dark
CANVAS = {"embedOptions": {"renderer": "canvas"}}
LEGEND = alt.Legend(orient="top", labelLimit=260, columns=1, symbolStrokeWidth=0, symbolDash=[1, 0], symbolOpacity=1)
# Of the two models together, then by model: never colour alone.
SHAPES = ("circle", "square", "diamond", "triangle-right", "triangle-left", "triangle-down", "cross")
DASHES = ((1, 0), (5, 3), (2, 2), (8, 3, 2, 3), (1, 3), (10, 4), (4, 1, 1, 1))
BUILT = (0, 1)  # which models a build trains


class _Unchecked:
    def __init__(self, chart: alt.TopLevelMixin, ink: str) -> None:
        self._chart, self._ink = chart, ink

    def to_dict(self) -> dict[str, Any]:
        result: dict[str, Any] = self._chart.to_dict(validate=False)
        config = result.setdefault("config", {})
        # Streamlit's grey for these is too pale to read on paper.
        for part in ("axis", "legend"):
            config[part] = {"labelColor": self._ink, "titleColor": self._ink, **config.get(part, {})}
        config["text"] = {"color": self._ink, **config.get("text", {})}
        return result


def unchecked(chart: alt.TopLevelMixin, dark: bool = False) -> Any:
    """The chart for `st.altair_chart`, which asks for its `to_dict` alone, without Altair's check against the schema.
    What is written in it is as dark or light as the page's text.

    The check takes longer than all else about a drawing, and everybody else's drawing waits for it; the tests make it.
    """
    return _Unchecked(chart, INK[dark])


# What XML may not hold. A name can; browsers stop drawing there, and vl-convert ends the whole process.
_NOT_IN_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def svg_of(chart: alt.TopLevelMixin) -> str:
    """A chart as SVG; nothing is fetched for it."""
    drawing: str = vl_convert.vegalite_to_svg(_drawable(chart.to_dict()), _VEGA_LITE, allowed_base_urls=[])
    return drawing


def png_of(chart: alt.TopLevelMixin, scale: float) -> bytes:
    """A chart as PNG, `scale` times as large; nothing is fetched for it."""
    picture: bytes = vl_convert.vegalite_to_png(_drawable(chart.to_dict()), _VEGA_LITE, scale, allowed_base_urls=[])
    return picture


def _drawable(part: Any) -> Any:
    if isinstance(part, str):
        return _NOT_IN_XML.sub("", part)
    if isinstance(part, dict):
        return {key: _drawable(each) for key, each in part.items()}
    return [_drawable(each) for each in part] if isinstance(part, list) else part


# Each part of a chart would be checked when it is made, too.
schemapi.disable_debug_mode()
_VEGA_LITE = ".".join(alt.SCHEMA_VERSION.split(".")[:2])


def agreement_by_popularity_chart(
    bands: pd.DataFrame, titles: dict[str, str], n: int, places: tuple[int, int] = BUILT
) -> alt.LayerChart | alt.FacetChart:
    """Mean overlap of two models in bands of popularity, under each model's overlap with itself.

    Parameters
    ----------
    bands : `analysis.agreement.by_popularity`.
    titles : by model, its name for people; two models.
    n : length of the compared lists.
    places : which of the set's models the two are.
    """
    names = _series_names(titles)
    long = bands.melt(["band", "listeners_from", "listeners_to", "items"], list(names), "column", "share").dropna()
    long["series"] = long["column"].map(names)
    long["shared"] = long["share"] * n
    long["listeners"] = [
        f"{a:,.0f}" if a == b else f"{a:,.0f}–{b:,.0f}"
        for a, b in zip(long["listeners_from"], long["listeners_to"], strict=True)
    ]
    order = list(names.values())
    encoded = alt.Chart(long).encode(
        x=alt.X("band:O", title="tenths of the catalogue, fewest listeners first", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("shared:Q", title=f"items shared, of {n}", scale=alt.Scale(domain=[0, n])),
        # Never colour alone: shape and dash tell the series apart as well.
        color=_by_series(alt.Color, order, _of_both((SHARED_GREY, *MODEL_COLOURS), places), legend=LEGEND),
        shape=_by_series(alt.Shape, order, _of_both(SHAPES, places)),
        tooltip=[
            alt.Tooltip("series:N", title="between"),
            alt.Tooltip("shared:Q", title=f"shared of {n}", format=".1f"),
            alt.Tooltip("listeners:N"),
            alt.Tooltip("items:Q", format=","),
        ],
    )
    # Dashes belong to the lines alone: on the outline of a symbol they make it unreadable.
    dashes = _by_series(alt.StrokeDash, order, _of_both(DASHES, places), legend=None)
    lines = encoded.mark_line(strokeWidth=2).encode(strokeDash=dashes)
    return alt.layer(lines, encoded.mark_point(filled=True, size=60, opacity=1)).properties(height=360, usermeta=CANVAS)


def overlap_distribution_chart(
    distribution: pd.DataFrame, titles: dict[str, str], n: int, places: tuple[int, int] = BUILT
) -> alt.LayerChart | alt.FacetChart:
    """How many items two lists share: bars for the two models, a line for each model with itself.

    Parameters
    ----------
    distribution : `analysis.agreement.overlap_distribution`.
    titles : by model, its name for people; two models.
    n : length of the compared lists.
    places : which of the set's models the two are.
    """
    names = _series_names(titles)
    order = list(names.values())
    long = distribution.assign(series=distribution["column"].map(names))
    encoded = alt.Chart(long).encode(
        x=alt.X("shared:O", title=f"items shared, of {n}", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("share:Q", title="share of these items", axis=alt.Axis(format="%")),
        color=_by_series(alt.Color, order, _of_both((SHARED_GREY, *MODEL_COLOURS), places), legend=LEGEND),
        tooltip=[
            alt.Tooltip("series:N", title="between"),
            alt.Tooltip("shared:O", title=f"shared of {n}"),
            alt.Tooltip("share:Q", title="share of items", format=".1%"),
            alt.Tooltip("items:Q", format=","),
        ],
    )
    between = encoded.transform_filter(alt.datum.column == "overlap")
    itself = encoded.transform_filter(alt.datum.column != "overlap")
    shapes = _by_series(alt.Shape, order, _of_both(SHAPES, places))
    dashes = _by_series(alt.StrokeDash, order, _of_both(DASHES, places), legend=None)
    return alt.layer(
        between.mark_bar(opacity=0.55),
        itself.mark_line(strokeWidth=2).encode(strokeDash=dashes),
        itself.mark_point(filled=True, size=60, opacity=1).encode(shape=shapes),
    ).properties(height=360, usermeta=CANVAS)


def distribution_sentence(distribution: pd.DataFrame, titles: dict[str, str], n: int) -> str:
    """What the distribution amounts to: up to where the half of the items lies on which the models share least, and
    how seldom a model shares so little with itself."""
    shares = {column: table.set_index("shared")["share"] for column, table in distribution.groupby("column")}
    if "overlap" not in shares:
        return "No item here has a list of both models"
    up_to = shares["overlap"].cumsum()
    middle = int(up_to.index[up_to >= 0.5 - 1e-9][0])
    many = f"at most {middle}" if middle else "none"
    words = f"For {up_to[middle]:.0%} of the items the models share {many} of {n}"
    alone = [
        f"{title} for {shares[f'floor_{model}'].cumsum()[middle]:.0%}"
        for model, title in titles.items()
        if f"floor_{model}" in shares
    ]
    noise = f"as little with itself: {', '.join(alone)}" if alone else "what each shares with itself is not known"
    return f"{words}; {noise}"


def _series_names(titles: dict[str, str]) -> dict[str, str]:
    """By column of an agreement table, who is compared with whom."""
    return {"overlap": "the two models"} | {f"floor_{model}": f"{title} with itself" for model, title in titles.items()}


def _of_both(values: Sequence[Any], places: tuple[int, int]) -> list[Any]:
    """What the two models together are drawn with, and what each of them is."""
    return [values[0], *(values[1 + place] for place in places)]


def _by_series(channel: Any, order: list[str], values: Any, **more: Any) -> Any:
    return channel("series:N", sort=order, title=None, scale=alt.Scale(domain=order, range=list(values)), **more)


def agreement_sentence(bands: pd.DataFrame, titles: dict[str, str], n: int) -> str:
    """What the agreement over the whole catalogue amounts to, in one sentence."""
    weights = bands["items"] / bands["items"].sum()
    shared = float((bands["overlap"] * weights).sum()) * n
    floors = [float((bands[f"floor_{model}"] * weights).sum(skipna=False)) * n for model in titles]
    if any(floor != floor for floor in floors):
        return f"The models share {shared:.1f} of {n} on average; what each shares with itself is not known"
    noisier = min(zip(floors, titles.values(), strict=True))
    if shared >= max(floors):
        return f"The models share {shared:.1f} of {n} on average, no less than each shares with itself"
    if shared >= noisier[0]:
        return f"The models share {shared:.1f} of {n} on average, no less than {noisier[1]} shares with itself"
    first, last = bands["overlap"].iloc[0] * n, bands["overlap"].iloc[-1] * n
    trend = (
        f"; they share least for the {'most' if last < first else 'least'} popular items"
        if abs(last - first) >= 0.5
        else ""
    )
    return f"The models share {shared:.1f} of {n} on average; each shares at least {noisier[0]:.1f} with itself{trend}"
