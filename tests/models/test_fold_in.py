"""A new listener's factors against implicit's own and a dense solve."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from implicit.cpu.als import AlternatingLeastSquares

from recsys.models.als import ItemRefit, ListenerFoldIn

REGULARIZATION = 0.3
N_ITEMS, FACTORS = 11, 4
ITEMS = np.random.default_rng(4).normal(size=(N_ITEMS, FACTORS)).astype(np.float32)
ROWS = np.array([7, 2, 9, 0, 5])
WEIGHTS = np.array([3.0, -2.5, 0.4, 6.0, -0.7])


@pytest.fixture
def fold_in() -> ListenerFoldIn:
    return ListenerFoldIn(ITEMS, REGULARIZATION)


@pytest.mark.parametrize("own", [[0, 2, 3], [0, 1, 2, 3, 4], [3, 1], [2, 4]])
def test_it_is_what_implicit_recalculates_dislikes_included(fold_in: ListenerFoldIn, own: list[int]) -> None:
    model = AlternatingLeastSquares(factors=FACTORS, regularization=REGULARIZATION)
    model.item_factors = ITEMS
    row = sp.csr_matrix((WEIGHTS[own].astype(np.float32), ROWS[own], [0, len(own)]), shape=(1, N_ITEMS))
    ours = fold_in(ROWS[own], WEIGHTS[own]).sum(axis=0)
    np.testing.assert_allclose(ours, model.recalculate_user(0, row), rtol=1e-4, atol=1e-5)


def test_it_minimises_the_weighted_squares_worked_out_densely(fold_in: ListenerFoldIn) -> None:
    confidence, target = np.ones(N_ITEMS), np.zeros(N_ITEMS)
    confidence[ROWS], target[ROWS] = np.abs(WEIGHTS), WEIGHTS > 0
    items = ITEMS.astype(np.float64)
    left = items.T @ np.diag(confidence) @ items + REGULARIZATION * np.eye(FACTORS)
    expected = np.linalg.solve(left, items.T @ (confidence * target))
    np.testing.assert_allclose(fold_in(ROWS, WEIGHTS).sum(axis=0), expected, rtol=1e-5)


def test_without_dislikes_it_is_the_items_own_refit_with_sides_exchanged(fold_in: ListenerFoldIn) -> None:
    liked = WEIGHTS > 0
    row = sp.csr_matrix((WEIGHTS[liked], ROWS[liked], [0, liked.sum()]), shape=(1, N_ITEMS))
    np.testing.assert_allclose(
        fold_in(ROWS[liked], WEIGHTS[liked]).sum(axis=0), ItemRefit(ITEMS, REGULARIZATION)(row)[0], rtol=1e-4
    )


def test_parts_of_likes_do_not_depend_on_dislikes_and_a_dislike_takes_from_itself(fold_in: ListenerFoldIn) -> None:
    # Two factors, items along the axes and between them; regularization 1. Gram + 1: [[2.5, .5], [.5, 2.5]].
    items = np.array([[1, 0], [0, 1], [np.sqrt(0.5), np.sqrt(0.5)]], np.float32)
    here = ListenerFoldIn(items, 1.0)
    # East liked with 4: left is [[5.5, .5], [.5, 2.5]], its determinant 13.5; part is 4 · (2.5, −.5) / 13.5.
    alone = here(np.array([0]), np.array([4.0]))
    np.testing.assert_allclose(alone, [[10 / 13.5, -2 / 13.5]], rtol=1e-6)
    both = here(np.array([0, 2]), np.array([4.0, -3.0]))
    np.testing.assert_allclose(both[0], alone[0], rtol=1e-6)
    # The dislike of north-east adds 2 · [[.5, .5], [.5, .5]]: [[6.5, 1.5], [1.5, 3.5]], determinant 20.5; the
    # listener is (14, −6) / 20.5.
    np.testing.assert_allclose(both.sum(axis=0), [14 / 20.5, -6 / 20.5], rtol=1e-6)
    assert items[2] @ both[1] < 0
