"""What a person takes away from the Maps page: pictures, places, and vectors for another tool's projector."""

from __future__ import annotations

import io
from functools import partial
from typing import Literal

import numpy as np
import pandas as pd
import streamlit as st

from recsys.analysis.map_window import Rows
from recsys.artifacts.store import ArtifactSet, Pair
from recsys.bridges.projector import metadata_tsv, vectors_tsv
from recsys.interactions.spreadsheet import csv_bytes
from recsys.ui.files import file_button
from recsys.ui.map_charts import LinkedMaps, picture_of
from recsys.ui.map_view import METHODS, MapView

# What the projector, a page in a browser, still opens.
MOST_PROJECTED = 10_000


def download_maps(artifacts: ArtifactSet, view: MapView, chart: LinkedMaps, item_row: int, dark: bool) -> None:
    """Both maps as they stand as a picture, every item's places as a table, and vectors for the Embedding Projector."""
    build = artifacts.fingerprint[:12]
    title = f"{artifacts.catalogue['name'].iloc[item_row]} among all items"
    facts = _facts(artifacts, view)

    def picture(form: Literal["png", "svg"]) -> bytes:
        return picture_of(chart, title, facts, form, dark)

    with st.popover("Download"):
        file_button("Both maps as shown (PNG)", lambda: picture("png"), f"maps-{build}.png", "image/png")
        file_button("Both maps as shown (SVG)", lambda: picture("svg"), f"maps-{build}.svg", "image/svg+xml")
        file_button(
            "Places of all items (Parquet)",
            lambda: _parquet(places_table(artifacts, view.pair, view.method)),
            f"{view.method}-{build}.parquet",
            "application/vnd.apache.parquet",
        )
        shown = min(MOST_PROJECTED, artifacts.manifest.counts.items)
        st.caption(f"For the TensorFlow Embedding Projector: {shown:,} most popular items, vectors and names.")
        for model in view.pair:
            file_button(
                f"{artifacts.titles[model]}'s vectors (TSV)",
                partial(projector_vectors, artifacts, model),
                f"{model}-vectors-{build}.tsv",
                "text/tab-separated-values",
            )
        file_button(
            "Names and facts (TSV)", lambda: projector_metadata(artifacts), f"names-{build}.tsv",
            "text/tab-separated-values",
        )  # fmt: skip


def download_rectangle(artifacts: ArtifactSet, pair: Pair, method: str, rows: Rows) -> None:
    """All items of a rectangle as CSV."""
    build = artifacts.fingerprint[:12]

    def table() -> bytes:
        items = places_table(artifacts, pair, method).iloc[rows]
        tags = artifacts.catalogue["tags"].iloc[rows].map(lambda tags: "; ".join(tags))
        return csv_bytes(items.assign(tags=tags, build=build))

    file_button("Download them (CSV)", table, f"rectangle-{build}.csv", "text/csv")


def places_table(artifacts: ArtifactSet, pair: Pair, method: str) -> pd.DataFrame:
    """One row an item: what it is, and of each model's map x, y, faithfulness and, where there is one, shift."""
    table = artifacts.catalogue[["item_id", "name", "listeners", "plays", "popularity"]].copy()
    for model in pair:
        layout = np.asarray(artifacts.layout(model, method))
        table[f"{model}_x"], table[f"{model}_y"] = layout[:, 0], layout[:, 1]
        table[f"{model}_faithfulness"] = np.asarray(artifacts.map_faithfulness(model, method))
        shift = artifacts.map_shift(model, method)
        if shift is not None:
            table[f"{model}_shift"] = np.asarray(shift)
    return table


def projector_vectors(artifacts: ArtifactSet, model: str) -> bytes:
    """Vectors of the most popular items for the Embedding Projector."""
    return vectors_tsv(artifacts.array(f"{model}/vectors")[:MOST_PROJECTED])


def projector_metadata(artifacts: ArtifactSet) -> bytes:
    """What the same items are, in the same order."""
    catalogue = artifacts.catalogue.head(MOST_PROJECTED)
    return metadata_tsv(
        {
            "name": catalogue["name"].tolist(),
            "item_id": catalogue["item_id"].tolist(),
            "listeners": catalogue["listeners"].tolist(),
            "tags": [", ".join(list(tags)[:3]) for tags in catalogue["tags"]],
        }
    )


def _parquet(table: pd.DataFrame) -> bytes:
    kept = io.BytesIO()
    table.to_parquet(kept, index=False)
    return kept.getvalue()


def _facts(artifacts: ArtifactSet, view: MapView) -> list[str]:
    counts, maps = artifacts.manifest.counts, artifacts.manifest.maps or {}
    kept = [f"{artifacts.titles[m]} {maps[f'{m}/{view.method}'].faithfulness or float('nan'):.2f}" for m in view.pair]
    facts = [
        f"{METHODS[view.method]} · {counts.items:,} items · {st.session_state.get('set_kept', '')} · "
        f"build {artifacts.fingerprint[:12]}",
        f"Share of true neighbours that stand near: {', '.join(kept)}. Colour: {view.colour.words}.",
    ]
    if view.in_window > len(view.points):
        facts.append(
            f"Points: the {len(view.points):,} most popular of {view.in_window:,} items here; grey: all of them."
        )
    if artifacts.manifest.source.simulated:
        facts.append("Simulated data: invented listeners, says nothing of real taste")
    return facts
