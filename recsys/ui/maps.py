"""The Maps page: both models' maps in one linked view, and how far a map can be trusted."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from recsys.artifacts.manifest import MapEntry
from recsys.artifacts.store import ArtifactSet
from recsys.ui.controls import as_text, choose_item
from recsys.ui.loading import commonest_tags
from recsys.ui.map_charts import linked_maps_chart

METHODS = {"umap": "UMAP", "tsne": "t-SNE"}
# Canvas draws so many at once; of more, the most popular are drawn, and what is asked about.
MOST_POINTS = 20_000
SHOWN_OF_MORE = 5_000
MOST_ROWS = 500
COLOURS = {
    "popularity": "percentile of popularity",
    "agreement": "overlap of the models' lists",
    "shift": "how far it stands elsewhere on the second map",
    "faithfulness": "share of true neighbours near it on the first map",
    "tag": "a tag",
}


def mapped_methods(artifacts: ArtifactSet) -> list[str]:
    """Methods of which both models have a map; else words about how to make one, and the page ends."""
    there = set(artifacts.maps)
    models = artifacts.model_names[:2]
    methods = [method for method in METHODS if all(f"{model}/{method}" in there for model in models)]
    if not methods:
        st.header("No maps yet")
        st.write("A map places similar items near each other. Maps are added to a set without training again:")
        name = st.session_state.get("set_kept", "NAME")
        st.code(f"python -m recsys map artifacts/{name} --method umap", language="shell")
        st.stop()
    return methods


def map_controls(artifacts: ArtifactSet, methods: list[str]) -> tuple[str, str, str | None]:
    """The method, what colour means, and the tag if it is one."""
    left, middle, right = st.columns([2, 3, 3], gap="large")
    with left:
        method = st.radio(
            "Method", methods, format_func=METHODS.__getitem__, key="method", bind="query-params", horizontal=True
        )
    tags = commonest_tags(artifacts, artifacts.fingerprint)
    colours = [colour for colour in COLOURS if colour != "tag" or tags]
    with middle:
        colour = st.selectbox("Colour", colours, key="colour", bind="query-params", width=260)
    tag = None
    if colour == "tag":
        with right:
            tag = st.selectbox("Tag", tags, key="map_tag", bind="query-params", width=260)
    return str(method), str(colour), tag


def maps_view(artifacts: ArtifactSet, item_row: int, n: int, method: str, colour: str, tag: str | None) -> None:
    """Both maps, the true neighbours of the item drawn as lines, and a table of what a rectangle holds."""
    points = _points(artifacts, artifacts.fingerprint, method, colour, tag, item_row)
    rays = _rays(artifacts, method, item_row, n)
    words = f"has the tag {tag}" if tag else COLOURS[colour]
    titles = [f"{artifacts.titles[model]}, {METHODS[method]}" for model in artifacts.model_names[:2]]
    chart = linked_maps_chart(points, rays, titles, colour, words, item_row)

    def go() -> None:
        picked = st.session_state["maps"]["selection"].get("pick", [])
        if picked:
            choose_item(str(artifacts.catalogue["item_id"].iloc[int(picked[0]["item_row"])]))

    with st.container(key="maps_box"):
        st.altair_chart(
            chart, key="maps", on_select=go, selection_mode=["pick", "brush"], width="content", alt=", ".join(titles)
        )
    if len(points) < artifacts.manifest.counts.items:
        st.caption(f"Shown: {len(points):,} of {artifacts.manifest.counts.items:,} items, the most popular ones.")
    st.caption(
        "Point at an item to see it on both maps; click it to ask about it; draw a rectangle on the first map to see "
        f"where its items stand on the second. Lines: the {n} true nearest items, wherever the map put them."
    )
    _brushed(artifacts, points)


def _brushed(artifacts: ArtifactSet, points: pd.DataFrame) -> None:
    ranges: dict[str, Any] = dict(st.session_state["maps"]["selection"].get("brush", {}))
    if not {"x_0", "y_0"} <= set(ranges):
        return
    inside = points["x_0"].between(*sorted(ranges["x_0"])) & points["y_0"].between(*sorted(ranges["y_0"]))
    rows = points.loc[inside, "item_row"].to_numpy()
    items = artifacts.catalogue.iloc[rows]
    st.subheader(f"{len(rows):,} items in the rectangle", anchor=False)
    table = items.assign(tags=items["tags"].map(lambda tags: ", ".join(list(tags)[:3])))
    columns = ["name", "listeners", "plays", "tags"]
    st.dataframe(table.sort_values("listeners", ascending=False)[columns].head(MOST_ROWS), hide_index=True)


def trust_of_maps(artifacts: ArtifactSet, method: str) -> None:
    """How much of the truth each map keeps, beside a map of nothing and the plane of most variance."""
    models = artifacts.model_names[:2]
    maps = artifacts.manifest.maps or {}
    entries = [maps[f"{model}/{method}"] for model in models]
    n = entries[0].n
    st.subheader(f"What these maps bend: {_bent(artifacts, entries, models)}", anchor=False)
    rows = [
        (f"True top {n} among the {n} nearest on the map", "faithfulness"),
        ("Trustworthiness: near on the map is near in truth", "trustworthiness"),
        ("Continuity: near in truth is near on the map", "continuity"),
    ]
    head = "".join(
        f'<th scope="col">{escape(artifacts.titles[model])}</th><th scope="col">by chance</th><th scope="col">PCA</th>'
        for model in models
    )
    body = "".join(
        f'<tr><th scope="row">{label}</th>'
        + "".join(
            f"<td>{_share(getattr(each, what))}</td>" for entry in entries for each in (entry, entry.random, entry.pca)
        )
        + "</tr>"
        for label, what in rows
    )
    st.html(
        '<div class="scroll" tabindex="0" role="region" aria-label="What the maps bend">'
        f'<table class="trust hubs"><thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _bent(artifacts: ArtifactSet, entries: list[MapEntry], models: list[str]) -> str:
    kept = [
        f"{artifacts.titles[model]}'s keeps {entry.faithfulness:.0%}"
        for model, entry in zip(models, entries, strict=True)
        if entry.faithfulness is not None
    ]
    return f"of an item's true neighbours {' and '.join(kept)} beside it" if kept else "not known"


@st.cache_data(max_entries=16, show_spinner="Placing the items …")
def _points(
    _artifacts: ArtifactSet, fingerprint: str, method: str, colour: str, tag: str | None, always: int
) -> pd.DataFrame:
    """See `map_charts.linked_maps_chart`; cached by everything but `_artifacts`."""
    first, second = _artifacts.model_names[:2]
    places = [np.asarray(_artifacts.layout(model, method)) for model in (first, second)]
    catalogue = _artifacts.catalogue
    shown = np.flatnonzero(np.isfinite(places[0]).all(axis=1) | np.isfinite(places[1]).all(axis=1))
    if len(shown) > MOST_POINTS:
        shown = np.union1d(shown[:SHOWN_OF_MORE], [always])  # rows go by listeners
    values: Any
    if tag is not None:
        values = np.fromiter((tag in tags for tags in catalogue["tags"]), bool, len(catalogue))
    elif colour == "agreement":
        values = _artifacts.agreement["overlap"].to_numpy(np.float64)
    elif colour == "shift":
        shift = _artifacts.map_shift(second, method)
        values = np.full(len(catalogue), np.nan) if shift is None else np.asarray(shift, np.float64)
    elif colour == "faithfulness":
        values = np.asarray(_artifacts.map_faithfulness(first, method), np.float64)
    else:
        values = catalogue["popularity"].to_numpy(np.float64)
    return pd.DataFrame(
        {
            "item_row": shown,
            "name": catalogue["name"].to_numpy(object)[shown],
            "listeners": catalogue["listeners"].to_numpy()[shown],
            colour: values[shown],
            **{
                f"{letter}_{side}": np.round(place[shown, axis].astype(np.float64), 3)
                for side, place in enumerate(places)
                for axis, letter in enumerate("xy")
            },
        }
    )


def _rays(artifacts: ArtifactSet, method: str, item_row: int, n: int) -> pd.DataFrame:
    """Lines from an item to its n true nearest on each map, where both ends have a place."""
    parts = []
    for side, model in enumerate(artifacts.model_names[:2]):
        place = np.asarray(artifacts.layout(model, method))
        near = np.asarray(artifacts.neighbours(model)[item_row, :n])
        artifacts.check_rows(near)
        ends = place[near[near >= 0]]
        ends = ends[np.isfinite(ends).all(axis=1)]
        x, y = place[item_row]
        parts.append(pd.DataFrame({"map": side, "x": x, "y": y, "x2": ends[:, 0], "y2": ends[:, 1]}))
    return pd.concat(parts, ignore_index=True).dropna()


def item_on_maps(artifacts: ArtifactSet, item_row: int) -> None:
    """The way from the item on show to its lists."""
    if st.button("See its neighbours as lists", key="to_lists"):
        item_id = str(artifacts.catalogue["item_id"].iloc[item_row])
        query = {"set": st.session_state.get("set_kept", ""), "item": item_id, "build": artifacts.fingerprint[:12]}
        st.switch_page("pages/neighbours.py", query_params=query)


def map_heading(artifacts: ArtifactSet, item_row: int) -> None:
    """Whose neighbours are drawn."""
    st.header(f"{as_text(str(artifacts.catalogue['name'].iloc[item_row]))} among all items", anchor=False)


def _share(value: float | None) -> str:
    return "not known" if value is None else f"{value:.2f}"
