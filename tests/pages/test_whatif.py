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
from streamlit.testing.v1 import AppTest

from recsys.artifacts.store import ArtifactSet
from recsys.scenarios import scenarios_of
from recsys.tuning.measure import TuningSettings
from recsys.tuning.pair import compare_settings
from recsys.ui.bm25_controls import K1_STEPS
from recsys.ui.whatif import turns
from recsys.whatif.curves import worth
from recsys.whatif.engine import WhatIf, WhatIfEngine, headline
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


def until_over(at: AppTest) -> None:
    wish: Wish[Any] = at.session_state["wish"]
    until = time.monotonic() + 60
    while not wish.wait(0.1):
        wish.look()
        assert time.monotonic() < until
    at.run()
    assert not at.exception


def test_it_opens_on_the_settings_of_the_set(page: Callable[..., AppTest], engine: WhatIfEngine) -> None:
    at = page()
    assert "Nothing is changed yet" in texts(at)
    assert at.number_input(key="k1_field").placeholder == f"{engine.params.k1:g}"
    assert at.number_input(key="b_field").placeholder == f"{engine.params.b:g}"
    assert_shows(at, engine.preview(ROW, k1=engine.params.k1, b=engine.params.b, n=10))


def test_a_link_shows_what_it_asks_for(page: Callable[..., AppTest], engine: WhatIfEngine) -> None:
    at = page(k1="100", b="0.8", n="6")
    assert_shows(at, engine.preview(ROW, k1=100.0, b=0.8, n=6))
    assert at.select_slider(key="k1_slider").value == 100
    assert "Nothing is changed yet" not in texts(at)


def test_sliders_fields_and_presets_are_three_ways_to_one_setting(
    page: Callable[..., AppTest], engine: WhatIfEngine
) -> None:
    at = page()
    at.select_slider(key="k1_slider").set_value(30.0).run()
    assert_shows(at, engine.preview(ROW, k1=30.0, b=engine.params.b, n=10))
    assert at.number_input(key="k1_field").placeholder == "30"
    at.number_input(key="b_field").set_value(0.123).run()
    assert_shows(at, engine.preview(ROW, k1=30.0, b=0.123, n=10))
    assert at.select_slider(key="b_slider").value == 0.1
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


@pytest.mark.parametrize("k1", ["0", "1e-9", "1e6", "1e9"])
def test_extreme_settings_are_answered(page: Callable[..., AppTest], k1: str) -> None:
    at = page(k1=k1, b="1")
    assert len(shown(at)[1]["rows"]) == 10
    assert "nan" not in words(at).casefold()


def test_refining_and_moving_on(page: Callable[..., AppTest], engine: WhatIfEngine) -> None:
    at = page(k1="100", b="0.8")
    at.button(key="refine").click().run()
    until_over(at)
    assert_shows(at, engine.refine(ROW, k1=100.0, b=0.8, n=10))
    assert "Refined" in texts(at)
    assert at.button(key="refine").disabled
    at.select_slider(key="k1_slider").set_value(0.5).run()
    assert_shows(at, engine.preview(ROW, k1=0.5, b=0.8, n=10))
    assert "Preview" in texts(at)


def test_what_was_left_behind_is_dropped(page: Callable[..., AppTest]) -> None:
    at = page(k1="100", b="0.8")
    gate: list[bool] = []

    def endless(wish: Wish[Any]) -> None:
        while True:
            wish.tell("going on")
            gate.append(True)
            time.sleep(0.01)

    blocker = turns().ask("somebody else", endless)
    while not gate:
        time.sleep(0.01)
    at.button(key="refine").click().run()
    wish: Wish[Any] = at.session_state["wish"]
    assert wish.look() == "waiting"
    assert wish.ahead() == 1
    at.select_slider(key="k1_slider").set_value(0.5).run()
    assert wish.look() == "dropped"
    assert not at.exception
    blocker.drop()
    assert blocker.wait(5)
    assert turns().running() == 0


def test_a_full_fit_is_kept_compared_and_deleted(
    page: Callable[..., AppTest], engine: WhatIfEngine, small_set: Path
) -> None:
    at = page(k1="100", b="0.8")
    name = next(field for field in at.text_input if field.label == "Name of a scenario")
    name.set_value("The tutorial's").run()
    at.button(key="full").click().run()
    until_over(at)
    found, fits = engine.full(ROW, k1=100.0, b=0.8, n=10)
    assert_shows(at, found)
    path = scenarios_of(small_set)["The tutorial's"]
    kept = ArtifactSet.open(path)
    np.testing.assert_array_equal(kept.array("als/item_factors"), np.stack([fit.item_factors for fit in fits]))
    assert kept.neighbours("als")[ROW, :10].tolist() == found.view.lists["whatif"]["item_row"].tolist()
    assert "Scenarios kept beside this set" in texts(at)
    assert kept.manifest.scenario is not None
    evaluation = kept.manifest.scenario.evaluation
    assert evaluation is not None
    baseline = (engine.params.k1, engine.params.b)
    assert evaluation == compare_settings(engine.artifacts, baseline, (100.0, 0.8), TuningSettings())
    assert f"<td>{evaluation.ndcg:.3f}</td>" in texts(at)
    compared = shown(at, 1)
    assert [row["item_id"] for row in compared[1]["rows"]] == found.view.lists["whatif"]["item_id"].tolist()
    assert compared[1]["title"] == "The tutorial's · K1 100, B 0.8"
    at.button(key=f"delete_{path.name}").click().run()
    assert not at.exception
    assert not path.exists()
    assert "Scenarios kept beside this set" not in texts(at)


def test_a_name_that_is_taken_is_said_and_nothing_is_lost(page: Callable[..., AppTest], small_set: Path) -> None:
    at = page(k1="100", b="0.8")
    for _ in range(2):
        at.button(key="full").click().run()
        until_over(at)
        at.select_slider(key="k1_slider").set_value(0.5).run()
        at.select_slider(key="k1_slider").set_value(100).run()
    at.button(key="full").click().run()
    until_over(at)
    assert any("there is a scenario" in error.value.replace("\\", "") for error in at.error)
    assert len(scenarios_of(small_set)) == 1


def test_why_is_told_in_numbers_of_this_item(page: Callable[..., AppTest], engine: WhatIfEngine) -> None:
    at = page(k1="100", b="0.8")
    plays, _ = engine.plays_of(ROW)
    most = float(plays.max())
    after = worth(engine, ROW, most, 100.0, 0.8)
    assert f"{most:,.0f} plays" in words(at)
    assert (f"{after:,.0f}" if after >= 10 else f"{after:.2g}") in words(at)
    assert f"Ticks: its {len(plays):,} listeners" in words(at)


def test_without_a_grid_the_page_says_how_to_measure_one(page: Callable[..., AppTest]) -> None:
    at = page()
    assert "Not measured yet" in texts(at)
    assert "python -m recsys tune artifacts/small" in texts(at)


def test_trust_is_said_as_it_was_measured(page: Callable[..., AppTest], small_set: Path) -> None:
    trust = ArtifactSet.open(small_set).manifest.whatif
    assert trust is not None
    assert trust.preview is not None
    assert f"it shares {10 * trust.preview:.1f} of 10 with a full fit" in texts(page(k1="100", b="0.8"))


def test_steps_of_the_slider_hold_the_well_known_values() -> None:
    assert {0, 0.5, 1.2, 10, 100, 1000} <= set(K1_STEPS)
    assert sorted(K1_STEPS) == K1_STEPS
