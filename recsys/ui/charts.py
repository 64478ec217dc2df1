"""Charts: a DataFrame in, an alt.Chart out; no Streamlit.

Titles are sentences computed from the data, by a function of their own: the page sets them as text, which wraps where a
chart's own title would be cut.
"""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

ALS_BLUE, WORD2VEC_VERMILION, SHARED_GREY = "#0072B2", "#D55E00", "#767676"
MODEL_COLOURS = (ALS_BLUE, WORD2VEC_VERMILION)
CANVAS = {"embedOptions": {"renderer": "canvas"}}


def agreement_by_popularity_chart(
    bands: pd.DataFrame, titles: dict[str, str], n: int
) -> alt.LayerChart | alt.FacetChart:
    """Mean overlap of two models in bands of popularity, under each model's overlap with itself.

    Parameters
    ----------
    bands : `analysis.agreement.by_popularity`.
    titles : by model, its name for people; two models.
    n : length of the compared lists.
    """
    between = "the two models"
    names = {"overlap": between} | {f"floor_{model}": f"{title} with itself" for model, title in titles.items()}
    long = bands.melt(["band", "listeners_from", "listeners_to", "items"], list(names), "column", "share").dropna()
    long["series"] = long["column"].map(names)
    long["shared"] = long["share"] * n
    long["listeners"] = [
        f"{a:,.0f}" if a == b else f"{a:,.0f}–{b:,.0f}"
        for a, b in zip(long["listeners_from"], long["listeners_to"], strict=True)
    ]
    order = [names["overlap"], *(names[f"floor_{model}"] for model in titles)]

    def by_series(channel: Any, values: list[Any], **more: Any) -> Any:
        return channel("series:N", sort=order, title=None, scale=alt.Scale(domain=order, range=values), **more)

    legend = alt.Legend(orient="top", labelLimit=260, columns=1, symbolStrokeWidth=0, symbolDash=[1, 0])
    encoded = alt.Chart(long).encode(
        x=alt.X("band:O", title="tenths of the catalogue, fewest listeners first", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("shared:Q", title=f"items shared, of {n}", scale=alt.Scale(domain=[0, n])),
        # Never colour alone: shape and dash tell the series apart as well.
        color=by_series(alt.Color, [SHARED_GREY, *MODEL_COLOURS], legend=legend),
        shape=by_series(alt.Shape, ["circle", "square", "diamond"]),
        tooltip=[
            alt.Tooltip("series:N", title="between"),
            alt.Tooltip("shared:Q", title=f"shared of {n}", format=".1f"),
            alt.Tooltip("listeners:N"),
            alt.Tooltip("items:Q", format=","),
        ],
    )
    # Dashes belong to the lines alone: on the outline of a symbol they make it unreadable.
    dashes = by_series(alt.StrokeDash, [[1, 0], [5, 3], [2, 2]], legend=None)
    lines = encoded.mark_line(strokeWidth=2).encode(strokeDash=dashes)
    return alt.layer(lines, encoded.mark_point(filled=True, size=60, opacity=1)).properties(height=360, usermeta=CANVAS)


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
    trend = f"; least for the {'most' if last < first else 'least'} popular items" if abs(last - first) >= 0.5 else ""
    return f"The models share {shared:.1f} of {n} on average; each shares at least {noisier[0]:.1f} with itself{trend}"
