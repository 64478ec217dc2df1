"""Artifact sets for pages: found, opened once for all sessions, and every way in which that can fail."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st
from streamlit import config
from streamlit.runtime.pages_manager import PagesManager

from recsys.analysis.agreement import (
    by_popularity,
    is_real,
    most_agreed,
    most_disputed,
    overlap_distribution,
    pair_agreement,
    popularity_bands,
)
from recsys.analysis.hubness import Hubness, appearances, hubness
from recsys.analysis.search import NameIndex
from recsys.artifacts.names import BETWEEN
from recsys.artifacts.store import ArtifactSet, Pair, artifact_sets
from recsys.errors import ArtifactError, DamagedArtifacts, MissingArtifacts, UnsupportedSchema
from recsys.ui.controls import (
    as_text,
    item_is_shown,
    row_as_last_chosen,
    set_picker,
    shell_command,
    way_back_to_tour,
)
from recsys.ui.glossary import glossary
from recsys.ui.sign_in import stop_strangers
from recsys.ui.soundness import sound_build, watch

DEFAULT_ROOT = "artifacts"


def explained(run: Callable[[], None]) -> None:
    """Run a page; damage that shows only while it draws is put in words like any other."""
    try:
        run()
    except ArtifactError as error:
        _explain(str(st.session_state.get("set", "")), error)
    except MemoryError:
        st.header("The server has too little memory for this page")
        st.write("Try again when fewer people are here, choose a smaller set, or run the app on a machine with more.")


def artifacts_root() -> Path:
    """Where artifact sets are looked for: RECSYS_ARTIFACTS, else artifacts/."""
    return Path(os.environ.get("RECSYS_ARTIFACTS") or DEFAULT_ROOT)


def set_path() -> Path:
    """The folder of the artifact set that is shown."""
    root, name = artifacts_root(), str(st.session_state.get("set_kept", "NAME"))
    # The root may itself be the set.
    return {path.name: path for path in artifact_sets(root)}.get(name, root / name)


def set_command(verb: str, *options: str) -> str:
    """The command that does something with the artifact set that is shown, for people to copy."""
    path = set_path()
    if path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return shlex.join(["python", "-m", "recsys", verb, str(path), *options])


def artifacts_or_stop() -> ArtifactSet:
    """The artifact set that the person chose, opened; or words about there being none, and the page ends.

    A session keeps the build it opened, and is offered a newer one when there is one. The address carries the set's
    name and the build's fingerprint; a link made with another build says so.

    Raises
    ------
    ArtifactError : the set cannot be opened; `explained`, around every page, puts it in words.
    """
    _enter_through_app()
    stop_strangers()  # a page that Streamlit began without app.py at that moment
    root = artifacts_root()
    sets = {path.name: path for path in sorted(artifact_sets(root), key=_offered)}
    if not sets:
        st.header("No artifact set yet")
        st.write(f"Nothing to show in `{root}`. Build a set from listening data, then reload this page:")
        shell_command("python -m recsys build READER --input PATH --out artifacts/NAME")
        st.write("The demo set is made by `make demo`. Another folder is searched when `RECSYS_ARTIFACTS` names it.")
        st.stop()
    way_back_to_tour()
    with st.container(horizontal=True, vertical_alignment="bottom", key="set_strip"):
        name = set_picker(list(sets), lambda chosen: _in_address(chosen, sets[chosen]))
        strip = st.empty()
        with st.popover("Glossary", type="tertiary"):
            st.html(glossary())
    artifacts = _session_build(name, sets[name])
    _check_link(name, artifacts)
    strip.caption(_strip_words(artifacts), width="content")
    return artifacts


def _strip_words(artifacts: ArtifactSet) -> str:
    counts = artifacts.manifest.counts
    size = f"{counts.listeners:,} listeners · {counts.items:,} items · build {artifacts.fingerprint[:12]}"
    if artifacts.manifest.source.simulated:
        return f":material/science: **Simulated**: real artists, invented listeners; says nothing of real taste. {size}"
    return size


def _enter_through_app() -> None:
    """Run app.py first when Streamlit started a page by itself.

    A server takes a folder named pages/ for its older kind of multipage app until app.py has called st.navigation once.
    So the first visitor of a fresh server who follows a link to a page would see it without navigation and style.
    Streamlit's AppTest plays a fresh server at every run; running again there would swallow clicks.
    """
    if getattr(PagesManager, "uses_pages_directory", False) and not config.get_option("global.appTest"):
        PagesManager.uses_pages_directory = False
        st.rerun()


@st.cache_resource(max_entries=4, show_spinner="Preparing the search …")
def name_index(_artifacts: ArtifactSet, fingerprint: str) -> NameIndex:
    """The search index of a set's catalogue; `fingerprint` is what it is cached by."""
    return NameIndex(_artifacts.catalogue["item_id"].tolist(), _artifacts.catalogue["name"].tolist())


@st.cache_resource(max_entries=8, show_spinner="Comparing the models …")
def agreement_of(_artifacts: ArtifactSet, fingerprint: str, pair: Pair) -> pd.DataFrame:
    """How far two models agree over the whole catalogue; cached by everything but `_artifacts`, never written to."""
    return pair_agreement(_artifacts, pair)


@st.cache_data(max_entries=16, show_spinner=False)
def agreement_by_popularity(_artifacts: ArtifactSet, fingerprint: str, pair: Pair) -> pd.DataFrame:
    """`analysis.agreement.by_popularity` of two models; cached by everything but `_artifacts`."""
    return by_popularity(agreement_of(_artifacts, fingerprint, pair), _artifacts.catalogue["listeners"].to_numpy())


@st.cache_data(max_entries=64, show_spinner=False)
def distribution_in_tenth(
    _artifacts: ArtifactSet, fingerprint: str, pair: Pair, tenth: int | None
) -> tuple[pd.DataFrame, float | None]:
    """`analysis.agreement.overlap_distribution` in a tenth of the catalogue (1: fewest listeners; None: all of it), and
    the mean RBO there; None where the set was built without. Cached by everything but `_artifacts`."""
    agreement = agreement_of(_artifacts, fingerprint, pair)
    if tenth is not None:
        agreement = agreement[popularity_bands(_artifacts.catalogue["listeners"].to_numpy()) == tenth]
    rbo = float(agreement["rbo"].mean()) if "rbo" in agreement else float("nan")
    return overlap_distribution(agreement, _artifacts.manifest.agreement_n), rbo if rbo == rbo else None


@dataclass(frozen=True)
class Pointed:
    """Items worth a look: the most disputed and the most agreed, of so many among which they were looked for, and of
    how many of those a difference is called real."""

    disputed: list[int]
    agreed: list[int]
    among: int
    real: int


@st.cache_data(max_entries=64, show_spinner=False)
def pointed_items(
    _artifacts: ArtifactSet, fingerprint: str, pair: Pair, low: float = 0, high: float = 100, tag: str | None = None
) -> Pointed:
    """Between two percentiles of popularity, with a tag if one is named. Cached by everything but `_artifacts`."""
    catalogue = _artifacts.catalogue
    percentile, listeners = catalogue["popularity"].to_numpy(), catalogue["listeners"].to_numpy()
    among = (percentile >= low) & (percentile <= high)
    if tag is not None:
        among &= np.fromiter((tag in tags for tags in catalogue["tags"]), bool, len(among))
    agreement = agreement_of(_artifacts, fingerprint, pair)
    disputed, agreed = (find(agreement, listeners, among=among) for find in (most_disputed, most_agreed))
    return Pointed(
        disputed=[int(row) for row in disputed],
        agreed=[int(row) for row in agreed],
        among=int(among.sum()),
        real=int((is_real(agreement) & among).sum()),
    )


def disputed_items(artifacts: ArtifactSet, pair: Pair) -> list[int]:
    """The most disputed items of a whole set."""
    return pointed_items(artifacts, artifacts.fingerprint, pair).disputed


@st.cache_data(max_entries=16, show_spinner=False)
def hubness_of_fits(_artifacts: ArtifactSet, fingerprint: str, pair: Pair) -> dict[str, tuple[Hubness, list[Hubness]]]:
    """By model the hubness of its lists and of each replicate's; cached by everything but `_artifacts`."""
    listeners, n = _artifacts.catalogue["listeners"].to_numpy(), _artifacts.manifest.agreement_n
    return {
        model: (
            hubness(_artifacts.neighbours(model), listeners, n),
            [hubness(each, listeners, n) for each in _artifacts.replicate_neighbours(model)],
        )
        for model in pair
    }


@st.cache_data(max_entries=16, show_spinner=False)
def commonest_tags(_artifacts: ArtifactSet, fingerprint: str, limit: int = 60) -> list[str]:
    """The tags that most items have, in the order of the alphabet; `fingerprint` is what it is cached by."""
    counts = Counter(tag for tags in _artifacts.catalogue["tags"] for tag in tags)
    return sorted(tag for tag, _ in counts.most_common(limit))


@st.cache_data(max_entries=16, show_spinner=False)
def most_listed(_artifacts: ArtifactSet, model: str, fingerprint: str, limit: int = 8) -> list[int]:
    """The items that stand in most other items' lists; `fingerprint` is what it is cached by."""
    counts = appearances(_artifacts.neighbours(model), _artifacts.manifest.agreement_n)
    return [int(row) for row in np.argsort(-counts, kind="stable")[:limit]]


def opened_set(path: Path) -> ArtifactSet:
    """The build in use of an artifact set, opened once for all sessions.

    Raises
    ------
    ArtifactError : it cannot be opened.
    """
    return sound_build(ArtifactSet.folder_in_use(path))


def _session_build(name: str, path: Path) -> ArtifactSet:
    """The build of this set that the session has open, else the one in use now."""
    in_use = ArtifactSet.folder_in_use(path)
    kept = st.session_state.setdefault("builds", {})
    held = Path(kept.get(name, in_use))
    if held != in_use and held.is_dir():
        with st.container(horizontal=True, vertical_alignment="center"):
            st.write(f"A newer build of **{as_text(name)}** is there. You still see the one you opened.")
            if st.button("Show the new build", key="newer_build"):
                kept[name] = str(in_use)
                st.rerun()
    else:
        if held != in_use:
            st.write(f"The build of **{as_text(name)}** that you had open is gone; you see the newest one.")
        held = in_use
    kept[name] = str(held)
    watch(held)
    return sound_build(held)


def _in_address(name: str, path: Path) -> dict[str, str]:
    """What the address says of a set beside its name, once it is shown; nothing where it cannot be opened."""
    held = Path(st.session_state.get("builds", {}).get(name, "none"))
    try:
        artifacts = sound_build(held) if held.is_dir() else opened_set(path)
    except ArtifactError:
        return {}
    said = {"build": artifacts.fingerprint[:12]}
    if item_is_shown():
        index = name_index(artifacts, artifacts.fingerprint)
        said["item"] = index.item_ids[row_as_last_chosen(index)]
    return said


def _check_link(name: str, artifacts: ArtifactSet) -> None:
    """Say so when the address was made with another build; then make it the address of what is shown."""
    mine = artifacts.fingerprint[:12]
    linked = st.query_params.get("build")
    if linked and linked != mine and st.query_params.get("set") in (None, name):
        st.warning(
            f"This link was made with build {as_text(linked[:12])}; you see build {mine}, "
            f"so lists and numbers may differ."
        )
    if linked != mine or st.query_params.get("set") != name:
        st.query_params.update({"set": name, "build": mine})


def _explain(name: str, error: ArtifactError) -> None:
    words = {
        MissingArtifacts: "is not there any more",
        UnsupportedSchema: "was written by another version",
        DamagedArtifacts: "is damaged",
    }
    st.header(f"The artifact set {as_text(name)} {words.get(type(error), 'cannot be opened')}")
    st.text(str(error))
    st.write("Choose another set above, or mend this one. What is wrong in full:")
    root = artifacts_root()
    path = {path.name: path for path in artifact_sets(root)}.get(name, root / name)
    shell_command(f"python -m recsys verify {shlex.quote(str(path))}")


def _offered(path: Path) -> tuple[bool, float, str]:
    """The order in which sets are offered: the newest first, scenarios after all others."""
    try:
        files = [path / file for file in ("CURRENT", "manifest.json")]
        switched = max((file.stat().st_mtime for file in files if file.exists()), default=0.0)
    except OSError:
        switched = 0.0
    return BETWEEN in path.name, -switched, path.name
