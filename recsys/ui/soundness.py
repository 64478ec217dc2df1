"""Builds that pages show, opened once for all sessions, and left as soon as a file of theirs proves damaged."""

from __future__ import annotations

import gc
import threading
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from recsys.artifacts.background import ContentCheck
from recsys.artifacts.store import ArtifactSet
from recsys.errors import ArtifactError, DamagedArtifacts
from recsys.memory import frugal_heap

NEWS_EVERY = 3.0  # seconds between two looks at a check that is going on
MOST_BUILDS = 16  # kept open


@dataclass(frozen=True)
class _Opened:
    artifacts: ArtifactSet
    check: ContentCheck


# Not in a cache of Streamlit's: what a check has found must outlast the clearing of those.
_builds: dict[Path, _Opened] = {}
_opening = threading.Lock()
# Builds that were found damaged and not opened since, by what their folders' names begin with.
_distrusted: set[str] = set()


def _opened(folder: Path) -> _Opened:
    opened = _builds.get(folder)
    if opened is not None and opened.check.still_holds():
        return opened  # nobody waits here for another build that is being opened
    with _opening:
        opened = _builds.get(folder)
        if opened is None or not opened.check.still_holds():
            _builds.pop(folder, None)
            frugal_heap()
            with st.spinner("Opening the artifact set …"):
                artifacts = ArtifactSet.open(folder)
                len(artifacts.catalogue)
            opened = _builds[folder] = _Opened(artifacts, ContentCheck(artifacts))
            if len(_builds) > MOST_BUILDS:
                del _builds[next(iter(_builds))]
            # Streamlit collects all generations after every run; what stays for good need not be looked at again
            # (106 → 14 ms).
            gc.collect()
            gc.freeze()
    return opened


def sound_build(folder: Path) -> ArtifactSet:
    """A build, opened once for all sessions; its large files are checked in the background from then on.

    Raises
    ------
    ArtifactError : it cannot be opened, or the check has found something.
    """
    return _sound(folder).artifacts


def known_damage() -> dict[Path, str]:
    """By folder of an open build, what its check has found, in words; nothing of files that were replaced since."""
    checks = {folder: opened.check for folder, opened in _builds.copy().items()}
    return {folder: check.damage for folder, check in checks.items() if check.damage and check.still_holds()}


def watch(folder: Path) -> None:
    """Have the page drawn anew should the check of its build find something while nobody touches it."""
    check = _sound(folder).check

    def look() -> None:
        if check.damage:
            st.rerun()

    if check.is_going_on:
        st.fragment(look, run_every=NEWS_EVERY)()


def _sound(folder: Path) -> _Opened:
    # A build that was healed has a name of its own, but the same fingerprint, by which pages cache what they compute.
    build = folder.name[:12]
    try:
        opened = _opened(folder)
        if opened.check.damage:
            raise DamagedArtifacts(opened.check.damage)
    except ArtifactError:
        _distrusted.add(build)
        raise
    if build in _distrusted:
        _distrusted.discard(build)
        st.cache_data.clear()
        st.cache_resource.clear()
    return opened
