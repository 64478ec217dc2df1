"""A grid of K1 and B, measured and kept with the artifact set."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recsys.artifacts.manifest import Tuning
from recsys.artifacts.store import ArtifactSet
from recsys.artifacts.writer import ArtifactWriter
from recsys.errors import ArtifactError, ParameterError, RecsysError
from recsys.models import als
from recsys.models.bm25 import LARGEST_K1
from recsys.steps.progress import Progress, Silence
from recsys.tuning.kept import Kept
from recsys.tuning.measure import Ground, Measured, Point, TuningSettings, figures, measure

# 100 and 0.8 are the tutorial's, and implicit's `bm25_weight`'s, defaults.
K1_VALUES = (0.0, 0.3, 1.2, 4.0, 10.0, 30.0, 100.0)
B_VALUES = (0.0, 0.25, 0.5, 0.8, 1.0)
MAX_POINTS = 1000
# Points side by side take a fifth less time on small data, hardly less on large, and their memory together.
PAIRS_AT_ONCE = 5_000_000


def full_grid(k1_values: Sequence[float] = K1_VALUES, b_values: Sequence[float] = B_VALUES) -> list[Point]:
    """Every K1 with every B."""
    return list(product(k1_values, b_values))


def tune(path: Path, grid: Sequence[Point], settings: TuningSettings, progress: Progress | None = None) -> ArtifactSet:
    """Measure ALS at every (K1, B) of `grid` on the listeners of the set at `path`, and keep the table with the set.

    A share of each listener's items is held out once. At each point ALS is fitted to the rest with the set's own
    factors, iterations and regularization, once a replicate; replicate r starts from the same random factors at all
    points, so that points differ by what K1 and B do and not by how the fits were started. Of the fits are measured:

    - ndcg, recall: of what they recommend to each listener, against what was held out; mean over replicates, then over
      listeners, with 95% intervals (_low, _high) by bootstrap over listeners;
    - behind (_low, _high), best_region: see `best_region`;
    - noise_floor: mean overlap@n of the neighbour lists of two fits, items with at least 10 listeners;
    - tag_share: of those lists (see `analysis.evaluation.tag_share`);
    - coverage: share of the catalogue that is in anybody's top n; it grows with the number of listeners evaluated;
    - popularity: mean percentile of popularity of what is recommended;
    - clipped: how many BM25 weights were zero or less.

    A point whose fits do not converge has NaN everywhere and says why in `reason`, which is empty elsewhere.

    Every finished point is kept in a folder beside the builds, so that a run that was stopped goes on where it was when
    it is asked for again with the same settings. The result is a new build of the same set, published when all points
    are measured; nothing but that waits for, or keeps out, other builds. Same seed, same bits, whatever `jobs` is.

    Raises
    ------
    ParameterError : a K1, a B or the grid is outside its limits, or no point of it converges.
    ArtifactError : there is no set to tune, it has no ALS or nothing to hold out, or it was rebuilt meanwhile.
    """
    start = time.perf_counter()
    progress = progress or Silence()
    points = _checked(grid)
    base = _opened(path)
    ground = Ground.of(base, settings)
    # One BLAS thread throughout, not in the fits alone: how a sum is divided decides its last bits.
    with Kept.beside(path, ground.key(base)) as kept, als.one_blas_thread():
        measured = _measure_all(points, ground, kept, settings, progress)
        table = _table(points, measured, ground)
        how = Tuning(
            n=settings.n,
            held_out=settings.held_out,
            listeners=len(ground.users),
            replicates=settings.replicates,
            seed=settings.seed,
        )
        progress.stage("keeping the table", None)
        folder = _publish(path, base, table, how, kept.folder, round(time.perf_counter() - start, 2))
        shutil.rmtree(kept.folder, ignore_errors=True)
    return ArtifactSet.open(folder)


def _checked(grid: Sequence[Point]) -> list[Point]:
    """Each point once, by K1, then B."""
    if not 1 <= len(grid) <= MAX_POINTS:
        raise ParameterError(
            f"the grid has {len(grid):,} points; it must have 1 to {MAX_POINTS:,}: choose the values of --k1 and --b"
        )
    for k1, b in grid:
        if not 0 <= k1 <= LARGEST_K1:
            raise ParameterError(f"K1 is {k1}; it must be a number from 0 to {LARGEST_K1:,.0f}: change --k1")
        if not 0 <= b <= 1:
            raise ParameterError(f"B is {b}; it must be a number from 0 to 1: change --b")
    # + 0.0 makes one of 0 and −0.
    return sorted({(float(k1) + 0.0, float(b) + 0.0) for k1, b in grid})


def _opened(path: Path) -> ArtifactSet:
    base = ArtifactSet.open_to_change(path, "tune")
    if "als" not in base.manifest.models:
        raise ArtifactError(f"{path} has no ALS model, only {', '.join(base.model_names)}; build one that has")
    return base


def _measure_all(
    points: list[Point], ground: Ground, kept: Kept, settings: TuningSettings, progress: Progress
) -> list[Measured]:
    shape = (2, len(ground.seeds), len(ground.users))
    measured = {point: found for point in points if (found := kept.read(point, shape)) is not None}
    missing = [point for point in points if point not in measured]
    words = f"measuring {len(missing)} settings of K1 and B"
    if measured:
        words = f"{words}; {len(measured)} are there from before"
    progress.stage(words, len(missing) * len(ground.seeds) * ground.params.iterations)
    cores = os.cpu_count() or 1
    jobs = settings.jobs or max(1, min(cores, PAIRS_AT_ONCE // ground.train.nnz))
    threads = max(1, cores // jobs)
    stop = threading.Event()

    def on_iteration() -> None:
        if stop.is_set():
            raise RecsysError("the tuning was stopped; run it again to go on")
        progress.advance(1)

    def keep(point: Point) -> None:
        measured[point] = measure(point, ground, threads, on_iteration)
        kept.write(point, measured[point])

    with ThreadPoolExecutor(jobs) as pool:
        try:
            # Leaving this loop cancels what has not begun.
            for _ in pool.map(keep, missing):
                pass
        finally:
            # Ctrl-C reaches this thread only; the fits look at `stop` after every iteration.
            stop.set()
    return [measured[point] for point in points]


def _table(points: list[Point], measured: list[Measured], ground: Ground) -> pd.DataFrame:
    """One row a point, by K1, then B; see `tune` for the columns."""
    if all(each.numbers["reason"] for each in measured):
        raise ParameterError(f"ALS converges nowhere on the grid: {measured[0].numbers['reason']}")
    columns: dict[str, Any] = {"k1": [k1 for k1, _ in points], "b": [b for _, b in points]}
    columns |= figures(measured, ground.resampling)
    for name in ("noise_floor", "coverage", "popularity", "tag_share", "clipped"):
        columns[name] = np.array([each.numbers[name] for each in measured], np.float64)
    columns["reason"] = [each.numbers["reason"] for each in measured]
    return pd.DataFrame(columns)


def _publish(path: Path, base: ArtifactSet, table: pd.DataFrame, how: Tuning, work: Path, seconds: float) -> Path:
    """A new build that is the base and this table; returns its folder."""
    with ArtifactWriter(path) as writer:
        # Under the writer's lock: from here on nobody else replaces the build in use.
        now = ArtifactSet.open(path)
        if now.fingerprint != base.fingerprint:
            raise ArtifactError(
                f"{path} was rebuilt while it was being tuned (it was {base.fingerprint[:12]}, it is "
                f"{now.fingerprint[:12]}), so the grid does not describe it and was not kept with it; tune it again. "
                f"What was measured stays in {work} and can be deleted"
            )
        writer.adopt(base, but=lambda name: name == "tuning.parquet")
        writer.table("tuning", table)
        return path / writer.publish_changed(base, {"tuning": seconds}, tuning=how)
