from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from recsys.analysis.intervals import RESAMPLES, bootstrapped, interval, resampled_means

FloatArray = npt.NDArray[np.float64]


def covered(low: FloatArray, high: FloatArray, truth: float) -> float:
    return float(((low <= truth) & (truth <= high)).mean())


@pytest.mark.parametrize("n_listeners", [60, 250])
@pytest.mark.parametrize("kind", ["hits", "ndcg"])
def test_the_interval_covers_the_truth_in_93_to_97_of_100_repetitions(n_listeners: int, kind: str) -> None:
    rng = np.random.default_rng([n_listeners, len(kind)])
    shape = (3000, n_listeners)
    # As recommenders score: a hit or not; or nothing for half of the listeners and a skewed share for the rest.
    values, truth = {
        "hits": ((rng.random(shape) < 0.3).astype(float), 0.3),
        "ndcg": (np.where(rng.random(shape) < 0.5, 0, rng.beta(1, 2, shape)), 1 / 6),
    }[kind]
    assert 0.93 <= covered(*bootstrapped(values, rng), truth) <= 0.97


def simulated_queues(rng: np.random.Generator, n_listeners: int) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    """1500 repetitions of queues that resemble each other within a listener, around a mean of 0."""
    groups = np.repeat(np.arange(n_listeners), rng.integers(1, 8, n_listeners))
    own = rng.normal(size=(1500, n_listeners))
    return own[:, groups] + rng.normal(size=(1500, len(groups))), groups


def test_queues_of_one_listener_are_drawn_together() -> None:
    rng = np.random.default_rng(2)
    values, groups = simulated_queues(rng, 80)
    order = rng.permutation(len(groups))
    resampled = resampled_means(values[:, order], rng, groups[order])
    low, high = np.array([interval(column, 80) for column in resampled.T]).T
    assert 0.93 <= covered(low, high, 0) <= 0.97
    # As if every queue were somebody else's, the interval is far too narrow.
    assert covered(*bootstrapped(values, rng), 0) < 0.8


def test_resampled_means_are_those_of_a_plain_loop() -> None:
    values = np.array([[1.0, 2, np.nan, 4, 0], [5, np.nan, np.nan, 1, 1]])
    groups = np.array([7, 3, 3, 7, 5])
    found = resampled_means(values, np.random.default_rng(4), groups)
    rng, members = np.random.default_rng(4), {0: [1, 2], 1: [4], 2: [0, 3]}
    for resample in range(RESAMPLES):
        columns = [column for group in rng.integers(0, 3, 3) for column in members[group]]
        for row in range(2):
            drawn = [value for value in values[row, columns] if not math.isnan(value)]
            expected = np.mean(drawn) if drawn else math.nan
            assert found[resample, row] == pytest.approx(expected, nan_ok=True)
    assert np.isnan(found[:, 1]).any()


def test_a_model_is_never_told_from_itself() -> None:
    rng = np.random.default_rng(3)
    values = rng.random((1, 50))
    resampled = resampled_means(np.vstack([values, values]), rng)
    assert interval(resampled[:, 0] - resampled[:, 1], 50) == (0, 0)


def test_two_that_are_alike_are_told_apart_about_once_in_twenty_times() -> None:
    rng = np.random.default_rng(5)
    # What two fits of one model score: the same listeners are easy for both, the rest is luck.
    easy = rng.random((2000, 120))
    both = [np.clip(easy + rng.normal(0, 0.2, easy.shape), 0, 1) for _ in range(2)]
    low, high = bootstrapped(both[0] - both[1], rng)
    assert 0.93 <= covered(low, high, 0) <= 0.97


def test_the_paired_difference_is_surer_than_two_intervals() -> None:
    rng = np.random.default_rng(6)
    easy = rng.random(200)
    resampled = resampled_means(np.stack([easy, easy + 0.02 + rng.normal(0, 0.05, 200)]), rng)
    low, high = interval(resampled[:, 1] - resampled[:, 0], 200)
    assert 0 < low < 0.02 < high
    (_, first_high), (second_low, _) = (interval(column, 200) for column in resampled.T)
    assert second_low < first_high


def test_fewer_than_two_listeners_have_no_interval() -> None:
    low, high = bootstrapped(np.array([[0.5, np.nan, np.nan], [np.nan] * 3]), np.random.default_rng(0))
    assert np.isnan(low).all()
    assert np.isnan(high).all()
