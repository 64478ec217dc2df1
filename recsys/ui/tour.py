"""A tour of two minutes for somebody who knows none of the words: what there is to see, in this set's own numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from recsys.analysis.side_by_side import SideBySide, compare_neighbours
from recsys.artifacts.store import ArtifactSet, Pair
from recsys.ui.controls import FROM_TOUR, as_text
from recsys.ui.evaluation_charts.measures import DECISIVE
from recsys.ui.loading import Pointed, agreement_by_popularity, pointed_items
from recsys.ui.map_view import METHODS
from recsys.ui.measured_grid import nearest_measured
from recsys.ui.whatif_charts import best_measured
from recsys.whatif.result import setting
from recsys.whatif.trust import far_setting

TOUR, CLOSED = "tour", "closed"  # in the address: the step, unless it is the first; what it is when closed


@dataclass(frozen=True)
class Link:
    """Where to see what a step tells of. page : a file of pages/. query : what the address asks of it."""

    label: str
    page: str
    query: dict[str, str]


@dataclass(frozen=True)
class Step:
    """What is told at one time; title and words are Markdown."""

    title: str
    words: str
    links: tuple[Link, ...]


Tell = Callable[[ArtifactSet, Pair], Step]


@st.fragment
def guided_tour(artifacts: ArtifactSet, pair: Pair) -> None:
    """One step with the ways on, back and out; closed, the way in. Only the step on show is worked out."""
    told = steps(artifacts, pair)
    at = _place(len(told))
    with st.container(border=True, key="tour"):
        if at is None:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.write("New here, or in a meeting?")
                st.button("Take the tour of two minutes", key="tour_open", on_click=_go, args=(1,))
            return
        step = told[at - 1](artifacts, pair)
        st.caption(f"Two minutes on this set · step {at} of {len(told)}")
        st.subheader(step.title, anchor=False)
        st.markdown(step.words)
        with st.container(horizontal=True, vertical_alignment="center"):
            for link in step.links:
                query = {"set": st.session_state.get("set_kept", ""), "build": artifacts.fingerprint[:12]}
                st.page_link(
                    f"pages/{link.page}.py", label=link.label, icon=":material/arrow_forward:",
                    query_params=query | link.query | {FROM_TOUR: str(at)},
                )  # fmt: skip
        with st.container(horizontal=True):
            st.button("Back", key="tour_back", on_click=_go, args=(at - 1,), disabled=at == 1)
            st.button("Next", key="tour_next", on_click=_go, args=(at + 1,), disabled=at == len(told))
            st.button("Close the tour", key="tour_close", type="tertiary", on_click=_go, args=(None,))


def steps(artifacts: ArtifactSet, pair: Pair) -> list[Tell]:
    """The steps that this set can tell, in their order."""
    return [_two_ways, _they_differ, _noise, _dials, *([_picture] if _method(artifacts, pair) else []), _which]


def _place(last: int) -> int | None:
    """The step in the address, else as last seen in this session, else the first; None while the tour is closed."""
    asked = st.query_params.get(TOUR) or st.session_state.get(f"{TOUR}_kept", "1")
    st.session_state[f"{TOUR}_kept"] = asked
    if asked == CLOSED:
        return None
    return min(max(int(asked), 1), last) if asked.isdecimal() and len(asked) < 3 else 1


def _go(step: int | None) -> None:
    words = CLOSED if step is None else str(step)
    st.session_state[f"{TOUR}_kept"] = words
    if words == "1":
        st.query_params.pop(TOUR, None)
    else:
        st.query_params[TOUR] = words


def _two_ways(artifacts: ArtifactSet, pair: Pair) -> Step:
    counts, titles = artifacts.manifest.counts, _titles(artifacts, pair)
    together = "close together" if counts.queues_ordered else "by one person"
    learns = {
        "als": "takes two items to be alike when the same people play them",
        "word2vec": f"takes two items to be alike when they are played {together}",
    }
    told = [
        f"**{title}** {learns.get(model, 'was made elsewhere')}." for title, model in zip(titles, pair, strict=True)
    ]
    return Step(
        f"{' and '.join(titles)}: two ways to learn what is alike",
        f"Two programs learnt from the same plays, by {counts.listeners:,} listeners, which of {counts.items:,} items "
        f"are alike. {' '.join(told)} Which one should you trust?",
        (Link(f"Ask both what is like {_name(artifacts, 0)}", "neighbours", _item(artifacts, 0)),),
    )


def _they_differ(artifacts: ArtifactSet, pair: Pair) -> Step:
    row = next(iter(_pointed(artifacts, pair).disputed), 0)
    view = _view(artifacts, pair, row)
    n, mean = artifacts.manifest.agreement_n, _means(artifacts, pair)["overlap"]
    return Step(
        f"They part: of {view.length} items each for {_name(artifacts, row)} they share {view.n_shared}",
        f"Each model lists the {view.length} items that it takes to be most like {_name(artifacts, row)}. Over "
        f"the whole set the lists share {mean:.1f} of {n} on average. It is tempting to say now which model is wrong. "
        "Not yet.",
        (Link(f"See both lists for {_name(artifacts, row)}", "neighbours", _item(artifacts, row)),),
    )


def _noise(artifacts: ArtifactSet, pair: Pair) -> Step:
    n, means = artifacts.manifest.agreement_n, _means(artifacts, pair)
    agreed = _pointed(artifacts, pair).agreed
    floors = [(title, means[f"floor_{model}"]) for title, model in zip(_titles(artifacts, pair), pair, strict=True)]
    if any(floor != floor for _, floor in floors):
        return Step(
            "How much of that is chance? Not known here",
            "A model begins from random numbers; begin from others, and its list changes. How much, this set cannot "
            "tell: it was built with too few repeats. So no difference on these pages can be called real.",
            (Link("See what is not known", "neighbours", _item(artifacts, 0)),),
        )
    row = agreed[0] if agreed else 0
    view = _view(artifacts, pair, row)
    same = (
        f"For {_name(artifacts, row)} the two share {view.n_shared} of {view.length}, no less than a model with itself."
        if agreed
        else "Nowhere here do the two models agree as well as that."
    )
    own = " and ".join(f"{title} shares {floor:.1f} of {n}" for title, floor in floors)
    return Step(
        "First ask: does a model agree with itself?",
        f"A model begins from random numbers. Begin from others, change nothing else, and its list changes: on average "
        f"{own} with itself. That is the **noise floor**, and these pages never show a difference without it. {same}",
        (Link(f"See the bars for {_name(artifacts, row)}", "neighbours", _item(artifacts, row)),),
    )


def _dials(artifacts: ArtifactSet, pair: Pair) -> Step:
    params, how, grid = artifacts.manifest.models["als"].params, artifacts.manifest.tuning, artifacts.tuning
    best = best_measured(grid)
    own = params["k1"], params["b"]
    if how is None or grid is None or best is None:
        measured = "Whether other settings are better was not measured for this set yet."
    else:
        others = int(grid["best_region"].sum()) - 1
        measured = f"Of {len(grid)} settings that were tried, {setting(*best)} guessed hidden plays best"
        measured += f"; {others} others cannot be told from it." if others > 0 else "."
    # What is better, if that is known; else what changes much.
    is_worse = grid is not None and best is not None and not nearest_measured(grid, *own)["best_region"]
    k1, b = best if best and is_worse else far_setting(own[0])
    row = next(iter(_pointed(artifacts, pair).disputed), 0)
    return Step(
        "Two dials change what ALS says",
        "Should a hundred plays by one fan count a hundred times one play? A rule called **BM25** decides, with two "
        "dials: **K1**, how slowly more plays stop counting more, and **B**, how much that depends on how often an "
        f"item is played by all. This set has {setting(*own)}. {measured}",
        (
            Link(
                f"Turn them to {setting(k1, b)} for {_name(artifacts, row)}", "whatif",
                _item(artifacts, row) | {"k1": f"{k1:.6g}", "b": f"{b:.6g}"},
            ),
        ),
    )  # fmt: skip


def _picture(artifacts: ArtifactSet, pair: Pair) -> Step:
    row, method = next(iter(_pointed(artifacts, pair).disputed), 0), _method(artifacts, pair)
    kept = [
        f"{title}'s keeps {share:.0%}"
        for title, model in zip(_titles(artifacts, pair), pair, strict=True)
        if (share := (artifacts.manifest.maps or {})[f"{model}/{method}"].faithfulness) is not None
    ]
    bent = f" Of each item's true neighbours {' and '.join(kept)} beside it." if kept else ""
    return Step(
        "A map shows the whole, and bends it",
        f"Each dot is one item, and alike items stand near each other, as far as a flat picture can.{bent} Lines lead "
        "from an item to its true neighbours, wherever the map has put them. Point at a dot to find it on both maps.",
        (
            Link(f"See {_name(artifacts, row)} on both maps", "maps", _item(artifacts, row) | {"method": method}),
            Link("See what a listener would get", "listener", {"listener": "0"}),
        ),
    )


def _which(artifacts: ArtifactSet, pair: Pair) -> Step:
    found = next(iter((artifacts.evaluation or {}).values()), None)
    told = [
        each
        for each in (found.differences if found else [])
        if (each.left, each.right) == pair and each.measure == DECISIVE
    ]
    if not found or not told or told[0].difference.mean is None:
        judged = "That was not measured for this set yet."
    else:
        names = [as_text(found.models[name].title) for name in (pair if told[0].difference.mean > 0 else pair[::-1])]
        judged = (
            f"Here **{names[0]}** named more of them, and higher up, than {names[1]}, by more than chance explains."
            if told[0].told_apart
            else f"Here {names[0]} and {names[1]} cannot be told apart."
        )
    return Step(
        "So which one should you trust?",
        f"Hide some plays, let each model learn from the rest, and ask it what was hidden. {judged} That is one "
        "judge, on past plays. Ears are another: the blind test shows two lists without names and counts votes.",
        (Link("See the evaluation", "evaluation", {}), Link("Vote in the blind test", "blind_test", {})),
    )


def _titles(artifacts: ArtifactSet, pair: Pair) -> list[str]:
    return [as_text(artifacts.titles[model]) for model in pair]


def _name(artifacts: ArtifactSet, row: int) -> str:
    return as_text(str(artifacts.catalogue["name"].iloc[row]))


def _item(artifacts: ArtifactSet, row: int) -> dict[str, str]:
    return {"item": str(artifacts.catalogue["item_id"].iloc[row])}


def _pointed(artifacts: ArtifactSet, pair: Pair) -> Pointed:
    return pointed_items(artifacts, artifacts.fingerprint, pair)


def _view(artifacts: ArtifactSet, pair: Pair, row: int) -> SideBySide:
    return compare_neighbours(artifacts, row, n=artifacts.manifest.agreement_n, pair=pair)


def _means(artifacts: ArtifactSet, pair: Pair) -> dict[str, float]:
    """How many items are shared on average: of the two models, and of each with itself; NaN where not known."""
    bands = agreement_by_popularity(artifacts, artifacts.fingerprint, pair)
    weights = bands["items"] / bands["items"].sum() * artifacts.manifest.agreement_n
    columns = ["overlap", *(f"floor_{model}" for model in pair)]
    return {column: float((bands[column] * weights).sum(skipna=False)) for column in columns}


def _method(artifacts: ArtifactSet, pair: Pair) -> str:
    """The first method of which both models have a map; empty where there is none."""
    there = set(artifacts.maps)
    return next((method for method in METHODS if all(f"{model}/{method}" in there for model in pair)), "")
