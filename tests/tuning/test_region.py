"""Which settings cannot be told from the best, by hand and on measurements whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from recsys.errors import ParameterError
from recsys.tuning.region import FloatArray, best_region


def test_the_region_by_hand() -> None:
    best = np.zeros(4)
    # One replicate: mean 0.25, variance 1/60, so a standard error of 0.0645; t with 3 degrees of freedom is 3.182.
    clear = best - [0.1, 0.2, 0.3, 0.4]
    unclear = best - [-0.1, 0.2, 0.3, 0.4]
    found = best_region(np.array([[clear], [best], [unclear], [np.full(4, np.nan)]]))
    assert found.best == 1
    assert found.inside.tolist() == [False, True, True, False]
    np.testing.assert_allclose(found.behind, [0.25, 0, 0.2, np.nan])
    reach = 3.18245 * math.sqrt(1 / 60 / 4)
    np.testing.assert_allclose(found.low, [0.25 - reach, 0, -0.1438, np.nan], atol=1e-4)
    np.testing.assert_allclose(found.high, [0.25 + reach, 0, 0.5438, np.nan], atol=1e-4)


def test_seeds_count_in_the_region_by_hand() -> None:
    # All listeners alike; replicates differ from the best by 0.1 and 0.3: variance 0.02, of their mean 0.01. Student's
    # t with one degree of freedom is 12.706.
    values = np.array([np.zeros((2, 5)), [[-0.1] * 5, [-0.3] * 5]])
    found = best_region(values)
    assert found.inside.tolist() == [True, True]
    np.testing.assert_allclose(found.high[1], 0.2 + 1.2706, rtol=1e-4)
    # Replicate by replicate the difference is the same: nothing is left to chance.
    assert best_region(values * [[[1], [1 / 3]]]).inside.tolist() == [True, False]


def simulated(rng: np.random.Generator, truth: list[float], replicates: int, *, seed_noise: float) -> FloatArray:
    """Measurements whose truth is known: what listeners have in common, their taste in settings, fits, and seeds."""
    settings, listeners = len(truth), 400
    return (
        np.array(truth)[:, None, None]
        + rng.normal(0, 0.2, listeners)
        + rng.normal(0, 0.05, (settings, 1, listeners))
        + rng.normal(0, 0.05, (settings, replicates, listeners))
        + rng.normal(0, seed_noise, (settings, replicates, 1))
    )


@pytest.mark.parametrize(("replicates", "seed_noise"), [(1, 0.0), (2, 0.0), (2, 0.003), (4, 0.02), (8, 0.02)])
def test_of_two_settings_that_are_alike_both_are_in_the_region_19_times_in_20(
    replicates: int, seed_noise: float
) -> None:
    rng = np.random.default_rng(5)
    draws = [simulated(rng, [0.25, 0.25], replicates, seed_noise=seed_noise) for _ in range(500)]
    # 475 are due; the interval is rather too wide.
    assert sum(best_region(values).inside.all() for values in draws) >= 455


def test_without_the_seeds_noise_settings_that_are_alike_would_be_told_apart() -> None:
    rng = np.random.default_rng(6)
    draws = [simulated(rng, [0.25, 0.25], 8, seed_noise=0.02) for _ in range(200)]
    assert sum(best_region(values.mean(axis=1, keepdims=True)).inside.all() for values in draws) < 140


def test_what_is_clearly_worse_is_never_in_the_region_and_the_best_mostly_is() -> None:
    rng = np.random.default_rng(7)
    truth = [0.15, 0.25, 0.252, 0.2]
    inside = np.array([best_region(simulated(rng, truth, 4, seed_noise=0.001)).inside for _ in range(200)])
    assert not inside[:, [0, 3]].any()
    assert inside[:, 2].mean() > 0.95
    # A difference of 0.002 is less than half the standard error of 0.004: it is seldom seen.
    assert inside[:, 1].mean() > 0.8


def test_a_region_needs_values_and_listeners() -> None:
    for values in (np.full((2, 1, 9), np.nan), np.zeros((2, 1, 1))):
        with pytest.raises(ParameterError, match="leave nothing to compare"):
            best_region(values)
