"""Why one item is a neighbour of another, from the listening log itself."""

from __future__ import annotations

from html import escape

import pandas as pd
import streamlit as st

from recsys.analysis.evidence import Excerpt, evidence, reasons
from recsys.analysis.side_by_side import SideBySide
from recsys.artifacts.store import ArtifactSet
from recsys.ui.controls import chosen_neighbour
from recsys.ui.ranked_lists import side_of

ELSEWHERE = "trained elsewhere; what it learnt from is not known here"


def evidence_panel(artifacts: ArtifactSet, view: SideBySide) -> None:
    """One neighbour of the shown lists, chosen by the person, and what the log says of the pair."""
    rows = view.neighbour_rows()
    if not rows:
        return
    other = chosen_neighbour(artifacts, rows)
    found = evidence(artifacts, view.item_row, other)
    names = artifacts.catalogue["name"]
    words = reasons(found, view.name, ordered=artifacts.queues.ordered)
    lines = "".join(
        f'<dt class="{side_of(view, model)}">{escape(view.titles[model])}</dt>'
        f"<dd>{_isolated(words.get(model, ELSEWHERE), view.name)}</dd>"
        for model in view.lists
    )
    excerpts = "".join(_excerpt(excerpt, names) for excerpt in found.queues.excerpts)
    told = (
        f'<p class="from">From the log, where the two were played closest:</p><ul>{excerpts}</ul>' if excerpts else ""
    )
    st.html(f'<div class="evidence"><dl>{lines}</dl>{told}</div>')


def _excerpt(excerpt: Excerpt, names: pd.Series[str]) -> str:
    played = []
    for at, row in enumerate(excerpt.items):
        name = "…" if row < 0 else escape(str(names.iloc[row]))
        played.append(f"<b><bdi>{name}</bdi></b>" if at in (excerpt.first, excerpt.second) else f"<bdi>{name}</bdi>")
    return f"<li>{' <i>▸</i> '.join(played)}</li>"


def _isolated(words: str, name: str) -> str:
    return escape(words).replace(escape(name), f"<bdi>{escape(name)}</bdi>", 1)
