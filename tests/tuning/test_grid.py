"""The grid of K1 and B: what is measured, and what is kept."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_info

from recsys.analysis.evaluation import Holdout
from recsys.analysis.neighbours import exact_neighbours
from recsys.artifacts.names import TUNING_COLUMNS
from recsys.artifacts.store import ArtifactSet, verify
from recsys.artifacts.writer import ArtifactWriter
from recsys.config import BuildConfig
from recsys.errors import ArtifactError, DamagedArtifacts, MissingArtifacts, ParameterError
from recsys.models import als
from recsys.models.vectors import unit_rows
from recsys.pipeline import build
from recsys.tuning import measure
from recsys.tuning.grid import full_grid, tune
from recsys.tuning.measure import TuningSettings
from tests.tuning.conftest import GRID, Fits, figures, work_folders


def test_the_default_grid_holds_the_tutorials_point() -> None:
    assert len(full_grid()) == 35
    assert (100.0, 0.8) in full_grid()


def test_the_grid_is_kept_with_a_new_build_of_the_same_set(built_once: Path, tuned_once: ArtifactSet) -> None:
    base, path = ArtifactSet.open(built_once), tuned_once.folder.parent
    assert base.tuning is None
    assert tuple(tuned_once.tuning) == TUNING_COLUMNS  # type: ignore[arg-type]
    assert [tuple(point) for point in figures(tuned_once)[["k1", "b"]].to_numpy()] == sorted(GRID)
    how = tuned_once.manifest.tuning
    assert how is not None
    assert (how.n, how.held_out, how.listeners, how.replicates, how.seed) == (10, 0.2, 250, 2, 0)
    assert tuned_once.fingerprint != base.fingerprint
    assert {**base.manifest.files, "tuning.parquet": None}.keys() == tuned_once.manifest.files.keys()
    assert base.manifest.files.items() <= tuned_once.manifest.files.items()
    assert tuned_once.manifest.models == base.manifest.models
    assert ArtifactSet.open(path).fingerprint == tuned_once.fingerprint
    assert verify(path) == []
    assert work_folders(path) == []


def test_figures_are_those_of_plain_loops_over_the_fits(
    small_set: Path, fits: Fits, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts: list[Holdout] = []
    monkeypatch.setattr(measure, "holdout", lambda *a, **b: parts.append(holdout(*a, **b)) or parts[-1])
    holdout = sys.modules["recsys.analysis.evaluation"].holdout
    tuned = tune(small_set, [(1.2, 0.8)], TuningSettings(n=5))
    row = figures(tuned).iloc[0]
    (split,), both = parts, fits.fits[1.2, 0.8]
    catalogue = tuned.catalogue
    ndcgs, recalls, coverages, popularities, lists = [], [], [], [], []
    for fit in both:
        shown = []
        for user in range(split.train.shape[0]):
            known, right = (set(part[user].indices.tolist()) for part in (split.train, split.held_out))
            assert right
            scores = fit.item_factors @ fit.user_factors[user]
            top = sorted(set(range(len(scores))) - known, key=lambda item: (-scores[item], item))[:5]
            gains = [1 / math.log2(rank + 2) for rank in range(5)]
            hits = [gain for item, gain in zip(top, gains, strict=True) if item in right]
            ndcgs.append(sum(hits) / sum(gains[: len(right)]))
            recalls.append(len(hits) / len(right))
            shown += top
        coverages.append(len(set(shown)) / len(catalogue))
        popularities.append(catalogue["popularity"].to_numpy(float)[shown].mean())
        lists.append(exact_neighbours(unit_rows(fit.item_factors), np.arange(len(catalogue)), 5).neighbours)
    popular = np.flatnonzero(catalogue["listeners"] >= 10)
    assert row["ndcg"] == pytest.approx(np.mean(ndcgs), rel=1e-5)
    assert row["recall"] == pytest.approx(np.mean(recalls), rel=1e-5)
    assert row["coverage"] == pytest.approx(np.mean(coverages), abs=1e-4)
    assert row["popularity"] == pytest.approx(np.mean(popularities), abs=1e-3)
    floor = np.mean([len(set(lists[0][item]) & set(lists[1][item])) / 5 for item in popular])
    assert row["noise_floor"] == pytest.approx(floor, abs=1e-4)
    tags = [set(own[:3]) for own in catalogue["tags"]]
    share = np.mean([[bool(tags[item] & tags[near]) for near in both[item]] for both in lists for item in popular])
    assert row["tag_share"] == pytest.approx(share, abs=1e-4)
    # Listeners' means over replicates: 250 listeners twice.
    per_listener = np.reshape(ndcgs, (2, -1)).mean(axis=0)
    reach = 1.96 * per_listener.std(ddof=1) / math.sqrt(len(per_listener))
    assert row["ndcg_low"] == pytest.approx(row["ndcg"] - reach, abs=reach / 5)
    assert row["ndcg_high"] == pytest.approx(row["ndcg"] + reach, abs=reach / 5)


def test_no_pair_that_was_held_out_has_a_weight_in_training(small_set: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights, parts = [], []
    weigh, hold_out = als.bm25_weights, measure.holdout
    monkeypatch.setattr(als, "bm25_weights", lambda *a, **b: weights.append(weigh(*a, **b)) or weights[-1])
    monkeypatch.setattr(measure, "holdout", lambda *a, **b: parts.append(hold_out(*a, **b)) or parts[-1])
    tune(small_set, GRID, TuningSettings(replicates=1))
    assert len(weights) == len(GRID)
    (split,) = parts
    assert split.held_out.nnz > 250
    for each in weights:
        assert each.user_items.multiply(split.held_out).nnz == 0
        assert each.user_items.nnz + split.held_out.nnz == ArtifactSet.open(small_set).user_items.nnz


def test_two_points_at_a_time_give_the_same_bits(small_set: Path, tuned_once: ArtifactSet) -> None:
    pd.testing.assert_frame_equal(
        figures(tune(small_set, GRID, TuningSettings(jobs=2))), figures(tuned_once), check_exact=True
    )


def test_fits_have_one_blas_thread_each(small_set: Path, fits: Fits) -> None:
    used: list[int] = []

    def look(_: object) -> None:
        used.extend(each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas")

    fits.before = look
    tune(small_set, GRID[:2], TuningSettings(replicates=1))
    assert set(used) == {1}


def test_points_start_from_the_same_random_factors_and_replicates_do_not(small_set: Path, fits: Fits) -> None:
    # With K1 = 0 the weights do not depend on B.
    tune(small_set, [(0.0, 0.0), (0.0, 1.0)], TuningSettings())
    first, second = fits.fits[0.0, 0.0], fits.fits[0.0, 1.0]
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.item_factors, other.item_factors)
    assert not np.allclose(first[0].item_factors, first[1].item_factors)


def test_only_a_sample_of_listeners_and_items_is_looked_at(
    small_set: Path, tuned_once: ArtifactSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "ITEMS_COMPARED", 20)
    looked_at = []
    search = measure.exact_neighbours
    monkeypatch.setattr(measure, "exact_neighbours", lambda *a: looked_at.append(a[1]) or search(*a))
    tuned = tune(small_set, GRID, TuningSettings(listeners=40))
    assert tuned.manifest.tuning.listeners == 40  # type: ignore[union-attr]
    few, all_ = figures(tuned), figures(tuned_once)
    assert {len(rows) for rows in looked_at} == {20}
    assert (few["ndcg_high"] - few["ndcg_low"] > 1.5 * (all_["ndcg_high"] - all_["ndcg_low"])).all()
    assert few["noise_floor"].to_numpy() == pytest.approx(all_["noise_floor"].to_numpy(), abs=0.2)


def test_one_replicate_has_no_noise_floor(small_set: Path) -> None:
    row = figures(tune(small_set, [(1.2, 0.8)], TuningSettings(replicates=1))).iloc[0]
    assert math.isnan(row["noise_floor"])
    assert 0 < row["ndcg"] < 1


def test_tuning_again_replaces_what_was_there(small_set: Path) -> None:
    base = ArtifactSet.open(small_set)
    first = tune(small_set, GRID[:2], TuningSettings(replicates=1))
    second = tune(small_set, GRID[3:], TuningSettings(replicates=1, seed=4))
    assert len(figures(second)) == 3
    assert second.manifest.tuning.seed == 4  # type: ignore[union-attr]
    assert second.fingerprint not in (first.fingerprint, base.fingerprint)
    assert second.manifest.files.keys() == first.manifest.files.keys()
    assert verify(small_set) == []


def test_a_set_that_was_replaced_meanwhile_is_left_as_it_is(small_set: Path, fits: Fits) -> None:
    def replace(point: tuple[float, float]) -> None:
        if point == GRID[3]:
            fits.before = lambda point: None
            tune(small_set, GRID[:1], TuningSettings(seed=9, replicates=1))

    fits.before = replace
    base = ArtifactSet.open(small_set).fingerprint
    with pytest.raises(ArtifactError, match=f"was rebuilt while it was being tuned .it was {base[:12]}.*tune it again"):
        tune(small_set, GRID, TuningSettings(jobs=1))
    assert ArtifactSet.open(small_set).manifest.tuning.seed == 9  # type: ignore[union-attr]
    (work,) = work_folders(small_set)
    assert len(list(work.glob("*.json"))) == len(GRID)
    assert verify(small_set) == []
    # What was measured of the other build says nothing of this one.
    fits.points = []
    tune(small_set, GRID[:1], TuningSettings())
    assert len(fits.points) == 2


def test_where_a_fit_does_not_converge_the_grid_goes_on(small_set: Path, tuned_once: ArtifactSet, fits: Fits) -> None:
    def diverge(point: tuple[float, float]) -> None:
        if point == (1.2, 0.8) and fits.points.count(point) == 1:
            raise ParameterError("ALS does not converge, said the test")

    fits.before = diverge
    tuned = tune(small_set, GRID, TuningSettings(jobs=1))
    table, expected = figures(tuned), figures(tuned_once)
    row = table[(table["k1"] == 1.2) & (table["b"] == 0.8)].iloc[0]
    numbers = [name for name in table if name not in ("k1", "b", "best_region", "reason")]
    assert row[numbers].isna().all()
    assert not row["best_region"]
    assert row["reason"] == "ALS does not converge, said the test"
    others = table["reason"] == ""
    assert others.sum() == len(GRID) - 1
    pd.testing.assert_frame_equal(table[others][["ndcg", "coverage"]], expected[others][["ndcg", "coverage"]])
    assert verify(small_set) == []


def test_a_grid_that_converges_nowhere_is_refused(small_set: Path, fits: Fits) -> None:
    def diverge(_: object) -> None:
        raise ParameterError("said the test")

    fits.before = diverge
    with pytest.raises(ParameterError, match="ALS converges nowhere on the grid: said the test"):
        tune(small_set, GRID[:2], TuningSettings())
    assert ArtifactSet.open(small_set).tuning is None


@pytest.mark.parametrize(
    ("grid", "words"),
    [
        ([(-1.0, 0.5)], "K1 is -1.0; it must be a number from 0 to 1,000,000,000: change --k1"),
        ([(1.0, 0.5), (math.inf, 0.5)], "K1 is inf; it must be"),
        ([(math.nan, 0.5)], "K1 is nan; it must be"),
        ([(1.0, 1.1)], "B is 1.1; it must be a number from 0 to 1: change --b"),
        ([(1.0, math.nan)], "B is nan; it must be"),
        ([], "the grid has 0 points; it must have 1 to 1,000: choose the values of --k1 and --b"),
        (full_grid(range(1, 144), [0.1 * b for b in range(7)]), "the grid has 1,001 points; it must have 1 to 1,000"),
    ],
)
def test_a_grid_outside_its_limits_is_named(
    built_once: Path, grid: list[tuple[float, float]], words: str, fits: Fits
) -> None:
    with pytest.raises(ParameterError, match=words):
        tune(built_once, grid, TuningSettings())
    assert fits.points == []


def test_a_point_named_twice_is_measured_once(small_set: Path, fits: Fits) -> None:
    assert len(figures(tune(small_set, [(0.0, 0.5), (-0.0, 0.5), (0, 0.5)], TuningSettings(replicates=1)))) == 1
    assert len(fits.points) == 1


def test_what_cannot_be_tuned_is_refused(built_once: Path, small_set: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingArtifacts, match="holds no artifact set"):
        tune(small_set.parent, GRID, TuningSettings())
    folder = ArtifactSet.open(small_set).folder
    with pytest.raises(ArtifactError, match=f"is a single build.*tune its set: {small_set}"):
        tune(folder, GRID, TuningSettings())
    hold_out = measure.holdout
    monkeypatch.setattr(measure, "holdout", lambda plays, *a, **b: hold_out(plays[:, :0], *a, **b))
    with pytest.raises(ArtifactError, match="has 0 listeners with more than one item.*more listening data"):
        tune(small_set, GRID, TuningSettings())


def test_a_table_without_its_columns_is_damaged(small_set: Path) -> None:
    base = ArtifactSet.open(small_set)
    with ArtifactWriter(small_set) as writer:
        writer.adopt(base)
        writer.table("tuning", pd.DataFrame({"k1": [1.0], "b": [0.5], "ndcg": [0.2]}))
        writer.publish(base.manifest.model_copy(update={"files": writer.files}))
    with pytest.raises(DamagedArtifacts, match="no column ndcg_low, .*recsys tune"):
        _ = ArtifactSet.open(small_set).tuning


def test_hetrec_finds_better_settings_than_the_tutorials(real_data: Path, tmp_path: Path) -> None:
    config = BuildConfig(replicates=1, maps=[], word2vec={"epochs": 1})
    build("lastfm-2k", real_data / "hetrec2011-lastfm-2k", tmp_path / "hetrec", config)
    tuned = tune(tmp_path / "hetrec", [(100.0, 0.8), (1.2, 0.8)], TuningSettings(replicates=1))
    better, tutorial = figures(tuned)["ndcg"]
    assert tutorial <= 0.19
    assert better >= 0.25
    assert figures(tuned)["best_region"].tolist() == [True, False]
