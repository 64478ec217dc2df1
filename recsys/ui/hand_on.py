"""What a person takes away from the Neighbours page: its link, both lists as CSV, and a picture of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from recsys.analysis.side_by_side import EVERY_POPULARITY, MEANINGS, SideBySide, headline
from recsys.artifacts.store import ArtifactSet
from recsys.interactions.spreadsheet import csv_bytes
from recsys.ui.files import file_button
from recsys.ui.ranked_lists import RBO_HELP, lists_data, overlap_bars

# The page shows this before it has loaded hand_on.js: until then a click would be lost.
HTML = """
<div class="hand-on">
  <button type="button" disabled><span class="label">Copy link</span><span class="told"></span></button>
  <button type="button" disabled><span class="label">Download a picture (PNG)</span><span class="told"></span></button>
  <input class="link" type="text" readonly hidden aria-label="Link to this view">
  <span class="status" role="status" aria-live="polite"></span>
</div>
"""


def hand_on(artifacts: ArtifactSet, view: SideBySide, key: str = "hand_on") -> None:
    """Buttons that copy the link to this view and download it as a picture and as CSV."""
    with st.container(horizontal=True, key=key):
        _component()(data=picture_data(artifacts, view), key=f"{key}_link", width="content")
        _download_lists(view, artifacts.fingerprint[:12])


def picture_data(artifacts: ArtifactSet, view: SideBySide) -> dict[str, Any]:
    """All that the picture says, in the words of the page; the browser only draws it."""
    build = artifacts.fingerprint[:12]
    counts = artifacts.manifest.counts
    facts = [
        str(st.session_state.get("set_kept", "")),
        f"{counts.listeners:,} listeners",
        f"{counts.items:,} items",
        f"build {build}",
        f"n = {view.n}",
    ]
    if view.popularity != EVERY_POPULARITY:
        low, high = view.popularity
        facts.append(f"only items of the {low:g} to {high:g} percentiles of popularity")
    return lists_data(view) | {
        "name": view.name,
        "headline": headline(view),
        "meaning": MEANINGS[view.verdict],
        "bars": overlap_bars(view),
        "rbo": None if view.rbo is None else {"label": f"RBO {view.rbo:.2f}", "help": RBO_HELP},
        "facts": [fact for fact in facts if fact],
        "simulated": "Simulated data: invented listeners, says nothing of real taste"
        if artifacts.manifest.source.simulated
        else "",
        "file": _file_name(view, build, "png"),
    }


def _download_lists(view: SideBySide, build: str) -> None:
    file_button(
        "Download these lists (CSV)",
        lambda: csv_bytes(view.as_table().assign(build=build)),
        _file_name(view, build, "csv"),
        "text/csv",
        key="csv",
    )


def _file_name(view: SideBySide, build: str, ending: str) -> str:
    return f"neighbours-{''.join(c if c.isalnum() else '-' for c in view.item_id)[:60]}-{build}.{ending}"


@st.cache_resource(show_spinner=False)
def _component() -> Any:
    here = Path(__file__)
    return st.components.v2.component(
        "hand_on",
        html=HTML,
        css=here.with_name("hand_on.css").read_text("utf-8"),
        js=here.with_name("hand_on.js").read_text("utf-8"),
    )
