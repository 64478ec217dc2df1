"""What the Maps page draws: points, lines, names of regions and density, read from an artifact set."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st
from PIL import Image

from recsys.analysis.map_window import Layout, Rows, Window, density, drawn_rows, labels_in, named_item, names_in
from recsys.analysis.projection import shifts
from recsys.artifacts.store import ArtifactSet, Pair
from recsys.ui.loading import agreement_of
from recsys.ui.map_charts import Colour, Half

METHODS = {"umap": "UMAP", "tsne": "t-SNE"}
COLOURS = {
    "popularity": "percentile of popularity",
    "agreement": "overlap of the two models' lists",
    "stability": "overlap of the model with itself, half of its replicates with the other half",
    "shift": "how far it stands elsewhere on the second map",
    "faithfulness": "share of its true neighbours that are near it on this map",
    "decade": "its decade",
    "tag": "items with a tag of your choice",
}
DECADE_TAG = re.compile(r"(?:(18|19|20)?)(\d0)'?s", re.IGNORECASE)
GREY, DENSEST = 138, 150  # of the density's picture: its grey, and how opaque it is where most items stand


@dataclass(frozen=True)
class MapView:
    """Two models' maps by one method in one window: see `map_charts.linked_maps_chart`.

    in_window : how many items stand in it; more than there are points where only the most popular are drawn.
    """

    pair: Pair
    method: str
    window: Window
    points: pd.DataFrame
    halves: tuple[Half, Half]
    colour: Colour
    in_window: int


def layouts(artifacts: ArtifactSet, pair: Pair, method: str) -> list[Layout]:
    """The maps of two models."""
    return [np.asarray(artifacts.layout(model, method)) for model in pair]


@st.cache_data(max_entries=16, show_spinner=False)
def colours_of(_artifacts: ArtifactSet, fingerprint: str, pair: Pair) -> list[str]:
    """What colour can mean for these models; cached by everything but `_artifacts`."""
    catalogue = _artifacts.catalogue
    missing = set()
    if not catalogue["tags"].map(len).any():
        missing.add("tag")
    if np.isnan(_decades(_artifacts, fingerprint)).all():
        missing.add("decade")
    if any(_artifacts.manifest.models[model].n_replicates < 2 for model in pair):
        missing.add("stability")
    return [colour for colour in COLOURS if colour not in missing]


def map_view(
    artifacts: ArtifactSet,
    pair: Pair,
    method: str,
    colour: str,
    tag: str | None,
    item_row: int,
    n: int,
    window: Window,
    whole: Window,
) -> MapView:
    """What is drawn of both maps in a window."""
    places = layouts(artifacts, pair, method)
    near = [_near(artifacts, model, item_row, n) for model in pair]
    rows, in_window = drawn_rows(places, window, [item_row, *near[0].tolist(), *near[1].tolist()])
    points = _points(artifacts, pair, method, rows, colour, tag)
    names = artifacts.catalogue["name"].to_numpy(object)
    halves = []
    for model, place, rows_near in zip(pair, places, near, strict=True):
        asked = named_item(place, names, window, item_row)
        named = labels_in(artifacts.map_regions(model, method), window, whole, asked)[["x", "y", "label"]]
        halves.append(
            Half(
                title=f"{artifacts.titles[model]}, {METHODS[method]}",
                rays=_rays(place, item_row, rows_near),
                regions=named,
                names=names_in(place, names, window, item_row, pd.concat([asked, named])),
                density=None if in_window == len(rows) else density_picture(place, window),
            )
        )
    words = f"has the tag {tag}" if tag else COLOURS[colour]
    if points[[f"{colour}_0", f"{colour}_1"]].isna().any(axis=None):
        words += "; grey: not known"
    meaning = Colour(colour, words, is_whole=colour == "decade")
    return MapView(pair, method, window, points, (halves[0], halves[1]), meaning, in_window)


def in_rectangle(
    artifacts: ArtifactSet, pair: Pair, method: str, rectangle: dict[str, list[float]]
) -> tuple[Rows, Window] | None:
    """The items in a rectangle, x_0 and y_0 on the first map or x_1 and y_1 on the second, and where that is."""
    for side, layout in enumerate(layouts(artifacts, pair, method)):
        if {f"x_{side}", f"y_{side}"} <= set(rectangle):
            (left, right), (low, high) = sorted(rectangle[f"x_{side}"]), sorted(rectangle[f"y_{side}"])
            inside = Window((left, right), (low, high))
            return np.flatnonzero(inside.holds(layout)), inside
    return None


def _points(artifacts: ArtifactSet, pair: Pair, method: str, rows: Rows, colour: str, tag: str | None) -> pd.DataFrame:
    catalogue = artifacts.catalogue
    points: dict[str, Any] = {
        "item_row": rows,
        "name": catalogue["name"].to_numpy(object)[rows],
        "listeners": catalogue["listeners"].to_numpy()[rows],
    }
    for side, place in enumerate(layouts(artifacts, pair, method)):
        points[f"{colour}_{side}"] = _values(artifacts, pair, method, colour, tag, side, rows)
        for axis, letter in enumerate("xy"):
            points[f"{letter}_{side}"] = place[rows, axis].astype(np.float64).round(3)
    return pd.DataFrame(points)


def _values(
    artifacts: ArtifactSet, pair: Pair, method: str, colour: str, tag: str | None, side: int, rows: Rows
) -> npt.NDArray[Any]:
    """What colour shows of these items on one of the maps."""
    model = pair[side]
    if colour == "tag":
        tags = artifacts.catalogue["tags"].to_numpy(object)[rows]
        return np.fromiter((tag in each for each in tags), bool, len(rows))
    if colour == "agreement":
        values = agreement_of(artifacts, artifacts.fingerprint, pair)["overlap"].to_numpy(np.float64)
    elif colour == "stability":
        values = agreement_of(artifacts, artifacts.fingerprint, pair)[f"floor_{model}"].to_numpy(np.float64)
    elif colour == "shift":
        values = _shifts(artifacts, pair, method)
    elif colour == "faithfulness":
        values = np.asarray(artifacts.map_faithfulness(model, method))
    elif colour == "decade":
        values = _decades(artifacts, artifacts.fingerprint)
    else:
        values = artifacts.catalogue["popularity"].to_numpy(np.float64)
    return values[rows].astype(np.float64).round(3)


def _shifts(artifacts: ArtifactSet, pair: Pair, method: str) -> npt.NDArray[Any]:
    """How far items stand elsewhere on the second map: as stored, else measured, where both follow a common map."""
    first, second = (f"{model}/{method}" for model in pair)
    entries = artifacts.manifest.maps or {}
    origin = entries[second].shift_from
    if origin == first:
        stored = artifacts.map_shift(pair[1], method)
        return np.full(len(artifacts.catalogue), np.nan) if stored is None else np.asarray(stored)
    # Maps that were laid out apart from each other have no common axes, so that distances between them say nothing.
    if origin is None or origin not in (first, entries[first].shift_from):
        return np.full(len(artifacts.catalogue), np.nan)
    return shifts(*reversed(layouts(artifacts, pair, method)))


@st.cache_data(max_entries=8, show_spinner=False)
def _decades(_artifacts: ArtifactSet, fingerprint: str) -> npt.NDArray[np.float64]:
    """Each item's decade, as 1990: as the catalogue says, else by its commonest tag that names one; NaN if unknown."""
    catalogue = _artifacts.catalogue
    if "decade" in catalogue:
        told: npt.NDArray[np.float64] = pd.to_numeric(catalogue["decade"], errors="coerce").to_numpy(np.float64)
        return told
    return np.array([next(filter(None, map(decade_of, tags)), np.nan) for tags in catalogue["tags"]], np.float64)


def decade_of(tag: str) -> int | None:
    """The decade that a tag names, like 1980 for "80s"; None for other tags."""
    found = DECADE_TAG.fullmatch(tag)
    if not found:
        return None
    century, years = found.groups()
    # "20s" and "30s" of no century are last century's: few listeners tag a future.
    return int(century or (20 if years in ("00", "10") else 19)) * 100 + int(years)


def _near(artifacts: ArtifactSet, model: str, item_row: int, n: int) -> Rows:
    near = np.asarray(artifacts.neighbours(model)[item_row, :n])
    artifacts.check_rows(near)
    return near[near >= 0].astype(np.int64)


def _rays(place: Layout, item_row: int, near: Rows) -> pd.DataFrame:
    """Lines from an item to its true nearest, where both ends have a place."""
    x, y = place[item_row]
    return pd.DataFrame({"x": x, "y": y, "x2": place[near, 0], "y2": place[near, 1]}).dropna()


def density_picture(place: Layout, window: Window) -> str:
    """Address of a picture of how many items stand where; it holds the picture itself."""
    counts = density(place, window)
    # The logarithm, because the densest places have hundreds of times as many as the rest.
    strength = np.log1p(counts) / max(np.log1p(counts.max()), 1e-9)
    pixels = np.full((*counts.shape, 4), GREY, np.uint8)
    pixels[..., 3] = np.where(counts > 0, 25 + (DENSEST - 25) * strength, 0)
    kept = io.BytesIO()
    Image.fromarray(pixels).save(kept, "PNG")
    return f"data:image/png;base64,{base64.b64encode(kept.getvalue()).decode()}"
