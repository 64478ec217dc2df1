"""What a listener is given, against brute force, hand-worked vectors and implicit itself."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from implicit.cpu.als import AlternatingLeastSquares

from recsys.analysis.evaluation import accuracy, holdout
from recsys.analysis.side_by_side import headline
from recsys.analysis.stability import noise_floors, separations
from recsys.errors import ParameterError, UnsupportedSchema
from recsys.interactions.readers import read
from recsys.listener.profile import Profile
from recsys.listener.recommend import Recommender, Way, _Mean, _Space, compare, strongest
from recsys.listener.rerank import Wish
from recsys.models import als
from recsys.models.bm25 import Bm25Statistics, bm25_weights, clip, weigh
from recsys.models.vectors import ItemVectors

N = 7
WAYS: tuple[Way, ...] = ("als_fold_in", "als_mean", "word2vec_mean")
PICKS = {3: 2.0, 40: 1.0, 11: 5.0, 90: -1.0}


@pytest.fixture
def profile(recommender: Recommender) -> Profile:
    return Profile.of_picks(PICKS, recommender.artifacts)


def best(scores: np.ndarray, out: np.ndarray, n: int = N) -> list[int]:
    scores = scores.copy()
    scores[out] = -np.inf
    return [int(row) for row in np.argsort(-scores, kind="stable")[:n]]


def test_a_mean_of_vectors_is_the_one_worked_out_by_hand() -> None:
    # Items: east, north, north-east (unit), absent. Twice east and once north: mean (2, 1) / √5.
    vectors = np.array([[1, 0], [0, 1], [np.sqrt(0.5), np.sqrt(0.5)], [0, 0]], np.float32)
    asked = _Mean(_Space(ItemVectors(vectors, 1)), Profile.of_plays({0: 2, 1: 1}, 4))
    expected = [2 / np.sqrt(5), 1 / np.sqrt(5), 3 / np.sqrt(10)]
    np.testing.assert_allclose(asked.scores()[0, :3], expected, rtol=1e-6)
    assert asked.scores()[0, 3] == -np.inf
    np.testing.assert_allclose(
        asked.contributions(np.array([2, 1], np.int32)),
        [[2 / np.sqrt(10), 1 / np.sqrt(10)], [0, 1 / np.sqrt(5)]],
        rtol=1e-6,
    )


def test_a_disliked_item_turns_the_mean_away() -> None:
    vectors = np.array([[1, 0], [0, 1], [-0.6, 0.8]], np.float32)
    asked = _Mean(_Space(ItemVectors(vectors, 1)), Profile.of_plays({1: 1, 0: -1}, 3))
    # (−1, 1) / √2 with (−0.6, 0.8).
    assert asked.scores()[0, 2] == pytest.approx(1.4 / np.sqrt(2))


@pytest.mark.parametrize("model", ["als", "word2vec"])
def test_means_of_all_of_halves_and_of_single_fits_are_those_of_their_consensus(
    recommender: Recommender, profile: Profile, model: str
) -> None:
    way: Way = "als_mean" if model == "als" else "word2vec_mean"
    found = recommender.recommend(profile, way, n=N)
    stored = ItemVectors(recommender.artifacts.array(f"{model}/vectors"), 4)

    def expected(replicates: list[int]) -> np.ndarray:
        own = stored.only(replicates).vectors.astype(np.float64)
        mean = profile.weights @ own[profile.rows]
        return own @ mean / np.linalg.norm(mean)

    assert found.table["item_row"].tolist() == best(expected([0, 1, 2, 3]), profile.rows)
    np.testing.assert_allclose(
        found.table["score"], expected([0, 1, 2, 3])[found.table["item_row"].to_numpy()], atol=1e-6
    )
    assert [each[0].tolist() for each in found.lists.halves] == [
        best(expected(half), profile.rows) for half in ([0, 1], [2, 3])
    ]
    singles = [best(expected([r]), profile.rows) for r in range(4)]
    assert [each[0].tolist() for each in found.lists.replicates] == singles
    assert found.table["stability"].tolist() == [
        np.mean([row in single for single in singles]) for row in found.table["item_row"]
    ]


def fold_in_weights(recommender: Recommender, profile: Profile) -> np.ndarray:
    """BM25 weights of a new listener by hand; a dislike weighs 1 more, so that it is never less than nothing."""
    user_items = recommender.artifacts.user_items.copy()
    likes = (profile.weights > 0).sum()
    idf = np.log(user_items.shape[1]) - np.log1p(likes)
    statistics = Bm25Statistics.of(user_items)
    params = recommender.artifacts.manifest.models["als"].params
    weights, _ = clip(
        weigh(
            np.abs(profile.plays), statistics.relative_length[profile.rows], idf, k1=params["k1"], b=params["b"]
        )
    )  # fmt: skip
    return np.where(profile.weights > 0, weights, -1 - weights)


def test_a_fold_in_is_what_implicit_recalculates_in_every_fit(recommender: Recommender, profile: Profile) -> None:
    artifacts = recommender.artifacts
    params = artifacts.manifest.models["als"].params
    weights = fold_in_weights(recommender, profile).astype(np.float32)
    row = sp.csr_matrix((weights, profile.rows, [0, len(profile)]), shape=(1, artifacts.manifest.counts.items))
    per_fit = []
    for factors in artifacts.array("als/item_factors"):
        model = AlternatingLeastSquares(factors=params["factors"], regularization=params["regularization"])
        model.item_factors = np.array(factors)
        per_fit.append(factors @ model.recalculate_user(0, row))
    found = recommender.recommend(profile, "als_fold_in", n=N)
    assert found.table["item_row"].tolist() == best(np.mean(per_fit, axis=0), profile.rows)
    np.testing.assert_allclose(
        found.table["score"], np.mean(per_fit, axis=0)[found.table["item_row"].to_numpy()], rtol=1e-3, atol=1e-5
    )
    singles = [best(each, profile.rows) for each in per_fit]
    assert [each[0].tolist() for each in found.lists.replicates] == singles
    assert [each[0].tolist() for each in found.lists.halves] == [
        best(np.mean(half, axis=0), profile.rows) for half in (per_fit[:2], per_fit[2:])
    ]


@pytest.mark.parametrize("way", WAYS)
def test_what_each_item_contributes_adds_up_to_the_score(recommender: Recommender, profile: Profile, way: Way) -> None:
    found = recommender.recommend(profile, way, n=N)
    assert found.contributions.shape == (N, len(profile))
    np.testing.assert_allclose(found.contributions.sum(axis=1), found.table["score"], rtol=1e-4, atol=1e-6)
    assert np.ptp(found.contributions, axis=0).min() > 0


@pytest.mark.parametrize("way", WAYS)
def test_own_items_are_left_out_unless_they_are_kept(recommender: Recommender, profile: Profile, way: Way) -> None:
    without = recommender.recommend(profile, way, n=20)
    kept = recommender.recommend(profile, way, n=20, keep_known=True)
    assert not set(without.table["item_row"]) & set(PICKS)
    assert 11 in kept.table["item_row"].tolist()


@pytest.mark.parametrize("way", WAYS)
def test_a_weight_changes_the_list(recommender: Recommender, way: Way) -> None:
    lists = [
        recommender.recommend(Profile.of_picks({3: 1.0, 40: weight}, recommender.artifacts), way, n=20)
        for weight in (1.0, 30.0, -1.0)
    ]
    rows = [each.table["item_row"].tolist() for each in lists]
    assert rows[0] != rows[1]
    assert rows[0] != rows[2]


def test_a_dislike_lowers_what_is_like_it_even_when_everybody_plays_that(recommender: Recommender) -> None:
    plain = recommender.recommend(Profile.of_plays({3: 5.0}, 120), "als_fold_in", n=100, keep_known=True)
    near = int(plain.table.loc[plain.table["item_row"] != 3].head(10).sort_values("listeners")["item_row"].iloc[-1])
    disliked = Profile.of_plays({3: 5.0, near: -0.01}, 120)
    # As a bare confidence, so small a weight would be less than that of an item never played.
    assert 0 < -1 - fold_in_weights(recommender, disliked)[1] < 1
    less = recommender.recommend(disliked, "als_fold_in", n=100, keep_known=True)
    before, after = (each.table.set_index("item_row")["score"] for each in (plain, less))
    assert 0 < after[near] < before[near]
    assert less.contributions[less.table["item_row"].tolist().index(near), 1] < 0


@pytest.mark.parametrize("pair", [("als_fold_in", "word2vec_mean"), ("als_mean", "als_fold_in")])
def test_two_lists_are_held_against_the_noise_of_each(
    recommender: Recommender, profile: Profile, pair: tuple[Way, Way]
) -> None:
    first, second = (recommender.recommend(profile, way, n=N) for way in pair)
    view = compare(recommender.artifacts, first, second)
    shared = set(first.table["item_row"]) & set(second.table["item_row"])
    assert view.overlap == pytest.approx(len(shared) / N)
    assert view.lists[pair[0]]["shared"].tolist() == [row in shared for row in first.table["item_row"]]
    for each in (first, second):
        assert view.noise_floor[each.way] == pytest.approx(noise_floors(each.lists.halves, N)[0])
        assert view.lists[each.way]["similarity"].tolist() == each.table["score"].tolist()
        assert view.lists[each.way]["stability"].tolist() == each.table["stability"].tolist()
    assert view.p_value == pytest.approx(separations(first.lists.replicates, second.lists.replicates, N)[0])
    assert headline(view).startswith(f"This listener: the models share {len(shared)} of {N}.")


def test_lists_of_two_lengths_are_not_compared(recommender: Recommender, profile: Profile) -> None:
    with pytest.raises(ParameterError, match="n = 3 and n = 4"):
        compare(
            recommender.artifacts,
            recommender.recommend(profile, "als_mean", n=3),
            recommender.recommend(profile, "als_fold_in", n=4),
        )


def test_a_wish_moves_every_list_and_says_what_it_costs(recommender: Recommender, profile: Profile) -> None:
    plain = recommender.recommend(profile, "word2vec_mean", n=N)
    tail = recommender.recommend(profile, "word2vec_mean", n=N, wish=Wish(popularity=-0.8))
    mixed = recommender.recommend(profile, "word2vec_mean", n=N, wish=Wish(diversity=0.8))
    assert plain.price.before == plain.price.after == tail.price.before == mixed.price.before
    assert tail.price.after.popularity < tail.price.before.popularity
    assert tail.price.after.score < tail.price.before.score
    assert mixed.price.after.sameness < mixed.price.before.sameness
    assert mixed.price.after.score < mixed.price.before.score
    assert tail.table["popularity"].mean() == pytest.approx(tail.price.after.popularity)
    assert tail.table["score"].mean() == pytest.approx(tail.price.after.score)
    assert [a.tolist() for a in tail.lists.halves] != [a.tolist() for a in plain.lists.halves]
    assert [a.tolist() for a in tail.lists.replicates] != [a.tolist() for a in plain.lists.replicates]
    np.testing.assert_allclose(mixed.contributions.sum(axis=1), mixed.table["score"], rtol=1e-4)


def test_a_list_ends_where_the_catalogue_does(recommender: Recommender, profile: Profile) -> None:
    found = recommender.recommend(profile, "als_mean", n=200)
    assert len(found.table) == recommender.artifacts.manifest.counts.items - len(profile)
    assert found.lists.rows[0, -1] == -1


def test_a_model_that_knows_none_of_the_items_gives_an_empty_list(recommender: Recommender, profile: Profile) -> None:
    here = Recommender(recommender.artifacts)
    vectors = np.array(recommender.artifacts.array("word2vec/vectors"))
    vectors[profile.rows] = 0
    here._spaces["word2vec"] = _Space(ItemVectors(vectors, 4))
    found = here.recommend(profile, "word2vec_mean", n=N)
    assert found.table.empty
    assert found.contributions.shape == (0, len(profile))
    view = compare(here.artifacts, found, here.recommend(profile, "als_fold_in", n=N))
    assert view.overlap is None
    assert view.verdict == "unknown"
    assert found.as_json(here.artifacts.catalogue)["price"]["after"]["score"] is None


def test_json_names_the_items_that_drove_each(recommender: Recommender, profile: Profile) -> None:
    found = recommender.recommend(profile, "als_fold_in", n=3)
    document = json.loads(json.dumps(found.as_json(recommender.artifacts.catalogue), allow_nan=False))
    names = recommender.artifacts.catalogue["name"]
    first = document["items"][0]
    assert first["name"] == names[found.table["item_row"][0]]
    by_size = np.argsort(-np.abs(found.contributions[0]))[:3]
    assert [each["name"] for each in first["because"]] == [names[profile.rows[at]] for at in by_size]
    assert first["because"][0]["contribution"] == pytest.approx(found.contributions[0, by_size[0]])


def test_items_that_add_nothing_are_no_reason() -> None:
    assert strongest(np.array([0.0, -0.5, 0.2, 0.0])) == [1, 2]


def test_one_replicate_has_no_stability_and_no_verdict(recommender: Recommender, profile: Profile) -> None:
    here = Recommender(recommender.artifacts)
    for model in ("als", "word2vec"):
        own = ItemVectors(recommender.artifacts.array(f"{model}/vectors"), 4).only([1])
        here._spaces[model] = _Space(own)
    found = [here.recommend(profile, way, n=N) for way in ("als_mean", "word2vec_mean")]
    assert found[0].table["stability"].isna().all()
    view = compare(here.artifacts, *found)
    assert view.verdict == "unknown"
    assert view.noise_floor == {"als_mean": None, "word2vec_mean": None}


@pytest.mark.parametrize(("n", "way"), [(0, "als_mean"), (1001, "als_mean"), (5, "magic")])
def test_what_cannot_be_asked_is_refused(recommender: Recommender, profile: Profile, n: int, way: Way) -> None:
    with pytest.raises(ParameterError, match=r"between 1 and 1,000|choose one of als_fold_in"):
        recommender.recommend(profile, way, n=n)


def test_a_set_without_factors_gives_means_but_no_fold_in(recommender: Recommender, profile: Profile) -> None:
    manifest = recommender.artifacts.manifest
    files = {name: entry for name, entry in manifest.files.items() if name != "als/item_factors.npy"}
    older = replace(recommender.artifacts, manifest=manifest.model_copy(update={"files": files}))
    here = Recommender(older)
    assert len(here.recommend(profile, "als_mean", n=N).table) == N
    with pytest.raises(UnsupportedSchema, match="build the set again"):
        here.recommend(profile, "als_fold_in", n=N)


def test_held_out_plays_are_met_as_well_as_by_implicit_itself(real_data: Path) -> None:
    log = read("lastfm-2k", real_data / "hetrec2011-lastfm-2k").with_min_listeners(5)
    split = holdout(log.user_items, np.random.default_rng(0))
    params = als.AlsParams()
    weights = bm25_weights(split.train, k1=params.k1, b=params.b).user_items
    ours = als.fit(split.train, params, np.random.default_rng(1))
    theirs = AlternatingLeastSquares(factors=params.factors, regularization=params.regularization)
    theirs.user_factors, theirs.item_factors = ours.user_factors, ours.item_factors
    asked = np.flatnonzero((np.diff(split.held_out.indptr) > 0) & (np.diff(split.train.indptr) > 0))
    their_lists = np.full((split.train.shape[0], 10), -1)
    their_lists[asked], _ = theirs.recommend(asked, weights[asked], N=10)
    fold_in = als.ListenerFoldIn(ours.item_factors, params.regularization)
    our_lists = np.full_like(their_lists, -1)
    for user in asked:
        own = weights[[user]]
        scores = ours.item_factors @ fold_in(own.indices, own.data).sum(axis=0)
        our_lists[user] = best(scores, own.indices, 10)
    ndcg = [np.nanmean(accuracy(lists, split.held_out, 10).ndcg) for lists in (our_lists, their_lists)]
    print(f"nDCG@10: fold-in {ndcg[0]:.4f}, implicit {ndcg[1]:.4f}")
    assert abs(ndcg[0] - ndcg[1]) < 0.01
