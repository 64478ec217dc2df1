"""Widgets that return values. What they choose stands in the address, so that a link shows the same view."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from recsys.analysis.search import NameIndex
from recsys.artifacts.store import ArtifactSet

MATCHES_SHOWN = 8


def set_picker(names: list[str]) -> str:
    """The chosen artifact set's name; the first of `names` unless the address names another."""
    return st.selectbox("Artifact set", names, key="set", bind="query-params", width=220)


def list_length(artifacts: ArtifactSet, key: str = "n") -> int:
    """How long the compared lists are: 1 to the depth at which replicates are stored."""
    longest = artifacts.manifest.replicate_depth
    return int(
        st.slider(
            "Length of the lists, n",
            1,
            longest,
            min(10, longest),
            key=key,
            bind="query-params",
            help="How many neighbours of each model are compared.",
        )
    )


def item_picker(artifacts: ArtifactSet, index: NameIndex, key: str = "item") -> int:
    """The row of the chosen item, from the address, else as last chosen in this session, else the most popular one."""
    row = _row_in_address(artifacts, index, key)
    _search_box(index, artifacts, key)
    return row


def choose_item(item_id: str, key: str = "item") -> None:
    """Make this item the chosen one; for callbacks."""
    st.query_params[key] = item_id
    st.session_state[f"{key}_search"] = ""
    st.session_state[f"{key}_changed"] = True


def item_buttons(label: str, artifacts: ArtifactSet, rows: list[int], key: str) -> None:
    """Items to go on with; a click makes one the chosen item."""

    def go() -> None:
        row = st.session_state[key]
        if row is not None:
            choose_item(str(artifacts.catalogue["item_id"].iloc[row]))
            st.session_state[key] = None

    st.pills(label, rows, format_func=_item_words(artifacts), key=key, on_change=go)


def go_to_neighbours(artifacts: ArtifactSet, rows: list[int], key: str) -> None:
    """Items as links to their neighbours; a click opens the Neighbours page with that item."""
    if not rows:
        st.write("Nothing stands out: nowhere do the models differ by more than each differs from itself.")
        return
    chosen = st.pills("Open in Neighbours", rows, format_func=_item_words(artifacts), key=key)
    if chosen is not None:
        item_id = str(artifacts.catalogue["item_id"].iloc[chosen])
        st.switch_page("pages/neighbours.py", query_params={"item": item_id})


def as_text(text: str) -> str:
    """A name as Markdown that shows it as it is, for labels and headings."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]()<>#+-.!|~:$" else c for c in text)


def _item_words(artifacts: ArtifactSet) -> Callable[[int], str]:
    names, listeners = artifacts.catalogue["name"], artifacts.catalogue["listeners"]
    return lambda row: f"{as_text(str(names.iloc[row]))} · {listeners.iloc[row]:,}"


def _row_in_address(artifacts: ArtifactSet, index: NameIndex, key: str) -> int:
    wanted = st.query_params.get(key) or st.session_state.get(f"{key}_kept")
    row = index.row_of_id(wanted) if wanted else 0
    if row is None:
        st.warning(
            f"This artifact set has no item with the id “{as_text(str(wanted)[:60])}”. "
            f"Search for a name below; you see the most popular item meanwhile."
        )
        row = 0
    item_id = index.item_ids[row]
    st.session_state[f"{key}_kept"] = item_id
    if st.query_params.get(key) != item_id:
        st.query_params[key] = item_id
    return row


@st.fragment
def _search_box(index: NameIndex, artifacts: ArtifactSet, key: str) -> None:
    # Typing reruns this box alone; a choice concerns the whole page.
    if st.session_state.pop(f"{key}_changed", False):
        st.rerun()
    query = st.text_input(
        "Find an item",
        key=f"{key}_search",
        type="search",
        live="200ms",
        placeholder="name or id",
        max_chars=200,
    )
    if not query or not query.strip():
        return
    rows = index.search(query, MATCHES_SHOWN)
    words = as_text(query)
    label = f"Matches for “{words}”"
    if not rows:
        rows = index.suggest(query, MATCHES_SHOWN)
        label = f"Nothing is called “{words}”. Did you mean" if rows else f"Nothing like “{words}” in this set"
    item_buttons(label, artifacts, rows, key=f"{key}_match")
