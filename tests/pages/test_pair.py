"""Any two models of a set can be compared on every page; where there are two alone, nothing is to be chosen."""

from __future__ import annotations

import json
import re
import shutil
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from recsys.analysis.side_by_side import compare_neighbours, headline
from recsys.artifacts.store import ArtifactSet
from recsys.bridges.exports import export_vectors
from recsys.bridges.imports import import_vectors
from recsys.evaluation.kept import evaluate_set
from recsys.evaluation.settings import EvaluationSettings
from recsys.maps.kept import add_maps
from recsys.ui.map_view import _values
from tests.pages.conftest import Open, texts

PAGES = ("overview", "neighbours", "maps", "listener", "evaluation", "blind_test")


@pytest.fixture(scope="module")
def three_models(built_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small set, mapped and evaluated, with two fits of its own Word2vec as a third model."""
    path = Path(shutil.copytree(built_once, tmp_path_factory.mktemp("three") / "small"))
    opened = ArtifactSet.open(path)
    fits = [export_vectors(opened, "word2vec", "word2vec", path.parent / f"fit{r}.txt", replicate=r)[0] for r in (0, 1)]
    import_vectors(path, "mine", fits)
    add_maps(path, "umap")
    evaluate_set(path, EvaluationSettings(n=5, listeners=60, replicates=1), {})
    for fit in fits:
        fit.unlink()
    return path


def pair_in_address(at: AppTest) -> str:
    return "".join(at.query_params.get("pair", ""))


def words(at: AppTest) -> str:
    """The words of a page without their markup."""
    return unescape(re.sub("<[^>]+>", "", texts(at)))


@pytest.mark.parametrize("page", PAGES)
def test_with_two_models_there_is_nothing_to_choose(open_page: Open, page: str) -> None:
    at = open_page(page)
    assert not [box for box in at.selectbox if box.key == "pair"]
    assert pair_in_address(at) == ""


@pytest.mark.parametrize("page", PAGES)
def test_every_page_shows_the_two_models_of_the_address(three_models: Path, open_page: Open, page: str) -> None:
    at = open_page(page, root=three_models.parent, pair="mine,als")
    assert not at.exception
    assert not at.warning
    assert at.selectbox(key="pair").value == ("als", "mine")
    assert pair_in_address(at) == "als,mine"
    if page != "blind_test":  # which names no model
        assert "mine" in words(at)


def test_the_models_of_the_build_are_compared_unless_others_are_chosen(three_models: Path, open_page: Open) -> None:
    opened = ArtifactSet.open(three_models)
    at = open_page("neighbours", root=three_models.parent, item=str(opened.catalogue["item_id"].iloc[4]))
    assert pair_in_address(at) == ""
    assert headline(compare_neighbours(opened, 4, n=10)) in words(at)
    at.selectbox(key="pair").set_value(("word2vec", "mine")).run()
    assert pair_in_address(at) == "word2vec,mine"
    shown = headline(compare_neighbours(opened, 4, n=10, pair=("word2vec", "mine")))
    assert shown in words(at)
    at.switch_page("pages/overview.py").run()
    assert at.selectbox(key="pair").value == ("word2vec", "mine")
    assert "as little with itself: Word2vec for" in words(at)
    assert "mine for" in words(at)
    at.selectbox(key="pair").set_value(("als", "word2vec")).run()
    assert pair_in_address(at) == ""


@pytest.mark.parametrize("linked", ["als,nobody", "als", "als,als", "als,word2vec,mine", "<b>"])
def test_a_link_to_models_that_are_not_there_says_so(three_models: Path, open_page: Open, linked: str) -> None:
    at = open_page("overview", root=three_models.parent, pair=linked)
    assert not at.exception
    assert "this set has the models als, word2vec, mine" in at.warning[0].value
    assert at.selectbox(key="pair").value == ("als", "word2vec")
    assert pair_in_address(at) == ""


def test_the_third_model_has_a_colour_and_a_shape_of_its_own(three_models: Path, open_page: Open) -> None:
    at = open_page("overview", root=three_models.parent, pair="als,mine")
    spec = json.loads(at.get("vega_lite_chart")[0].proto.spec)
    encoding = spec["layer"][1]["encoding"]
    assert encoding["color"]["scale"]["domain"][1:] == ["ALS with itself", "mine with itself"]
    assert encoding["color"]["scale"]["range"][1:] == ["#0072B2", "#009E73"]
    assert encoding["shape"]["scale"]["range"] == ["circle", "square", "triangle-right"]


def test_models_that_are_not_mapped_or_not_measured_are_said_to_be_so(
    three_models: Path, open_page: Open, tmp_path: Path
) -> None:
    path = Path(shutil.copytree(three_models, tmp_path / "sets" / "small"))
    opened = ArtifactSet.open(path)
    import_vectors(path, "late", [export_vectors(opened, "als", "word2vec", tmp_path / "v.txt")[0]])
    at = open_page("maps", root=path.parent, pair="als,late")
    assert "No maps yet" in texts(at)
    assert at.code[0].value == f"python -m recsys map {path} --method umap --model late"
    at = open_page("evaluation", root=path.parent, pair="als,late")
    assert "late was not there when this was measured" in texts(at)
    assert at.code[0].value == f"python -m recsys evaluate {path} --protocol holdout"


def test_distances_between_maps_are_those_of_the_two_models_on_show(three_models: Path) -> None:
    opened = ArtifactSet.open(three_models)
    rows = np.arange(len(opened.catalogue))
    for pair in (("als", "mine"), ("word2vec", "mine")):
        first, second = (np.asarray(opened.layout(model, "umap"), np.float64) for model in pair)
        spread = np.sqrt(((first - first.mean(axis=0)) ** 2).sum(axis=1).mean())
        shown = _values(opened, pair, "umap", "shift", None, 0, rows)
        np.testing.assert_allclose(shown, np.linalg.norm(second - first, axis=1) / spread, atol=2e-3)
