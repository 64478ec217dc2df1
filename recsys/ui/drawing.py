"""How a chart comes on a page: with words for who cannot see it, and in the page's own ink."""

from __future__ import annotations

from typing import Any

import altair as alt
import streamlit as st

from recsys.ui.charts import unchecked


def on_telephone() -> bool:
    """Whether the browser says that it is a telephone's: a server is not told how wide a window is."""
    return "Mobi" in st.context.headers.get("User-Agent", "")


def show_chart(chart: alt.TopLevelMixin, *, key: str, words: str, **more: Any) -> None:
    """A chart, by the arguments of `st.altair_chart`.

    Parameters
    ----------
    words : what is to be made of it, a sentence; what a screen reader says in its place.
    """
    st.altair_chart(unchecked(chart, dark=st.context.theme.type == "dark"), key=key, alt=words, **more)
