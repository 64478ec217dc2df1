from __future__ import annotations

import numpy as np
import pytest

from recsys.errors import ParameterError
from recsys.models.vectors import ItemVectors, unit_rows


@pytest.fixture
def replicates() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    made = [rng.normal(size=(6, 3)).astype(np.float32) for _ in range(5)]
    for replicate in made:
        replicate[4] = 0  # an item the model lacks
    return made


def test_unit_rows_have_length_one_and_zeros_stay() -> None:
    np.testing.assert_allclose(unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]])), [[0.6, 0.8], [0, 0]], rtol=1e-6)


def test_consensus_cosine_is_the_mean_of_the_replicates_cosines(replicates: list[np.ndarray]) -> None:
    consensus = ItemVectors.consensus(replicates).vectors
    mean = np.mean([unit_rows(r) @ unit_rows(r).T for r in replicates], axis=0)
    np.testing.assert_allclose(consensus @ consensus.T, mean, atol=1e-6)


def test_a_replicate_can_be_taken_out_of_the_consensus(replicates: list[np.ndarray]) -> None:
    third = ItemVectors.consensus(replicates).only([2]).vectors
    np.testing.assert_allclose(third, unit_rows(replicates[2]), atol=1e-6)


def test_halves_are_disjoint_and_whole(replicates: list[np.ndarray]) -> None:
    first, second = ItemVectors.consensus(replicates).halves()
    assert (first.n_replicates, second.n_replicates) == (2, 3)
    np.testing.assert_allclose(second.only([0]).vectors, unit_rows(replicates[2]), atol=1e-6)


def test_an_item_without_vector_is_not_present(replicates: list[np.ndarray]) -> None:
    assert ItemVectors.consensus(replicates).present.tolist() == [True, True, True, True, False, True]


def test_one_replicate_has_no_halves(replicates: list[np.ndarray]) -> None:
    with pytest.raises(ParameterError, match="at least 2 replicates"):
        ItemVectors.consensus(replicates[:1]).halves()


def test_replicates_of_different_shapes_are_refused(replicates: list[np.ndarray]) -> None:
    with pytest.raises(ParameterError, match="shapes"):
        ItemVectors.consensus([replicates[0], replicates[1][:, :2]])
