"""What the app says and does when a set that it shows is damaged, taken away, replaced or mended."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from recsys.artifacts import background, files
from recsys.artifacts.background import ContentCheck
from recsys.artifacts.store import ArtifactSet
from recsys.scenarios import delete_scenario, keep_scenario
from recsys.ui import soundness
from recsys.whatif.engine import WhatIfEngine
from tests.artifacts.test_writer import publish_again
from tests.pages.conftest import ROOT, Open, texts
from tests.pages.test_pages import shown_lists

PAGES = ["overview", "neighbours", "whatif", "maps", "listener", "evaluation", "blind_test"]


@pytest.fixture
def open_app(small_set: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Open a page as app.py runs it, which AppTest's own change of page leaves out, with query parameters."""
    monkeypatch.setenv("RECSYS_ARTIFACTS", str(small_set.parent))

    def opened(page: str, **query: str) -> AppTest:
        script = f"explained(lambda: runpy.run_path({str(ROOT / 'pages' / f'{page}.py')!r}))"
        at = AppTest.from_string(
            f"import runpy\nfrom recsys.ui.loading import explained\n{script}", default_timeout=180
        )
        at.session_state["tour_kept"] = "closed"  # it links to pages, which only app.py names
        for name, value in query.items():
            at.query_params[name] = value
        return at.run()

    return opened


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[ContentCheck]:
    """Checks in the background that are begun from now on; small files count as large ones."""
    begun: list[ContentCheck] = []

    class Noted(ContentCheck):
        def __init__(self, artifacts: ArtifactSet) -> None:
            super().__init__(artifacts)
            begun.append(self)

    monkeypatch.setattr(files, "SMALL_BYTES", 3_000)
    monkeypatch.setattr(background, "PAUSE", 0)
    monkeypatch.setattr(soundness, "ContentCheck", Noted)
    return begun


def swap_first_two(path: Path) -> None:
    """The first two of every list change places: all of it is plausible, and none of it what was computed."""
    lists = np.load(path)
    lists[:, [0, 1]] = lists[:, [1, 0]]
    np.save(path, lists)


def test_every_page_stops_at_the_finding_and_other_sets_are_still_shown(
    open_app: Open, small_set: Path, checks: list[ContentCheck]
) -> None:
    other = Path(shutil.copytree(small_set, small_set.parent / "other"))
    path = ArtifactSet.folder_in_use(small_set) / "als" / "neighbours.npy"
    swap_first_two(path)
    assert not open_app("neighbours", set="small").exception
    checks[0].wait(30)
    for page in PAGES:
        at = open_app(page, set="small")
        assert not at.exception
        assert at.header[0].value == "The artifact set small is damaged", page
        words = texts(at)
        assert f"{path} does not hold what was written: numbers from it may be wrong" in words
        assert "build the set again, or fetch it again" in words
        assert f"python -m recsys verify {small_set}" in words
        assert not [element for kind in ("vega_lite_chart", "bidi_component") for element in at.get(kind)]
    at.selectbox(key="set").set_value(other.name).run()
    assert "does not hold" not in texts(at)
    assert len(checks) == 2, "one check a build, however many pages show it"


def test_what_was_computed_from_damaged_files_is_forgotten_when_they_are_mended(
    open_app: Open, small_set: Path, checks: list[ContentCheck]
) -> None:
    path = ArtifactSet.folder_in_use(small_set) / "als" / "neighbours.npy"
    sound = path.read_bytes()
    np.save(path, np.roll(np.load(path), 15, axis=1))
    at = open_app("overview")
    wrong = texts(at)
    checks[0].wait(30)
    assert "is damaged" in texts(at.run())
    path.write_bytes(sound)
    at.run()
    assert not at.exception
    mended = texts(at)
    st.cache_data.clear()
    st.cache_resource.clear()
    assert mended == texts(open_app("overview")) != wrong


def test_a_damaged_set_is_shown_again_once_it_was_built_again(
    open_app: Open, small_set: Path, checks: list[ContentCheck]
) -> None:
    swap_first_two(ArtifactSet.folder_in_use(small_set) / "als" / "neighbours.npy")
    at = open_app("neighbours")
    checks[0].wait(30)
    assert "is damaged" in texts(at.run())
    shutil.rmtree(small_set)
    at.run()
    assert not at.exception
    assert "No artifact set yet" in texts(at)
    healed = Path(shutil.copytree(ROOT / "artifacts" / "demo", small_set))
    at.run()
    assert not at.exception
    assert ArtifactSet.open(healed).fingerprint[:12] in texts(at)
    assert len(shown_lists(at)) == 2


def test_a_set_replaced_by_renaming_is_taken_up_and_the_page_says_so(open_app: Open, small_set: Path) -> None:
    at = open_app("neighbours")
    small_set.rename(small_set.parent.parent / "away")
    shutil.copytree(ROOT / "artifacts" / "demo", small_set)
    at.run()
    assert not at.exception
    assert "that you had open is gone; you see the newest one" in texts(at)
    assert ArtifactSet.open(small_set).fingerprint[:12] in texts(at)


def test_a_file_that_is_replaced_under_a_running_app_is_noticed_at_the_next_click(
    open_app: Open, small_set: Path
) -> None:
    at = open_app("neighbours")
    path = ArtifactSet.folder_in_use(small_set) / "word2vec" / "neighbours.npy"
    sound = path.read_bytes()
    swap_first_two(path)
    at.slider(key="n").set_value(4).run()
    assert not at.exception
    assert f"{path} does not hold what was written" in texts(at)
    path.write_bytes(sound)
    at.run()
    assert not at.exception
    assert [len(each["rows"]) for each in shown_lists(at)] == [4, 4]


def test_while_a_check_finds_nothing_the_page_is_as_ever(open_app: Open, checks: list[ContentCheck]) -> None:
    at = open_app("neighbours")
    checks[0].wait(30)
    assert len(shown_lists(at.run())) == 2
    assert (checks[0].damage, len(checks)) == (None, 1)


def test_a_set_of_a_newer_version_says_to_update_and_the_others_are_shown(open_app: Open, small_set: Path) -> None:
    shutil.copytree(small_set, small_set.parent / "other")
    manifest = ArtifactSet.folder_in_use(small_set) / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_bytes()), "schema_version": 2, "novel": 1}))
    at = open_app("overview", set="small")
    assert not at.exception
    assert at.header[0].value == "The artifact set small was written by another version"
    assert "has schema version 2, this program reads 1; update recsys" in texts(at)
    at.selectbox(key="set").set_value("other").run()
    assert "on average" in texts(at)


def test_a_build_published_under_a_running_app_is_offered_whatever_its_time_says(
    open_app: Open, small_set: Path
) -> None:
    at = open_app("neighbours")
    mine = ArtifactSet.open(small_set).fingerprint[:12]
    publish_again(small_set, 11, created="1970-01-01T00:00:00+00:00")
    at.run()
    assert "A newer build of **small** is there. You still see the one you opened." in texts(at)
    assert f"build {mine}" in texts(at)


def test_a_scenario_that_somebody_else_deleted_is_named_at_the_click(open_app: Open, small_set: Path) -> None:
    base = ArtifactSet.open(small_set)
    path = keep_scenario(base, small_set, "Forty", WhatIfEngine(base).fitted(k1=40.0, b=0.3), k1=40.0, b=0.3)
    at = open_app("whatif", set="small")
    delete_scenario(path)
    at.button(key=f"open_{path.name}").click().run()
    assert not at.exception
    assert "holds no artifact set" in at.error[0].value
    at = open_app("whatif", set="small")
    assert not at.exception


def test_too_little_memory_is_said_in_words(open_app: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("recsys.ui.loading._check_link", fails)
    at = open_app("overview")
    assert not at.exception
    assert "The server has too little memory for this page" in texts(at)
