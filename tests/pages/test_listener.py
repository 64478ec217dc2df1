"""The Listener page, against what recommends for it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from streamlit.testing.v1 import AppTest

from recsys.artifacts.store import ArtifactSet
from recsys.listener.profile import Profile
from recsys.listener.recommend import Recommended, Recommender, Way
from recsys.listener.rerank import Wish
from recsys.ui.listener_lists import ASKED_BY
from recsys.ui.listener_profile import DATA, FILE, LIST, PICKS
from tests.pages.conftest import Catalogue, Open, texts

BOTH: tuple[Way, Way] = ("als_fold_in", "word2vec_mean")
FOLD_IN, MEAN = ASKED_BY


@pytest.fixture
def models(small_set: Path) -> Recommender:
    return Recommender(ArtifactSet.open(small_set))


@pytest.fixture
def page(open_page: Open) -> Callable[..., AppTest]:
    def opened(**query: Any) -> AppTest:
        at = open_page("listener", **query)
        assert not at.exception
        return at

    return opened


def shown(at: AppTest) -> list[list[dict[str, Any]]]:
    return [each["rows"] for each in json.loads(at.get("bidi_component")[0].proto.json)["lists"]]


def words(at: AppTest) -> str:
    return unescape(re.sub("</?(bdi|strong)>", "", texts(at))).replace("\\", "")


def assert_shows(at: AppTest, models: Recommender, profile: Profile, **more: Any) -> list[Recommended]:
    """The page shows what both models give this profile; returns that."""
    assert not at.exception
    ways = more.pop("ways", BOTH)
    expected = [models.recommend(profile, way, **{"n": 10, **more}) for way in ways]
    for rows, each in zip(shown(at), expected, strict=True):
        assert [row["item_id"] for row in rows] == each.table["item_id"].tolist()
        assert [row["similarity"] for row in rows] == [f"{score:.2f}" for score in each.table["score"]]
        assert [row["stability"].count("●") for row in rows] == [round(4 * s) for s in each.table["stability"]]
    return expected


def picks(models: Recommender, weights: dict[int, float]) -> Profile:
    return Profile.of_picks(weights, models.artifacts)


def own(catalogue: Catalogue, weights: dict[int, float]) -> list[str]:
    return [f"{weight:g}*{catalogue[row][0]}" for row, weight in weights.items()]


def test_it_opens_on_a_listener_of_the_data(page: Callable[..., AppTest], models: Recommender) -> None:
    at = page()
    profile = Profile.of_listener(models.artifacts, 0)
    assert_shows(at, models, profile)
    table = at.dataframe[0].value
    assert table["plays"].tolist() == sorted(profile.weights, reverse=True)[: len(table)]
    at.number_input(key="listener").set_value(3).run()
    assert_shows(at, models, Profile.of_listener(models.artifacts, 3))
    assert "Listener 3: what each model would play next" in words(at)
    assert "An invented listener" in words(at)  # the small set is simulated


def test_picked_items_stand_in_the_address_with_their_weights(
    page: Callable[..., AppTest], models: Recommender, catalogue: Catalogue
) -> None:
    at = page(**{"from": PICKS}, own=own(catalogue, {3: 1, 7: 2.5, 11: -1}))
    assert_shows(at, models, picks(models, {3: 1, 7: 2.5, 11: -1}))
    at.number_input(key=f"weight_{catalogue[7][0]}").set_value(-4.0).run()
    assert_shows(at, models, picks(models, {3: 1, 7: -4, 11: -1}))
    at.button(key=f"remove_{catalogue[11][0]}").click().run()
    assert_shows(at, models, picks(models, {3: 1, 7: -4}))
    assert at.query_params["own"] == own(catalogue, {3: 1, 7: -4})


def test_an_item_is_found_by_name_and_added(
    page: Callable[..., AppTest], models: Recommender, catalogue: Catalogue
) -> None:
    at = page(**{"from": PICKS})
    assert "Find items" in words(at)
    assert not at.get("bidi_component")
    for row in (12, 5):
        at.text_input(key="own_search").set_value(catalogue[row][1]).run()
        at.button_group(key="own_match").set_value(row).run()
    assert_shows(at, models, picks(models, {12: 1, 5: 1}))


@pytest.mark.parametrize("bad", ["1*no such id", "nan*{}", "0*{}", "1e9*{}", "{}", "much*{}"])
def test_what_a_link_cannot_mean_is_said_and_left_out(
    page: Callable[..., AppTest], models: Recommender, catalogue: Catalogue, bad: str
) -> None:
    at = page(**{"from": PICKS}, own=[*own(catalogue, {3: 1}), bad.format(catalogue[4][0])])
    assert "1 of the items in the link" in words(at)
    assert_shows(at, models, picks(models, {3: 1}))


def test_nothing_but_dislikes_is_said_to_say_nothing(page: Callable[..., AppTest], catalogue: Catalogue) -> None:
    at = page(**{"from": PICKS}, own=own(catalogue, {3: -1}))
    assert "no item of the profile has a weight above 0" in words(at)
    assert not at.get("bidi_component")


def test_a_pasted_list_is_matched_and_what_is_not_sure_can_be_changed(
    page: Callable[..., AppTest], models: Recommender, catalogue: Catalogue
) -> None:
    name = next(name for _, name in catalogue if len(name) > 8 and name.isascii())
    row = [each for _, each in catalogue].index(name)
    at = page(**{"from": LIST})
    misspelt = name[:3] + name[4:]
    at.text_area(key="pasted").set_value(f"{catalogue[2][1].upper()} = 3\n{misspelt}\nZzyzx Qqq\n\n").run()
    assert_shows(at, models, picks(models, {2: 3, row: 1}))
    assert "own" not in at.query_params
    (question,) = [
        each for each in at.selectbox if each.key and each.key.startswith("match_") and misspelt in each.label
    ]
    question.set_value(-1).run()
    assert_shows(at, models, picks(models, {2: 3}))
    lost = next(table.value for table in at.dataframe if "Zzyzx Qqq" in table.value["name"].tolist())
    assert set(lost["name"]) == {misspelt, "Zzyzx Qqq"}


def test_a_list_without_any_known_item_says_so(page: Callable[..., AppTest]) -> None:
    at = page(**{"from": LIST})
    at.text_area(key="pasted").set_value("Zzyzx Qqq\nXxyyzz Wwq").run()
    assert "None of the 2 items is in this set" in words(at)
    assert not at.get("bidi_component")


def test_a_history_is_read_from_memory_and_its_plays_count(
    page: Callable[..., AppTest], models: Recommender, catalogue: Catalogue
) -> None:
    at = page(**{"from": FILE})
    rows = {4: 10, 9: 3, 2: 1}
    lines = "\n".join(f'"{catalogue[row][1]}",{plays}' for row, plays in rows.items())
    at.file_uploader(key="upload").set_value(("mine.csv", f"artist,plays\n{lines}\n".encode(), "text/csv")).run()
    assert_shows(at, models, Profile.of_plays(rows, len(catalogue)))
    assert "What was read: 3 items" in [each.label for each in at.expander]
    assert set(at.query_params) <= {"set", "build", "from", "n"}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0\0", "not text"),
        (b"PAR1", "upload CSV"),
        (b"", "empty"),
        (b"a,b\n1,2\n", "None of the 2 items"),
    ],
)
def test_a_file_that_is_no_history_is_refused_in_words(page: Callable[..., AppTest], content: bytes, told: str) -> None:
    at = page(**{"from": FILE})
    at.file_uploader(key="upload").set_value(("mine.csv", content, "text/csv")).run()
    assert not at.exception
    assert not at.get("bidi_component")
    assert told in words(at) + "".join(each.value for each in at.error)


def test_hostile_names_in_a_file_are_shown_as_text(page: Callable[..., AppTest]) -> None:
    at = page(**{"from": FILE})
    content = b"artist,plays\n<script>alert(1)</script>,3\n=HYPERLINK(1),2\n[x](javascript:1),1\n"
    at.file_uploader(key="upload").set_value(("<b>x</b>.csv", content, "text/csv")).run()
    assert not at.exception
    assert "<script>" not in "".join(element.proto.body for element in at.get("html"))
    assert "](javascript:" not in texts(at)


def test_every_control_changes_what_is_asked(
    page: Callable[..., AppTest], models: Recommender, catalogue: Catalogue
) -> None:
    profile = Profile.of_listener(models.artifacts, 0)
    at = page()
    before = shown(at)
    at.selectbox(key="als_by").set_value(MEAN).run()
    assert_shows(at, models, profile, ways=("als_mean", "word2vec_mean"))
    assert shown(at) != before
    at.selectbox(key="als_by").set_value(FOLD_IN).run()
    at.checkbox(key="keep").check().run()
    assert_shows(at, models, profile, keep_known=True)
    assert {row["item_id"] for row in shown(at)[0]} & {catalogue[row][0] for row in profile.rows}
    at.checkbox(key="keep").uncheck().run()
    at.slider(key="n").set_value(5).run()
    assert_shows(at, models, profile, n=5)


def test_another_order_shows_what_it_costs(page: Callable[..., AppTest], models: Recommender) -> None:
    profile = Profile.of_listener(models.artifacts, 0)
    at = page()
    assert "What this order costs" not in words(at)
    at.slider(key="pull").set_value(-0.6).run()
    at.slider(key="diversity").set_value(0.5).run()
    expected = assert_shows(at, models, profile, wish=Wish(-0.6, 0.5))
    assert "What this order costs" in words(at)
    for each in expected:
        for when in (each.price.before, each.price.after):
            assert f"<td>{when.score:.3f}</td>" in words(at)
            assert f"<td>{when.popularity:.0f}</td>" in words(at)


def test_what_drove_a_recommendation_adds_up_to_its_score(page: Callable[..., AppTest], models: Recommender) -> None:
    at = page()
    expected = assert_shows(at, models, Profile.of_listener(models.artifacts, 0))
    second = expected[0].table["item_id"].iloc[1]
    at.selectbox(key="why").set_value(second).run()
    assert at.query_params["why"] in (second, [second])
    (chart, *_) = at.get("vega_lite_chart")
    data = pa.ipc.open_stream(chart.proto.datasets[0].data.data).read_all().to_pandas()
    assert data["adds"].sum() == pytest.approx(expected[0].table["score"].iloc[1], abs=1e-4)
    assert len(data) <= 9
    own = expected[0].contributions[1]
    assert data["adds"].iloc[0] == pytest.approx(own[np.argmax(np.abs(own))])


def test_one_source_at_a_time(page: Callable[..., AppTest]) -> None:
    at = page()
    assert at.radio(key="from").options == [DATA, PICKS, LIST, FILE]
    at.radio(key="from").set_value(LIST).run()
    assert not at.exception
    assert "number_input" not in {each.key for each in at.number_input}
    assert "Paste what this person plays" in words(at)
