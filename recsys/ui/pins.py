"""Items pinned beside the one on show, so that two or three can be compared."""

from __future__ import annotations

from html import escape

import streamlit as st

from recsys.analysis.search import NameIndex
from recsys.analysis.side_by_side import SideBySide, compare_neighbours
from recsys.artifacts.store import ArtifactSet, Pair
from recsys.ui.controls import as_text, choose_item
from recsys.ui.glossary import marked

MOST_PINS = 3
VERDICTS = {"real": "a real difference", "noise": "not told from noise", "unknown": "not known"}


def pinned_items(artifacts: ArtifactSet, pair: Pair, index: NameIndex, view: SideBySide, key: str = "pin") -> None:
    """A button that pins or unpins the item on show, and a table of what is pinned; pins stand in the address."""
    pins = _pins_in_address(index, key)

    def turn() -> None:
        left = [each for each in pins if each != view.item_id]
        st.query_params[key] = left if view.item_id in pins else [*pins, view.item_id]

    is_pinned = view.item_id in pins
    full = len(pins) >= MOST_PINS and not is_pinned
    st.button(
        f"Unpin {as_text(view.name)}" if is_pinned else f"Pin {as_text(view.name)}",
        icon=":material/keep_off:" if is_pinned else ":material/keep:",
        on_click=turn,
        key=f"{key}_turn",
        disabled=full,
        help=f"{MOST_PINS} items are pinned already; unpin one first." if full else "Pinned items are compared below.",
    )
    if not pins:
        return
    rows = [index.row_of_id(each) for each in pins]
    views = [
        compare_neighbours(artifacts, row, n=view.n, popularity=view.popularity, pair=pair)
        for row in rows
        if row is not None
    ]
    st.html(_table(views))
    others = [each for each in views if each.item_id != view.item_id]
    if others:
        st.pills(
            "Pinned items", [each.item_id for each in others], key=f"{key}_open", wrap=True,
            format_func={each.item_id: as_text(each.name) for each in others}.__getitem__, on_change=_open, args=(key,),
        )  # fmt: skip


def _open(key: str) -> None:
    chosen = st.session_state[f"{key}_open"]
    if chosen:
        choose_item(str(chosen))
        st.session_state[f"{key}_open"] = None


def _pins_in_address(index: NameIndex, key: str) -> list[str]:
    """The pinned ids that this set knows, each once, at most MOST_PINS."""
    linked = dict.fromkeys(st.query_params.get_all(key))
    return [each for each in linked if index.row_of_id(each) is not None][:MOST_PINS]


def _table(views: list[SideBySide]) -> str:
    titles = list(views[0].titles.values())
    heads = ["pinned", "listeners", "models share", *(f"{title} with itself" for title in titles), "verdict", "in both"]
    head = "".join(f'<th scope="col">{marked(each)}</th>' for each in heads)
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Pinned items">'
        f'<table class="trust pins"><thead><tr>{head}</tr></thead><tbody>'
        + "".join(
            f'<tr><th scope="row"><bdi>{escape(view.name)}</bdi></th>'
            f"<td>{view.listeners:,}</td><td>{_of(view.overlap, view)}</td>"
            + "".join(f"<td>{_of(floor, view)}</td>" for floor in view.noise_floor.values())
            + f"<td>{VERDICTS[view.verdict]}</td><td class='names'>{_shared(view)}</td></tr>"
            for view in views
        )
        + "</tbody></table></div>"
    )


def _of(share: float | None, view: SideBySide) -> str:
    return "not known" if share is None else f"{share * view.length:.0f} of {view.length}"


def _shared(view: SideBySide) -> str:
    table = next(iter(view.lists.values()))
    return ", ".join(f"<bdi>{escape(str(name))}</bdi>" for name in table.loc[table["shared"], "name"]) or "none"
