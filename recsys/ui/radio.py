"""A radio of a listener: both models' sequences side by side, and files of them for players."""

from __future__ import annotations

from html import escape

import pandas as pd
import streamlit as st

from recsys.artifacts.store import ArtifactSet, Pair
from recsys.listener.export import as_m3u8, as_xspf, entries, radio_csv
from recsys.listener.profile import Profile
from recsys.listener.radio import AMONG, radio
from recsys.listener.recommend import Recommender
from recsys.ui.charts import MODEL_COLOURS
from recsys.ui.controls import as_text
from recsys.ui.files import file_button

SHORTEST, LONGEST, USUAL = 5, 50, 20
LAST_SEED = 999_999
GOES_BY = {"als": "by who likes what", "word2vec": "by what is played together"}


@st.fragment
def radio_panel(artifacts: ArtifactSet, models: Pair, recommender: Recommender, profile: Profile) -> None:
    """How long, which of many, and each model's sequence as a table and as files."""
    length, which = st.columns([3, 2], gap="large")
    with length:
        n = st.slider("Length of the radio", SHORTEST, LONGEST, USUAL, key="radio_n", bind="query-params")
    with which, st.container(horizontal=True, vertical_alignment="bottom"):
        seed = int(
            st.number_input(
                "Seed", 0, LAST_SEED, key="radio_seed", bind="query-params", width=140,
                help=f"Each item is drawn from the {AMONG} that suit best; the same seed draws the same again.",
            )
        )  # fmt: skip
        st.button("Another one", key="radio_next", on_click=_next_seed)
    played = {model: radio(recommender, profile, model, n=n, seed=seed) for model in models}
    again = {model: radio(recommender, profile, model, n=n, seed=seed + 1) for model in models}
    st.subheader(_title(artifacts, played, again), anchor=False)
    for model, place, column in zip(models, artifacts.places(models), st.columns(2, gap="large"), strict=True):
        with column:
            _one_radio(artifacts, played[model], model, MODEL_COLOURS[place], seed)
    if len(profile) == 1:
        st.caption("A radio of one item begins with it.")


def _next_seed() -> None:
    st.session_state["radio_seed"] = (int(st.session_state["radio_seed"]) + 1) % (LAST_SEED + 1)


def _title(artifacts: ArtifactSet, played: dict[str, pd.DataFrame], again: dict[str, pd.DataFrame]) -> str:
    """What the two share, beside what each shares with its own next seed."""
    first, second = played.values()
    if first.empty or second.empty:
        knows = [artifacts.titles[model] for model in played if not played[model].empty]
        return f"{f'Only {knows[0]}' if knows else 'Neither model'} knows any of these items"
    itself = [f"{artifacts.titles[model]} shares {_shared(played[model], again[model])}" for model in played]
    longest = max(len(first), len(second))
    return (
        f"The two radios share {_shared(first, second)} of {longest} items; with its own next seed "
        f"{' and '.join(itself)}"
    )


def _shared(one: pd.DataFrame, other: pd.DataFrame) -> int:
    return len(set(one["item_row"]) & set(other["item_row"]))


def _one_radio(artifacts: ArtifactSet, played: pd.DataFrame, model: str, colour: str, seed: int) -> None:
    title, build = artifacts.titles[model], artifacts.fingerprint[:12]
    if played.empty:
        st.write(f"{as_text(title)} knows none of these items, so it has nothing to play.")
        return
    st.html(_table(played, title, model, colour))
    name, listed = f"radio-{model}-{seed}-{build}", entries(artifacts, played["item_row"].tolist())
    with st.container(horizontal=True):
        file_button(f"{title} as M3U8", lambda: as_m3u8(listed), f"{name}.m3u8", "audio/x-mpegurl")
        words = f"{title} radio, seed {seed}"
        file_button(f"{title} as XSPF", lambda: as_xspf(listed, words), f"{name}.xspf", "application/xspf+xml")
        file_button(f"{title} as CSV", lambda: radio_csv(artifacts, played, model), f"{name}.csv", "text/csv")


def _table(played: pd.DataFrame, title: str, model: str, colour: str) -> str:
    left = 'style="text-align:left"'
    body = "".join(
        f'<tr><td>{row["position"]}</td><th scope="row" style="overflow-wrap:anywhere"><bdi>{escape(row["name"])}</bdi>'
        f"</th><td>{_near(row['to_last'])}</td><td>{_near(row['to_profile'])}</td></tr>"
        for row in played.to_dict("records")
    )
    return (
        f'<p style="border-left:0.5rem solid {colour};padding-left:0.5rem"><b>{escape(title)}</b>, '
        f"{GOES_BY.get(model, 'by vectors made elsewhere')}: {escape(_amounts_to(played))}</p>"
        f'<table class="trust" style="max-width:none" aria-label="{escape(title)}\'s radio"><thead><tr>'
        f'<th scope="col">#</th><th scope="col" {left}>name</th><th scope="col">near the last</th>'
        f'<th scope="col">near the profile</th></tr></thead><tbody>{body}</tbody></table>'
    )


def _amounts_to(played: pd.DataFrame) -> str:
    """A sequence in one sentence."""
    return (
        f"on average {_near(played['to_last'].mean())} near the item before and {_near(played['to_profile'].mean())} "
        f"near the profile, at percentile {played['popularity'].mean():.0f} of popularity."
    )


def _near(cosine: float) -> str:
    return "–" if cosine != cosine else f"{cosine:.2f}"
