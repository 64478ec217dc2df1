"""By how much one model is ahead of another, or of a baseline: a table, the sentence above it, the chart."""

from __future__ import annotations

from collections.abc import Iterable

import altair as alt
import pandas as pd

from recsys.artifacts.evaluations import Difference, Evaluated
from recsys.artifacts.store import Pair
from recsys.ui.charts import CANVAS
from recsys.ui.evaluation_charts.measures import DECISIVE, measure_title
from recsys.ui.evaluation_charts.models import PAIR, PLAIN, ROW_HEIGHT, Layers, capital, colour_of, listed, wide

# What the marks of `differences_chart` mean, for below it.
TOLD = (
    "Lines: 95% intervals over listeners. Diamonds: told apart, the interval misses zero and so do other seeds, as far "
    "as they were tried. Rings: not told apart."
)


def pair_differences(found: Evaluated, pair: Pair = PAIR) -> pd.DataFrame:
    """By how much the first of two models is ahead of the second, one row a measure: see `differences_chart`."""
    return _rows(
        found, ((measure_title(d.measure, found.n), d) for d in found.differences if (d.left, d.right) == pair)
    )


def baseline_differences(found: Evaluated) -> pd.DataFrame:
    """By how much each model is ahead of each baseline in nDCG, one row a pair: see `differences_chart`."""
    models = found.models
    return _rows(
        found,
        (
            (f"{models[d.left].title} − {models[d.right].title}", d)
            for d in found.differences
            if d.measure == DECISIVE and not models[d.left].baseline and models[d.right].baseline
        ),
    )


def _rows(found: Evaluated, labelled: Iterable[tuple[str, Difference]]) -> pd.DataFrame:
    kept = [
        {
            "label": label,
            "measure": d.measure,
            "left": d.left,
            "right": d.right,
            "mean": d.difference.mean,
            "low": d.difference.low,
            "high": d.difference.high,
            "told": "told apart" if d.told_apart else "cannot be told apart",
            "ahead": found.models[d.left if d.difference.mean > 0 else d.right].title if d.told_apart else "neither",
            "colour": colour_of(found, d.left if d.difference.mean > 0 else d.right) if d.told_apart else PLAIN,
        }
        for label, d in labelled
        if d.difference.mean is not None
    ]
    columns = ["label", "measure", "left", "right", "mean", "low", "high", "told", "ahead", "colour"]
    return pd.DataFrame(kept, columns=columns)


def pair_sentence(found: Evaluated, pair: Pair = PAIR) -> str:
    """By which measures which of the two models is ahead."""
    table = pair_differences(found, pair)
    parts = [
        f"{ahead} is ahead by {'every measure' if len(rows) == len(table) else listed(rows['label'])}"
        for ahead, rows in table[table["ahead"] != "neither"].groupby("ahead", sort=False)
    ]
    open_ = table[table["ahead"] == "neither"]
    if len(open_):
        by = "any measure" if len(open_) == len(table) else listed(open_["label"])
        parts.append(f"the models cannot be told apart by {by}")
    return capital("; ".join(parts))


def baseline_sentence(found: Evaluated, pair: Pair = PAIR) -> str:
    """How two models stand against what needs no vectors."""
    said: dict[tuple[str, str], list[str]] = {}
    for name in pair:
        model = found.models[name]
        above, level = ([found.models[each].title for each in names] for names in (model.below, model.not_above))
        if above:
            said.setdefault((f"{listed(above)} {'is' if len(above) == 1 else 'are'} ahead of", ""), []).append(
                model.title
            )
        if level:
            said.setdefault(("", f"cannot be told from {listed(level)}"), []).append(model.title)
        if not above and not level:
            said.setdefault(("ahead of every baseline:", ""), []).append(model.title)
    parts = [f"{before} {listed(titles)} {after}".strip() for (before, after), titles in said.items()]
    return f"By {measure_title(DECISIVE, found.n)} {'; '.join(parts)}"


def differences_chart(table: pd.DataFrame, left: str, right: str, width: int | None = None) -> Layers:
    """Differences with their 95% intervals, a row each, about a line at zero.

    Parameters
    ----------
    table : `pair_differences` or `baseline_differences`: label, mean, low, high, told (whether told apart, in words),
        ahead (who is), colour.
    left, right : who is ahead on which side of zero.
    """
    labels = table["label"].tolist()
    two_lines = "[split(datum.label, ' − ')[0], '− ' + split(datum.label, ' − ')[1]]"
    rows = alt.Axis(
        labelExpr=f"length(datum.label) < 32 ? datum.label : {two_lines}", labelFontSize=10, labelLimit=180,
        labelOverlap=False, grid=False, ticks=False, domain=False,
    )  # fmt: skip
    y = alt.Y(
        "label:N",
        sort=labels,
        title=None,
        axis=rows,
    )
    base = alt.Chart(table).encode(
        y=y,
        # What is drawn is what there is: colours stand in the table.
        color=alt.Color("colour:N", scale=None, legend=None),
        tooltip=[
            alt.Tooltip("label:N", title="difference"),
            alt.Tooltip("mean:Q", format="+.4f"),
            alt.Tooltip("low:Q", title="from", format="+.4f"),
            alt.Tooltip("high:Q", title="to", format="+.4f"),
            alt.Tooltip("told:N", title="the two"),
            alt.Tooltip("ahead:N"),
        ],
    )
    x = alt.X("mean:Q", title=f"← {left} ahead · {right} →", axis=alt.Axis(format="+.2~f", tickCount=6))
    told = ["told apart", "cannot be told apart"]
    zero = alt.Chart(pd.DataFrame({"zero": [0.0]})).mark_rule(color=PLAIN, strokeDash=[4, 3]).encode(x="zero:Q")
    chart = alt.layer(
        zero,
        base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q"), x2="high:Q"),
        # Never colour alone: what is told apart is a filled diamond, what is not a ring.
        base.mark_point(size=90, opacity=1, strokeWidth=2).encode(
            x=x,
            shape=alt.Shape("told:N", scale=alt.Scale(domain=told, range=["diamond", "circle"]), legend=None),
            fill=alt.condition(alt.datum.told == told[0], alt.Fill("colour:N", scale=None), alt.value("transparent")),
        ),
        alt.Chart(table)
        .mark_text(dy=-11, fontSize=11)
        .encode(x="mean:Q", y=y, text=alt.Text("mean:Q", format="+.3f")),
    ).properties(height=alt.Step(ROW_HEIGHT), usermeta=CANVAS)  # fmt: skip
    return wide(chart, width)
