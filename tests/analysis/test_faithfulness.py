"""How true a map is: by loops on small layouts, and beside scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.manifold import trustworthiness

from recsys.analysis.faithfulness import faithfulness, pca_map, random_map, rank_quality
from recsys.analysis.neighbours import exact_neighbours
from recsys.errors import ParameterError
from recsys.models.vectors import unit_rows

# On a line at 0, 1, 2, 10 and 11; item 5 is not on the map.
LINE = np.array([[0, 0], [1, 0], [2.1, 0], [10, 0], [11, 0], [np.nan, np.nan]], np.float32)


def vectors(count: int, width: int = 8) -> np.ndarray:
    return unit_rows(np.random.default_rng(1).standard_normal((count, width)))


def test_faithfulness_by_hand() -> None:
    true = np.array([[1, 2], [3, 4], [1, 5], [4, -1], [-1, -1], [0, 1]], np.int32)
    # Nearest two on the line: of 0: 1 2; of 1: 0 2; of 2: 1 0; of 3: 4 2.
    np.testing.assert_array_equal(faithfulness(LINE, true, 2), np.float32([1, 0, 0.5, 1, np.nan, np.nan]))
    np.testing.assert_array_equal(faithfulness(LINE, true, 1), np.float32([1, 0, 1, 1, np.nan, np.nan]))
    with pytest.raises(ParameterError, match="n is 3; the stored lists hold 2"):
        faithfulness(LINE, true, 3)


def test_faithfulness_is_that_of_plain_loops() -> None:
    rng = np.random.default_rng(2)
    layout = rng.standard_normal((90, 2)).astype(np.float32)
    layout[3] = np.nan
    lists = exact_neighbours(vectors(90), np.arange(90), 12).neighbours
    found = faithfulness(layout, lists, 7)
    for row in range(90):
        others = [each for each in range(90) if each not in (row, 3)]
        nearest = sorted(others, key=lambda each: np.linalg.norm(layout[each] - layout[row]))[:7]
        expected = np.nan if row == 3 else len({*nearest} & {*lists[row, :7].tolist()}) / 7
        assert found[row] == pytest.approx(expected, nan_ok=True)


def test_points_that_coincide_never_count_the_item_itself() -> None:
    layout = np.zeros((8, 2), np.float32)
    everybody_else = np.array([[each for each in range(8) if each != row] for row in range(8)], np.int32)
    np.testing.assert_array_equal(faithfulness(layout, everybody_else, 7), 1)
    assert faithfulness(layout, everybody_else, 3).max() <= 1


@pytest.mark.parametrize("n", [1, 5, 15])
def test_trustworthiness_and_continuity_are_those_of_scikit_learn(n: int) -> None:
    true = vectors(80)
    layout = (true[:, :2] + 0.3 * np.random.default_rng(3).standard_normal((80, 2))).astype(np.float32)
    found = rank_quality(true, layout, np.random.default_rng(0), n=n)
    assert found.trustworthiness == pytest.approx(trustworthiness(true, layout, n_neighbors=n, metric="cosine"))
    # Continuity is the same measure with the two spaces changed over.
    assert found.continuity == pytest.approx(trustworthiness(layout, true, n_neighbors=n))


def test_a_sample_tells_nearly_the_same_and_items_not_on_the_map_are_left_out() -> None:
    true = vectors(600)
    layout = true[:, :2].copy()
    everything = rank_quality(true, layout, np.random.default_rng(0))
    sample = rank_quality(true, layout, np.random.default_rng(0), sample=150)
    assert sample == pytest.approx(everything, abs=0.02)
    assert sample != everything
    more = np.vstack([true, np.zeros((5, 8), np.float32), true[:5]])
    nowhere = np.vstack([layout, layout[:5], np.full((5, 2), np.nan, np.float32)])
    assert rank_quality(more, nowhere, np.random.default_rng(0)) == pytest.approx(everything)


def test_nothing_is_known_of_maps_with_few_items() -> None:
    assert np.isnan(rank_quality(vectors(30), vectors(30)[:, :2], np.random.default_rng(0), n=15)).all()


def test_the_yardsticks_know_nothing_and_the_best_plane() -> None:
    present = np.array([True, False, True, True])
    scattered = random_map(present, np.random.default_rng(0))
    assert scattered.dtype == np.float32
    assert np.isfinite(scattered).all(axis=1).tolist() == present.tolist()
    true = vectors(40)
    true[2] = 0
    plane, centred = pca_map(true), np.delete(true, 2, 0) - np.delete(true, 2, 0).mean(axis=0)
    assert np.isnan(plane[2]).all()
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(np.abs(np.delete(plane, 2, 0)), np.abs((left * sizes)[:, :2]), atol=1e-5)


def test_vectors_of_one_number_have_a_plane_too() -> None:
    assert pca_map(np.ones((3, 1), np.float32)).shape == (3, 2)
