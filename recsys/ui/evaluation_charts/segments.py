"""How well models do on parts of the items or of the listeners: a table, the sentence above it, the chart."""

from __future__ import annotations

from typing import Literal

import altair as alt
import pandas as pd

from recsys.artifacts.evaluations import Evaluated, Figure, Segment
from recsys.artifacts.store import Pair
from recsys.ui.charts import CANVAS, LEGEND
from recsys.ui.evaluation_charts.models import HEIGHT, PAIR, Layers, capital, colour_of, listed, shape_of, wide

By = Literal["popularity", "activity"]
BASELINE = "popularity"  # what the segments show beside the models
# Of both kinds of segments: what they part, what their axis is called, and the measure.
SEGMENTS: tuple[tuple[By, str, str], ...] = (
    ("popularity", "held-out items, by their listeners in training", "recall"),
    ("activity", "listeners, by their items in training", "ndcg"),
)


def segment_figures(found: Evaluated, by: By, pair: Pair = PAIR) -> pd.DataFrame:
    """How well both models and the popularity baseline do on each part: segment, part, model, series, mean, low, high,
    lists, colour, shape, in the order of the parts."""
    rows = [
        {
            "segment": each.name,
            "part": _part(each),
            "model": model,
            "series": found.models[model].title,
            "mean": figure.mean,
            "low": figure.low,
            "high": figure.high,
            "lists": each.lists,
            "colour": colour_of(found, model),
            "shape": shape_of(found, model),
        }
        for each in found.segments
        if each.by == by
        for model, figure in each.figures.items()
        if model in (*pair, BASELINE) and figure.mean is not None
    ]
    columns = ["segment", "part", "model", "series", "mean", "low", "high", "lists", "colour", "shape"]
    return pd.DataFrame(rows, columns=columns)


def _part(segment: Segment) -> str:
    return f"{segment.name}, {segment.lowest:,}–{segment.highest:,}"


def segment_sentence(found: Evaluated, by: By, pair: Pair = PAIR) -> str:
    """On which parts which model is ahead: where their intervals do not overlap."""
    ahead: dict[str, list[str]] = {}
    for segment in (each for each in found.segments if each.by == by):
        figures = [segment.figures[name] for name in pair]
        if any(None in (figure.mean, figure.low, figure.high) for figure in figures):
            continue
        winner = _apart(*figures)
        ahead.setdefault("" if winner is None else found.models[pair[winner]].title, []).append(segment.name)
    level = ahead.pop("", [])
    kind = "items of the" if by == "popularity" else "listeners with"
    parts = [f"{title} is ahead for {kind} {listed(names)}" for title, names in ahead.items()]
    if level:
        parts.append(f"for {kind} {listed(level)} the models' intervals overlap")
    return capital("; ".join(parts)) or f"Too few lists to part them by {by}"


def _apart(first: Figure, second: Figure) -> int | None:
    """0 or 1 for the one whose interval lies above the other's, None where they overlap."""
    if (first.low or 0.0) > (second.high or 0.0):
        return 0
    return 1 if (second.low or 0.0) > (first.high or 0.0) else None


def segments_chart(table: pd.DataFrame, along: str, measure: str, width: int | None = None) -> Layers:
    """A measure on each part of what was asked, with 95% intervals.

    Parameters
    ----------
    table : `segment_figures`. along, measure : titles of the axes.
    """
    drawn = table.drop_duplicates("series")
    order, colours, shapes = (drawn[column].tolist() for column in ("series", "colour", "shape"))
    parts = alt.Axis(labelAngle=0, labelExpr="split(datum.label, ', ')", labelLimit=0)
    base = alt.Chart(table).encode(
        x=alt.X("part:N", sort=list(dict.fromkeys(table["part"])), title=along, axis=parts),
        xOffset=alt.XOffset("series:N", sort=order, scale=alt.Scale(paddingInner=0.7, paddingOuter=0.7)),
        color=alt.Color(
            "series:N", sort=order, title=None, scale=alt.Scale(domain=order, range=colours), legend=LEGEND
        ),
        tooltip=[
            alt.Tooltip("series:N", title="model"),
            alt.Tooltip("part:N"),
            alt.Tooltip("mean:Q", title=measure, format=".3f"),
            alt.Tooltip("low:Q", title="from", format=".3f"),
            alt.Tooltip("high:Q", title="to", format=".3f"),
            alt.Tooltip("lists:Q", format=","),
        ],
    )
    chart = alt.layer(
        base.mark_rule(strokeWidth=2).encode(y=alt.Y("low:Q", title=measure, scale=alt.Scale(zero=True)), y2="high:Q"),
        base.mark_point(filled=True, size=80, opacity=1).encode(
            y="mean:Q", shape=alt.Shape("series:N", sort=order, title=None, scale=alt.Scale(domain=order, range=shapes))
        ),
    ).properties(height=HEIGHT, usermeta=CANVAS)
    return wide(chart, width)
