from __future__ import annotations

import json
import re
import shutil
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from recsys.analysis.agreement import is_real, most_agreed, most_disputed, overlap_distribution, popularity_bands
from recsys.analysis.evidence import evidence, reasons
from recsys.analysis.hubness import hubness
from recsys.analysis.side_by_side import compare_neighbours, headline
from recsys.artifacts.store import ArtifactSet
from recsys.config import BuildConfig
from recsys.pipeline import build
from recsys.ui.charts import distribution_sentence
from recsys.ui.controls import as_text
from tests.pages.conftest import ROOT, Open, texts

Catalogue = list[tuple[str, str]]
PLAIN: dict[str, Any] = {"maps": [], "measure_whatif": False}


def shown_lists(at: AppTest) -> list[dict[str, Any]]:
    return list(json.loads(at.get("bidi_component")[0].proto.json)["lists"])


def test_overview_opens_with_passport_and_agreement(open_page: Open, small_set: Path) -> None:
    at = open_page("overview")
    assert not at.exception
    words = texts(at)
    manifest = ArtifactSet.open(small_set).manifest
    assert manifest.fingerprint[:12] in words
    assert "simulated: 250 invented listeners" in words
    assert "on average" in words
    assert len(at.get("vega_lite_chart")) == 2


def test_the_distribution_of_a_tenth_of_the_catalogue_is_its_own(open_page: Open, small_set: Path) -> None:
    artifacts = ArtifactSet.open(small_set)
    listeners = artifacts.catalogue["listeners"].to_numpy()
    titles = {"als": "ALS", "word2vec": "Word2vec"}

    def expected(among: np.ndarray) -> str:
        return distribution_sentence(overlap_distribution(artifacts.agreement[among], 10), titles, 10)

    at = open_page("overview")
    assert expected(listeners > 0) in texts(at)
    for tenth in (1, 10):
        at.selectbox(key="tenth").set_value(str(tenth)).run()
        assert not at.exception
        among = popularity_bands(listeners) == tenth
        assert expected(among) in texts(at)
        assert f"agree by {artifacts.agreement['rbo'][among].mean():.2f}" in texts(at)


@pytest.mark.parametrize("page", ["overview", "neighbours"])
def test_every_page_says_that_data_are_simulated(open_page: Open, page: str) -> None:
    assert "Simulated" in texts(open_page(page))


def test_neighbours_shows_what_the_command_line_prints(open_page: Open, small_set: Path, catalogue: Catalogue) -> None:
    at = open_page("neighbours", item=catalogue[8][0], n="6")
    assert not at.exception
    view = compare_neighbours(ArtifactSet.open(small_set), 8, n=6)
    assert headline(view) in unescape(re.sub("</?(bdi|strong)>", "", texts(at)))
    for shown, table in zip(shown_lists(at), view.lists.values(), strict=True):
        assert [row["name"] for row in shown["rows"]] == table["name"].tolist()
        assert [row["similarity"] for row in shown["rows"]] == [f"{s:.2f}" for s in table["similarity"]]
        assert [row["stability"].count("●") for row in shown["rows"]] == [round(4 * s) for s in table["stability"]]
        assert [row["shared"] for row in shown["rows"]] == table["shared"].tolist()


def test_moving_n_changes_both_lists(open_page: Open) -> None:
    at = open_page("neighbours")
    assert [len(each["rows"]) for each in shown_lists(at)] == [10, 10]
    at.slider(key="n").set_value(3).run()
    assert [len(each["rows"]) for each in shown_lists(at)] == [3, 3]
    assert "of 3" in texts(at)


def test_searching_and_choosing_changes_the_item(open_page: Open, catalogue: Catalogue) -> None:
    at = open_page("neighbours")
    item_id, name = catalogue[11]
    at.text_input(key="item_search").set_value(name).run()
    at.button_group(key="item_match").set_value(11).run()
    assert f"Similar to {name}" in texts(at)
    assert at.query_params["item"] in (item_id, [item_id])


def test_a_typing_slip_is_answered_with_near_misses(open_page: Open, catalogue: Catalogue) -> None:
    name = max((name for _, name in catalogue), key=len)
    at = open_page("neighbours")
    at.text_input(key="item_search").set_value(name[:-2] + name[-1] + name[-2] + "q").run()
    group = at.button_group(key="item_match")
    assert "Did you mean" in group.label
    assert any(name.split()[0] in option for option in group.options)


def test_a_disputed_item_becomes_the_chosen_one(open_page: Open, small_set: Path, catalogue: Catalogue) -> None:
    artifacts = ArtifactSet.open(small_set)
    row = int(most_disputed(artifacts.agreement, artifacts.catalogue["listeners"].to_numpy())[-1])
    at = open_page("neighbours")
    at.button_group(key="disputed").set_value(row).run()
    assert f"Similar to {catalogue[row][1]}" in texts(at)


def test_a_link_to_an_unknown_item_says_so_and_shows_another(open_page: Open) -> None:
    at = open_page("neighbours", item="no-such-id")
    assert not at.exception
    assert "no item with the id “no\\-such\\-id”" in texts(at)
    assert len(shown_lists(at)) == 2


def test_a_link_made_with_another_build_says_so(open_page: Open, small_set: Path) -> None:
    mine = ArtifactSet.open(small_set).fingerprint[:12]
    assert "made with build" not in texts(open_page("neighbours", build=mine))
    assert "made with build 0123456789ab" in texts(open_page("neighbours", build="0123456789ab"))


def test_a_link_to_an_unknown_set_says_so(open_page: Open) -> None:
    at = open_page("overview", set="gone")
    assert "no artifact set “gone”" in texts(at)
    assert not at.exception


def test_no_artifacts_says_how_to_build_some(open_page: Open, tmp_path: Path) -> None:
    for root in (tmp_path / "absent", tmp_path / "empty"):
        at = open_page("overview", root=root)
        assert not at.exception
        assert "No artifact set yet" in texts(at)
        assert "python -m recsys build" in texts(at)


def open_as_app(page: str) -> AppTest:
    """As app.py runs a page; AppTest's own change of page leaves app.py out."""
    script = f"explained(lambda: runpy.run_path({str(ROOT / 'pages' / f'{page}.py')!r}))"
    return AppTest.from_string(
        f"import runpy\nfrom recsys.ui.loading import explained\n{script}", default_timeout=180
    ).run()


@pytest.mark.parametrize("page", ["overview", "neighbours"])
def test_damaged_artifacts_are_explained_not_thrown(
    monkeypatch: pytest.MonkeyPatch, small_set: Path, page: str
) -> None:
    monkeypatch.setenv("RECSYS_ARTIFACTS", str(small_set.parent))
    path = ArtifactSet.open(small_set).folder / "word2vec" / "neighbours.npy"
    path.write_bytes(path.read_bytes()[:100])
    at = open_as_app(page)
    assert not at.exception
    assert "is damaged" in texts(at)
    assert "neighbours.npy" in texts(at)
    assert "python -m recsys verify" in texts(at)


def test_a_damaged_set_that_is_itself_the_root_is_named_right(monkeypatch: pytest.MonkeyPatch, small_set: Path) -> None:
    monkeypatch.setenv("RECSYS_ARTIFACTS", str(small_set))
    path = ArtifactSet.open(small_set).folder / "als" / "vectors.npy"
    path.write_bytes(path.read_bytes()[:100])
    commands = [code.value for code in open_as_app("overview").code]
    assert commands == [f"python -m recsys verify {small_set}"]


def test_damage_that_shows_while_a_page_draws_is_explained_too(
    small_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = ArtifactSet.open(small_set).folder / "agreement.parquet"
    path.write_bytes(b"x" * path.stat().st_size)
    monkeypatch.setenv("RECSYS_ARTIFACTS", str(small_set.parent))
    at = AppTest.from_file(ROOT / "app.py", default_timeout=180).run()
    assert not at.exception
    assert "is damaged" in texts(at)
    assert "agreement.parquet" in texts(at)


def test_another_schema_version_is_explained(monkeypatch: pytest.MonkeyPatch, small_set: Path) -> None:
    monkeypatch.setenv("RECSYS_ARTIFACTS", str(small_set.parent))
    path = ArtifactSet.open(small_set).folder / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b'"schema_version": 1', b'"schema_version": 9'))
    at = open_as_app("overview")
    assert not at.exception
    assert "written by another version" in texts(at)
    assert "schema version 9" in texts(at)


def test_the_other_set_can_be_chosen(open_page: Open, small_set: Path, small_log: Path) -> None:
    shutil.copytree(small_set, small_set.parent / "twin")
    at = open_page("neighbours", set="twin")
    assert at.selectbox(key="set").value == "twin"
    assert sorted(at.selectbox(key="set").options) == ["small", "twin"]


def test_a_session_keeps_its_build_and_is_offered_the_newer_one(
    open_page: Open, small_set: Path, small_log: Path
) -> None:
    at = open_page("overview")
    old = ArtifactSet.open(small_set).fingerprint[:12]
    tiny = {"als": {"iterations": 1}, "word2vec": {"epochs": 1}}
    new = build("events", small_log, small_set, BuildConfig(seed=9, **PLAIN, **tiny)).fingerprint[:12]
    at.run()
    assert old in texts(at)
    assert "A newer build" in texts(at)
    at.button(key="newer_build").click().run()
    assert new in texts(at)
    assert "A newer build" not in texts(at)


def test_an_item_that_one_model_lacks_has_an_empty_list_with_words(open_page: Open, tmp_path: Path) -> None:
    # "solo" is only ever played alone, so Word2vec never sees it beside anything.
    rows = [f"u{k},{item},{1_700_000_000 + 86_400 * day + 60 * place}"
            for k in range(6) for day, queue in enumerate((["a", "b", "c"], ["b", "d", "a"], ["solo"]))
            for place, item in enumerate(queue)]  # fmt: skip
    (tmp_path / "log.csv").write_text("user,item,timestamp\n" + "\n".join(rows) + "\n")
    root = tmp_path / "sets"
    build("events", tmp_path / "log.csv", root / "solo", BuildConfig(**PLAIN, word2vec={"epochs": 2}))
    at = open_page("neighbours", root=root, item="solo")
    assert not at.exception
    assert "Word2vec has no vector for it" in texts(at)
    left, right = shown_lists(at)
    assert len(left["rows"]) == 4
    assert right["rows"] == []
    assert "never trained on it" in right["empty"]


def test_the_address_always_names_set_build_and_item(open_page: Open, small_set: Path) -> None:
    at = open_page("neighbours")
    assert at.query_params["set"] in ("small", ["small"])
    assert at.query_params["build"] in ((mine := ArtifactSet.open(small_set).fingerprint[:12]), [mine])
    assert "item" in at.query_params


def test_another_set_shows_the_same_item_by_name(open_page: Open, small_set: Path, tmp_path: Path) -> None:
    name = str(ArtifactSet.open(small_set).catalogue["name"].iloc[40])
    rows = [f"u{k},x{i},{label}" for k in range(8) for i, label in enumerate(["One", name, "Two", "Three"])]
    (tmp_path / "log.csv").write_text("user,item,name\n" + "\n".join(rows) + "\n")
    build("events", tmp_path / "log.csv", small_set.parent / "other", BuildConfig(**PLAIN, word2vec={"epochs": 1}))
    at = open_page("neighbours", set="small", item=str(ArtifactSet.open(small_set).catalogue["item_id"].iloc[40]))
    at.selectbox(key="set").set_value("other").run()
    assert f"Similar to {name}" in texts(at).replace("\\", "")
    assert "no item with the id" not in texts(at)


@pytest.mark.parametrize("n", ["9999", "abc", "0", "-5"])
def test_a_link_with_an_impossible_length_says_so(open_page: Open, n: str) -> None:
    at = open_page("neighbours", n=n)
    assert "asks for lists of length" in texts(at)
    assert [len(each["rows"]) for each in shown_lists(at)] == [10, 10]


@pytest.mark.parametrize("replicates", [1, 2])
def test_with_too_few_replicates_nothing_is_called_disputed(
    open_page: Open, small_log: Path, tmp_path: Path, replicates: int
) -> None:
    config = BuildConfig(replicates=replicates, **PLAIN, als={"iterations": 1}, word2vec={"epochs": 1})
    build("events", small_log, tmp_path / "sets" / "few", config)
    at = open_page("overview", root=tmp_path / "sets", tour="3")
    assert ("Not known here" in at.subheader[0].value) == (replicates == 1)
    assert f"Not known: this set has {replicates} of the 4 replicates" in texts(at)
    assert not open_page("neighbours", root=tmp_path / "sets").exception


def test_why_a_neighbour_is_one_is_said_from_the_log(open_page: Open, small_set: Path, catalogue: Catalogue) -> None:
    at = open_page("neighbours", item=catalogue[8][0])
    artifacts = ArtifactSet.open(small_set)
    rows = compare_neighbours(artifacts, 8, n=10).neighbour_rows()
    box = at.selectbox(key="why")
    assert box.value == rows[0]
    for row in (rows[0], rows[-1]):
        at.selectbox(key="why").set_value(row).run()
        assert not at.exception
        found = evidence(artifacts, 8, row)
        words = unescape(re.sub("</?bdi>", "", texts(at)))
        for reason in reasons(found, catalogue[8][1], ordered=True).values():
            assert reason in words
        assert words.count("<li>") == len(found.queues.excerpts)
    assert at.query_params["why"] in (catalogue[rows[-1]][0], [catalogue[rows[-1]][0]])


def test_a_link_carries_the_neighbour_asked_about(open_page: Open, small_set: Path, catalogue: Catalogue) -> None:
    rows = compare_neighbours(ArtifactSet.open(small_set), 8, n=10).neighbour_rows()
    at = open_page("neighbours", item=catalogue[8][0], why=catalogue[rows[3]][0])
    assert at.selectbox(key="why").value == rows[3]
    at = open_page("neighbours", item=catalogue[8][0], why="gone")
    assert at.selectbox(key="why").value == rows[0]


def test_overview_points_at_items_of_a_popularity_and_tag(open_page: Open, small_set: Path) -> None:
    artifacts = ArtifactSet.open(small_set)
    catalogue, agreement = artifacts.catalogue, artifacts.agreement
    listeners = catalogue["listeners"].to_numpy()

    def shown(at: AppTest, key: str) -> list[str]:
        groups = [group for group in at.get("button_group") if group.key == key]
        return [getattr(option, "content", option) for group in groups for option in group.options]

    def words(rows: np.ndarray) -> list[str]:
        return [f"{as_text(catalogue['name'].iloc[row])} · {listeners[row]:,}" for row in rows]

    at = open_page("overview")
    everywhere = words(most_disputed(agreement, listeners))
    assert shown(at, "disputed") == everywhere
    assert shown(at, "agreed") == words(most_agreed(agreement, listeners))
    tag = catalogue["tags"].iloc[most_disputed(agreement, listeners)[0]][0]
    at.selectbox(key="tag").set_value(tag).run()
    among = np.array([tag in tags for tags in catalogue["tags"]])
    assert shown(at, "disputed") == words(most_disputed(agreement, listeners, among=among)) != everywhere
    at.slider(key="among").set_value((0, 50)).run()
    assert not at.exception
    among &= catalogue["popularity"].to_numpy() <= 50
    assert shown(at, "disputed") == words(most_disputed(agreement, listeners, among=among))
    assert shown(at, "agreed") == words(most_agreed(agreement, listeners, among=among))
    assert f"real for {(is_real(agreement) & among).sum():,} of {among.sum():,} items" in texts(at)
    at.slider(key="among").set_value((0, 0)).run()
    assert "No item lies in this range" in texts(at)


def test_overview_says_what_each_model_lists_too_often(open_page: Open, small_set: Path) -> None:
    artifacts = ArtifactSet.open(small_set)
    words = unescape(re.sub("<[^>]*>", " ", texts(open_page("overview"))))
    listeners = artifacts.catalogue["listeners"].to_numpy()
    for model in artifacts.model_names:
        found = hubness(artifacts.neighbours(model), listeners, 10)
        fits = [hubness(each, listeners, 10).popularity_lift for each in artifacts.replicate_neighbours(model)]
        assert f"{found.popularity_lift:.2f}× single fits {min(fits):.2f}× to {max(fits):.2f}×" in words
        assert f"{found.never:.1%} single fits" in words


def test_pinned_items_are_compared_and_stand_in_the_link(
    open_page: Open, small_set: Path, catalogue: Catalogue
) -> None:
    artifacts = ArtifactSet.open(small_set)
    at = open_page("neighbours", item=catalogue[8][0])
    assert "pinned" not in texts(at)
    at.button(key="pin_turn").click().run()
    assert not at.exception
    view = compare_neighbours(artifacts, 8, n=10)
    assert f"<td>{view.overlap * 10:.0f} of 10</td>" in texts(at)
    at = open_page("neighbours", item=catalogue[3][0], pin=catalogue[8][0])
    assert at.button(key="pin_turn").label.startswith("Pin ")
    at.button_group(key="pin_open").set_value(catalogue[8][0]).run()
    assert at.query_params["item"] in (catalogue[8][0], [catalogue[8][0]])
    assert at.button(key="pin_turn").label.startswith("Unpin ")
    at.button(key="pin_turn").click().run()
    assert 'class="trust pins"' not in texts(at)


def test_unknown_pins_are_left_out(open_page: Open, catalogue: Catalogue) -> None:
    at = open_page("neighbours", item=catalogue[3][0], pin="gone")
    assert not at.exception
    assert 'class="trust pins"' not in texts(at)
