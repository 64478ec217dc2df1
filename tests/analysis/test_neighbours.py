from __future__ import annotations

import numpy as np
import pytest

from recsys.analysis import neighbours
from recsys.analysis.neighbours import exact_neighbours, neighbour_graph, recall_on_sample, top_columns
from recsys.errors import ParameterError
from recsys.models.vectors import unit_rows


@pytest.fixture
def vectors() -> np.ndarray:
    """40 items in 5 dimensions; two are alike, two are missing."""
    made = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
    made[7] = made[3]
    made[[11, 30]] = 0
    return unit_rows(made)


def by_brute_force(vectors: np.ndarray, row: int, n: int) -> list[int]:
    cosine = vectors @ vectors[row]
    order = sorted((j for j in range(len(vectors)) if j != row and vectors[j].any()), key=lambda j: (-cosine[j], j))
    return order[:n]


def test_exact_graph_is_brute_force(vectors: np.ndarray) -> None:
    graph = neighbour_graph(vectors, 6, np.random.default_rng(0))
    for row in set(range(40)) - {11, 30}:
        assert graph.neighbours[row].tolist() == by_brute_force(vectors, row, 6)
        expected = vectors[graph.neighbours[row]] @ vectors[row]
        np.testing.assert_allclose(graph.similarities[row], expected, atol=1e-6)


@pytest.mark.parametrize("exact_below", [10_000, 2], ids=["exact", "approximate"])
def test_query_item_is_never_its_own_neighbour_not_even_beside_its_double(
    vectors: np.ndarray, exact_below: int
) -> None:
    graph = neighbour_graph(vectors, 6, np.random.default_rng(0), exact_below=exact_below)
    assert not (graph.neighbours == np.arange(40)[:, None]).any()
    assert graph.neighbours[3, 0] == 7
    assert graph.neighbours[7, 0] == 3


@pytest.mark.parametrize("exact_below", [10_000, 2], ids=["exact", "approximate"])
def test_missing_items_have_no_neighbours_and_are_nobodys(vectors: np.ndarray, exact_below: int) -> None:
    graph = neighbour_graph(vectors, 50, np.random.default_rng(0), exact_below=exact_below)
    assert (graph.neighbours[[11, 30]] == -1).all()
    assert np.isnan(graph.similarities[[11, 30]]).all()
    assert not np.isin(graph.neighbours, [11, 30]).any()
    assert ((graph.neighbours[0] >= 0).sum(), graph.neighbours.shape[1]) == (37, 50)


def test_blocks_do_not_change_the_graph(vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = neighbour_graph(vectors, 6, np.random.default_rng(0))
    monkeypatch.setattr(neighbours, "BLOCK_CELLS", 120)
    np.testing.assert_array_equal(neighbour_graph(vectors, 6, np.random.default_rng(0)).neighbours, whole.neighbours)


def test_approximate_graph_finds_nearly_all_and_says_how_many() -> None:
    vectors = unit_rows(np.random.default_rng(1).normal(size=(3_000, 16)).astype(np.float32))
    graph = neighbour_graph(vectors, 20, np.random.default_rng(0), exact_below=100)
    rows = np.arange(0, 3_000, 7)
    exact = exact_neighbours(vectors, rows, 10).neighbours
    found = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(exact, graph.neighbours[rows, :10], strict=True)])
    stated = recall_on_sample(graph, vectors, 10, np.random.default_rng(0), sample=3_000)
    assert found > 0.9
    assert stated == pytest.approx(found, abs=0.02)
    assert (np.diff(graph.similarities, axis=1) <= 1e-6).all()


def test_recall_of_a_wrong_graph_is_low(vectors: np.ndarray) -> None:
    graph = neighbour_graph(vectors, 6, np.random.default_rng(0))
    wrong = neighbours.NeighbourGraph(graph.neighbours[::-1].copy(), graph.similarities)
    assert recall_on_sample(graph, vectors, 6, np.random.default_rng(0)) == 1
    assert recall_on_sample(wrong, vectors, 6, np.random.default_rng(0)) < 0.6


def test_ties_go_to_the_first_column() -> None:
    columns, values = top_columns(np.array([[1.0, 3, 3, 3, 2], [5, 5, 5, 5, 5]]), 2)
    assert columns.tolist() == [[1, 2], [0, 1]]
    assert values.tolist() == [[3, 3], [5, 5]]


def test_depth_below_one_is_refused(vectors: np.ndarray) -> None:
    with pytest.raises(ParameterError, match="depth is 0"):
        neighbour_graph(vectors, 0, np.random.default_rng(0))
