"""How the models of an evaluation are drawn and told of, by all of its charts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import altair as alt

from recsys.artifacts.evaluations import Evaluated
from recsys.ui.charts import MODEL_COLOURS, SHAPES

Layers: TypeAlias = alt.LayerChart | alt.FacetChart
PAIR = ("als", "word2vec")
BASELINES = "triangle-up"  # the shape of all of them
PLAIN = "#767676"
ROW_HEIGHT = 32
HEIGHT = 330


def colour_of(found: Evaluated, model: str) -> str:
    place = _place(found, model)
    return PLAIN if place is None else MODEL_COLOURS[place]


def shape_of(found: Evaluated, model: str) -> str:
    place = _place(found, model)
    return BASELINES if place is None else SHAPES[1 + place]


def _place(found: Evaluated, model: str) -> int | None:
    """Which of the models it is, or is another setting of, from 0, imported ones last; None for a baseline."""
    if found.models[model].baseline:
        return None
    models = dict.fromkeys([*PAIR, *(_setting_of(name) for name, own in found.models.items() if not own.baseline)])
    return list(models).index(_setting_of(model))


def _setting_of(model: str) -> str:
    return next((name for name in PAIR if model.startswith(f"{name}_")), model)


def wide(chart: Layers, width: int | None) -> Layers:
    """As wide as said; where nothing is said the page decides."""
    return chart if width is None else chart.properties(width=width)


def listed(names: Iterable[str]) -> str:
    *rest, last = names
    return f"{', '.join(rest)} and {last}" if rest else last


def capital(words: str) -> str:
    return words[:1].upper() + words[1:]
