"""Two settings held against each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from recsys.artifacts.store import ArtifactSet
from recsys.tuning.measure import TuningSettings
from recsys.tuning.pair import compare_settings


def test_two_settings_are_compared_as_in_a_grid(built_once: Path, tuned_once: ArtifactSet) -> None:
    base = ArtifactSet.open(built_once)
    how = tuned_once.manifest.tuning
    assert how is not None
    settings = TuningSettings(
        n=how.n, held_out=how.held_out, listeners=how.listeners, replicates=how.replicates, seed=how.seed
    )
    ticks: list[int] = []
    found = compare_settings(base, (100.0, 0.8), (1.2, 0.8), settings, lambda: ticks.append(1))
    grid = tuned_once.tuning
    assert grid is not None
    ndcg = {(k1, b): value for k1, b, value in zip(grid["k1"], grid["b"], grid["ndcg"], strict=True)}
    assert (found.ndcg, found.baseline_ndcg) == pytest.approx((ndcg[1.2, 0.8], ndcg[100.0, 0.8]), abs=1e-4)
    assert found.difference == pytest.approx(found.ndcg - found.baseline_ndcg, abs=2e-4)
    assert found.difference_low <= found.difference <= found.difference_high
    assert len(ticks) == 2 * how.replicates * base.manifest.models["als"].params["iterations"]
    back = compare_settings(base, (1.2, 0.8), (100.0, 0.8), settings)
    assert (back.difference, back.difference_low) == (-found.difference, -found.difference_high)
