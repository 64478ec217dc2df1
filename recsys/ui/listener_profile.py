"""Whom the Listener page asks about: a listener of the data, items that a person picks, or a list or file of theirs.

What a person brings stays in their session's memory: it is never written, logged, or put into the address.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
import streamlit as st

from recsys.analysis.search import NameIndex
from recsys.artifacts.store import ArtifactSet
from recsys.errors import InputError, ParameterError
from recsys.listener.history import History
from recsys.listener.matching import Match, Matcher, has_tracks, wanted_items, weights_of
from recsys.listener.profile import Profile
from recsys.listener.recommend import Recommender
from recsys.listener.uploads import LARGEST_UPLOAD, read_upload
from recsys.plural import counted
from recsys.ui.controls import as_option, as_text, item_was_chosen, search_box

DATA, PICKS, LIST, FILE = "a listener of the data", "items I choose", "a list I paste", "a file of mine"
MOST_PICKS, HEAVIEST_PICK = 50, 100.0
MOST_ROWS, MOST_MISSING = 12, 200
LONGEST_PASTE = 100_000  # characters
PICK = "*"  # between the weight and the id of a picked item in the address
NOT_THIS = -1
NEWS_EVERY = 0.2  # seconds between two pictures of how far a file is read


@dataclass(frozen=True)
class Asked:
    """Who is asked about, and what to call them."""

    profile: Profile
    name: str


@st.cache_resource(max_entries=2, show_spinner="Preparing the models …")
def recommender(_artifacts: ArtifactSet, fingerprint: str) -> Recommender:
    """One serves all sessions; `fingerprint` is what it is cached by."""
    return Recommender(_artifacts)


@st.cache_resource(max_entries=2, show_spinner="Preparing the search …")
def _matcher(_artifacts: ArtifactSet, _index: NameIndex, fingerprint: str) -> Matcher:
    """One serves all sessions; `fingerprint` is what it is cached by."""
    return Matcher.of(_artifacts, _index)


def profile_panel(artifacts: ArtifactSet, index: NameIndex) -> Asked | None:
    """Whom to ask about, as a person chooses; None, after words about what to do, where there is nothing to ask yet."""
    source = st.radio("Whose taste", [DATA, PICKS, LIST, FILE], key="from", bind="query-params")
    try:
        if source == DATA:
            return _of_data(artifacts)
        if source == PICKS:
            return _of_picks(artifacts, index)
        return _of_list(artifacts, index) if source == LIST else _of_file(artifacts, index)
    except ParameterError as error:  # no weight above 0
        st.warning(as_text(str(error)))
        return None


def _of_data(artifacts: ArtifactSet) -> Asked:
    last = artifacts.manifest.counts.listeners - 1
    number = st.number_input(f"Number, 0 to {last:,}", 0, last, key="listener", bind="query-params")
    profile = Profile.of_listener(artifacts, int(number))
    kind = (
        "An invented listener" if artifacts.manifest.source.simulated else "A real listener of the data, without a name"
    )
    st.caption(f"{kind}. The models were trained on these plays, too.")
    _own_table(artifacts, profile, "plays")
    return Asked(profile, f"Listener {number}")


def _of_picks(artifacts: ArtifactSet, index: NameIndex) -> Asked | None:
    item_was_chosen("own")  # this run shows it already
    picks = _picks_in_address(index)
    search_box(index, artifacts, "own", "Add an item", _add_pick)
    if not picks:
        st.write("Find items that this person plays; each one added asks both models anew.")
        return None
    st.caption("How much each counts; below 0: less like this.")
    for row, weight in picks.items():
        item_id, name = index.item_ids[row], as_text(index.names[row])
        with st.container(horizontal=True, vertical_alignment="bottom"):
            key = f"weight_{item_id}"
            st.session_state[key] = weight
            st.number_input(
                name, -HEAVIEST_PICK, HEAVIEST_PICK, step=1.0, format="%g", key=key, width=150,
                on_change=_weigh_pick, args=(item_id, key),
            )  # fmt: skip
            st.button("Remove", key=f"remove_{item_id}", type="tertiary", on_click=_weigh_pick, args=(item_id, ""))
    if len(picks) >= MOST_PICKS:
        st.caption(f"{MOST_PICKS} items are the most that can be picked by hand.")
    return Asked(Profile.of_picks(picks, artifacts), "This listener")


def _picks_in_address(index: NameIndex) -> dict[int, float]:
    """By row, the weights of the picked items that this set knows, at most MOST_PICKS."""
    picks: dict[int, float] = {}
    unknown: list[str] = []
    for text in st.query_params.get_all("own"):
        weight, _, item_id = text.partition(PICK)
        row = index.row_of_id(item_id)
        try:
            value = float(weight)
        except ValueError:
            value = math.nan
        if row is None or not 0 < abs(value) <= HEAVIEST_PICK:
            unknown.append(text)
        elif len(picks) < MOST_PICKS:
            picks[row] = value
    if unknown:
        st.warning(
            f"{len(unknown)} of the items in the link are not in this set, or their weights are not between "
            f"-{HEAVIEST_PICK:g} and {HEAVIEST_PICK:g}; the first is “{as_text(unknown[0][:60])}”."
        )
        st.query_params["own"] = [f"{value:g}{PICK}{index.item_ids[row]}" for row, value in picks.items()]
    return picks


def _add_pick(item_id: str) -> None:
    picks = [text for text in st.query_params.get_all("own") if text.partition(PICK)[2] != item_id]
    st.query_params["own"] = [*picks, f"1{PICK}{item_id}"]
    st.session_state["own_search"] = ""
    st.session_state["own_changed"] = True


def _weigh_pick(item_id: str, key: str) -> None:
    """Give a picked item the weight in its field; without a field, or with 0, take it out."""
    weight = float(st.session_state[key] or 0) if key else 0.0
    picks = st.query_params.get_all("own")
    at = next((at for at, text in enumerate(picks) if text.partition(PICK)[2] == item_id), None)
    if at is not None:
        picks[at : at + 1] = [f"{weight:g}{PICK}{item_id}"] if weight else []
        st.query_params["own"] = picks


def _of_list(artifacts: ArtifactSet, index: NameIndex) -> Asked | None:
    text = st.text_area(
        "One item a line",
        key="pasted",
        height=180,
        max_chars=LONGEST_PASTE,
        placeholder="Björk\nSigur Rós = 3\nColdplay = -1\nRadiohead - Airbag",
        help="“= 3” counts three times, below 0 is “less like this”; of “artist - track” the artist is taken where "
        "items are artists.",
    )
    wanted = wanted_items(text or "")
    if not wanted:
        st.write("Paste what this person plays. It stays in this session's memory.")
        return None
    matches = _matcher(artifacts, index, artifacts.fingerprint).match(wanted)
    weights = _as_agreed(artifacts, index, matches, str(hash(text)))
    return Asked(Profile.of_picks(weights, artifacts), "This listener") if weights else None


def _of_file(artifacts: ArtifactSet, index: NameIndex) -> Asked | None:
    upload = st.file_uploader(
        "A listening history",
        key="upload",
        max_upload_size=LARGEST_UPLOAD >> 20,
        help="An export of Spotify, ListenBrainz or Last.fm (a .zip of one, too), a playlist, a CSV with a column "
        "artist or name and, if you like, plays; or a list.",
    )
    if upload is None:
        st.session_state.pop("brought", None)
        st.write("The file stays in this session's memory: it is not written anywhere, and gone when you leave.")
        return None
    key = f"{upload.file_id} {artifacts.fingerprint}"
    if st.session_state.get("brought", ("",))[0] != key:
        st.session_state["brought"] = (key, *_read(artifacts, index, upload))
    _, history, matches = st.session_state["brought"]
    if history is None:
        st.error(as_text(matches))
        return None
    with st.expander(f"What was read: {counted(len(history.wanted), 'item')}"):
        for remark in history.remarks:
            st.write(as_text(remark))
    weights = _as_agreed(artifacts, index, matches, key)
    return Asked(Profile.of_plays(weights, len(index.names)), "This listener") if weights else None


def _read(artifacts: ArtifactSet, index: NameIndex, upload: Any) -> tuple[History, list[Match]] | tuple[None, str]:
    """The history and what its items are taken for; or why it cannot be read."""
    level: Literal["artist", "track"] = "track" if has_tracks(artifacts) else "artist"
    name, content = upload.name, upload.getvalue()
    done = 0

    def on_bytes(count: int) -> None:
        nonlocal done
        done += count

    bar = st.progress(0.0, "Reading the file …")
    try:
        # Readers tell of bytes from threads of their own, which cannot draw.
        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(read_upload, name, content, level=level, on_bytes=on_bytes)
            while not wait([reading], timeout=NEWS_EVERY).done:
                bar.progress(min(done / max(len(content), 1), 1.0), "Reading the file …")
        history = reading.result()
        bar.progress(1.0, "Looking for its items in this set …")
        return history, _matcher(artifacts, index, artifacts.fingerprint).match(history.wanted)
    except InputError as error:
        return None, str(error)
    finally:
        bar.empty()


def _as_agreed(artifacts: ArtifactSet, index: NameIndex, matches: list[Match], key: str) -> dict[int, float]:
    """Rows and weights, after the person has had a look at whatever is not sure."""
    unsure = [(at, match) for at, match in enumerate(matches) if not match.is_sure and match.candidates]
    missing = [match for match in matches if match.row is None]
    chosen: dict[int, int | None] = {}
    if unsure:
        with st.expander(f"{len(unsure):,} not sure: have a look", expanded=len(unsure) <= 5):
            for at, match in unsure:
                chosen[at] = _which(artifacts, index, match, f"match_{abs(hash(key)):x}_{at}")
    weights = weights_of(matches, chosen)
    lost = [match for at, match in enumerate(matches) if chosen.get(at, match.row) is None]
    if lost:
        with st.expander(f"{len(lost):,} of {len(matches):,} are not in this set"):
            shown = sorted(lost, key=lambda match: -abs(match.wanted.weight))[:MOST_MISSING]
            st.dataframe(
                pd.DataFrame({"name": [m.wanted.text for m in shown], "plays": [m.wanted.weight for m in shown]}),
                hide_index=True,
            )
            if len(lost) > len(shown):
                st.caption(f"The {MOST_MISSING} that count most.")
    if not weights:
        st.warning(f"None of the {len(matches):,} items is in this set; choose another set, or other items.")
        return {}
    if missing or unsure:
        st.caption(f"Counted: {counted(len(weights), 'item')} of this set.")
    return weights


def _which(artifacts: ArtifactSet, index: NameIndex, match: Match, key: str) -> int | None:
    """The item that the person takes a text for, or none."""
    listeners = artifacts.catalogue["listeners"]
    names = {row: f"{as_option(index.names[row])} · {listeners.iloc[row]:,}" for row in match.candidates}
    names[NOT_THIS] = "none of these"
    options = list(names)
    usual = options.index(NOT_THIS if match.row is None else match.row)
    label = f"“{as_text(match.wanted.text[:80])}” is"
    picked: int = st.selectbox(label, options, index=usual, format_func=names.__getitem__, key=key)
    return None if picked == NOT_THIS else picked


def _own_table(artifacts: ArtifactSet, profile: Profile, what: str) -> None:
    order = (-profile.weights).argsort(kind="stable")[:MOST_ROWS]
    names = artifacts.catalogue["name"].to_numpy(object)[profile.rows[order]]
    st.dataframe(pd.DataFrame({"name": names, what: profile.weights[order]}), hide_index=True)
    if len(profile) > MOST_ROWS:
        st.caption(f"and {len(profile) - MOST_ROWS:,} more")
