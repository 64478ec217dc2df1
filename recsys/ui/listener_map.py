"""A listener on both models' maps: what they played, where that puts them, and what is offered, step by step."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from recsys.analysis.map_window import Layout, Rows, Window, around, drawn_rows, fitting_labels, frame, labels_in
from recsys.analysis.neighbours import top_columns
from recsys.artifacts.store import ArtifactSet
from recsys.listener.recommend import FOLD_IN, Recommended, Recommender, model_of
from recsys.plural import counted
from recsys.ui.controls import as_text
from recsys.ui.drawing import on_telephone, show_chart
from recsys.ui.listener_charts import KINDS, Scene, listener_map_chart
from recsys.ui.loading import set_command
from recsys.ui.map_view import METHODS, density_picture

STEPS = PLAYED, MEAN, OFFERED = "What they played", "Their mean", "What is offered"
STEP, DUE = "listener_step", "listener_step_due"  # in the address; in the session, when it plays
STEP_SECONDS = 2.5
EARLY = 0.8  # of that: a browser's clock ticks a little unevenly, and a step that just misses one lasts twice as long
MOST_OWN = 40
NEAREST = 15
TOGETHER = 0.05  # of the map's width
FEWEST_TOGETHER = 3  # items; of fewer, being together says nothing
DRAWS = 30
CLOSE_UP = 0.8  # of what is offered, that stands nearest to the listener
CLOSEST = 1 / 24  # of the map's width
MOST_NAMES = 30


@dataclass(frozen=True)
class Standing:
    """Where a listener stands on a map.

    row : the item at whose place it is. half, farthest : within which distance half of the NEAREST stand, and all.
    """

    row: int
    half: float
    farthest: float


@dataclass(frozen=True)
class _Side:
    """One model's map, and who stands on it: rows of items that have a place there."""

    model: str
    title: str
    layout: Layout
    own: Rows
    weights: npt.NDArray[np.float64]
    n_own: int
    missing: int
    standing: Standing | None
    offered: Rows
    ranks: npt.NDArray[np.int64]
    is_fold_in: bool

    @property
    def liked(self) -> Layout:
        return self.layout[self.own[self.weights > 0]]

    @property
    def place(self) -> Layout:
        """(1, 2), or (0, 2) where the model knows none of the items."""
        return self.layout[[] if self.standing is None else [self.standing.row]]


def standing(layout: Layout, nearness: npt.NDArray[np.float32]) -> Standing | None:
    """Where on a map to put the mean of some items' vectors, which has no place of its own there.

    Of the NEAREST items that are truly nearest to it, at the one with the least sum of distances to the others: a few
    that stand far off do not move it, and it never lies between two crowds, where nothing is. On HetRec's UMAP of ALS
    (150 listeners, all their items), of the 15 items nearest on the map to that place 38% are truly among the 15
    nearest, 36% to the median of the places, 28% to their mean, and 5% to the mean place of the listener's own items;
    on Word2vec's 28%, 26%, 17% and 6%.

    Parameters
    ----------
    layout : (n_items, 2). nearness : (n_items,), -inf for what cannot be near.

    Returns
    -------
    None where nothing that is near has a place.
    """
    known = np.where(np.isfinite(layout).all(axis=1), nearness, -np.inf)
    best, values = top_columns(known[None], min(NEAREST, len(known)))
    rows = best[0][np.isfinite(values[0])]
    if not len(rows):
        return None
    apart = _distances(layout[rows], layout[rows])
    middle = int(apart.sum(axis=1).argmin())
    return Standing(int(rows[middle]), float(np.median(apart[middle])), float(apart[middle].max()))


def together(places: Layout, reach: float) -> int:
    """The most of these places that lie within `reach` of one of them, itself among them; places (n, 2)."""
    return int((_distances(places, places) <= reach).sum(axis=1).max(initial=0))


def listener_on_maps(artifacts: ArtifactSet, recommender: Recommender, lists: list[Recommended]) -> None:
    """The listener of these lists on the maps of the models they are of; one line where the set has no maps.

    lists : of one profile, the first model's and the second's.
    """
    models = [model_of(each.way) for each in lists]
    methods = [method for method in METHODS if all(f"{model}/{method}" in artifacts.maps for model in models)]
    if not methods:
        st.write(
            "There are no maps of both models to show a listener on; add them with "
            f"`{set_command('map', '--method', 'umap')}`"
        )
        return
    method = str(
        st.radio("Method", methods, format_func=METHODS.__getitem__, key="method", bind="query-params", horizontal=True)
        if len(methods) > 1
        else methods[0]
    )
    sides = [_side(artifacts, recommender, each, method) for each in lists]
    plays = DUE in st.session_state
    st.fragment(lambda: _steps(artifacts, sides, method, plays), run_every=STEP_SECONDS if plays else None)()


def _steps(artifacts: ArtifactSet, sides: list[_Side], method: str, plays: bool) -> None:
    """`plays` : whether this was begun as something that runs by itself."""
    due = st.session_state.get(DUE)
    if due is not None and time.monotonic() >= due:
        at = min(STEPS.index(st.session_state.get(STEP, PLAYED)) + 1, len(STEPS) - 1)
        st.session_state[STEP] = STEPS[at]
        st.session_state[DUE] = time.monotonic() + EARLY * STEP_SECONDS
        if STEPS[at] == STEPS[-1]:
            _pause()
    if plays != (DUE in st.session_state):
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        step = st.radio("Step", STEPS, key=STEP, bind="query-params", horizontal=True, on_change=_pause)
        if plays:
            st.button("Pause", key="listener_pause", on_click=_pause)
        else:
            st.button("Play", key="listener_play", on_click=_play, help="Runs through the three steps.")
    whole = frame([side.layout for side in sides])
    windows = _close_ups(sides, whole) if step == OFFERED else [whole] * len(sides)
    scenes = [
        _scene(artifacts, side, method, str(step), window, whole) for side, window in zip(sides, windows, strict=True)
    ]
    words = _title(artifacts, sides, method, str(step), whole)
    st.subheader(as_text(words), anchor=False)
    dark = st.context.theme.type == "dark"
    with st.container(horizontal=True, key="maps_box"):
        places = artifacts.places([side.model for side in sides])
        for at, (place, scene) in enumerate(zip(places, scenes, strict=True)):
            drawn = f"{scene.title}: {counted(len(scene.own), 'item')} played, {len(scene.offered)} offered"
            show_chart(
                listener_map_chart(scene, place, dark, small=on_telephone()),
                key=f"listener_map_{at}",
                words=f"{words}. {drawn}.",
                width="content",
            )
    for sentence in _remarks(artifacts, sides, str(step), windows, whole):
        st.caption(sentence)


def _play() -> None:
    st.session_state[STEP] = PLAYED
    st.session_state[DUE] = time.monotonic() + EARLY * STEP_SECONDS


def _pause() -> None:
    st.session_state.pop(DUE, None)


def _side(artifacts: ArtifactSet, recommender: Recommender, found: Recommended, method: str) -> _Side:
    model, profile = model_of(found.way), found.profile
    layout = np.asarray(artifacts.layout(model, method))
    on_map = np.isfinite(layout).all(axis=1)
    heaviest = np.argsort(-np.abs(profile.weights), kind="stable")[:MOST_OWN]
    own = heaviest[on_map[profile.rows[heaviest]]]
    offered = found.table[on_map[found.table["item_row"]]]
    nearness, _ = recommender.near(profile, model)
    return _Side(
        model=model,
        title=artifacts.titles[model],
        layout=layout,
        own=profile.rows[own],
        weights=profile.weights[own],
        n_own=len(profile),
        missing=len(heaviest) - len(own),
        standing=standing(layout, nearness),
        offered=offered["item_row"].to_numpy(np.int64),
        ranks=offered["rank"].to_numpy(np.int64),
        is_fold_in=found.way == FOLD_IN,
    )


def _close_ups(sides: list[_Side], whole: Window) -> list[Window]:
    """Around each listener and most of what is offered, at one scale, so that distances compare."""
    windows = []
    for side in sides:
        places = side.layout[side.offered]
        if len(side.place):
            order = np.argsort(_distances(places, side.place)[:, 0], kind="stable")
            places = places[order[: int(np.ceil(CLOSE_UP * len(order)))]]
        windows.append(around(np.concatenate([side.place, places]), whole, CLOSEST) or whole)
    widest = max(window.side for window in windows)
    return [window.scaled(widest / window.side, whole) for window in windows]


def _scene(artifacts: ArtifactSet, side: _Side, method: str, step: str, window: Window, whole: Window) -> Scene:
    names = artifacts.catalogue["name"].to_numpy(object)

    def placed(rows: Rows, **more: Any) -> pd.DataFrame:
        x, y = side.layout[rows].astype(np.float64).T
        return pd.DataFrame({"x": x, "y": y, "name": names[rows].astype(str), **more})

    kinds = np.where(side.weights > 0, *KINDS)
    own = placed(side.own, weight=np.abs(side.weights), kind=kinds)
    at = [] if side.standing is None or step == PLAYED else [side.standing.row]
    stand = placed(np.array(at, np.int64))
    shown = slice(None if step == OFFERED else 0)
    offered = placed(side.offered[shown], rank=side.ranks[shown])
    rows, in_window = drawn_rows([side.layout], window)
    drawn = rows[~np.isin(rows, [*side.own, *side.offered[shown]])] if in_window == len(rows) else rows[:0]
    labels = pd.concat(
        [
            stand.assign(label="this listener", of="stand"),
            offered.assign(label=offered["rank"].astype(str) + " " + offered["name"], of="offered"),
            own.assign(label=own["name"], of="own"),
            labels_in(artifacts.map_regions(side.model, method), window, whole).assign(of="regions"),
        ],
        ignore_index=True,
    )[["x", "y", "label", "of"]]
    fitting = {
        kind: part[["x", "y", "label"]] for kind, part in fitting_labels(labels, window, MOST_NAMES).groupby("of")
    }
    nothing = labels[["x", "y", "label"]].head(0)
    return Scene(
        title=f"{side.title}, {METHODS[method]}",
        window=window,
        others=placed(drawn)[["x", "y"]].round(3),
        density=None if in_window == len(rows) else density_picture(side.layout, window),
        own=own,
        stand=stand,
        offered=offered,
        own_names=fitting.get("own", nothing),
        stand_names=fitting.get("stand", nothing),
        offered_names=fitting.get("offered", nothing),
        regions=fitting.get("regions", nothing),
    )


def _title(artifacts: ArtifactSet, sides: list[_Side], method: str, step: str, whole: Window) -> str:
    """What to make of a step, in a sentence; where there is too little for it, where the listener stands."""
    first, second = sides
    if step == PLAYED and min(len(first.liked), len(second.liked)) >= FEWEST_TOGETHER:
        kind = "liked items" if (first.weights < 0).any() else "items"
        kind = f"heaviest {kind}" if first.n_own > MOST_OWN else kind
        most = [together(side.liked, TOGETHER * whole.side) for side in sides]
        chance = [_by_chance(artifacts, side, method, whole) for side in sides]
        return (
            f"On {first.title}'s map {most[0]} of this listener's {len(first.liked)} {kind} stand together, on "
            f"{second.title}'s {most[1]} of {len(second.liked)}; by chance {chance[0]:.0f} and {chance[1]:.0f}"
        )
    if step == OFFERED and all(side.standing is not None and len(side.offered) for side in sides):
        far = [float(np.median(_distances(side.layout[side.offered], side.place))) / whole.side for side in sides]
        return (
            f"Half of what {first.title} offers stands within {_share(far[0])} of the map's width of this listener, "
            f"of what {second.title} offers within {_share(far[1])}"
        )
    places = [
        "nowhere" if side.standing is None else f"at {artifacts.catalogue['name'].iloc[side.standing.row]}"
        for side in sides
    ]
    return f"{first.title}'s map has this listener {places[0]}, {second.title}'s {places[1]}"


def _remarks(artifacts: ArtifactSet, sides: list[_Side], step: str, windows: list[Window], whole: Window) -> list[str]:
    """How to read a step, and what it cannot show."""
    first, width = sides[0], whole.side
    own = "Dots: what they played, larger where it counts for more"
    own += "; ✕: less like this." if any((side.weights < 0).any() for side in sides) else "."
    if first.n_own > MOST_OWN:
        own += f" Drawn are the {MOST_OWN} heaviest of {first.n_own:,} items."
    for side in sides:
        if side.missing:
            own += f" Without a place on {side.title}'s map: {side.missing}."
    if step == PLAYED:
        return [
            own,
            f"Together: the most that stand within {TOGETHER:.0%} of the map's width of one of them. By chance: of as "
            f"many items drawn at random, the likelier the more listeners they have; mean of {DRAWS} draws.",
        ]
    places = [_place_words(artifacts, side, width) for side in sides]
    stand = (
        f"A mean of vectors has no place of its own on a map. The cross stands at that one of the {NEAREST} items "
        f"nearest to the mean around which the other {NEAREST - 1} stand closest. {' '.join(places)}"
    )
    if step == MEAN:
        return [f"{own} Lines lead to them from their weighted mean.", stand]
    outside = [
        f"{out} of {side.title}'s {len(side.offered)}"
        for side, window in zip(sides, windows, strict=True)
        if (out := int((~window.holds(side.layout[side.offered])).sum()))
    ]
    how = "Lines lead to what is offered, named with its rank; dots: what they played."
    if outside:
        how += f" Outside the picture, where their lines lead: {' and '.join(outside)}."
    other = [
        f"{side.title}'s list is a fold-in: it goes by who likes the items, not by this mean, and may stand elsewhere."
        for side in sides
        if side.is_fold_in
    ]
    return [" ".join([how, *other]), stand]


def _place_words(artifacts: ArtifactSet, side: _Side, width: float) -> str:
    if side.standing is None:
        return f"{side.title} knows none of these items."
    name = as_text(str(artifacts.catalogue["name"].iloc[side.standing.row]))
    return (
        f"{side.title}'s map: at **{name}**; half of the {NEAREST} within {_share(side.standing.half / width)} of the "
        f"map's width, the farthest {_share(side.standing.farthest / width)} away."
    )


def _by_chance(artifacts: ArtifactSet, side: _Side, method: str, whole: Window) -> float:
    reach = TOGETHER * whole.side
    return _together_by_chance(artifacts, artifacts.fingerprint, side.model, method, len(side.liked), reach)


@st.cache_data(max_entries=64, show_spinner=False)
def _together_by_chance(
    _artifacts: ArtifactSet, fingerprint: str, model: str, method: str, count: int, reach: float
) -> float:
    """What `together` is on average for so many items of the map, drawn by their listeners; cached by all the rest."""
    layout = np.asarray(_artifacts.layout(model, method))
    rows = np.flatnonzero(np.isfinite(layout).all(axis=1))
    listeners = _artifacts.catalogue["listeners"].to_numpy(np.float64)[rows]
    rng = np.random.default_rng(0)
    found = []
    for _ in range(DRAWS):
        # Drawing without repeats by weight: the first of as many clocks as there are items, each as fast as its weight.
        first = np.argpartition(rng.exponential(size=len(rows)) / listeners, count - 1)[:count]
        found.append(together(layout[rows[first]], reach))
    return float(np.mean(found))


def _distances(left: Layout, right: Layout) -> npt.NDArray[np.float64]:
    """Between all of these places, float64 (n_left, n_right)."""
    apart: npt.NDArray[np.float64] = np.linalg.norm(left[:, None].astype(np.float64) - right[None], axis=2)
    return apart


def _share(value: float) -> str:
    if value < 0.001:
        return "less than 0.1%"
    return f"{value:.0%}" if value >= 0.1 else f"{value:.1%}"
