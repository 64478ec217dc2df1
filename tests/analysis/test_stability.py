from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from recsys.analysis.agreement import by_popularity, catalogue_agreement, is_real, most_disputed, popularity_percentiles
from recsys.analysis.compare import rank_biased_overlaps
from recsys.analysis.stability import noise_floors, separations, smallest_p_value, stabilities

N = 10


def noisy_lists(truth: np.ndarray, kept: int, rng: np.random.Generator) -> np.ndarray:
    """Lists of N that keep `kept` of each true list's first items and fill up from everything."""
    lists = np.empty((len(truth), N), np.int64)
    for row, true in enumerate(truth):
        keep = rng.choice(true, kept, replace=False)
        others = np.setdiff1d(np.arange(200), keep)
        lists[row] = np.concatenate([keep, rng.choice(others, N - kept, replace=False)])
    return lists


def truths(rng: np.random.Generator, n_items: int) -> np.ndarray:
    return np.stack([rng.choice(200, N, replace=False) for _ in range(n_items)])


def test_noise_floor_is_the_mean_over_all_pairs_by_hand() -> None:
    lists = [np.array([[1, 2, 3]]), np.array([[1, 2, 9]]), np.array([[1, 8, 7]])]
    assert noise_floors(lists, 3)[0] == pytest.approx((2 / 3 + 1 / 3 + 1 / 3) / 3)


def test_one_replicate_has_no_noise_floor() -> None:
    assert np.isnan(noise_floors([np.array([[1, 2]])], 2)).all()
    assert np.isnan(stabilities(np.array([1]), [np.array([1])], 1)).all()


def test_stability_is_the_share_of_replicates_that_hold_the_neighbour() -> None:
    replicates = [np.array([5, 6, 7]), np.array([6, 5, 9]), np.array([1, 6, 5])]
    assert stabilities(np.array([5, 6, 9, 4]), replicates, 2) == pytest.approx([2 / 3, 1, 0, 0])
    assert stabilities(np.array([5]), replicates, 3) == pytest.approx([1])


def test_p_value_is_what_relabelling_by_hand_gives() -> None:
    rng = np.random.default_rng(0)
    true = truths(rng, 1)
    lists = [noisy_lists(true, 6, rng) for _ in range(4)]

    def statistic(group: tuple[int, ...]) -> float:
        other = [i for i in range(4) if i not in group]
        overlap = lambda a, b: len(set(lists[a][0]) & set(lists[b][0])) / N  # noqa: E731
        inside = min(
            np.mean([overlap(*pair) for pair in combinations(group, 2)]),
            np.mean([overlap(*pair) for pair in combinations(other, 2)]),
        )
        return float(inside - np.mean([overlap(a, b) for a in group for b in other]))

    observed = statistic((0, 1))
    expected = np.mean([statistic(g) >= observed - 1e-9 for g in ((0, 1), (0, 2), (0, 3))]) if observed > 0 else 1.0
    assert separations(lists[:2], lists[2:], N)[0] == pytest.approx(expected)


def test_one_model_twice_is_called_different_at_most_one_time_in_twenty() -> None:
    rng = np.random.default_rng(1)
    true = truths(rng, 1_500)
    lists = [noisy_lists(true, 6, rng) for _ in range(8)]
    assert (separations(lists[:4], lists[4:], N) <= 0.05).mean() <= 0.05


def test_two_different_models_are_told_apart() -> None:
    rng = np.random.default_rng(2)
    left, right = truths(rng, 300), truths(rng, 300)
    p_values = separations(
        [noisy_lists(left, 6, rng) for _ in range(4)], [noisy_lists(right, 6, rng) for _ in range(4)], N
    )
    assert (p_values <= 0.05).mean() > 0.95


def test_a_noisy_model_beside_a_steady_one_is_not_a_difference_beyond_its_own_noise() -> None:
    rng = np.random.default_rng(3)
    true = truths(rng, 400)
    steady = [noisy_lists(true, 10, rng) for _ in range(4)]
    noisy = [noisy_lists(true, 3, rng) for _ in range(4)]
    assert (separations(steady, noisy, N) <= 0.05).mean() <= 0.05


def test_fewer_than_four_replicates_cannot_get_below_the_threshold() -> None:
    assert [smallest_p_value(r) for r in (1, 2, 3)] == pytest.approx([1, 1 / 3, 1 / 10])
    assert smallest_p_value(4) == pytest.approx(1 / 35)


@pytest.fixture
def agreement() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "overlap": [0.1, 0.5, 0.2, 0.1, np.nan],
            "floor_als": [0.6, 0.4, 0.9, 0.9, np.nan],
            "floor_word2vec": [0.7, 0.9, 0.8, 0.9, 0.5],
            "p_value": [0.02, 0.02, 0.02, 0.3, np.nan],
        }
    )


def test_a_difference_is_real_only_below_both_floors_and_beyond_chance(agreement: pd.DataFrame) -> None:
    assert is_real(agreement).tolist() == [True, False, True, False, False]


def test_most_disputed_are_real_ones_by_distance_below_the_lower_floor(agreement: pd.DataFrame) -> None:
    assert most_disputed(agreement, np.array([9, 9, 1, 9, 9]), limit=3).tolist() == [2, 0]


def test_popularity_bands_hold_equally_many_items(agreement: pd.DataFrame) -> None:
    bands = by_popularity(agreement, np.array([50, 40, 10, 20, 30]), n_bands=2)
    assert bands["items"].tolist() == [3, 2]
    assert bands["listeners_from"].tolist() == [10, 40]
    assert bands["listeners_to"].tolist() == [30, 50]
    assert bands["overlap"].tolist() == pytest.approx([0.15, 0.3])


def test_equal_listeners_have_equal_percentiles() -> None:
    assert popularity_percentiles(np.array([5, 1, 1, 9])).tolist() == [75, 50, 50, 100]


def test_catalogue_agreement_names_a_floor_for_each_model() -> None:
    rng = np.random.default_rng(4)
    true = truths(rng, 20)
    lists = {name: [noisy_lists(true, 7, rng) for _ in range(4)] for name in ("als", "word2vec")}
    halves = {name: each[:2] for name, each in lists.items()}
    scores = np.linspace(0.9, 0.1, lists["als"][0].shape[1])[None].repeat(20, 0)
    first = {name: each[0] for name, each in lists.items()}
    table = catalogue_agreement(first, dict.fromkeys(first, scores), lists, halves, N)
    expected = [len(set(a) & set(b)) / N for a, b in zip(lists["als"][0], lists["als"][1], strict=True)]
    np.testing.assert_allclose(table["floor_als"], expected, rtol=1e-6)
    assert list(table) == ["overlap", "rbo", "floor_als", "floor_word2vec", "p_value"]
    expected = rank_biased_overlaps(first["als"][:, :N], first["word2vec"][:, :N])
    np.testing.assert_allclose(table["rbo"], expected, rtol=1e-6)
