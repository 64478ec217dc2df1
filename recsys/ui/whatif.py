"""The BM25 what-if page: a preview while K1 and B move, deeper answers on request, and why lists change."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import streamlit as st

from recsys.artifacts.manifest import Trust
from recsys.artifacts.store import ArtifactSet
from recsys.errors import ArtifactError
from recsys.ui.controls import as_text, item_was_chosen
from recsys.ui.ranked_lists import ranked_lists, verdict_strip
from recsys.ui.scenarios import set_path
from recsys.ui.whatif_charts import length_chart, worth_chart
from recsys.whatif.curves import (
    heaviest_share,
    length_factors,
    length_of,
    listeners_by_plays,
    worth,
    worth_of_plays,
)
from recsys.whatif.engine import (
    BASELINE,
    MEANINGS,
    REFINE_ITERATIONS,
    WHATIF,
    WhatIf,
    WhatIfEngine,
    headline,
    setting,
)
from recsys.whatif.turns import Turns, Wish

NEWS_EVERY = 0.4  # seconds between two pictures of a computation that is going on


@dataclass(frozen=True)
class News:
    """How far a computation is, and what is known by now."""

    done: int
    total: int
    so_far: WhatIf | None
    instead: str = ""

    def words(self, found: WhatIf) -> str:
        """For the bar; `found` is what is shown above it."""
        by_now = f"; by now {found.view.n_shared} neighbours stay" if self.so_far else ""
        return self.instead or f"{self.done} of {self.total} iterations{by_now}."


Compute = Callable[[WhatIfEngine, "Wish[Deeper]", dict[str, Any], str, Path], "Deeper"]


@st.cache_resource(max_entries=2, show_spinner="Preparing the what-if …")
def whatif_engine(_artifacts: ArtifactSet, fingerprint: str) -> WhatIfEngine:
    """One engine serves all sessions; `fingerprint` is what it is cached by."""
    return WhatIfEngine(_artifacts)


@st.cache_resource(show_spinner=False)
def turns() -> Turns:
    """The queue in front of the one long computation that this server does at a time."""
    return Turns()


@dataclass(frozen=True)
class Deeper:
    """What a long computation gives: the answer, and where a full fit was kept."""

    found: WhatIf
    kept: Path | None = None


def answer(engine: WhatIfEngine, item_row: int, k1: float, b: float, n: int) -> WhatIf:
    """The deepest answer there is to what is asked now: refined or fitted in full if the person asked for that, else a
    preview. A computation for another question is left behind."""
    asked = (engine.artifacts.fingerprint, item_row, k1, b, n)
    wish = _wish()
    if wish and st.session_state["wish_for"] != asked:
        wish.drop()
        wish = st.session_state["wish"] = None
    st.session_state["asked"] = asked
    if wish and wish.look() == "done" and wish.result is not None:
        return wish.result.found
    return engine.preview(item_row, k1=k1, b=b, n=n)


def answer_panel(engine: WhatIfEngine, found: WhatIf) -> None:
    """Both lists with the verdict above, drawn anew while a deeper answer is computed; and ways to one."""
    wish = _wish()
    going_on = wish is not None and not wish.is_over()
    st.fragment(lambda: _lists_and_news(engine, found, going_on), run_every=NEWS_EVERY if going_on else None)()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.button(
            f"Refine, {REFINE_ITERATIONS} iterations",
            key="refine", disabled=going_on or found.mode != "preview", on_click=_ask, args=(engine, _refined),
            help="Trains all fits on from where they are, listeners too.",
        )  # fmt: skip
        # A key of its own for each setting: the name goes with what is fitted.
        name = st.text_input(
            "Name of a scenario",
            setting(found.k1, found.b),
            key=f"scenario_{found.k1}_{found.b}",
            max_chars=40,
            width=220,
        )
        st.button(
            "Fit in full and keep",
            key="full", disabled=going_on or found.mode == "full", on_click=_ask, args=(engine, _fitted, name),
            help="As many fits as this set has, from the start, with other seeds; kept as a scenario beside it.",
        )  # fmt: skip


def _lists_and_news(engine: WhatIfEngine, found: WhatIf, going_on: bool) -> None:
    wish = _wish()
    if item_was_chosen():
        st.rerun()
    if wish is not None and going_on:
        wish.look()
        if wish.is_over():
            st.rerun()
        news: News | None = wish.news
        found = news.so_far if news and news.so_far else found
    if (found.k1, found.b) == (found.baseline_k1, found.baseline_b):
        st.write("Nothing is changed yet: move K1 or B, or choose one of the settings above.")
    verdict_strip(found.view, headline(found), MEANINGS[found.view.verdict])
    ranked_lists(found.view, key="whatif_lists")
    if wish is not None:
        _news(found, wish)
    st.caption(f"{_what_it_is(found)} {trust_words(found, engine.artifacts.manifest.whatif)}")


def _news(found: WhatIf, wish: Wish[Deeper]) -> None:
    if wish.state == "failed":
        st.error(f"That could not be computed: {as_text(str(wish.error))}")
    elif wish.state == "dropped":
        st.write("Stopped; you see the preview again.")
    elif wish.result is not None and wish.result.kept is not None:
        st.write(f"Kept as **{as_text(wish.result.kept.name)}**; see the scenarios below.")
    if wish.is_over():
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        if wish.state == "waiting":
            before = wish.ahead()
            people = "one other computation is" if before == 1 else f"{before} other computations are"
            st.progress(0.0, f"Waiting: {people} before yours." if before else "Starting …")
        else:
            news = wish.news or News(0, 1, None)
            st.progress(news.done / news.total, news.words(found))
        st.button("Stop", key="stop", on_click=wish.drop)


def _wish() -> Wish[Deeper] | None:
    wish: Wish[Deeper] | None = st.session_state.get("wish")
    return wish


def _ask(engine: WhatIfEngine, compute: Compute, name: str = "") -> None:
    _, item_row, k1, b, n = st.session_state["asked"]
    path, person = set_path(), st.session_state.setdefault("person", uuid4().hex)

    def run(wish: Wish[Deeper]) -> Deeper:
        return compute(engine, wish, {"item_row": item_row, "k1": k1, "b": b, "n": n}, name, path)

    st.session_state["wish"] = turns().ask(person, run)
    st.session_state["wish_for"] = st.session_state["asked"]


def _refined(engine: WhatIfEngine, wish: Wish[Deeper], asked: dict[str, Any], name: str, path: Path) -> Deeper:
    shown = 0.0

    def tell(done: int, total: int, so_far: Callable[[], WhatIf]) -> None:
        nonlocal shown
        now = time.monotonic()
        picture = wish.news.so_far if wish.news else None
        if now - shown > NEWS_EVERY:
            picture, shown = so_far(), now
        wish.tell(News(done, total, picture))

    return Deeper(engine.refine(**asked, on_iteration=tell))


def _fitted(engine: WhatIfEngine, wish: Wish[Deeper], asked: dict[str, Any], name: str, path: Path) -> Deeper:
    # Not for a page that only shows: building needs what pages do without.
    from recsys.scenarios import keep_scenario
    from recsys.tuning.measure import TuningSettings
    from recsys.tuning.pair import compare_settings

    found, fits = engine.full(**asked, on_iteration=lambda done, total: wish.tell(News(done, total, None)))
    settings, measured = TuningSettings.model_validate({}), 0
    total = 2 * settings.replicates * engine.params.iterations

    def measuring() -> None:
        nonlocal measured
        measured += 1
        words = f"The fits are done. Measuring on held-out plays: {measured} of {total} iterations."
        wish.tell(News(measured, total, None, words))

    baseline, other = (engine.params.k1, engine.params.b), (found.k1, found.b)
    try:
        evaluation = compare_settings(engine.artifacts, baseline, other, settings, measuring)
    except ArtifactError:
        evaluation = None  # too few listeners to hold anything out
    wish.tell(News(1, 1, None, "Looking for the neighbours of all items."))
    kept = keep_scenario(engine.artifacts, path, name, fits, k1=found.k1, b=found.b, evaluation=evaluation)
    return Deeper(found, kept)


def _what_it_is(found: WhatIf) -> str:
    took = f"{found.seconds * 1000:,.0f} ms" if found.seconds < 1 else f"{found.seconds:,.1f} s"
    name = {"preview": "Preview", "refine": "Refined", "full": "Full fit"}[found.mode]
    clipped = f"{found.clipped:,} of {found.weights:,} weights were zero or less and clipped"
    return f"{name}, {took}: {found.computed}; {clipped}."


def trust_words(found: WhatIf, trust: Trust | None) -> str:
    """How far an answer of this depth can be trusted, in words."""
    if found.mode == "full":
        return "This is what a build with these settings would show."
    if trust is None:
        return "How near that comes to a full fit was not measured when this set was built."
    reached = trust.preview if found.mode == "preview" else trust.refine
    if reached is None or trust.nothing is None:
        return "How near that comes to a full fit is not known."
    floor = "" if trust.noise_floor is None else f"; halves of the full fit share {trust.noise_floor * trust.n:.1f}"
    return (
        f"Measured at {setting(trust.k1, trust.b)} on {trust.items} items: it shares {reached * trust.n:.1f} "
        f"of {trust.n} with a full fit, the unchanged list {trust.nothing * trust.n:.1f}{floor}."
    )


def why_panel(engine: WhatIfEngine, found: WhatIf) -> None:
    """What a play is worth, how length slows it, and how much of the weights the heaviest listeners hold."""
    row, name = found.view.item_row, as_text(found.view.name)
    settings = {found.view.titles[BASELINE]: (found.baseline_k1, found.baseline_b)}
    settings |= {found.view.titles[WHATIF]: (found.k1, found.b)}
    plays, _ = engine.plays_of(row)
    most = float(plays.max(initial=1))
    after = worth(engine, row, most, found.k1, found.b)
    before = worth(engine, row, most, found.baseline_k1, found.baseline_b)
    left, right = st.columns(2, gap="large")
    with left:
        words = (
            f"The heaviest listener's {most:,.0f} plays of {name} count as {_times(after)} first plays; "
            f"at the baseline as {_times(before)}"
        )
        st.subheader(words, anchor=False)
        chart = worth_chart(worth_of_plays(engine, row, settings), listeners_by_plays(engine, row))
        st.altair_chart(chart, key="worth", alt=words)
        shares = [heaviest_share(engine, row, *each) for each in settings.values()]
        st.caption(
            f"Ticks: its {len(plays):,} listeners. The tenth that plays it most holds {shares[-1]:.0%} of its weight; "
            f"at the baseline {shares[0]:.0%}."
        )
    with right:
        length = length_of(engine, row)
        factor = (1 - found.b) + found.b * length
        words = (
            f"{name} is played {_times(length)} times as much as the mean item: plays of it saturate {_times(factor)} "
            f"times slower"
        )
        st.subheader(words, anchor=False)
        st.altair_chart(length_chart(length_factors(engine, settings), length), key="length", alt=words)


def _times(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"
