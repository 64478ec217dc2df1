"""Charts of the Evaluation page: an evaluation in, an alt.Chart out, and the sentence above it; no Streamlit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

import altair as alt
import pandas as pd

from recsys.artifacts.evaluations import Difference, Evaluated, Figure, Segment
from recsys.artifacts.store import Pair
from recsys.ui.charts import CANVAS, LEGEND, MODEL_COLOURS, SHAPES

Layers: TypeAlias = alt.LayerChart | alt.FacetChart
PAIR = ("als", "word2vec")
BASELINE = "popularity"  # what the segments show beside the models
BASELINES = "triangle-up"  # the shape of all of them
DECISIVE = "ndcg"  # what verdicts go by
PLAIN = "#767676"
ROW_HEIGHT = 32
HEIGHT = 330
# By measure of accuracy: its name, and what it means.
_NEW = ", without the lists whose right item repeats the one before it"
_NDCG = (
    "how high the held-out items stand: 1 if they fill the top of the list, 0 if none is in it; lower places count less"
)
_HR = "share of the lists that hold a right item"
_MRR = "one divided by the place of the first right item, 0 where none is in the list; the mean over lists"
MEASURES = {
    "ndcg": ("nDCG", _NDCG),
    "recall": ("Recall", "share of a listener's held-out items that are in the list"),
    "hr": ("HR", f"hit rate, the {_HR}"),
    "map": ("MAP", "at each right item the share of right ones down to there, averaged over the held-out items"),
    "mrr": ("MRR", _MRR),
    "ndcg_new": ("nDCG, new", _NDCG + _NEW),
    "hr_new": ("HR, new", f"hit rate, the {_HR}{_NEW}"),
    "mrr_new": ("MRR, new", _MRR + _NEW),
}
# What the marks of `differences_chart` mean, for below it.
TOLD = (
    "Lines: 95% intervals over listeners. Diamonds: told apart, the interval misses zero and so do other seeds, as far "
    "as they were tried. Rings: not told apart."
)
Cost = Literal["coverage", "popularity"]
By = Literal["popularity", "activity"]
COSTS: dict[Cost, str] = {
    "coverage": "share of the catalogue in anybody's list",
    "popularity": "mean percentile of popularity of what is recommended",
}
# Of both kinds of segments: what they part, what their axis is called, and the measure.
SEGMENTS: tuple[tuple[By, str, str], ...] = (
    ("popularity", "held-out items, by their listeners in training", "recall"),
    ("activity", "listeners, by their items in training", "ndcg"),
)
COUNTED = ("repeats count as right", "without repeats")


def measure_title(measure: str, n: int) -> str:
    """What a measure is called, with the length of the lists."""
    name, *rest = MEASURES[measure][0].split(",")
    return f"{name}@{n}{''.join(f',{each}' for each in rest)}"


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
            "colour": _colour(found, d.left if d.difference.mean > 0 else d.right) if d.told_apart else PLAIN,
        }
        for label, d in labelled
        if d.difference.mean is not None
    ]
    columns = ["label", "measure", "left", "right", "mean", "low", "high", "told", "ahead", "colour"]
    return pd.DataFrame(kept, columns=columns)


def _place(found: Evaluated, model: str) -> int | None:
    """Which of the models it is, or is another setting of, from 0, imported ones last; None for a baseline."""
    if found.models[model].baseline:
        return None
    models = dict.fromkeys([*PAIR, *(_setting_of(name) for name, own in found.models.items() if not own.baseline)])
    return list(models).index(_setting_of(model))


def _setting_of(model: str) -> str:
    return next((name for name in PAIR if model.startswith(f"{name}_")), model)


def _colour(found: Evaluated, model: str) -> str:
    place = _place(found, model)
    return PLAIN if place is None else MODEL_COLOURS[place]


def _shape(found: Evaluated, model: str) -> str:
    place = _place(found, model)
    return BASELINES if place is None else SHAPES[1 + place]


def pair_sentence(found: Evaluated, pair: Pair = PAIR) -> str:
    """By which measures which of the two models is ahead."""
    table = pair_differences(found, pair)
    parts = [
        f"{ahead} is ahead by {'every measure' if len(rows) == len(table) else _listed(rows['label'])}"
        for ahead, rows in table[table["ahead"] != "neither"].groupby("ahead", sort=False)
    ]
    open_ = table[table["ahead"] == "neither"]
    if len(open_):
        by = "any measure" if len(open_) == len(table) else _listed(open_["label"])
        parts.append(f"the models cannot be told apart by {by}")
    return _capital("; ".join(parts))


def baseline_sentence(found: Evaluated, pair: Pair = PAIR) -> str:
    """How two models stand against what needs no vectors."""
    said: dict[tuple[str, str], list[str]] = {}
    for name in pair:
        model = found.models[name]
        above, level = ([found.models[each].title for each in names] for names in (model.below, model.not_above))
        if above:
            said.setdefault((f"{_listed(above)} {'is' if len(above) == 1 else 'are'} ahead of", ""), []).append(
                model.title
            )
        if level:
            said.setdefault(("", f"cannot be told from {_listed(level)}"), []).append(model.title)
        if not above and not level:
            said.setdefault(("ahead of every baseline:", ""), []).append(model.title)
    parts = [f"{before} {_listed(titles)} {after}".strip() for (before, after), titles in said.items()]
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
        base.mark_text(dy=-11, fontSize=11).encode(x="mean:Q", text=alt.Text("mean:Q", format="+.3f")),
    ).properties(height=alt.Step(ROW_HEIGHT), usermeta=CANVAS)  # fmt: skip
    return _wide(chart, width)


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
            "colour": _colour(found, model),
            "shape": _shape(found, model),
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
    parts = [f"{title} is ahead for {kind} {_listed(names)}" for title, names in ahead.items()]
    if level:
        parts.append(f"for {kind} {_listed(level)} the models' intervals overlap")
    return _capital("; ".join(parts)) or f"Too few lists to part them by {by}"


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
    return _wide(chart, width)


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
                    "cost": paid, "colour": _colour(found, name), "kind": _shape(found, name),
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
        base.transform_filter(alt.FieldOneOfPredicate("model", models))
        .mark_text(align=align, dx=10 if align == "left" else -10, dy=dy, fontSize=12)
        .encode(y=y, text="title:N")
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
    return _wide(chart, width)


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


def repeat_figures(found: Evaluated) -> pd.DataFrame:
    """For next events the hit rates with and without repeats: model, title, counted, mean, low, high, colour; else no
    row."""
    rows = [
        {
            "model": name, "title": model.title, "counted": counted, "mean": figure.mean, "low": figure.low,
            "high": figure.high, "colour": _colour(found, name),
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
    return _wide(chart, width)


def _wide(chart: Layers, width: int | None) -> Layers:
    """As wide as said; where nothing is said the page decides."""
    return chart if width is None else chart.properties(width=width)


def _listed(names: Iterable[str]) -> str:
    *rest, last = names
    return f"{', '.join(rest)} and {last}" if rest else last


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
