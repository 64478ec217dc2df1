from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recsys.analysis.side_by_side import compare_neighbours, headline, why_this_verdict
from recsys.artifacts.files import sha256_of
from recsys.artifacts.store import ArtifactSet
from recsys.errors import DamagedArtifacts, ParameterError
from recsys.models.vectors import ItemVectors
from tests.artifacts.test_store import republish


def nearest(vectors: np.ndarray, row: int, n: int) -> list[int]:
    cosine = vectors @ vectors[row]
    cosine[row] = -2
    return np.argsort(-cosine, kind="stable")[:n].tolist()


@pytest.mark.parametrize("row", [0, 17, 100])
def test_lists_and_noise_equal_brute_force_from_the_stored_vectors(small_artifacts: ArtifactSet, row: int) -> None:
    n = 7
    view = compare_neighbours(small_artifacts, row, n=n)
    lists = {}
    for model in ("als", "word2vec"):
        stored = ItemVectors(np.array(small_artifacts.array(f"{model}/vectors")), 4)
        lists[model] = nearest(stored.vectors, row, n)
        table = view.lists[model]
        assert table["item_row"].tolist() == lists[model]
        np.testing.assert_allclose(
            table["similarity"], stored.vectors[lists[model]] @ stored.vectors[row], atol=1e-5
        )  # fmt: skip
        replicates = [nearest(stored.only([r]).vectors, row, n) for r in range(4)]
        expected = [np.mean([item in replicate for replicate in replicates]) for item in lists[model]]
        assert table["stability"].tolist() == expected
        halves = [set(nearest(half.vectors, row, n)) for half in stored.halves()]
        assert view.noise_floor[model] == pytest.approx(len(halves[0] & halves[1]) / n)
    assert view.overlap == pytest.approx(len(set(lists["als"]) & set(lists["word2vec"])) / n)
    assert view.n_shared == len(set(lists["als"]) & set(lists["word2vec"]))


def test_json_has_the_documented_shape(small_artifacts: ArtifactSet) -> None:
    document = compare_neighbours(small_artifacts, 3, n=4).as_json()
    assert list(document["item"]) == ["item_id", "name", "listeners"]
    assert document["n"] == 4
    described = ["rank", "item_id", "name", "similarity", "stability", "listeners", "popularity", "shared", "move"]
    assert list(document["als"][0]) == described
    assert [row["rank"] for row in document["word2vec"]] == [1, 2, 3, 4]
    assert set(document["noise_floor"]) == {"als", "word2vec"}
    assert {"overlap", "jaccard", "rbo", "p_value", "verdict"} <= set(document)


@pytest.mark.parametrize(
    ("row", "n", "words"),
    [(0, 0, "n is 0"), (0, 21, "1 to 20"), (-1, 5, "no item row -1"), (500, 5, "rows go from 0 to")],
)
def test_impossible_questions_are_refused(small_artifacts: ArtifactSet, row: int, n: int, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        compare_neighbours(small_artifacts, row, n=n)


def test_headline_says_what_to_make_of_it(small_artifacts: ArtifactSet) -> None:
    view = replace(
        compare_neighbours(small_artifacts, 0, n=10),
        name="Radiohead", noise_floor={"als": 0.7, "word2vec": 0.8}, verdict="real",
    )  # fmt: skip
    shared = view.n_shared
    assert headline(view) == (
        f"Radiohead: the models share {shared} of 10. Re-run with other seeds, ALS shares 7 of 10 with itself "
        f"and Word2vec 8: this is a real difference."
    )
    assert "no difference can be told from noise" in headline(replace(view, verdict="noise"))
    assert "too few replicates" in headline(replace(view, verdict="unknown"))
    assert "built with one replicate" in headline(replace(view, noise_floor={"als": None, "word2vec": None}))
    empty = {**view.lists, "word2vec": view.lists["word2vec"].head(0)}
    assert "Word2vec has no vector" in headline(replace(view, lists=empty))


def test_a_list_that_names_no_item_is_damage(small_set: Path) -> None:
    artifacts, file = ArtifactSet.open(small_set), "als/neighbours.npy"
    lists = np.array(artifacts.neighbours("als"))
    lists[:] = 1_000_000
    np.save(artifacts.folder / file, lists)
    # By somebody whose manifest vouches for it.
    vouched = artifacts.manifest.files[file].model_copy(update={"sha256": sha256_of(artifacts.folder / file)})
    republish(artifacts.folder, file, vouched)
    with pytest.raises(DamagedArtifacts, match="names the item row 1000000"):
        compare_neighbours(ArtifactSet.open(small_set), 0, n=5)


def test_a_range_of_popularity_filters_every_list_and_ranks_nothing_anew(small_artifacts: ArtifactSet) -> None:
    percentile = small_artifacts.catalogue["popularity"].to_numpy()
    low, high = 30.0, 80.0
    view = compare_neighbours(small_artifacts, 4, n=6, popularity=(low, high))
    depth = small_artifacts.manifest.replicate_depth

    def first_of(stored: np.ndarray) -> list[int]:
        return [int(row) for row in stored[4, :depth] if row >= 0 and low <= percentile[row] <= high][:6]

    for model, table in view.lists.items():
        stored = small_artifacts.neighbours(model)
        assert table["item_row"].tolist() == first_of(stored)
        at = {int(row): place for place, row in enumerate(stored[4])}
        assert table["similarity"].tolist() == [
            pytest.approx(small_artifacts.similarities(model)[4, at[row]]) for row in table["item_row"]
        ]
        refits = [first_of(each) for each in small_artifacts.replicate_neighbours(model)]
        assert table["stability"].tolist() == [np.mean([row in refit for refit in refits]) for row in table["item_row"]]
        halves = [set(first_of(each)) for each in small_artifacts.half_neighbours(model)]
        expected = len(halves[0] & halves[1]) / max(map(len, halves))
        assert view.noise_floor[model] == pytest.approx(expected)
    assert "among items of the 30 to 80 percentiles" in headline(view)
    assert view.as_json()["popularity"] == [30, 80]


def test_a_range_with_few_or_no_items_says_so(small_artifacts: ArtifactSet) -> None:
    everything = compare_neighbours(small_artifacts, 4, n=6)
    assert "percentiles" not in headline(everything)
    rarest = float(small_artifacts.catalogue["popularity"].min())
    few = compare_neighbours(small_artifacts, 4, n=15, popularity=(0.0, rarest))
    assert few.length < 15
    assert ("No more than" in headline(few)) or ("widen the range" in headline(few))
    with pytest.raises(ParameterError, match="popularity is 80 to 20"):
        compare_neighbours(small_artifacts, 4, n=6, popularity=(80, 20))


def test_the_table_to_hand_on_holds_both_lists_and_the_noise(small_artifacts: ArtifactSet) -> None:
    view = compare_neighbours(small_artifacts, 4, n=6)
    table = view.as_table()
    assert table["model"].tolist() == ["als"] * 6 + ["word2vec"] * 6
    assert table["item_id"].tolist() == [*view.lists["als"]["item_id"], *view.lists["word2vec"]["item_id"]]
    assert set(table.loc[table["model"] == "als", "noise_floor"]) == {view.noise_floor["als"]}
    assert set(table["verdict"]) == {view.verdict}


def test_a_verdict_says_what_decided_it(small_artifacts: ArtifactSet) -> None:
    view = compare_neighbours(small_artifacts, 4, n=6)
    floors = {"als": 0.7, "word2vec": 0.8}
    real = replace(view, overlap=0.2, noise_floor=floors, p_value=1 / 35, verdict="real")
    assert why_this_verdict(real).startswith(
        "Why real: of all ways to divide the 8 refits into two groups, 3% part them"
    )
    by_chance = replace(real, p_value=0.2, verdict="noise")
    assert "20% part them as far as ALS and Word2vec do; 5% is the limit" in why_this_verdict(by_chance)
    alike = replace(real, overlap=0.7, verdict="noise")
    assert "does not lie below what each shares with itself" in why_this_verdict(alike)
    assert why_this_verdict(replace(view, p_value=None, verdict="unknown")) == ""
