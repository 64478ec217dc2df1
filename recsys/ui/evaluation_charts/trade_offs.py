"""What accuracy costs in breadth: a table, the sentence above it, the chart."""

from __future__ import annotations

from typing import Any, Literal

import altair as alt
import pandas as pd

from recsys.artifacts.evaluations import Evaluated
from recsys.artifacts.store import Pair
from recsys.ui.charts import CANVAS
from recsys.ui.evaluation_charts.measures import DECISIVE, measure_title
from recsys.ui.evaluation_charts.models import HEIGHT, PAIR, Layers, colour_of, shape_of, wide

Cost = Literal["coverage", "popularity"]
COSTS: dict[Cost, str] = {
    "coverage": "share of the catalogue in anybody's list",
    "popularity": "mean percentile of popularity of what is recommended",
}


def trade_offs(found: Evaluated, cost: Cost) -> pd.DataFrame:
    """Accuracy beside what it costs, one row a model: model, title, ndcg, low, high, cost, colour, kind."""
    rows = []
    for name, model in found.models.items():
        figure = model.figures.get(DECISIVE)
        popularity = model.figures.get("popularity")
        paid = model.coverage if cost == "coverage" else popularity.mean if popularity else None
        if figure is not None and figure.mean is not None and paid is not None:
            rows.append(
                {
                    "model": name, "title": model.title, "ndcg": figure.mean, "low": figure.low, "high": figure.high,
                    "cost": paid, "colour": colour_of(found, name), "kind": shape_of(found, name),
                }
            )  # fmt: skip
    return pd.DataFrame(rows, columns=["model", "title", "ndcg", "low", "high", "cost", "colour", "kind"])


def trade_off_sentence(found: Evaluated, cost: Cost, pair: Pair = PAIR) -> str:
    """What the most accurate costs, and what the two models do."""
    table = trade_offs(found, cost)
    words = {
        name: f"{paid:.0%} of the catalogue" if cost == "coverage" else f"items of percentile {paid:.0f} in popularity"
        for name, paid in zip(table["model"], table["cost"], strict=True)
    }
    best = str(table["model"][table["ndcg"].argmax()])
    others = [f"{found.models[name].title} {words[name]}" for name in pair if name in words and name != best]
    return "; ".join([f"{found.models[best].title} ranks best and recommends {words[best]}", *others])


def trade_off_chart(table: pd.DataFrame, cost: Cost, n: int, width: int | None = None) -> Layers:
    """Accuracy against what it costs, every model and baseline by its name.

    Parameters
    ----------
    table : `trade_offs` for the same cost. n : length of the lists.
    """
    kinds = list(dict.fromkeys(table["kind"]))
    axis = alt.Axis(format="%") if cost == "coverage" else alt.Axis()
    room = alt.Scale(domain=[0, 1]) if cost == "coverage" else alt.Scale(zero=False, domainMax=100)
    base = alt.Chart(table).encode(
        x=alt.X("cost:Q", title=COSTS[cost], axis=axis, scale=room),
        color=alt.Color("colour:N", scale=None, legend=None),
        tooltip=[
            alt.Tooltip("title:N", title="model"),
            alt.Tooltip("ndcg:Q", title=measure_title(DECISIVE, n), format=".3f"),
            alt.Tooltip("low:Q", title="from", format=".3f"),
            alt.Tooltip("high:Q", title="to", format=".3f"),
            alt.Tooltip("cost:Q", title=COSTS[cost], format=".1%" if cost == "coverage" else ".1f"),
        ],
    )
    y = alt.Y("ndcg:Q", title=measure_title(DECISIVE, n))
    names = [
        alt.Chart(table)
        .transform_filter(alt.FieldOneOfPredicate("model", models))
        .mark_text(align=align, dx=10 if align == "left" else -10, dy=dy, fontSize=12)
        .encode(x=base.encoding.x, y=y, text="title:N")
        for (align, dy), models in _label_places(table).items()
    ]
    chart = alt.layer(
        base.mark_rule(strokeWidth=1.5, opacity=0.7).encode(
            y=alt.Y("low:Q", title=measure_title(DECISIVE, n)), y2="high:Q"
        ),
        base.mark_point(filled=True, size=110, opacity=1).encode(
            y=y, shape=alt.Shape("kind:N", scale=alt.Scale(domain=kinds, range=kinds), legend=None)
        ),
        *names,
    ).properties(height=HEIGHT, usermeta=CANVAS)
    return wide(chart, width)


def _label_places(table: pd.DataFrame) -> dict[tuple[Any, int], list[str]]:
    """Beside its point where there is room, else a line further down; by place, the models that stand there."""
    across = (table["cost"] - table["cost"].min()) / ((table["cost"].max() - table["cost"].min()) or 1.0)
    up = table["ndcg"] / (table["ndcg"].max() or 1.0)
    taken: list[tuple[str, float]] = []
    places: dict[tuple[Any, int], list[str]] = {}
    for row in up.sort_values(ascending=False, kind="stable").index:
        align = "left" if across[row] < 0.55 else "right"
        dy = 0
        while any(align == side and abs(at - (up[row] - dy / HEIGHT)) < 14 / HEIGHT for side, at in taken):
            dy += 4
        taken.append((align, float(up[row]) - dy / HEIGHT))
        places.setdefault((align, dy), []).append(str(table["model"][row]))
    return places
