"""A listener's panels on maps made by hand: each item at the number of its row, along a line."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from streamlit.testing.v1 import AppTest

from recsys.analysis import map_window
from recsys.artifacts.manifest import MapEntry, MapQuality
from recsys.artifacts.store import ArtifactSet
from recsys.artifacts.writer import ArtifactWriter
from recsys.listener.profile import Profile
from recsys.listener.radio import radio
from recsys.listener.recommend import Recommended, Recommender, Way
from recsys.ui import listener_map
from recsys.ui import radio as radio_ui
from recsys.ui.listener_map import MEAN, OFFERED, PLAYED, STEP, Standing, standing, together
from tests.pages.conftest import texts

Show = Callable[..., AppTest]
WAYS: tuple[Way, Way] = ("als_fold_in", "word2vec_mean")
OWN = {0: 9.0, 2: 4.0, 4: 1.0, 50: 1.0, 70: 1.0}
QUALITY = {"faithfulness": 0.5, "trustworthiness": 0.9, "continuity": 0.8}


def on_a_line(n_items: int, across: bool, moved: dict[int, int]) -> np.ndarray:
    layout = np.zeros((n_items, 2), np.float32)
    layout[:, 0 if across else 1] = np.arange(n_items)
    for one, other in moved.items():
        layout[[one, other]] = layout[[other, one]]
    return layout


class Forgetful(Recommender):
    """Word2vec knows none of the items."""

    def near(self, profile: Profile, model: str) -> Any:
        scores, query = super().near(profile, model)
        return (np.full_like(scores, -np.inf) if model == "word2vec" else scores), query


@pytest.fixture
def mapped(small_set: Path) -> ArtifactSet:
    """ALS's UMAP lies along x; Word2vec's along y, with items 2 and 30 in each other's place and without the last
    item. The t-SNE maps are the other way round."""
    base = ArtifactSet.open(small_set)
    n_items = base.manifest.counts.items
    entries = {}
    with ArtifactWriter(small_set) as writer:
        writer.adopt(base)
        for model in ("als", "word2vec"):
            for method in ("umap", "tsne"):
                is_as_als = (model == "als") == (method == "umap")
                layout = on_a_line(n_items, across=is_as_als, moved={} if is_as_als else {2: 30})
                if model == "word2vec":
                    layout[-1] = np.nan
                writer.array(f"{model}/maps/{method}", layout)
                regions = pd.DataFrame({"level": [0], "x": [20.0], "y": [20.0], "items": [9], "label": ["a region"]})
                writer.table(f"{model}/maps/{method}.regions", regions)
                entries[f"{model}/{method}"] = MapEntry(
                    **QUALITY, model=model, method=method, params={}, seed=0, n=15, reference=None, shift_from=None,
                    random=MapQuality(**QUALITY), pca=MapQuality(**QUALITY), median_shift=None,
                )  # fmt: skip
        folder = writer.publish(base.manifest.model_copy(update={"maps": entries, "files": writer.files}))
    return ArtifactSet.open(small_set / folder)


def maps_page(artifacts, recommender, lists):  # run as a script of its own, where no type is known
    from recsys.ui.listener_map import listener_on_maps

    listener_on_maps(artifacts, recommender, lists)


def radio_page(artifacts, recommender, profile):
    from recsys.ui.radio import radio_panel

    radio_panel(artifacts, artifacts.pair, recommender, profile)


def asked(artifacts: ArtifactSet, weights: dict[int, float]) -> tuple[Recommender, list[Recommended]]:
    recommender = Recommender(artifacts)
    profile = Profile.of_picks(weights, artifacts)
    return recommender, [recommender.recommend(profile, way, n=10) for way in WAYS]


@pytest.fixture
def show(mapped: ArtifactSet) -> Show:
    def shown(weights: dict[int, float] = OWN, artifacts: ArtifactSet = mapped, step: str = PLAYED) -> AppTest:
        recommender, lists = asked(artifacts, weights)
        given = {"artifacts": artifacts, "recommender": recommender, "lists": lists}
        at = AppTest.from_function(maps_page, default_timeout=180, kwargs=given)
        at.query_params[STEP] = step
        at.run()
        assert not at.exception
        return at

    return shown


@pytest.fixture
def play(small_artifacts: ArtifactSet) -> Show:
    def shown(weights: dict[int, float] = OWN, artifacts: ArtifactSet = small_artifacts, **query: str) -> AppTest:
        profile = Profile.of_picks(weights, artifacts)
        given = {"artifacts": artifacts, "recommender": Recommender(artifacts), "profile": profile}
        at = AppTest.from_function(radio_page, default_timeout=180, kwargs=given)
        for name, value in query.items():
            at.query_params[name] = value
        at.run()
        assert not at.exception
        return at

    return shown


def chart(at: AppTest, side: int) -> dict[str, Any]:
    spec: dict[str, Any] = json.loads(at.get("vega_lite_chart")[side].proto.spec)["hconcat"][0]
    return spec


def drawn(at: AppTest, side: int, mark: str, which: int = 0) -> pd.DataFrame:
    """What one layer of a map is drawn from."""
    layer = [layer for layer in chart(at, side)["layer"] if layer["mark"]["type"] == mark][which]
    data = {each.name: each.data.data for each in at.get("vega_lite_chart")[side].proto.datasets}
    return pa.ipc.open_stream(data[layer["data"]["name"]]).read_all().to_pandas()


def window(at: AppTest, side: int) -> list[list[float]]:
    encoding = chart(at, side)["layer"][0]["encoding"]
    return [encoding[axis]["scale"]["domain"] for axis in "xy"]


OWN_POINTS, OFFERED_POINTS, STAND_POINTS = 0, 1, 2


def test_a_listener_stands_amid_the_items_that_are_truly_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener_map, "NEAREST", 5)
    # Nearest are those at 100, 3, 2, 1 and 0, and one without a place. Sums of distances: 394, 103, 102, 103, 106.
    layout = np.array([[7, 0], [1, 0], [np.nan, 0], [100, 0], [3, 0], [0, 0], [2, 0], [8, 0]], np.float32)
    nearness = np.array([0.1, 0.6, 1.0, 0.9, 0.8, 0.5, 0.7, -np.inf], np.float32)
    assert standing(layout, nearness) == Standing(row=6, half=1.0, farthest=98.0)
    assert standing(layout, np.full(8, -np.inf, np.float32)) is None


def test_together_are_the_most_that_lie_near_one_of_them() -> None:
    places = np.array([[0, 0], [3, 4], [6, 8], [50, 0]], np.float32)
    assert [together(places, reach) for reach in (4.9, 5.0, 9.9, 60.0)] == [1, 3, 3, 4]
    assert together(places[:0], 5.0) == 0


def test_chance_draws_items_as_likely_as_they_have_listeners(
    mapped: ArtifactSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_items, known = len(mapped.catalogue), listener_map._together_by_chance
    # All of them: an item in the middle has two at either side.
    assert known(mapped, "even", "als", "umap", n_items, 2.0) == 5
    listeners = np.where(np.arange(n_items) % 20 == 0, 10**9, 1)
    monkeypatch.setitem(mapped.__dict__, "catalogue", mapped.catalogue.assign(listeners=listeners))
    assert known(mapped, "twenty apart", "als", "umap", 4, 19.0) == 1
    assert known(mapped, "twenty apart", "als", "umap", 4, 80.0) == 4


def test_a_set_without_maps_says_how_to_make_some(small_artifacts: ArtifactSet, show: Show) -> None:
    at = show(artifacts=small_artifacts)
    assert "python -m recsys map artifacts/NAME --method umap" in texts(at)
    assert not at.get("vega_lite_chart")


def test_what_they_played_is_drawn_where_it_stands_and_counted_together(show: Show, mapped: ArtifactSet) -> None:
    at = show()
    # A twentieth of the map is about five items wide: 0, 2 and 4 stand together, where Word2vec has 2 far from them.
    assert 4 <= 0.05 * 1.08 * (len(mapped.catalogue) - 1) < 8
    assert "On ALS's map 3 of this listener's 5 items stand together, on Word2vec's 2 of 5; by chance" in texts(at)
    first, second = (drawn(at, side, "point", OWN_POINTS) for side in (0, 1))
    assert first["x"].tolist() == [0, 2, 4, 50, 70]
    assert second["y"].tolist() == [0, 30, 4, 50, 70]
    assert first["weight"].tolist() == [9, 4, 1, 1, 1]
    assert first["name"].tolist() == mapped.catalogue["name"].iloc[list(OWN)].tolist()
    assert len(drawn(at, 0, "circle")) == len(mapped.catalogue) - 5
    assert len(drawn(at, 1, "circle")) == len(mapped.catalogue) - 6
    for which in (OFFERED_POINTS, STAND_POINTS):
        assert drawn(at, 0, "point", which).empty


def test_each_step_adds_to_the_one_before(show: Show, mapped: ArtifactSet) -> None:
    recommender, lists = asked(mapped, OWN)
    at = show()
    at.radio(key=STEP).set_value(MEAN).run()
    places = []
    for side, model in enumerate(("als", "word2vec")):
        nearness, _ = recommender.near(lists[side].profile, model)
        expected = standing(mapped.layout(model, "umap"), nearness)
        assert expected is not None
        stand = drawn(at, side, "point", STAND_POINTS)
        assert stand[["x", "y"]].to_numpy().tolist() == [mapped.layout(model, "umap")[expected.row].tolist()]
        assert len(drawn(at, side, "rule")) == 5
        places.append(str(mapped.catalogue["name"].iloc[expected.row]))
    assert f"ALS's map has this listener at {places[0]}, Word2vec's at {places[1]}" in texts(at).replace("\\", "")
    at.radio(key=STEP).set_value(OFFERED).run()
    assert not at.exception
    for side, found in enumerate(lists):
        offered = drawn(at, side, "point", OFFERED_POINTS)
        there = found.table[np.isfinite(mapped.layout(("als", "word2vec")[side], "umap")[found.table["item_row"], 0])]
        assert offered["name"].tolist() == there["name"].tolist()
        assert offered["rank"].tolist() == there["rank"].tolist()
        assert len(drawn(at, side, "rule")) == len(there)
    assert "Half of what ALS offers stands within" in texts(at)
    assert "ALS's list is a fold-in" in texts(at)


def test_the_close_up_is_at_one_scale_and_says_what_it_leaves_out(show: Show, mapped: ArtifactSet) -> None:
    whole, near = show(), show(step=OFFERED)
    assert window(whole, 0) == window(whole, 1)
    sides = [ends[1] - ends[0] for side in (0, 1) for ends in window(near, side)]
    assert sides == pytest.approx([sides[0]] * 4)
    told, left_out = texts(near), 0
    for side, title in enumerate(("ALS", "Word2vec")):
        (left, right), (low, high) = window(near, side)
        offered = drawn(near, side, "point", OFFERED_POINTS)
        out = int((~(offered["x"].between(left, right) & offered["y"].between(low, high))).sum())
        assert (f"{out} of {title}'s {len(offered)}" in told) == (out > 0)
        left_out += out
    assert left_out


def test_the_method_chooses_the_maps(show: Show) -> None:
    at = show()
    assert [chart(at, side)["title"] for side in (0, 1)] == ["ALS, UMAP", "Word2vec, UMAP"]
    at.radio(key="method").set_value("tsne").run()
    assert [chart(at, side)["title"] for side in (0, 1)] == ["ALS, t-SNE", "Word2vec, t-SNE"]
    assert drawn(at, 0, "point", OWN_POINTS)["y"].tolist() == [0, 30, 4, 50, 70]


def test_dislikes_are_told_and_not_counted_as_together(show: Show) -> None:
    at = show({**OWN, 3: -2.0})
    assert "On ALS's map 3 of this listener's 5 liked items stand together" in texts(at)
    assert "less like this" in texts(at)
    kinds = drawn(at, 0, "point", OWN_POINTS).set_index("x")["kind"]
    assert kinds[3] == "less like this"
    assert (kinds.drop(3) == "more like this").all()
    assert "less like this" not in texts(show())


def test_of_many_items_the_heaviest_are_drawn(show: Show) -> None:
    at = show({row: float(row + 1) for row in range(60)})
    assert drawn(at, 0, "point", OWN_POINTS)["x"].tolist() == list(range(59, 19, -1))
    assert "of this listener's 40 heaviest items" in texts(at)
    assert "Drawn are the 40 heaviest of 60 items" in texts(at)


def test_items_without_a_place_on_a_map_are_told(show: Show, mapped: ArtifactSet) -> None:
    last = len(mapped.catalogue) - 1
    at = show({**OWN, last: 1.0})
    assert "of this listener's 6 items stand together, on Word2vec's 2 of 5" in texts(at)
    assert "Without a place on Word2vec's map: 1." in texts(at)
    assert "Without a place" not in texts(show())


def test_of_many_items_the_density_is_drawn(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(layer["mark"]["type"] != "image" for layer in chart(show(), 0)["layer"])
    monkeypatch.setattr(map_window, "MOST_POINTS", 20)
    monkeypatch.setattr(map_window, "SHOWN_OF_MORE", 5)
    at = show()
    assert chart(at, 0)["layer"][0]["mark"]["type"] == "image"
    assert drawn(at, 0, "circle").empty
    assert len(drawn(at, 0, "point", OWN_POINTS)) == 5


def test_regions_are_named_where_there_is_room(show: Show) -> None:
    at = show()
    written = [layer for layer in chart(at, 0)["layer"] if layer["mark"]["type"] == "text"]
    labels = pd.concat([drawn(at, 0, "text", which)["label"] for which in range(len(written))])
    assert "a region" in set(labels)


def test_it_plays_through_the_steps_and_stops_at_the_last(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(listener_map.time, "monotonic", lambda: now[0])
    at = show(step=MEAN)
    at.button(key="listener_play").click().run()
    steps = [at.radio(key=STEP).value]
    at.run()
    steps.append(at.radio(key=STEP).value)
    for _ in range(2):
        now[0] += listener_map.STEP_SECONDS
        at.run()
        steps.append(at.radio(key=STEP).value)
    assert steps == [PLAYED, PLAYED, MEAN, OFFERED]
    assert [button.key for button in at.button] == ["listener_play"]
    now[0] += listener_map.STEP_SECONDS
    at.run()
    assert at.radio(key=STEP).value == OFFERED


@pytest.mark.parametrize("how", ["pause", "step"])
def test_a_person_may_stop_it_meanwhile(show: Show, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    now = [100.0]
    monkeypatch.setattr(listener_map.time, "monotonic", lambda: now[0])
    at = show()
    at.button(key="listener_play").click().run()
    if how == "pause":
        at.button(key="listener_pause").click().run()
    else:
        at.radio(key=STEP).set_value(MEAN).run()
    chosen = at.radio(key=STEP).value
    assert chosen == {"pause": PLAYED, "step": MEAN}[how]
    now[0] += listener_map.STEP_SECONDS
    at.run()
    assert at.radio(key=STEP).value == chosen
    assert [button.key for button in at.button] == ["listener_play"]


def tables(at: AppTest) -> list[list[list[str]]]:
    """Cells of each table, without its head."""
    parsed = [ElementTree.fromstring(f"<div>{element.proto.body}</div>") for element in at.get("html")]
    return [[["".join(cell.itertext()) for cell in row] for row in each.iterfind(".//tbody/tr")] for each in parsed]


def named(at: AppTest, side: int) -> list[str]:
    return [row[1] for row in tables(at)[side]]


def test_both_radios_are_numbered_lists_with_how_near_each_item_is(play: Show, small_artifacts: ArtifactSet) -> None:
    at = play()
    profile = Profile.of_picks(OWN, small_artifacts)
    radios = {}
    for side, model in enumerate(("als", "word2vec")):
        expected = radio(Recommender(small_artifacts), profile, model, n=20, seed=0)
        radios[model] = set(expected["item_row"])
        rows = tables(at)[side]
        assert [row[0] for row in rows] == [str(position) for position in range(1, 21)]
        assert [row[1] for row in rows] == expected["name"].tolist()
        assert [row[2] for row in rows] == ["–", *(f"{near:.2f}" for near in expected["to_last"][1:])]
        assert [row[3] for row in rows] == [f"{near:.2f}" for near in expected["to_profile"]]
        amounts = f"{expected['to_last'].mean():.2f} near the item before and {expected['to_profile'].mean():.2f} near"
        assert amounts in texts(at)
        assert f"at percentile {expected['popularity'].mean():.0f} of popularity" in texts(at)
        again = set(radio(Recommender(small_artifacts), profile, model, n=20, seed=1)["item_row"])
        assert f"{small_artifacts.titles[model]} shares {len(again & radios[model])}" in texts(at)
    assert f"The two radios share {len(radios['als'] & radios['word2vec'])} of 20 items" in texts(at)


def test_the_length_is_chosen_and_stands_in_the_address(play: Show) -> None:
    at = play()
    at.slider(key="radio_n").set_value(7).run()
    assert [len(table) for table in tables(at)] == [7, 7]
    assert "of 7 items" in texts(at)
    assert [len(table) for table in tables(play(radio_n="9"))] == [9, 9]


def test_a_seed_plays_the_same_again_and_another_one_something_else(play: Show) -> None:
    first = play()
    at = play()
    assert named(at, 0) == named(first, 0)
    at.button(key="radio_next").click().run()
    assert at.number_input(key="radio_seed").value == 1
    assert named(at, 0) != named(first, 0)
    assert named(play(radio_seed="1"), 0) == named(at, 0)
    at.number_input(key="radio_seed").set_value(radio_ui.LAST_SEED).run()
    at.button(key="radio_next").click().run()
    assert at.number_input(key="radio_seed").value == 0
    assert named(at, 0) == named(first, 0)


def test_a_radio_of_one_item_begins_with_it(play: Show, small_artifacts: ArtifactSet) -> None:
    at = play({5: 1.0})
    assert {named(at, side)[0] for side in (0, 1)} == {small_artifacts.catalogue["name"].iloc[5]}
    assert "begins with it" in texts(at)
    assert "begins with it" not in texts(play())


def test_every_radio_can_be_taken_away_in_three_forms(play: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    files: dict[str, tuple[bytes, str]] = {}
    monkeypatch.setattr(radio_ui, "file_button", lambda label, data, file, mime: files.update({label: (data(), mime)}))
    at = play(radio_seed="3")
    assert list(files) == [f"{title} as {form}" for title in ("ALS", "Word2vec") for form in ("M3U8", "XSPF", "CSV")]
    for side, title in enumerate(("ALS", "Word2vec")):
        lines = files[f"{title} as M3U8"][0].decode().splitlines()
        assert [line for line in lines if not line.startswith("#")] == named(at, side)
        playlist = ElementTree.fromstring(files[f"{title} as XSPF"][0])
        assert playlist.findtext("{*}title") == f"{title} radio, seed 3"
        assert [each.text for each in playlist.iterfind(".//{*}creator")] == named(at, side)
        table = pd.read_csv(io.BytesIO(files[f"{title} as CSV"][0]))
        assert table["name"].tolist() == named(at, side)
        assert set(table["model"]) == {title}


def test_a_name_is_text_and_nothing_else(
    play: Show, small_artifacts: ArtifactSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile = '<img src=x onerror=alert(1)>&"quotes"'
    monkeypatch.setitem(small_artifacts.__dict__, "catalogue", small_artifacts.catalogue.assign(name=hostile))
    at = play()
    assert "<img" not in texts(at)
    assert set(named(at, 0)) == {hostile}


def test_what_a_model_does_not_know_it_says(play: Show, small_artifacts: ArtifactSet) -> None:
    profile = Profile.of_picks(OWN, small_artifacts)
    given = {"artifacts": small_artifacts, "recommender": Forgetful(small_artifacts), "profile": profile}
    at = AppTest.from_function(radio_page, default_timeout=180, kwargs=given).run()
    assert not at.exception
    assert "Word2vec knows none of these items" in texts(at)
    assert "Only ALS knows any of these items" in texts(at)
    assert len(tables(at)) == 1


def test_a_listener_unknown_to_a_model_has_no_place_on_its_map(mapped: ArtifactSet) -> None:
    _, lists = asked(mapped, OWN)
    given = {"artifacts": mapped, "recommender": Forgetful(mapped), "lists": lists}
    at = AppTest.from_function(maps_page, default_timeout=180, kwargs=given)
    for step in (MEAN, OFFERED):
        at.query_params[STEP] = step
        at.run()
        assert not at.exception
        assert "Word2vec's nowhere" in texts(at)
        assert "Word2vec knows none of these items" in texts(at)
        assert drawn(at, 1, "rule").empty
        assert not drawn(at, 0, "rule").empty
