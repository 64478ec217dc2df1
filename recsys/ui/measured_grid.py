"""The measured K1 × B grid: which settings recommend best, and which cannot be told from the best."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from recsys.artifacts.store import ArtifactSet
from recsys.ui.bm25_controls import Setting, choose_setting
from recsys.ui.whatif_charts import grid_chart
from recsys.whatif.engine import setting
from recsys.whatif.trust import TUTORIAL

METRICS = {
    "ndcg": "nDCG@{n}, held-out items",
    "recall": "Recall@{n}, held-out items",
    "noise_floor": "overlap@{n} of two fits",
    "tag_share": "top {n} sharing a leading tag",
    "coverage": "share of the catalogue recommended",
    "popularity": "mean percentile of popularity",
}


def best_measured(grid: pd.DataFrame | None) -> Setting | None:
    """K1 and B of the best setting of a measured grid."""
    if grid is None or not grid["ndcg"].notna().any():
        return None
    best = int(np.nanargmax(grid["ndcg"]))
    return float(grid["k1"].iloc[best]), float(grid["b"].iloc[best])


def grid_panel(artifacts: ArtifactSet, grid: pd.DataFrame | None, k1: float, b: float) -> None:
    """The measured K1 × B grid; a click on a cell makes it the setting asked about."""
    how = artifacts.manifest.tuning
    if grid is None or how is None:
        st.subheader("Is another K1 or B better? Not measured yet", anchor=False)
        st.write("A grid of settings, each measured on held-out plays, is added to this set by:")
        st.code(f"python -m recsys tune artifacts/{st.session_state.get('set_kept', 'NAME')}", language="shell")
        return
    known = [metric for metric in METRICS if metric in grid and grid[metric].notna().any()]
    words = {metric: METRICS[metric].format(n=how.n) for metric in known}
    st.subheader(_grid_words(grid, how.n), anchor=False)
    chosen = st.selectbox("Measured", known, format_func=words.__getitem__, key="metric", width=320)

    def go() -> None:
        cells: list[dict[str, Any]] = st.session_state["grid"]["selection"].get("cell", [])
        if cells:
            choose_setting(float(cells[0]["k1"]), float(cells[0]["b"]))

    chart = grid_chart(grid, chosen, words[chosen], (k1, b), TUTORIAL)
    st.altair_chart(chart, key="grid", on_select=go, selection_mode=["cell"], alt=_grid_words(grid, how.n))
    st.caption(
        f"{how.held_out:.0%} of each listener's items held out, {how.listeners:,} listeners, {how.replicates} fits a "
        f"setting. ● you, ○ the tutorial. Outlined: not worse than the best beyond noise. Click a cell to try it."
    )


def _grid_words(grid: pd.DataFrame, n: int) -> str:
    best = best_measured(grid)
    if best is None:
        return "No setting of the grid could be measured"
    among = grid[grid["best_region"]]
    row = grid.iloc[int(np.nanargmax(grid["ndcg"]))]
    half = (row["ndcg_high"] - row["ndcg_low"]) / 2
    others = f"; {len(among) - 1} other settings cannot be told from it" if len(among) > 1 else ", alone"
    words = f"{setting(*best)} recommends best: nDCG@{n} {row['ndcg']:.3f} ± {half:.3f}{others}"
    tutorial = grid[(grid["k1"] == TUTORIAL[0]) & (grid["b"] == TUTORIAL[1])]
    return words + (
        f". The tutorial's {setting(*TUTORIAL)} has {tutorial['ndcg'].iloc[0]:.3f}" if len(tutorial) else ""
    )
