"""What next events are worth without those that repeat the one before: a table, the sentence above it, the chart."""

from __future__ import annotations

import altair as alt
import pandas as pd

from recsys.artifacts.evaluations import Evaluated
from recsys.artifacts.store import Pair
from recsys.ui.charts import CANVAS
from recsys.ui.evaluation_charts.measures import measure_title
from recsys.ui.evaluation_charts.models import PAIR, PLAIN, ROW_HEIGHT, Layers, colour_of, wide

COUNTED = ("repeats count as right", "without repeats")


def repeat_figures(found: Evaluated) -> pd.DataFrame:
    """For next events the hit rates with and without repeats: model, title, counted, mean, low, high, colour; else no
    row."""
    rows = [
        {
            "model": name, "title": model.title, "counted": counted, "mean": figure.mean, "low": figure.low,
            "high": figure.high, "colour": colour_of(found, name),
        }
        for name, model in found.models.items()
        if "hr_new" in model.figures
        for counted, figure in zip(COUNTED, (model.figures["hr"], model.figures["hr_new"]), strict=True)
        if figure.mean is not None
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["model", "title", "counted", "mean", "low", "high", "colour"])


def repeat_sentence(found: Evaluated, pair: Pair = PAIR) -> str:
    """How many lists end in a repeat, and what they are worth to the two models."""
    table = repeat_figures(found)
    hits = {
        (model, counted): mean for model, counted, mean in table[["model", "counted", "mean"]].itertuples(index=False)
    }
    parts = [
        f"{hits[name, COUNTED[1]]:.3f} instead of {hits[name, COUNTED[0]]:.3f} for {found.models[name].title}"
        for name in pair
        if (name, COUNTED[1]) in hits
    ]
    share = f"{found.repeats / found.lists:.0%} of the queues end in a repeat"
    return f"{share}; without them HR@{found.n} is {', '.join(parts)}" if parts else share


def repeats_chart(table: pd.DataFrame, n: int, width: int | None = None) -> Layers:
    """Hit rates with and without repeats, a row a model.

    Parameters
    ----------
    table : `repeat_figures`. n : length of the lists.
    """
    titles = list(dict.fromkeys(table["title"]))
    base = alt.Chart(table).encode(
        y=alt.Y("title:N", sort=titles, title=None, axis=alt.Axis(labelLimit=200, labelOverlap=False, grid=True)),
        color=alt.Color("colour:N", scale=None, legend=None),
        tooltip=[
            "title:N", "counted:N", alt.Tooltip("mean:Q", title=f"HR@{n}", format=".3f"),
            alt.Tooltip("low:Q", title="from", format=".3f"), alt.Tooltip("high:Q", title="to", format=".3f"),
        ],
    )  # fmt: skip
    shape = alt.Shape(
        "counted:N", scale=alt.Scale(domain=list(COUNTED), range=["circle", "diamond"]),
        legend=alt.Legend(orient="top", title=None, columns=1, labelLimit=320, symbolStrokeColor=PLAIN),
    )  # fmt: skip
    filled = alt.condition(alt.datum.counted == COUNTED[1], alt.Fill("colour:N", scale=None), alt.value("transparent"))
    chart = alt.layer(
        base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", title=measure_title("hr", n)), x2="high:Q"),
        base.mark_point(size=80, opacity=1, strokeWidth=2).encode(x="mean:Q", shape=shape, fill=filled),
    ).properties(height=alt.Step(ROW_HEIGHT), usermeta=CANVAS)
    return wide(chart, width)
