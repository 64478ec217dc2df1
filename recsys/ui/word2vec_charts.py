"""The chart of the trials of a search for Word2vec's parameters: a DataFrame in, an alt.Chart out; no Streamlit."""

from __future__ import annotations

from typing import Any, Literal

import altair as alt
import pandas as pd

from recsys.ui.charts import CANVAS, SHARED_GREY, WORD2VEC_VERMILION

PARAMETERS = ("window", "epochs", "sample", "ns_exponent", "negative", "vector_size")
LOGARITHMIC = ("window", "epochs", "sample", "negative", "vector_size")
INSIDE, OUTSIDE = "not to be told from the best", "below the best"


def trials_chart(trials: pd.DataFrame, finalists: set[int], parameter: str, n: int) -> alt.LayerChart | alt.FacetChart:
    """nDCG of each trial against one parameter: squares cannot be told from the best, circles are below it.

    Parameters
    ----------
    trials : rows of word2vec_trials.parquet that were fitted to the same.
    finalists : `trial` of those that get a ring.
    n : of nDCG@n.
    """
    shown = trials.assign(
        within=trials["best_region"].map({True: INSIDE, False: OUTSIDE}), ring=trials["trial"].isin(finalists)
    )
    shown["half"] = (shown["ndcg_high"] - shown["ndcg_low"]) / 2
    kind: Literal["log", "linear"] = "log" if parameter in LOGARITHMIC else "linear"
    ends = [float(shown[parameter].min()), float(shown[parameter].max())]
    # One value makes no scale.
    scale = alt.Scale(type=kind, domain=ends, nice=False, padding=8) if ends[0] < ends[1] else alt.Undefined
    encoded = alt.Chart(shown).encode(
        x=alt.X(f"{parameter}:Q", scale=scale, axis=alt.Axis(tickCount=4, format="~g", grid=False)),
        y=alt.Y("ndcg:Q", title=f"nDCG@{n}"),
        tooltip=[
            alt.Tooltip("ndcg:Q", title=f"nDCG@{n}", format=".3f"),
            alt.Tooltip("half:Q", title="±", format=".3f"),
            alt.Tooltip("behind:Q", title="behind the best", format=".3f"),
            alt.Tooltip("within:N", title="within noise"),
            *(alt.Tooltip(f"{name}:Q", format="~g") for name in PARAMETERS),
        ],
    )
    # Never colour alone.
    points = encoded.mark_point(filled=True, size=45, opacity=0.9).encode(
        color=_by_region(alt.Color, [WORD2VEC_VERMILION, SHARED_GREY]),
        shape=_by_region(alt.Shape, ["square", "circle"]),
    )
    rings = encoded.transform_filter("datum.ring").mark_point(shape="circle", size=150, color="#1d1d1b")
    return alt.layer(points, rings).properties(height=200, usermeta=CANVAS)


def trials_sentence(trials: pd.DataFrame, parameter: str) -> str:
    """Where along a parameter the trials lie that cannot be told from the best."""
    good = trials.loc[trials["best_region"], parameter]
    tried = f"{trials[parameter].min():g} to {trials[parameter].max():g}"
    if good.empty:
        return f"{parameter}: none of these trials is as good as the best, at {tried}"
    if (good.min(), good.max()) == (trials[parameter].min(), trials[parameter].max()):
        return f"{parameter}: from {tried}, trials at both ends are as good as the best"
    return f"{parameter}: as good as the best at {good.min():g} to {good.max():g}, of {tried} tried"


def _by_region(channel: Any, values: list[str]) -> Any:
    return channel("within:N", scale=alt.Scale(domain=[INSIDE, OUTSIDE], range=values), legend=None)
