"""K1 and B as sliders and as numbers; the address holds what is asked."""

from __future__ import annotations

import math
from collections.abc import Mapping

import streamlit as st

from recsys.models.bm25 import LARGEST_K1
from recsys.ui.controls import as_text
from recsys.ui.glossary import meaning_of

Setting = tuple[float, float]
DECADE = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6.5, 8)
K1_STEPS = [0.0, *(float(f"{step * 10**power:.3g}") for power in range(-2, 3) for step in DECADE), 1000.0]
B_STEP = 0.05
PRESETS: Mapping[str, Setting] = {
    "Tutorial 100, 0.8": (100.0, 0.8),
    "Textbook 1.2, 0.75": (1.2, 0.75),
    "Plain counts": (LARGEST_K1, 0.0),
    "Listened or not": (0.0, 0.0),
}
PRESET_HELP = (
    "Tutorial: implicit's default and that of many blog posts. Textbook: the usual values in text retrieval. "
    "Plain counts: twice the plays, twice the weight. Listened or not: every listener counts alike."
)


def bm25_setting(baseline: Setting, best: Setting | None) -> Setting:
    """K1 and B from the address, else the baseline's; sliders, numbers, presets and a way back."""
    k1, b = setting_in_address(baseline)
    left, middle, right = st.columns([3, 3, 4], gap="large")
    with left:
        _pair("K1", "k1", k1, K1_STEPS, LARGEST_K1, meaning_of("K1", "BM25"))
    with middle:
        steps = [round(step * B_STEP, 2) for step in range(round(1 / B_STEP) + 1)]
        _pair("B", "b", b, steps, 1.0, meaning_of("B", "BM25"))
    with right:
        presets = dict(PRESETS) | ({f"Best measured {best[0]:g}, {best[1]:g}": best} if best else {})
        _presets({**presets, f"Back to the baseline {baseline[0]:g}, {baseline[1]:g}": baseline})
    return k1, b


def setting_in_address(baseline: Setting) -> Setting:
    """K1 and B that the link asks for; words about what is no number or outside its limits, and the baseline then."""
    return _number("k1", "K1", LARGEST_K1, baseline[0]), _number("b", "B", 1.0, baseline[1])


def choose_setting(k1: float, b: float) -> None:
    """Make this the setting asked about; for callbacks."""
    st.query_params.update({"k1": f"{k1:.6g}", "b": f"{b:.6g}"})


def _number(key: str, label: str, most: float, otherwise: float) -> float:
    linked = st.query_params.get(key)
    if linked is None:
        return otherwise
    try:
        value = float(linked)
    except ValueError:
        value = math.nan
    if 0 <= value <= most:
        return value
    st.warning(
        f"The link asks for {label} “{as_text(linked[:20])}”; {label} is a number from 0 to {most:,.0f}. "
        f"You see the baseline's {otherwise:g}."
    )
    del st.query_params[key]  # the link is not to be passed on like that
    return otherwise


def _pair(label: str, key: str, value: float, steps: list[float], most: float, words: str) -> None:
    """A slider and a field for one number; what is moved or typed is written to the address.

    The field is empty but for a hint of the number that holds. Were it kept equal to the slider, the browser would send
    its last number back while the slider is still being moved, and pull it back. A slider that has to stand elsewhere
    is a new one that begins there: of two runs that reach the browser together it shows the second alone, so an order
    of the first to move is lost, and the next click would send back where the slider stood.
    """
    nearest, field = min(steps, key=lambda step: abs(step - value)), f"{key}_field"
    made = st.session_state.setdefault(f"{key}_sliders", 0)
    if st.session_state.get(f"{key}_slider_{made}", nearest) != nearest:
        made = st.session_state[f"{key}_sliders"] = made + 1
    slider = f"{key}_slider_{made}"

    def moved() -> None:
        st.query_params[key] = f"{st.session_state[slider]:.6g}"

    def typed() -> None:
        if st.session_state[field] is not None:
            st.query_params[key] = f"{st.session_state[field]:.6g}"
            st.session_state[field] = None

    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.select_slider(label, steps, nearest, key=slider, format_func=_short, on_change=moved, help=words)
        st.number_input(
            f"or type {label}", 0.0, most, None, key=field, format="%g", on_change=typed, placeholder=_short(value),
            width=110,
        )  # fmt: skip


def _presets(presets: Mapping[str, Setting]) -> None:
    def go() -> None:
        chosen = st.session_state["preset"]
        if chosen:
            choose_setting(*presets[chosen])
            st.session_state["preset"] = None

    st.pills("Set both", list(presets), key="preset", on_change=go, wrap=True, help=PRESET_HELP)


def _short(value: float) -> str:
    return f"{value:g}"
