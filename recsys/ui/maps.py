"""The Maps page: both models' maps in one linked view, and how far a map can be trusted."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import streamlit as st

from recsys.analysis.map_window import Window, around, frame
from recsys.artifacts.manifest import MapEntry
from recsys.artifacts.store import ArtifactSet, Pair
from recsys.plural import counted
from recsys.ui.controls import as_text, choose_item, shell_command
from recsys.ui.drawing import on_telephone, show_chart
from recsys.ui.glossary import meaning_of
from recsys.ui.loading import commonest_tags, set_command
from recsys.ui.map_charts import linked_maps_chart
from recsys.ui.map_downloads import download_maps, download_rectangle
from recsys.ui.map_view import COLOURS, METHODS, MapView, colours_of, in_rectangle, layouts, map_view
from recsys.ui.passport import told_table

Layout = npt.NDArray[np.float32]

MOST_ROWS = 500
WINDOW, RECTANGLE = "window", "rectangle"  # in the address; in the session
MOST_ZOOM = 10_000  # times
PRECISION = 8  # significant digits of a window in the address


def mapped_methods(artifacts: ArtifactSet, pair: Pair) -> list[str]:
    """Methods of which both models have a map; else words about how to make one, and the page ends."""
    there = set(artifacts.maps)
    methods = [method for method in METHODS if all(f"{model}/{method}" in there for model in pair)]
    if not methods:
        st.header("No maps yet")
        st.write("A map places similar items near each other. Maps are added to a set without training again:")
        lacking = [model for model in pair if not any(f"{model}/{method}" in there for method in METHODS)]
        which = ("--model", lacking[0]) if len(lacking) == 1 else ()
        shell_command(set_command("map", "--method", "umap", *which))
        st.stop()
    return methods


def map_controls(artifacts: ArtifactSet, pair: Pair, methods: list[str]) -> tuple[str, str, str | None]:
    """The method, what colour means, and the tag if it is one."""
    left, middle, right = st.columns([2, 3, 3], gap="large")
    with left:
        method = st.radio(
            "Method", methods, format_func=METHODS.__getitem__, key="method", bind="query-params", horizontal=True,
            help=meaning_of("map", "UMAP", "t-SNE"),
        )  # fmt: skip
    with middle:
        colours = colours_of(artifacts, artifacts.fingerprint, pair)
        colour = st.selectbox("Colour", colours, key="colour", bind="query-params", width=260, help=_meanings(colours))
    tag = None
    if colour == "tag":
        with right:
            tags = commonest_tags(artifacts, artifacts.fingerprint)
            tag = st.selectbox("Tag", tags, key="map_tag", bind="query-params", width=260)
    return str(method), str(colour), tag


def maps_view(
    artifacts: ArtifactSet, pair: Pair, item_row: int, n: int, method: str, colour: str, tag: str | None
) -> None:
    """Both maps, the true neighbours of the item drawn as lines, and a table of what a rectangle holds."""
    whole = frame(layouts(artifacts, pair, method))
    window = _window(artifacts, pair, method, item_row, whole)
    _ways_to_go(artifacts, pair, method, item_row, window, whole)
    picture = (artifacts.fingerprint, (pair, method), window, colour, tag, item_row, n)
    key, rectangle = _key_and_rectangle(picture)
    maps = st.container()
    # Before the maps, though it stands below them: to convert a chart takes longer than to list a rectangle.
    _brushed(artifacts, pair, method, whole)
    with maps:
        view = map_view(artifacts, pair, method, colour, tag, item_row, n, window, whole)
        _maps(artifacts, view, item_row, n, key, rectangle)


def _maps(
    artifacts: ArtifactSet, view: MapView, item_row: int, n: int, key: str, rectangle: dict[str, list[float]] | None
) -> None:
    dark = st.context.theme.type == "dark"
    places = artifacts.places(view.pair)
    chart = linked_maps_chart(
        view.points, view.halves, view.colour, item_row, view.window, rectangle, dark, places, small=on_telephone()
    )

    def go() -> None:
        selection = st.session_state[key]["selection"]
        brushed = {name: sorted(map(float, ends)) for name, ends in selection.get("brush", {}).items()}
        st.session_state[RECTANGLE] = brushed or None
        if picked := selection.get("pick", []):
            choose_item(str(artifacts.catalogue["item_id"].iloc[int(picked[0]["item_row"])]))

    drawn = f"{' and '.join(half.title for half in view.halves)}: {len(view.points):,} items"
    words = f"{_kept_words(artifacts, view.pair, item_row, view.method)} {drawn}."
    with st.container(key="maps_box"):
        show_chart(chart, key=key, words=words, on_select=go, selection_mode=["pick", "brush"], width="content")
    st.caption(
        "Point at an item to see it on both maps; click it to ask about it; draw a rectangle on either map to list its "
        f"items and see where they stand on the other. Lines: the {n} true nearest items, wherever the map put them."
    )
    if view.in_window > len(view.points):
        st.caption(
            f"{view.in_window:,} items stand here: all as grey density, and the {len(view.points):,} most popular as "
            f"points. Zoom in to see more of them."
        )
    download_maps(artifacts, view, chart, item_row, dark)


def _key_and_rectangle(picture: tuple[Any, ...]) -> tuple[str, dict[str, list[float]] | None]:
    """A key of its own for each picture, because a browser keeps what was selected in the one before; and the rectangle
    that is part of it from the start: one that was drawn on the picture before, of the same window.

    picture : what it is of; first the set, the models with the method, and the window.
    """
    before: tuple[Any, ...] = st.session_state.get("map_picture", ((None,) * len(picture), None, ""))
    if before[0] == picture:
        return before[2], before[1]
    kept = st.session_state.get(RECTANGLE) if before[0][:3] == picture[:3] else None
    # A chart can begin with a rectangle on its first map only.
    st.session_state[RECTANGLE] = kept = kept if kept and "x_0" in kept else None
    start = {"x": kept["x_0"], "y": kept["y_0"]} if kept else None
    key = f"maps_{abs(hash(picture)):x}"
    st.session_state["map_picture"] = (picture, start, key)
    return key, start


def _window(artifacts: ArtifactSet, pair: Pair, method: str, item_row: int, whole: Window) -> Window:
    """The window in the address; all of the maps where there is none. It follows the item that is asked about, and ends
    with the maps that it is a part of."""
    asked = (artifacts.fingerprint, (pair, method), item_row)
    before = st.session_state.get("map_asked", asked)
    st.session_state["map_asked"] = asked
    if before[:2] != asked[:2]:
        st.query_params.pop(WINDOW, None)
    text = st.query_params.get(WINDOW)
    if not text:
        return whole
    window = _as_window(text, whole)
    if window is None:
        st.warning(f"The link asks for the window “{as_text(text[:60])}”, which is no part of these maps; you see all.")
        st.query_params.pop(WINDOW)
        return whole
    places = _places(artifacts, pair, method, item_row)
    outside = before != asked and not window.holds(places).any()
    if outside and (there := around(places, whole, window.side / whole.side)):
        window = there
        st.query_params[WINDOW] = _as_words(window)
    return window


def _as_window(text: str, whole: Window) -> Window | None:
    try:
        left, right, low, high = (float(part) for part in text.split(","))
    except ValueError:
        return None
    sides, smallest = (right - left, high - low), whole.side / MOST_ZOOM
    if not (min(sides) >= smallest * (1 - 1e-3) and max(sides) <= whole.side):
        return None
    if left >= whole.x[1] or right <= whole.x[0] or low >= whole.y[1] or high <= whole.y[0]:
        return None
    return Window((left, right), (low, high))


def _as_words(window: Window) -> str:
    return ",".join(f"{end:.{PRECISION}g}" for end in (*window.x, *window.y))


def _ways_to_go(artifacts: ArtifactSet, pair: Pair, method: str, item_row: int, window: Window, whole: Window) -> None:
    name = as_text(str(artifacts.catalogue["name"].iloc[item_row]))
    near = around(_places(artifacts, pair, method, item_row), whole)
    closer, out = window.scaled(0.5, whole), window.scaled(2, whole)
    with st.container(horizontal=True):
        st.button(f"Zoom to {name}", key="zoom_item", on_click=_go_to, args=(near, whole), disabled=near is None)
        at_end = closer.side < whole.side / MOST_ZOOM
        st.button("Zoom in", key="zoom_in", on_click=_go_to, args=(closer, whole), disabled=at_end)
        st.button("Zoom out", key="zoom_out", on_click=_go_to, args=(out, whole), disabled=window == whole)
        st.button("The whole maps", key="zoom_whole", on_click=_go_to, args=(whole, whole), disabled=window == whole)
        if st.button("See its neighbours as lists", key="to_lists"):
            item_id = str(artifacts.catalogue["item_id"].iloc[item_row])
            query = {"set": st.session_state.get("set_kept", ""), "item": item_id, "build": artifacts.fingerprint[:12]}
            st.switch_page("pages/neighbours.py", query_params=query)


def _go_to(window: Window | None, whole: Window) -> None:
    if window is None or window == whole:
        st.query_params.pop(WINDOW, None)
    else:
        st.query_params[WINDOW] = _as_words(window)


def _places(artifacts: ArtifactSet, pair: Pair, method: str, item_row: int) -> Layout:
    return np.stack([layout[item_row] for layout in layouts(artifacts, pair, method)])


def _brushed(artifacts: ArtifactSet, pair: Pair, method: str, whole: Window) -> None:
    rectangle = st.session_state[RECTANGLE]
    found = in_rectangle(artifacts, pair, method, rectangle) if rectangle else None
    if found is None:
        return
    rows, inside = found
    items = artifacts.catalogue.iloc[rows]
    st.subheader(f"{counted(len(rows), 'item')} in the rectangle", anchor=False)
    table = items.assign(tags=items["tags"].map(lambda tags: ", ".join(list(tags)[:3])))
    with st.container(horizontal=True):
        st.button("Zoom to the rectangle", key="zoom_rectangle", on_click=_go_to, args=(inside.scaled(1, whole), whole))
        download_rectangle(artifacts, pair, method, rows)
    if len(rows) > MOST_ROWS:
        st.caption(f"The {MOST_ROWS} most popular of them; the file has all.")
    columns = ["name", "listeners", "plays", *(["tags"] if table["tags"].any() else [])]
    st.dataframe(table[columns].head(MOST_ROWS), hide_index=True)


def _meanings(colours: list[str]) -> str:
    return " ".join(f"**{colour}**: {COLOURS[colour]}." for colour in colours)


def trust_of_maps(artifacts: ArtifactSet, models: Pair, method: str) -> None:
    """How much of the truth each map keeps, beside a map of nothing and the plane of most variance."""
    maps = artifacts.manifest.maps or {}
    entries = [maps[f"{model}/{method}"] for model in models]
    n = entries[0].n
    st.subheader(f"What these maps bend: {_bent(artifacts, entries, models)}", anchor=False)
    rows = {
        (f"True top {n} among the {n} nearest on the map", "the share that stands there"): "faithfulness",
        ("Trustworthiness", "near on the map is near in truth"): "trustworthiness",
        ("Continuity", "near in truth is near on the map"): "continuity",
    }
    told_table(
        [artifacts.titles[model] for model in models],
        {label: [_beside_others(entry, what) for entry in entries] for label, what in rows.items()},
        classes="trust hubs",
    )
    st.caption("A map of points at random shows what chance gives.", help=meaning_of("PCA"))


def _beside_others(entry: MapEntry, what: str) -> str:
    own, chance, plane = (_share(getattr(each, what)) for each in (entry, entry.random, entry.pca))
    return f"{own}; by chance {chance}, PCA {plane}"


def _bent(artifacts: ArtifactSet, entries: list[MapEntry], models: Pair) -> str:
    kept = [
        f"{artifacts.titles[model]}'s keeps {entry.faithfulness:.0%}"
        for model, entry in zip(models, entries, strict=True)
        if entry.faithfulness is not None
    ]
    return f"of an item's true neighbours {' and '.join(kept)} beside it" if kept else "not known"


def map_heading(artifacts: ArtifactSet, pair: Pair, item_row: int, method: str) -> None:
    """Whose neighbours are drawn, and how many of them each map shows where they belong."""
    name = as_text(str(artifacts.catalogue["name"].iloc[item_row]))
    st.header(f"{name} among all items", anchor=False)
    st.subheader(as_text(_kept_words(artifacts, pair, item_row, method)), anchor=False, help=meaning_of("map"))


def _kept_words(artifacts: ArtifactSet, pair: Pair, item_row: int, method: str) -> str:
    """How many of an item's true neighbours each map shows where they belong, in a sentence."""
    told, n = [], 0
    for model in pair:
        entry = (artifacts.manifest.maps or {})[f"{model}/{method}"]
        share, n = float(artifacts.map_faithfulness(model, method)[item_row]), entry.n
        told.append(
            f"{artifacts.titles[model]}'s map has no place for it"
            if np.isnan(share)
            else f"{artifacts.titles[model]}'s map keeps {share * n:.0f} among its {n} nearest"
        )
    return f"Of its {n} true neighbours {', '.join(told)}."


def _share(value: float | None) -> str:
    return "not known" if value is None else f"{value:.2f}"
