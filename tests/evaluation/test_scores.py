from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from recsys.analysis.evaluation import Scores, top_lists
from recsys.evaluation import scores
from recsys.evaluation.split import Split, hold_out, next_event
from recsys.models.bm25 import bm25_weights
from tests.evaluation.logs import log_of, some_plays


@pytest.fixture
def by_listener() -> Split:
    return hold_out(log_of(some_plays(3)), 0.2, 2, 1000, np.random.default_rng(0))


@pytest.fixture
def by_queue() -> Split:
    return next_event(log_of(some_plays(3)), 1, 1000, np.random.default_rng(0))


def everything(of: Scores, split: Split) -> np.ndarray:
    return np.vstack([of(slice(start, start + 7)) for start in range(0, split.known.shape[0], 7)])


def test_popularity_recommends_the_most_popular_items_that_are_not_known(by_listener: Split) -> None:
    lists = top_lists(scores.popularity(by_listener), by_listener.known, 5).items
    for row, own in enumerate(lists.tolist()):
        known = set(by_listener.known[row].indices.tolist())
        # Rows of the training catalogue go from the most to the least popular.
        assert own == [item for item in range(by_listener.train.n_items) if item not in known][:5]


def test_chance_recommends_every_item_about_as_often(by_queue: Split) -> None:
    draws = [everything(scores.chance(by_queue, np.random.default_rng(seed)), by_queue) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert not np.allclose(draws[0], draws[2])
    first = Counter(draws[0].argmax(axis=1).tolist())
    expected = by_queue.known.shape[0] / by_queue.train.n_items
    assert max(first.values()) < 4 * expected
    assert len(first) > 0.8 * by_queue.train.n_items


@pytest.mark.parametrize("kind", ["by_listener", "by_queue"])
def test_co_occurrence_counts_the_queues_that_hold_both(kind: str, request: pytest.FixtureRequest) -> None:
    split: Split = request.getfixturevalue(kind)
    together = np.zeros((split.train.n_items,) * 2)
    for queue in split.train.queues:
        for one in set(queue.tolist()):
            for other in set(queue.tolist()):
                together[one, other] += 1
    expected = [together[known.indices].sum(axis=0) for known in split.known]
    np.testing.assert_array_equal(everything(scores.co_occurrence(split), split), expected)


def test_bm25_item_item_adds_up_products_of_weights(by_listener: Split) -> None:
    weights = bm25_weights(by_listener.train.user_items, k1=3.0, b=0.4).user_items
    profiles = weights[by_listener.listeners]
    dense = weights.toarray().astype(float)
    expected = dense[by_listener.listeners] @ (dense.T @ dense)
    np.testing.assert_allclose(everything(scores.item_item(weights, profiles), by_listener), expected, rtol=1e-4)


def test_nearest_ranks_by_the_cosine_with_the_mean_of_unit_vectors(by_listener: Split) -> None:
    vectors = np.random.default_rng(1).normal(size=(by_listener.train.n_items, 4)).astype(np.float32)
    vectors[2] = 0
    present = np.arange(len(vectors)) != 2
    unit = np.array([vector / np.linalg.norm(vector) for vector in vectors[present].astype(float)])
    found = everything(scores.nearest(vectors, by_listener), by_listener)
    assert (found[:, 2] == -np.inf).all()
    for row, known in enumerate(by_listener.known):
        own = [item - (item > 2) for item in known.indices.tolist() if item != 2]
        cosine = unit @ unit[own].mean(axis=0)
        # Up to a factor, which is the same for all items.
        np.testing.assert_allclose(found[row, present] / len(own), cosine, atol=1e-6)


def test_nearest_euclidean_ranks_by_distance_whatever_the_lengths(by_queue: Split) -> None:
    rng = np.random.default_rng(2)
    n_items = by_queue.train.n_items
    vectors = (rng.normal(size=(n_items, 4)) * rng.uniform(0.1, 5, (n_items, 1))).astype(np.float32)
    lists = top_lists(scores.nearest_euclidean(vectors, by_queue), by_queue.known, 6).items
    cosine = top_lists(scores.nearest(vectors, by_queue), by_queue.known, 6).items
    for query, own in zip(by_queue.known.indices.tolist(), lists.tolist(), strict=True):
        distance = np.linalg.norm(vectors.astype(float) - vectors[query], axis=1)
        assert own == [item for item in np.argsort(distance).tolist() if item != query][:6]
    assert (lists != cosine).any()


@pytest.mark.parametrize("of", [scores.nearest, scores.nearest_euclidean])
def test_items_that_a_model_lacks_are_neither_recommended_nor_recommend(by_queue: Split, of: object) -> None:
    vectors = np.random.default_rng(1).normal(size=(by_queue.train.n_items, 3)).astype(np.float32)
    vectors[[0, 4]] = 0
    lists = top_lists(of(vectors, by_queue), by_queue.known, 50).items  # type: ignore[operator]
    assert not np.isin(lists, [0, 4]).any()
    from_lacking = np.isin(by_queue.known.indices, [0, 4])
    assert from_lacking.any()
    assert (lists[from_lacking] == -1).all()
    assert (lists[~from_lacking, 0] >= 0).all()
