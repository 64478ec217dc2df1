"""The BM25 what-if page, against the engine that answers it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import SelectSlider

from recsys.artifacts.store import ArtifactSet, verify
from recsys.config import BuildConfig
from recsys.pipeline import build
from recsys.scenarios import keep_scenario, scenarios_of
from recsys.tuning.measure import TuningSettings
from recsys.tuning.pair import compare_settings
from recsys.ui import whatif
from recsys.ui.bm25_controls import K1_STEPS, PRESETS
from recsys.ui.whatif import turns
from recsys.whatif.curves import worth
from recsys.whatif.engine import WhatIfEngine
from recsys.whatif.result import WhatIf, headline
from recsys.whatif.turns import Wish
from tests.pages.conftest import Catalogue, Open, texts

ROW = 8


@pytest.fixture
def engine(small_set: Path) -> WhatIfEngine:
    return WhatIfEngine(ArtifactSet.open(small_set))


@pytest.fixture
def page(open_page: Open, catalogue: Catalogue) -> Callable[..., AppTest]:
    def opened(**query: str) -> AppTest:
        at = open_page("whatif", item=catalogue[ROW][0], **query)
        assert not at.exception
        return at

    return opened


def shown(at: AppTest, which: int = 0) -> list[dict[str, Any]]:
    return list(json.loads(at.get("bidi_component")[which].proto.json)["lists"])


def words(at: AppTest) -> str:
    return unescape(re.sub("</?(bdi|strong)>", "", texts(at)))


def assert_shows(at: AppTest, found: WhatIf) -> None:
    assert headline(found) in words(at)
    for table, cells in zip(found.view.lists.values(), shown(at), strict=True):
        assert [row["item_id"] for row in cells["rows"]] == table["item_id"].tolist()
        assert [row["stability"].count("●") for row in cells["rows"]] == [round(4 * s) for s in table["stability"]]
    marks = {row["item_id"]: row["where"] for row in shown(at)[1]["rows"]}
    assert {item for item, mark in marks.items() if mark == "entered"} == {row["item_id"] for row in found.entered}
    gone = {row["item_id"] for row in shown(at)[0]["rows"] if row["where"] == "left"}
    assert gone == {row["item_id"] for row in found.left}
    for row in found.moved:
        assert re.fullmatch(rf"was {row['from']}(st|nd|rd|th)", marks[row["item_id"]])


def slider(at: AppTest, label: str) -> SelectSlider[float]:
    return next(each for each in at.select_slider if each.label == label)


def until_over(at: AppTest, kind: str = "refine_wish") -> AppTest:
    """Run again until the computation that was begun has ended, as the page does by itself."""
    wish: Wish[Any] = at.session_state[kind]
    until = time.monotonic() + 60
    while not wish.wait(0.1):
        wish.look()
        assert time.monotonic() < until
    at.run()
    assert not at.exception
    return at


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on data so large that a refine is begun by hand."""
    monkeypatch.setattr(whatif, "REFINE_AT_ONCE", -1.0)


def test_it_opens_on_the_settings_of_the_set(page: Callable[..., AppTest], engine: WhatIfEngine) -> None:
    at = page()
    assert "Nothing is changed yet" in texts(at)
    assert at.number_input(key="k1_field").placeholder == f"{engine.params.k1:g}"
    assert at.number_input(key="b_field").placeholder == f"{engine.params.b:g}"
    baseline = engine.artifacts.neighbours("als")[ROW, :10].tolist()
    for cells in shown(at):
        assert [row["item_id"] for row in cells["rows"]] == engine.artifacts.catalogue["item_id"][baseline].tolist()
    assert "neighbours stay" not in words(at)
    assert "refine_wish" not in at.session_state


def test_a_link_shows_a_preview_and_then_the_refined_answer(page: Callable[..., AppTest], engine: WhatIfEngine) -> None:
    at = page(k1="100", b="0.8", n="6")
    preview = engine.preview(ROW, k1=100.0, b=0.8, n=6)
    assert "sees only part of the change" in headline(preview)
    assert "real" not in headline(preview)
    refined = engine.refine(ROW, k1=100.0, b=0.8, n=6)
    assert_shows(until_over(at), refined)
    assert "Refined" in texts(at)
    assert slider(at, "K1").value == 100
    assert "Nothing is changed yet" not in texts(at)


def test_a_refine_that_ends_while_the_page_is_still_drawn_is_shown(
    page: Callable[..., AppTest], engine: WhatIfEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    preview = WhatIfEngine.preview

    def slow(self: WhatIfEngine, *args: Any, **settings: Any) -> WhatIf:
        wish: Wish[Any] | None = st.session_state.get(whatif.REFINE)
        assert wish is None or wish.wait(60)
        return preview(self, *args, **settings)

    monkeypatch.setattr(WhatIfEngine, "preview", slow)
    assert_shows(page(k1="100", b="0.8", n="6"), engine.refine(ROW, k1=100.0, b=0.8, n=6))


@pytest.mark.usefixtures("by_hand")
def test_sliders_fields_and_presets_are_three_ways_to_one_setting(
    page: Callable[..., AppTest], engine: WhatIfEngine
) -> None:
    at = page()
    slider(at, "K1").set_value(30.0).run()
    assert_shows(at, engine.preview(ROW, k1=30.0, b=engine.params.b, n=10))
    assert at.number_input(key="k1_field").placeholder == "30"
    at.number_input(key="b_field").set_value(0.123).run()
    assert_shows(at, engine.preview(ROW, k1=30.0, b=0.123, n=10))
    assert slider(at, "B").value == 0.1
    at.button_group(key="preset").set_value("Tutorial 100, 0.8").run()
    assert_shows(at, engine.preview(ROW, k1=100.0, b=0.8, n=10))
    assert at.query_params["k1"] in ("100", ["100"])
    at.button_group(key="preset").set_value(f"Back to the baseline {engine.params.k1:g}, {engine.params.b:g}").run()
    assert "Nothing is changed yet" in texts(at)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"k1": "abc"}, "asks for K1 “abc”"),
        ({"k1": "nan"}, "asks for K1 “nan”"),
        ({"k1": "-1"}, "from 0 to 1,000,000,000"),
        ({"k1": "1e99"}, "asks for K1"),
        ({"b": "1.5"}, "from 0 to 1"),
        ({"b": "inf"}, "asks for B"),
        ({"b": "<b>x</b>"}, "asks for B"),
    ],
)
def test_a_link_that_asks_for_nonsense_says_so_and_shows_the_baseline(
    page: Callable[..., AppTest], query: dict[str, str], said: str
) -> None:
    at = page(**query)
    assert said in texts(at).replace("\\", "")
    assert "Nothing is changed yet" in texts(at)
    assert len(shown(at)[1]["rows"]) == 10
    assert not set(query) & set(at.query_params)


@pytest.mark.parametrize("k1", ["0", "1e-9", "1e6", "1e9"])
def test_extreme_settings_are_answered(page: Callable[..., AppTest], k1: str) -> None:
    at = page(k1=k1, b="1")
    assert len(shown(at)[1]["rows"]) == 10
    assert "nan" not in words(at).casefold()


@pytest.mark.usefixtures("by_hand")
def test_where_refining_takes_long_it_is_begun_by_hand(page: Callable[..., AppTest], engine: WhatIfEngine) -> None:
    at = page(k1="100", b="0.8")
    assert_shows(at, engine.preview(ROW, k1=100.0, b=0.8, n=10))
    at.button(key="refine").click().run()
    assert_shows(until_over(at), engine.refine(ROW, k1=100.0, b=0.8, n=10))
    slider(at, "K1").set_value(0.5).run()
    assert_shows(at, engine.preview(ROW, k1=0.5, b=0.8, n=10))
    assert "Preview" in texts(at)


def test_what_was_left_behind_is_dropped(page: Callable[..., AppTest]) -> None:
    gate: list[bool] = []

    def endless(wish: Wish[Any]) -> None:
        while True:
            wish.tell("going on")
            gate.append(True)
            time.sleep(0.01)

    blocker = turns().ask("somebody else", endless)
    while not gate:
        time.sleep(0.01)
    at = page(k1="100", b="0.8")
    first: Wish[Any] = at.session_state["refine_wish"]
    assert first.look() == "waiting"
    assert first.ahead() == 1
    assert any("Waiting: one other computation is before yours" in bar.proto.text for bar in at.get("progress"))
    slider(at, "K1").set_value(0.5).run()
    second: Wish[Any] = at.session_state["refine_wish"]
    assert first.look() == "dropped"
    assert second.look() == "waiting"
    assert second.ahead() == 1
    at.button_group(key="preset").set_value(next(o for o in PRESETS if o.startswith("Tutorial"))).run()
    assert second.look() == "dropped"
    blocker.drop()
    assert blocker.wait(5)
    until_over(at)
    assert turns().running() == 0


def fit_in_full(at: AppTest, name: str) -> AppTest:
    field = next(field for field in at.text_input if field.label == "Name of a scenario")
    field.set_value(name).run()
    at.button(key="full").click().run()
    return until_over(at, "fit_wish")


def test_a_full_fit_is_kept_shown_compared_and_deleted(
    page: Callable[..., AppTest], engine: WhatIfEngine, small_set: Path
) -> None:
    at = fit_in_full(until_over(page(k1="100", b="0.8")), "The tutorial's")
    found, fits = engine.full(ROW, k1=100.0, b=0.8, n=10), engine.fitted(k1=100.0, b=0.8)
    assert_shows(at, found)
    assert "Full fit, kept as a scenario" in texts(at)
    path = scenarios_of(small_set)["The tutorial's"]
    kept = ArtifactSet.open(path)
    np.testing.assert_array_equal(kept.array("als/item_factors"), np.stack([fit.item_factors for fit in fits]))
    assert kept.manifest.scenario is not None
    evaluation = kept.manifest.scenario.evaluation
    assert evaluation is not None
    baseline = (engine.params.k1, engine.params.b)
    assert evaluation == compare_settings(engine.artifacts, baseline, (100.0, 0.8), TuningSettings.model_validate({}))
    assert f"<td>{evaluation.ndcg:.3f}</td>" in texts(at)
    compared = shown(at, 1)
    assert [row["item_id"] for row in compared[1]["rows"]] == found.view.lists["whatif"]["item_id"].tolist()
    assert compared[1]["title"] == "The tutorial's · K1 100, B 0.8"
    at.button(key=f"delete_{path.name}").click().run()
    assert not at.exception
    assert not path.exists()
    assert "Scenarios kept beside this set" not in texts(at)


@pytest.mark.usefixtures("by_hand")
def test_a_scenario_over_other_items_is_not_taken_for_the_answer(
    page: Callable[..., AppTest], engine: WhatIfEngine, small_set: Path, small_log: Path
) -> None:
    keep_scenario(engine.artifacts, small_set, "Old", engine.fitted(k1=100.0, b=0.8), k1=100.0, b=0.8)
    assert "Full fit, kept as a scenario" in texts(page(k1="100", b="0.8"))
    tiny: dict[str, Any] = {"als": {"iterations": 2}, "word2vec": {"epochs": 1}, "measure_whatif": False}
    build("events", small_log, small_set, BuildConfig(min_listeners=20, replicates=4, maps=[], **tiny))
    at = page(k1="100", b="0.8")
    assert "Full fit, kept as a scenario" not in texts(at)
    assert "with other items; fit it again to compare" in texts(at)


def test_a_damaged_scenario_does_not_take_the_page_with_it(
    page: Callable[..., AppTest], engine: WhatIfEngine, small_set: Path
) -> None:
    path = keep_scenario(engine.artifacts, small_set, "Broken", engine.fitted(k1=90.0, b=0.8), k1=90.0, b=0.8)
    next(path.rglob("agreement.parquet")).unlink()
    assert "Nothing is changed yet" in texts(page())


def test_where_the_root_is_itself_a_set_a_scenario_stands_beside_it(
    open_page: Open, small_set: Path, catalogue: Catalogue
) -> None:
    at = open_page("whatif", root=small_set, item=catalogue[ROW][0], k1="100", b="0.8")
    fit_in_full(at, "Beside")
    assert (small_set.parent / "small--beside" / "CURRENT").is_file()
    assert verify(small_set) == []


def test_a_full_fit_goes_on_while_the_person_looks_elsewhere(
    page: Callable[..., AppTest], small_set: Path, catalogue: Catalogue
) -> None:
    at = page(k1="100", b="0.8")
    field = next(field for field in at.text_input if field.label == "Name of a scenario")
    field.set_value("Kept").run()
    at.button(key="full").click().run()
    slider(at, "K1").set_value(0.5).run()
    until_over(at, "fit_wish")
    assert ArtifactSet.open(scenarios_of(small_set)["Kept"]).manifest.models["als"].params["k1"] == 100
    assert "Kept as" in texts(at)


def test_a_name_that_is_taken_is_said_at_once_and_nothing_is_lost(
    page: Callable[..., AppTest], small_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = fit_in_full(page(k1="100", b="0.8"), "Taken")
    slider(at, "K1").set_value(0.5).run()
    until_over(at)
    field = next(field for field in at.text_input if field.label == "Name of a scenario")
    field.set_value("taken").run()
    asked: list[object] = []
    with monkeypatch.context() as patch:
        patch.setattr(turns(), "ask", lambda *wish: asked.append(wish))
        at.button(key="full").click().run()
    assert [error.value.replace("\\", "") for error in at.error] == [
        "The full fit was not begun: there is a scenario small--taken already; choose another name, or delete it first"
    ]
    assert asked == []
    assert len(scenarios_of(small_set)) == 1
    fit_in_full(at, "Free")
    assert not at.error, "what was refused before is no news any more"
    assert sorted(scenarios_of(small_set)) == ["Free", "Taken"]


def test_why_is_told_in_numbers_of_this_item(page: Callable[..., AppTest], engine: WhatIfEngine) -> None:
    at = page(k1="100", b="0.8")
    plays, _ = engine.plays_of(ROW)
    most = float(plays.max())
    after = worth(engine, ROW, most, 100.0, 0.8)
    assert f"{most:,.0f} plays" in words(at)
    assert (f"{after:,.0f}" if after >= 10 else f"{after:.2g}") in words(at)
    assert f"Ticks: {len(plays):,} listeners" in words(at)


def test_without_a_grid_the_page_says_how_to_measure_one(page: Callable[..., AppTest], small_set: Path) -> None:
    at = page()
    assert "Not measured yet" in texts(at)
    assert f"python -m recsys tune {small_set}" in texts(at)


def test_trust_is_said_as_it_was_measured(page: Callable[..., AppTest], small_set: Path) -> None:
    trust = ArtifactSet.open(small_set).manifest.whatif
    assert trust is not None
    assert trust.preview is not None
    assert f"it shares {10 * trust.preview:.1f} of 10 with a full fit" in texts(page(k1="100", b="0.8"))


def test_steps_of_the_slider_hold_the_well_known_values() -> None:
    assert {0, 0.5, 1.2, 10, 100, 1000} <= set(K1_STEPS)
    assert sorted(K1_STEPS) == K1_STEPS
