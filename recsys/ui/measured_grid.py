"""The measured K1 × B grid: which settings recommend best, and which cannot be told from the best."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from recsys.artifacts.store import ArtifactSet
from recsys.ui.bm25_controls import Setting, choose_setting
from recsys.ui.controls import shell_command
from recsys.ui.drawing import show_chart
from recsys.ui.glossary import meaning_of
from recsys.ui.loading import set_command
from recsys.ui.whatif_charts import grid_chart, grid_sentence
from recsys.whatif.result import setting
from recsys.whatif.trust import TUTORIAL

METRICS = {
    "ndcg": "nDCG@{n}, held-out items",
    "recall": "Recall@{n}, held-out items",
    "noise_floor": "overlap@{n} of two fits",
    "tag_share": "top {n} sharing a leading tag",
    "coverage": "share of the catalogue recommended",
    "popularity": "mean percentile of popularity",
}


def measured_line(artifacts: ArtifactSet, grid: pd.DataFrame | None, asked: Setting, baseline: Setting) -> None:
    """What the measured grid says of the setting asked about, against the baseline; nothing where it says nothing."""
    if grid is None or artifacts.manifest.tuning is None or asked == baseline:
        return
    words = measured_words(grid, artifacts.manifest.tuning.n, asked, baseline)
    if words:
        st.markdown(words, help=meaning_of("nDCG", "held-out", "overlap"))


def measured_words(grid: pd.DataFrame, n: int, asked: Setting, baseline: Setting) -> str:
    """How well a setting recommends held-out items, and how far two fits agree, against the baseline; both at the
    nearest settings that were measured. Empty where those are one and the same, or do not converge."""
    here, there = (nearest_measured(grid, *each) for each in (asked, baseline))
    points = [(float(row["k1"]), float(row["b"])) for row in (here, there)]
    if points[0] == points[1] or not np.isfinite([here["ndcg"], there["ndcg"]]).all():
        return ""
    where = "" if points[0] == asked else f" nearby, at {setting(*points[0])}"
    before = setting(*points[1])
    half = (here["ndcg_high"] - here["ndcg_low"]) / 2
    words = f"Measured on held-out plays{where}: nDCG@{n} **{here['ndcg']:.3f}** ± {half:.3f}"
    words += f", against {there['ndcg']:.3f} at {before}"
    if np.isfinite([here["noise_floor"], there["noise_floor"]]).all():
        words += f"; two fits share **{here['noise_floor']:.0%}** of their top {n}, against {there['noise_floor']:.0%}"
    return f"{words}."


def nearest_measured(grid: pd.DataFrame, k1: float, b: float) -> pd.Series[Any]:
    """The measured setting that is nearest: in K1 by its logarithm, as on the slider."""
    apart = np.abs(np.log(grid["k1"] + 0.1) - math.log(k1 + 0.1)) + np.abs(grid["b"] - b)
    return grid.iloc[int(np.argmin(apart))]


def grid_panel(artifacts: ArtifactSet, grid: pd.DataFrame | None, k1: float, b: float) -> None:
    """The measured K1 × B grid; a click on a cell makes it the setting asked about."""
    how = artifacts.manifest.tuning
    if grid is None or how is None:
        st.subheader("Is another K1 or B better? Not measured yet", anchor=False)
        st.write("A grid of settings, each measured on held-out plays, is added to this set by:")
        shell_command(set_command("tune"))
        return
    known = [metric for metric in METRICS if metric in grid and grid[metric].notna().any()]
    words = {metric: METRICS[metric].format(n=how.n) for metric in known}
    sentence = grid_sentence(grid, how.n)
    st.subheader(sentence, anchor=False)
    chosen = st.selectbox(
        "Measured", known, format_func=words.__getitem__, key="metric", width=320,
        help=meaning_of("nDCG", "Recall", "overlap", "coverage", "held-out"),
    )  # fmt: skip

    def go() -> None:
        cells: list[dict[str, Any]] = st.session_state["grid"]["selection"].get("cell", [])
        if cells:
            choose_setting(float(cells[0]["k1"]), float(cells[0]["b"]))

    chart = grid_chart(grid, chosen, words[chosen], (k1, b), TUTORIAL)
    show_chart(chart, key="grid", words=sentence, on_select=go, selection_mode=["cell"])
    on_grid = bool(((grid["k1"] == k1) & (grid["b"] == b)).any())
    you = "● you, " if on_grid else f"{setting(k1, b)} was not measured. "
    outline = " Outlined: not worse than the best beyond noise." if chosen == "ndcg" else ""
    st.caption(
        f"{you}○ the tutorial.{outline} {how.held_out:.0%} of each listener's items held out, "
        f"{how.listeners:,} listeners, {how.replicates} fits a setting. At K1 0, B changes nothing. "
        "Click a cell to try it."
    )
    with st.expander("The grid as a table"):
        st.dataframe(grid[["k1", "b", *known, "best_region"]], hide_index=True, key="grid_table")
