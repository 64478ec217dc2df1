from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_info

from recsys.analysis.evaluation import Holdout
from recsys.analysis.neighbours import exact_neighbours
from recsys.artifacts.store import TUNING, TUNING_COLUMNS, ArtifactSet, ArtifactWriter, verify
from recsys.config import BuildConfig
from recsys.errors import ArtifactError, DamagedArtifacts, MissingArtifacts, ParameterError
from recsys.models import als
from recsys.models.vectors import unit_rows
from recsys.pipeline import build
from recsys.steps import Silence
from recsys.tuning import measure
from recsys.tuning.grid import full_grid, tune
from recsys.tuning.measure import TuningSettings
from recsys.tuning.pair import compare_settings
from recsys.tuning.region import FloatArray, best_region
from tests.test_cli import ROOT, run

GRID = full_grid((0.0, 1.2, 100.0), (0.0, 0.8))


class Fits:
    """What the tuning asked als.fit for; `before` each fit something may be done, or raised."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.points: list[tuple[float, float]] = []
        self.fits: dict[tuple[float, float], list[als.AlsFit]] = {}
        self.before: Callable[[tuple[float, float]], None] = lambda point: None
        self._fit = als.fit
        monkeypatch.setattr(als, "fit", self)

    def __call__(self, user_items: Any, params: als.AlsParams, *rest: Any, **more: Any) -> als.AlsFit:
        point = (params.k1, params.b)
        self.before(point)
        self.points.append(point)
        fit = self._fit(user_items, params, *rest, **more)
        self.fits.setdefault(point, []).append(fit)
        return fit

    def fail_at(self, fit: int) -> None:
        def fail(point: tuple[float, float]) -> None:
            if len(self.points) == fit:
                raise KeyboardInterrupt

        self.before = fail


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> Fits:
    return Fits(monkeypatch)


@pytest.fixture(scope="session")
def tuned_once(built_once: Path, tmp_path_factory: pytest.TempPathFactory) -> ArtifactSet:
    """The small set with GRID measured in one go, one point at a time; never changed by a test."""
    path = Path(shutil.copytree(built_once, tmp_path_factory.mktemp("tuned") / "small"))
    return tune(path, GRID, TuningSettings(jobs=1))


def figures(artifacts: ArtifactSet) -> pd.DataFrame:
    """The measured table."""
    assert artifacts.tuning is not None
    return artifacts.tuning


def work_folders(path: Path) -> list[Path]:
    return list(path.glob(f"{TUNING}*"))


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


def test_a_run_that_was_stopped_goes_on_where_it_was(small_set: Path, tuned_once: ArtifactSet, fits: Fits) -> None:
    fits.fail_at(5)
    with pytest.raises(KeyboardInterrupt):
        tune(small_set, GRID, TuningSettings(jobs=1))
    assert fits.points == [GRID[0], GRID[0], GRID[1], GRID[1], GRID[2]]
    assert ArtifactSet.open(small_set).tuning is None
    assert verify(small_set) == []
    fits.before, fits.points = lambda point: None, []
    # The points are their own whatever the rest of the grid: one of them is new.
    wider = [*GRID, (3.0, 0.5)]
    tuned = tune(small_set, wider, TuningSettings(jobs=2))
    assert sorted(fits.points) == sorted([*GRID[2:], *GRID[2:], (3.0, 0.5), (3.0, 0.5)])
    both = figures(tuned).merge(figures(tuned_once), on=["k1", "b", "ndcg", "recall", "noise_floor", "coverage"])
    assert len(both) == len(GRID)
    assert work_folders(small_set) == []


def test_when_one_point_ends_it_all_the_others_stop_at_their_next_iteration(small_set: Path, fits: Fits) -> None:
    class Slow(Silence):
        iterations = 0

        def advance(self, amount: float) -> None:
            time.sleep(0.02)
            self.iterations += 1

    def fail(point: tuple[float, float]) -> None:
        if point == GRID[0]:
            raise KeyboardInterrupt

    fits.before, slow = fail, Slow()
    with pytest.raises(KeyboardInterrupt):
        tune(small_set, GRID, TuningSettings(jobs=2, replicates=16), slow)
    assert slow.iterations < 20


def test_a_run_that_was_killed_goes_on_where_it_was(small_set: Path, fits: Fits) -> None:
    command = [
        sys.executable, "-m", "recsys", "tune", str(small_set), "--k1", "0,1.2,100", "--b", "0,0.8",
        "--replicates", "16",
    ]  # fmt: skip
    # In a group of its own, so that the kill reaches everything it started and nothing else.
    process = subprocess.Popen(
        command, cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while process.poll() is None and not list(small_set.glob(f"{TUNING}*/*.json")):
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    finished = len(list(small_set.glob(f"{TUNING}*/*.json")))
    assert 1 <= finished < len(GRID)
    assert verify(small_set) == []
    tuned = tune(small_set, GRID, TuningSettings(replicates=16))
    assert len(fits.points) == 16 * (len(GRID) - finished)
    assert len(figures(tuned)) == len(GRID)
    assert work_folders(small_set) == []


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def change(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize(
    ("ending", "damage"),
    [
        ("npy", cut),
        ("npy", change),
        ("npy", Path.unlink),
        ("json", cut),
        ("json", change),
        ("json", lambda path: path.write_bytes(b"\xff\x00")),
        ("json", lambda path: path.write_text("[" * 100_000)),
        ("json", lambda path: path.write_text("[1]")),
        ("json", lambda path: path.write_text(path.read_text().replace('"coverage": 0', '"coverage": 1'))),
        ("json", lambda path: path.rename(path.with_name("0.0-0.0.json.part"))),
    ],
)
def test_damaged_leftovers_are_measured_again(
    small_set: Path, tuned_once: ArtifactSet, fits: Fits, ending: str, damage: Callable[[Path], None]
) -> None:
    fits.fail_at(10)
    with pytest.raises(KeyboardInterrupt):
        tune(small_set, GRID, TuningSettings(jobs=1))
    damage(work_folders(small_set)[0] / f"0.0-0.0.{ending}")
    fits.before, fits.points = lambda point: None, []
    tuned = tune(small_set, GRID, TuningSettings())
    assert sorted(fits.points) == sorted([GRID[0], GRID[0], GRID[5], GRID[5]])
    pd.testing.assert_frame_equal(figures(tuned), figures(tuned_once), check_exact=True)


@pytest.mark.parametrize(
    "other", [{"seed": 1}, {"n": 5}, {"held_out": 0.3}, {"listeners": 100}, {"replicates": 3}], ids=str
)
def test_points_measured_with_other_settings_are_not_taken(small_set: Path, fits: Fits, other: dict[str, Any]) -> None:
    fits.fail_at(2)
    with pytest.raises(KeyboardInterrupt):
        tune(small_set, GRID, TuningSettings(jobs=1))
    fits.before, fits.points = lambda point: None, []
    settings = TuningSettings(**other)
    tune(small_set, GRID[:1], settings)
    assert fits.points == [GRID[0]] * settings.replicates
    assert len(work_folders(small_set)) == 1


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


def test_nothing_measured_is_lost_while_a_build_holds_the_set(small_set: Path, fits: Fits) -> None:
    with ArtifactWriter(small_set), pytest.raises(ArtifactError, match="another build is writing"):
        tune(small_set, GRID[:2], TuningSettings())
    fits.points = []
    assert len(figures(tune(small_set, GRID[:2], TuningSettings()))) == 2
    assert fits.points == []


def test_the_same_tuning_twice_at_a_time_is_refused(small_set: Path, fits: Fits) -> None:
    refused = []

    def once_more(_: object) -> None:
        with pytest.raises(ArtifactError, match="is being tuned with the same settings already; wait for it") as error:
            tune(small_set, GRID[:1], TuningSettings())
        refused.append(error)

    fits.before = once_more
    tune(small_set, GRID[:1], TuningSettings())
    assert len(refused) == 2


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


def test_work_in_progress_belongs_to_a_set_and_strangers_do_not(small_set: Path) -> None:
    (small_set / f"{TUNING}0123456789ab").mkdir()
    assert verify(small_set) == []
    with ArtifactWriter(small_set):
        pass
    (small_set / f"{TUNING}notes").mkdir()
    assert verify(small_set) == [f"{small_set / TUNING}notes: does not belong to an artifact set"]


def test_a_table_without_its_columns_is_damaged(small_set: Path) -> None:
    base = ArtifactSet.open(small_set)
    with ArtifactWriter(small_set) as writer:
        writer.adopt(base)
        writer.table("tuning", pd.DataFrame({"k1": [1.0], "b": [0.5], "ndcg": [0.2]}))
        writer.publish(base.manifest.model_copy(update={"files": writer.files}))
    with pytest.raises(DamagedArtifacts, match="no column ndcg_low, .*recsys tune"):
        _ = ArtifactSet.open(small_set).tuning


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


def test_the_command_measures_and_marks(small_set: Path) -> None:
    # At K1 = 0 all B are one setting: whichever is best, another is as good.
    grid = ["--k1", "0,1.2,100", "--b", "0.75,1"]
    done = run("tune", small_set, *grid, "--n", 5, "--listeners", 100, "--jobs", 1)
    assert done.returncode == 0, done.stderr
    assert "measuring 6 settings of K1 and B" in done.stderr
    table = figures(ArtifactSet.open(small_set))
    best = int(table["ndcg"].to_numpy().argmax())
    lines = [line for line in done.stdout.splitlines() if "±" in line and not line.startswith("·")]
    for row, (line, point) in enumerate(zip(lines, table.to_dict("records"), strict=True)):
        for name in ("ndcg", "noise_floor", "coverage", "tag_share"):
            assert f"{point[name]:.3f}" in line
        assert ("best" in line) == (row == best)
        assert ("as good" in line) == (point["best_region"] and row != best)
        assert ("this set" in line) == ((point["k1"], point["b"]) == (1.2, 0.75))
    assert table["best_region"].sum() > 1
    assert f"--k1 {table['k1'][best]:g} --b {table['b'][best]:g}" in done.stdout


def test_the_command_says_what_is_not_known_and_is_quiet(small_log: Path, tmp_path: Path) -> None:
    without_tags = Path(shutil.copy(small_log, tmp_path / "log.csv"))
    path = tmp_path / "set"
    tiny = {"als": {"iterations": 1, "factors": 4}, "word2vec": {"epochs": 1, "vector_size": 4}}
    build("events", without_tags, path, BuildConfig(replicates=1, maps=[], **tiny))
    options = ["--k1", "3", "--b", "0.5", "--replicates", 1]
    done = run("tune", path, *options, "--quiet")
    assert done.returncode == 0
    assert done.stderr == ""
    assert done.stdout.count("not known") == 2
    assert "built with K1 1.2 and B 0.75, which is not on the grid" in done.stdout
    document = json.loads(run("tune", path, *options, "--seed", 2, "--json").stdout)
    assert document["fingerprint"] == ArtifactSet.open(path).fingerprint
    assert document["settings"]["seed"] == 2
    (point,) = document["points"]
    assert set(point) == set(TUNING_COLUMNS)
    assert point["noise_floor"] is None
    assert point["tag_share"] is None
    assert point["best_region"] is True


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--k1", "a,2"], 2, "--k1 is 'a,2'; give numbers with commas between them"),
        (["--b", ""], 2, "--b is ''"),
        (["--b", "0.5,2"], 2, "B is 2.0; it must be a number from 0 to 1"),
        (["--n", "0"], 2, "n = 0"),
        (["--held-out", "1"], 2, "held_out = 1.0: input should be less than 1"),
        (["--replicates", "65"], 2, "replicates = 65"),
    ],
)
def test_mistakes_on_the_command_line_are_named(built_once: Path, arguments: list[str], code: int, words: str) -> None:
    done = run("tune", built_once, *arguments)
    assert done.returncode == code
    assert words in done.stderr
    assert work_folders(built_once) == []


def test_hetrec_finds_better_settings_than_the_tutorials(real_data: Path, tmp_path: Path) -> None:
    config = BuildConfig(replicates=1, maps=[], word2vec={"epochs": 1})
    build("lastfm-2k", real_data / "hetrec2011-lastfm-2k", tmp_path / "hetrec", config)
    tuned = tune(tmp_path / "hetrec", [(100.0, 0.8), (1.2, 0.8)], TuningSettings(replicates=1))
    better, tutorial = figures(tuned)["ndcg"]
    assert tutorial <= 0.19
    assert better >= 0.25
    assert figures(tuned)["best_region"].tolist() == [True, False]


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
