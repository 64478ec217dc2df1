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
from recsys.errors import RecsysError
from recsys.fit_apart import fit_scenario_apart
from recsys.plural import counted
from recsys.ui.controls import as_text, item_was_chosen
from recsys.ui.drawing import show_chart
from recsys.ui.loading import set_path
from recsys.ui.ranked_lists import ranked_lists, verdict_strip
from recsys.ui.scenarios import kept_at
from recsys.ui.whatif_charts import length_chart, worth_chart
from recsys.whatif.curves import (
    heaviest_share,
    length_factors,
    length_of,
    listeners_by_plays,
    worth,
    worth_of_plays,
)
from recsys.whatif.engine import REFINE_ITERATIONS, WhatIfEngine
from recsys.whatif.result import BASELINE, MEANINGS, WHATIF, WhatIf, headline, setting
from recsys.whatif.turns import Turns, Wish

# Where the session keeps what it waits for; no widget has these keys.
REFINE, FIT = "refine_wish", "fit_wish"
REFUSED = "fit_refused"  # why a full fit was not even asked for
REFINE_AT_ONCE = 5.0  # seconds; what takes longer is begun by hand
NEWS_EVERY = 0.4  # seconds between two pictures of a computation that is going on


@dataclass(frozen=True)
class News:
    """How far a computation is, what is known by now, and words for a part of it that has a name of its own."""

    done: int
    total: int
    so_far: WhatIf | None = None
    instead: str = ""


Compute = Callable[[WhatIfEngine, "Wish[Any]", dict[str, Any], str, Path], Any]


@st.cache_resource(max_entries=2, show_spinner="Preparing the what-if …")
def whatif_engine(_artifacts: ArtifactSet, fingerprint: str) -> WhatIfEngine:
    """One engine serves all sessions; `fingerprint` is what it is cached by."""
    return WhatIfEngine(_artifacts)


@st.cache_resource(show_spinner=False)
def turns() -> Turns:
    """The queue in front of the one long computation that this server does at a time."""
    return Turns()


def answer(engine: WhatIfEngine, item_row: int, k1: float, b: float, n: int) -> tuple[WhatIf, tuple[Wish[Any], ...]]:
    """The deepest answer there is to what is asked now: fitted in full if a scenario holds that, refined if that is
    done, else a preview. Where a refine takes seconds it begins by itself; one for another question is left behind.
    And the computations that were going on when it was given: what ends from then on is news to the page."""
    asked = (engine.artifacts.fingerprint, item_row, k1, b, n)
    wish = _wish(REFINE)
    if wish and st.session_state["asked"] != asked:
        wish.drop()
        wish = st.session_state[REFINE] = None
    st.session_state["asked"] = asked
    going = _going()
    kept = kept_at(engine.artifacts, k1, b)
    if kept is not None:
        return engine.as_kept(kept, item_row, n), going
    if wish is None and engine.seconds_of_refine <= REFINE_AT_ONCE and (k1, b) != (engine.params.k1, engine.params.b):
        _ask(REFINE, engine, _refined)
        wish = _wish(REFINE)
        going = (*going, wish) if wish else going
    if wish and wish.look() == "done" and isinstance(wish.result, WhatIf):
        return wish.result, going
    return engine.preview(item_row, k1=k1, b=b, n=n), going


def answer_panel(engine: WhatIfEngine, found: WhatIf, watched: tuple[Wish[Any], ...]) -> None:
    """Both lists with the verdict above, drawn anew while a deeper answer is computed; and ways to one."""
    st.fragment(lambda: _lists_and_news(engine, found, watched), run_every=NEWS_EVERY if watched else None)()
    if found.is_unchanged or found.mode == "full":
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        # A key of its own for each setting: the name goes with what is fitted.
        key, usual = f"scenario_{found.k1}_{found.b}", setting(found.k1, found.b)
        st.text_input("Name of a scenario", usual, key=key, max_chars=40, width=220)
        st.button(
            "Fit in full and keep",
            key="full", disabled=_wish(FIT) in watched, on_click=_ask_full, args=(engine, key),
            help="As many fits as this set has, from the start, with other seeds; kept as a scenario beside it.",
        )  # fmt: skip


def _lists_and_news(engine: WhatIfEngine, found: WhatIf, watched: tuple[Wish[Any], ...]) -> None:
    begun = [wish for wish in _going() if wish not in watched]
    if item_was_chosen() or begun or any(wish.is_over() for wish in watched):
        st.rerun()
    for wish in watched:
        wish.look()
    refining = _wish(REFINE) if _wish(REFINE) in watched else None
    if refining and refining.news and refining.news.so_far:
        found = refining.news.so_far
    if found.is_unchanged:
        st.write("Nothing is changed yet: move K1 or B, or choose one of the settings above.")
    else:
        provisional = found.mode == "preview" or refining is not None
        verdict_strip(found.view, headline(found), MEANINGS[found.view.verdict], why="" if provisional else None)
    _news(engine, found, refining)
    ranked_lists(found.view, key="whatif_lists")
    st.caption(f"{_what_it_is(found)} {trust_words(found, engine.artifacts.manifest.whatif)}")
    _news_of_fit()


def _news(engine: WhatIfEngine, found: WhatIf, refining: Wish[Any] | None) -> None:
    if refining is not None:
        _bar(refining, "Refining: the fits are trained on with the new weights", key="stop")
        return
    wish = _wish(REFINE)
    if wish is not None and wish.state == "failed":
        st.error(f"That could not be computed: {as_text(str(wish.error))}")
    if found.mode == "preview" and not found.is_unchanged:
        seconds = engine.seconds_of_refine
        about = "" if seconds != seconds else f" (about {_duration(seconds)})"
        st.button(
            f"Refine{about}", key="refine", on_click=_ask, args=(REFINE, engine, _refined),
            help=f"Trains all fits on from where they are, {REFINE_ITERATIONS} iterations, listeners too.",
        )  # fmt: skip


def _news_of_fit() -> None:
    if refused := st.session_state.get(REFUSED):
        st.error(f"The full fit was not begun: {as_text(refused)}")
    wish = _wish(FIT)
    if wish is None:
        return
    if not wish.is_over():
        _bar(wish, "Full fit", key="stop_full")
    elif wish.state == "failed":
        st.error(f"The full fit was not kept: {as_text(str(wish.error))}")
    elif wish.state == "dropped":
        st.write("The full fit was stopped; nothing was kept.")
    elif isinstance(wish.result, Path):
        st.write(f"Kept as **{as_text(wish.result.name)}**; see the scenarios below.")


def _bar(wish: Wish[Any], words: str, key: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if wish.state == "waiting":
            before = wish.ahead()
            people = "one other computation is" if before == 1 else f"{before} other computations are"
            st.progress(0.0, f"{words}. Waiting: {people} before yours." if before else f"{words} …")
        else:
            news: News = wish.news or News(0, 1)
            st.progress(news.done / news.total, f"{news.instead or words}: {news.done / news.total:.0%}")
        st.button("Stop", key=key, on_click=wish.drop)


def _wish(kind: str) -> Wish[Any] | None:
    wish: Wish[Any] | None = st.session_state.get(kind)
    return wish


def _going() -> tuple[Wish[Any], ...]:
    return tuple(wish for wish in (_wish(REFINE), _wish(FIT)) if wish and not wish.is_over())


def _ask_full(engine: WhatIfEngine, name_key: str) -> None:
    """Queue a full fit, unless its name is no good: that is said now, and not once its turn has come."""
    from recsys.scenarios import new_folder

    # Read now: the run that drew the button may be older than what was typed since.
    name = str(st.session_state[name_key])
    st.session_state[REFUSED] = st.session_state[FIT] = None
    try:
        new_folder(engine.artifacts, set_path(), name)
    except RecsysError as error:
        st.session_state[REFUSED] = str(error)
    else:
        _ask(FIT, engine, _fitted, name)


def _ask(kind: str, engine: WhatIfEngine, compute: Compute, name: str = "") -> None:
    """Queue a computation for what is asked now; a refine and a full fit of one person wait beside each other."""
    _, item_row, k1, b, n = st.session_state["asked"]
    path, person = set_path(), st.session_state.setdefault("person", uuid4().hex)
    asked = {"item_row": item_row, "k1": k1, "b": b, "n": n}
    try:
        st.session_state[kind] = turns().ask(f"{person} {kind}", lambda wish: compute(engine, wish, asked, name, path))
    except RecsysError as error:  # too many people wait
        st.warning(as_text(str(error)))


def _refined(engine: WhatIfEngine, wish: Wish[Any], asked: dict[str, Any], name: str, path: Path) -> WhatIf:
    shown = 0.0

    def tell(done: int, total: int, so_far: Callable[[], WhatIf]) -> None:
        nonlocal shown
        now = time.monotonic()
        picture = wish.news.so_far if wish.news else None
        if now - shown > NEWS_EVERY:
            picture, shown = so_far(), now
        wish.tell(News(done, total, picture))

    return engine.refine(**asked, on_iteration=tell)


def _fitted(engine: WhatIfEngine, wish: Wish[Any], asked: dict[str, Any], name: str, path: Path) -> Path:
    def tell(words: str, done: int, total: int) -> None:
        wish.tell(News(done, total, instead=words))

    return fit_scenario_apart(engine.artifacts, path, name, k1=asked["k1"], b=asked["b"], tell=tell)


def _what_it_is(found: WhatIf) -> str:
    if found.is_unchanged:
        return ""
    refined = "Refined" if found.iterations >= REFINE_ITERATIONS else "Refining"
    name = {"preview": "Preview", "refine": refined, "full": "Full fit"}[found.mode]
    if found.mode == "full":
        return f"{name}, kept as a scenario: {found.computed}."
    clipped = f"{found.clipped:,} of {found.weights:,} weights were zero or less and clipped"
    return f"{name}, {_duration(found.seconds)}: {found.computed}; {clipped}."


def _duration(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:,.0f} ms"
    return f"{seconds:,.1f} s" if seconds < 90 else f"{seconds / 60:,.0f} min"


def trust_words(found: WhatIf, trust: Trust | None) -> str:
    """How far an answer of this depth can be trusted, in words."""
    if found.is_unchanged:
        return ""
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
        show_chart(chart, key="worth", words=words)
        shares = [heaviest_share(engine, row, *each) for each in settings.values()]
        st.caption(
            f"Ticks: {counted(len(plays), 'listener')}. The tenth that plays it most holds {shares[-1]:.0%} of its "
            f"weight; at the baseline {shares[0]:.0%}."
        )
    with right:
        length = length_of(engine, row)
        factor = (1 - found.b) + found.b * length
        words = f"{name} is played {_times(length)} times as much as the mean item: "
        words += (
            f"its plays near their limit {_slower(factor)} than those of a mean item"
            if found.b
            else "with B 0 that makes no difference"
        )
        st.subheader(words, anchor=False)
        show_chart(length_chart(length_factors(engine, settings), length), key="length", words=words)


def _slower(factor: float) -> str:
    return f"{_times(factor)} times slower" if factor >= 1 else f"{_times(1 / factor)} times faster"


def _times(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"
