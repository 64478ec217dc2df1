from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.sparse as sp

from recsys.analysis import evaluation
from recsys.analysis.evaluation import (
    accuracy,
    holdout,
    recommendations,
    share_with_tag,
    tag_share,
    top_lists,
    top_tags,
)
from recsys.errors import ParameterError

TAGS = [["rock", "pop", "indie", "folk"], ["indie"], ["folk"], [], ["pop", "rock"]]


def test_tag_share_by_hand() -> None:
    neighbours = np.array([[1, 2, 3], [0, 2, 4], [0, 1, 3], [0, 1, 2], [0, 1, -1]])
    # item 0: 1 shares "indie", 2 has "folk", which is only 0's fourth tag, 3 has none → 1/3; item 1: 0 → 1/3;
    # item 2: none → 0; item 3 has no tag and is not asked; item 4: of two neighbours 0 shares → 1/2.
    share = tag_share(neighbours, TAGS, np.full(5, 10), n=3)
    assert share == pytest.approx(np.mean([1 / 3, 1 / 3, 0, 1 / 2]))


def test_only_items_with_enough_listeners_are_asked() -> None:
    neighbours = np.array([[1], [0], [1], [0], [0]])
    assert tag_share(neighbours, TAGS, np.array([9, 9, 10, 10, 9]), n=1) == 0


def test_without_tags_the_share_is_not_known() -> None:
    assert np.isnan(tag_share(np.array([[1], [0]]), [[], []], np.array([10, 10]), n=1))


def some_plays(seed: int, n_users: int = 60, n_items: int = 23) -> sp.csr_matrix:
    rng = np.random.default_rng(seed)
    return sp.csr_matrix(
        rng.integers(1, 9, (n_users, n_items)) * (rng.random((n_users, n_items)) < 0.3), dtype=np.float32
    )


def test_a_holdout_divides_the_pairs_and_loses_none() -> None:
    plays = some_plays(1)
    parts = holdout(plays, np.random.default_rng(0))
    assert parts.train.shape == parts.held_out.shape == plays.shape
    assert parts.train.multiply(parts.held_out).nnz == 0
    assert (parts.train + parts.held_out != plays).nnz == 0
    assert parts.train.dtype == parts.held_out.dtype == plays.dtype


@pytest.mark.parametrize(
    ("share", "held_out"), [(0.2, [0, 0, 1, 1, 1, 2]), (0.01, [0, 0, 1, 1, 1, 1]), (0.99, [0, 0, 1, 2, 4, 9])]
)
def test_each_listener_keeps_an_item_and_who_has_two_is_asked_for_one(share: float, held_out: list[int]) -> None:
    plays = sp.csr_matrix([[1] * items + [0] * (12 - items) for items in (0, 1, 2, 3, 5, 10)], dtype=np.float32)
    parts = holdout(plays, np.random.default_rng(0), share=share)
    assert np.diff(parts.held_out.indptr).tolist() == held_out


def test_the_same_seed_holds_out_the_same_and_every_item_has_its_chance() -> None:
    plays = sp.csr_matrix(np.ones((400, 5), np.float32))
    first, again, other = (holdout(plays, np.random.default_rng(seed)).held_out for seed in (0, 0, 1))
    assert (first != again).nnz == 0
    assert (first != other).nnz > 0
    # 400 listeners with five items each hold out one: 80 times each item, standard deviation 8.
    assert np.abs(np.asarray(first.sum(axis=0)) - 80).max() < 32


def test_a_pair_that_is_stored_twice_does_not_leak() -> None:
    twice = sp.csr_matrix(([1.0] * 6, [0, 1, 1, 2, 2, 0], [0, 6]), shape=(1, 4), dtype=np.float32)
    for seed in range(5):
        parts = holdout(twice, np.random.default_rng(seed))
        assert parts.train.multiply(parts.held_out).nnz == 0
        assert (parts.train + parts.held_out).toarray().tolist() == [[2, 2, 2, 0]]


@pytest.mark.parametrize("share", [0, 1, -0.2, float("nan")])
def test_a_share_outside_its_limits_is_named(share: float) -> None:
    with pytest.raises(ParameterError, match=f"held out is {share}; it must lie between 0 and 1"):
        holdout(some_plays(1), np.random.default_rng(0), share=share)


@pytest.mark.parametrize("cells", [1, 50, 10_000])
def test_recommendations_are_those_of_a_plain_loop_whatever_the_blocks(
    monkeypatch: pytest.MonkeyPatch, cells: int
) -> None:
    monkeypatch.setattr(evaluation, "BLOCK_CELLS", cells)
    rng = np.random.default_rng(2)
    known = some_plays(3)
    # Small whole numbers, so that scores tie often and are exact.
    users, items = (rng.integers(-2, 3, (rows, 4)).astype(np.float32) for rows in known.shape)
    expected = []
    for user in range(known.shape[0]):
        scores = {row: float(users[user] @ items[row]) for row in range(known.shape[1]) if not known[user, row]}
        expected.append(sorted(scores, key=lambda row: (-scores[row], row))[:6])
    assert recommendations(users, items, known, 6).tolist() == expected


def test_a_list_ends_where_nothing_is_left_to_recommend() -> None:
    known = sp.csr_matrix([[1, 0, 1, 0], [1, 1, 1, 1], [0, 0, 0, 0]], dtype=np.float32)
    factors = np.array([[4], [3], [2], [1]], np.float32)
    lists = recommendations(np.ones((3, 1), np.float32), factors, known, 5)
    assert lists.tolist() == [[1, 3, -1, -1, -1], [-1] * 5, [0, 1, 2, 3, -1]]


def test_scores_that_are_no_numbers_or_minus_infinity_recommend_nothing() -> None:
    users = np.array([[np.inf, 1], [1, 0]], np.float32)
    items = np.array([[0, 1], [0, 2], [2, 1], [-1, 0]], np.float32)
    # First listener: inf · 0 twice, inf, −inf.
    lists = recommendations(users, items, sp.csr_matrix((2, 4), dtype=np.float32), 3)
    assert lists.tolist() == [[2, -1, -1], [2, 0, 1]]


def test_recommendations_refuse_what_does_not_fit() -> None:
    users, items = np.ones((3, 2), np.float32), np.ones((4, 2), np.float32)
    with pytest.raises(ParameterError, match="n is 0"):
        recommendations(users, items, sp.csr_matrix((3, 4), dtype=np.float32), 0)
    with pytest.raises(ParameterError, match=r"matrix of \(4, 3\); the factors are of \(3, 4\)"):
        recommendations(users, items, sp.csr_matrix((4, 3), dtype=np.float32), 1)


def test_accuracy_by_hand() -> None:
    held_out = sp.csr_matrix(np.array([[0, 1, 0, 0, 0, 1, 0, 1, 0, 1], [0] * 10, [1] + [0] * 9], np.float32))
    lists = np.array([[3, 1, 5, 7], [1, 2, 3, 4], [-1, -1, -1, -1]])
    found = accuracy(lists, held_out, 3)
    # First listener: hits at ranks 2 and 3 of four that would have been right; the second was asked for nothing; the
    # third got no list.
    second, third = 1 / math.log2(3), 1 / math.log2(4)
    np.testing.assert_allclose(found.ndcg, [(second + third) / (1 + second + third), np.nan, 0])
    np.testing.assert_allclose(found.recall, [2 / 4, np.nan, 0])
    np.testing.assert_allclose(found.hr, [1, np.nan, 0])
    # Precision at each hit is 1/2 and 2/3; all four that would have been right divide it.
    np.testing.assert_allclose(found.map, [(1 / 2 + 2 / 3) / 4, np.nan, 0])
    np.testing.assert_allclose(found.mrr, [1 / 2, np.nan, 0])


@pytest.mark.parametrize("n", [1, 3, 10])
def test_accuracy_is_that_of_a_plain_loop(n: int) -> None:
    parts = holdout(some_plays(5), np.random.default_rng(1), share=0.6)
    rng = np.random.default_rng(6)
    users, items = (rng.random((rows, 3)).astype(np.float32) for rows in parts.train.shape)
    lists = recommendations(users, items, parts.train, 10)
    ndcg, recall, precision, first = [], [], [], []
    for user, row in enumerate(lists.tolist()):
        right = set(parts.held_out[user].indices.tolist())
        hits = [rank for rank, item in enumerate(row[:n], start=1) if item in right]
        ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(n, len(right)) + 1))
        ndcg.append(sum(1 / math.log2(rank + 1) for rank in hits) / ideal if right else math.nan)
        recall.append(len(hits) / len(right) if right else math.nan)
        precisions = [sum(hit <= rank for hit in hits) / rank for rank in hits]
        precision.append(sum(precisions) / len(right) if right else math.nan)
        first.append((1 / hits[0] if hits else 0) if right else math.nan)
    found = accuracy(lists, parts.held_out, n)
    np.testing.assert_allclose(found.ndcg, ndcg)
    np.testing.assert_allclose(found.recall, recall)
    np.testing.assert_allclose(found.hr, [math.nan if math.isnan(share) else share > 0 for share in recall])
    np.testing.assert_allclose(found.map, precision)
    np.testing.assert_allclose(found.mrr, first)
    assert len(set(found.recall)) > 3


@pytest.mark.parametrize(("n", "n_users"), [(0, 2), (5, 2), (3, 4)])
def test_accuracy_refuses_lists_that_do_not_fit(n: int, n_users: int) -> None:
    with pytest.raises(ParameterError, match=f"n is {n}, for {n_users} listeners; the lists are 2 of length 4"):
        accuracy(np.zeros((2, 4), np.int32), sp.csr_matrix((n_users, 9), dtype=np.float32), n)


@pytest.mark.parametrize("cells", [1, 8, 10_000])
def test_a_last_place_that_ties_with_the_next_is_marked(monkeypatch: pytest.MonkeyPatch, cells: int) -> None:
    monkeypatch.setattr(evaluation, "BLOCK_CELLS", cells)
    scores = np.array([[3, 2, 2, 1], [3, 3, 2, 1], [3, 2, 2, 2], [5, -np.inf, -np.inf, -np.inf]])
    # The third list knows an item of those that tie, and two are left; the fourth has ended before its last place.
    known = sp.csr_matrix([[0, 0, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]], dtype=np.float32)
    lists = top_lists(lambda rows: scores[rows].copy(), known, 2)
    assert lists.items.tolist() == [[0, 1], [0, 1], [0, 2], [0, -1]]
    assert lists.tied.tolist() == [True, False, True, False]


def test_a_list_of_the_whole_catalogue_ties_with_nothing() -> None:
    lists = top_lists(lambda rows: np.ones((1, 3)), sp.csr_matrix((1, 3), dtype=np.float32), 3)
    assert (lists.items.tolist(), lists.tied.tolist()) == ([[0, 1, 2]], [False])


def test_share_with_tag_by_hand() -> None:
    has_tag = top_tags(TAGS)
    # Own tags: those of item 0, without its fourth; none; those of item 1.
    own = has_tag[[0, 3, 1]]
    lists = np.array([[1, 2, 4], [0, 1, 2], [-1, -1, -1]])
    np.testing.assert_allclose(share_with_tag(own, has_tag, lists), [2 / 3, np.nan, np.nan])
