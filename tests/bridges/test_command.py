from __future__ import annotations

import json
from pathlib import Path

import pytest

from recsys.analysis.side_by_side import compare_neighbours
from recsys.artifacts.store import ArtifactSet
from recsys.listener.profile import Profile
from recsys.listener.recommend import Recommender
from tests.test_cli import run


@pytest.fixture
def imported(small_set: Path, tmp_path: Path) -> Path:
    """The small set with one fit of its own ALS as a third model; both done on the command line."""
    out = tmp_path / "fit.txt"
    done = run("export", small_set, "--model", "als", "--format", "word2vec", "--replicate", 1, "--out", out)
    assert done.returncode == 0, done.stderr
    done = run("import", small_set, "--model-name", "my-als", "--vectors", out, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["model"], document["n_replicates"], document["noise_floor"]) == ("my-als", 1, None)
    assert document["fingerprint"] == ArtifactSet.open(small_set).fingerprint
    return small_set


def test_an_imported_model_is_compared_inspected_asked_and_taken_out(imported: Path) -> None:
    opened = ArtifactSet.open(imported)
    name, item_id = opened.catalogue["name"].iloc[5], opened.catalogue["item_id"].iloc[5]
    done = run("neighbours", imported, name, "-n", 6, "--models", "my-als,word2vec", "--json")
    view = compare_neighbours(opened, 5, n=6, pair=("word2vec", "my-als"))
    assert {key: json.loads(done.stdout)[key] for key in view.as_json()} == view.as_json()

    assert "my-als" in run("inspect", imported).stdout
    assert list(json.loads(run("inspect", imported, "--json").stdout)["models"]) == ["als", "word2vec", "my-als"]

    asked = json.loads(run("recommend", imported, item_id, "--model", "als,my-als", "-n", 4, "--json").stdout)
    own = Recommender(opened).recommend(Profile.of_picks({5: 1.0}, opened), "my-als_mean", n=4)
    assert [each["item_id"] for each in asked["my-als_mean"]["items"]] == own.table["item_id"].tolist()
    assert "als_fold_in" in asked
    alone = json.loads(run("recommend", imported, item_id, "--model", "my-als", "-n", 4, "--json").stdout)
    assert alone["my-als_mean"] == asked["my-als_mean"] | {"items": alone["my-als_mean"]["items"]}

    done = run("remove-model", imported, "my-als")
    assert done.returncode == 0
    assert "has the models als, word2vec" in done.stdout
    assert ArtifactSet.open(imported).model_names == ["als", "word2vec"]


@pytest.mark.parametrize(
    ("arguments", "words", "code"),
    [
        (["neighbours", "SET", "s000000", "--models", "als"], "'als' is not two models of this set", 2),
        (["recommend", "SET", "s000000", "--model", "bpr"], "no model 'bpr' to ask; choose one of both, als", 2),
        (["import", "SET", "--model-name", "als", "--vectors", "x.txt"], "'als', which means something else", 2),
        (["import", "SET", "--model-name", "x", "--vectors", "x.txt"], "x.txt: cannot be read: No such file", 1),
        (["remove-model", "SET", "als"], "'als' was trained by its build and stays", 2),
        (["export", "SET", "--model", "als", "--format", "npy", "-n", "3", "--out", "x"], "-n is for --format nei", 2),
        (
            ["export", "SET", "--model", "als", "--format", "neighbours", "--replicate", "0", "--out", "x.csv"],
            "--replicate is not for --format neighbours", 2,
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_exit_code(
    built_once: Path, arguments: list[str], words: str, code: int
) -> None:
    done = run(*(built_once if each == "SET" else each for each in arguments), "--json")
    assert words in json.loads(done.stdout)["error"]
    assert done.returncode == code
