"""Tuning: what other K1 and B would have given, measured on listeners' items that the fits never saw."""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import math
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp
from pydantic import BaseModel, ConfigDict, Field
from scipy.special import stdtrit

from recsys.analysis.evaluation import accuracy, holdout, recommendations, tag_share
from recsys.analysis.neighbours import exact_neighbours
from recsys.analysis.stability import noise_floors
from recsys.artifacts.manifest import Tuning
from recsys.artifacts.store import MANIFEST, TUNING, TUNING_COLUMNS, ArtifactSet, ArtifactWriter
from recsys.config import validated
from recsys.errors import ArtifactError, ParameterError, RecsysError
from recsys.models import als
from recsys.models.bm25 import LARGEST_K1
from recsys.models.vectors import unit_rows
from recsys.steps import SUMMARY_MIN_LISTENERS, Progress, Silence, mean_over_known, rounded

FloatArray = npt.NDArray[np.float64]
Point = tuple[float, float]
# 100 and 0.8 are the tutorial's, and implicit's `bm25_weight`'s, defaults.
K1_VALUES = (0.0, 0.3, 1.2, 4.0, 10.0, 30.0, 100.0)
B_VALUES = (0.0, 0.25, 0.5, 0.8, 1.0)
MAX_POINTS = 1000
ITEMS_COMPARED = 2000  # items whose neighbour lists give the noise floor and the tag share
# Points side by side take a fifth less time on small data, hardly less on large, and their memory together.
PAIRS_AT_ONCE = 5_000_000
RESAMPLES = 2000
CONFIDENCE = 0.95


class TuningSettings(BaseModel):
    """How a grid is measured. All but `jobs` decide what comes out."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    n: int = Field(10, ge=1, le=1000, description="length of the lists: nDCG@n, Recall@n, overlap@n")
    held_out: float = Field(0.2, gt=0, lt=1, description="share of each listener's items kept from training")
    listeners: int = Field(5000, ge=2, description="at most so many listeners, drawn by chance, are evaluated")
    replicates: int = Field(2, ge=1, le=64, description="fits at each point; 2 or more give a noise floor")
    seed: int = Field(0, ge=0, lt=2**31, description="of everything random")
    jobs: int | None = Field(
        None,
        ge=1,
        le=256,
        description="points measured at a time, sharing the cores; default one a core, fewer for large data",
    )


@dataclass(frozen=True)
class Region:
    """Which settings cannot be told from the best; arrays (n_settings,), NaN and False where there are no values.

    best : row of the setting with the highest mean.
    behind, low, high : by how much the best's mean is above each setting's, and the 95% interval of that.
    inside : whether the interval reaches zero.
    """

    best: int
    behind: FloatArray
    low: FloatArray
    high: FloatArray
    inside: npt.NDArray[np.bool_]


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
    - clipped: how many BM25 weights were zero or less; seconds.

    A point whose fits do not converge has NaN everywhere and says why in `reason`, which is empty elsewhere.

    Every finished point is kept in a folder beside the builds, so that a run that was stopped goes on where it was when
    it is asked for again with the same settings. The result is a new build of the same set, published when all points
    are measured; nothing but that waits for, or keeps out, other builds. Same seed, same bits, whatever `jobs` is; only
    `seconds` differs.

    Raises
    ------
    ParameterError : a K1, a B or the grid is outside its limits, or no point of it converges.
    ArtifactError : there is no set to tune, it has no ALS or nothing to hold out, or it was rebuilt meanwhile.
    """
    progress = progress or Silence()
    points = _checked(grid)
    base = _opened(path)
    ground = _Ground.of(base, settings)
    # One BLAS thread throughout, not in the fits alone: how a sum is divided decides its last bits.
    with _Kept.beside(path, ground.key(base)) as kept, als.one_blas_thread():
        measured = _measure_all(points, ground, kept, settings, progress)
        table = _table(points, measured, ground)
        how = Tuning(
            n=settings.n,
            held_out=settings.held_out,
            listeners=len(ground.users),
            replicates=settings.replicates,
            seed=settings.seed,
            seconds=round(float(table["seconds"].sum()), 2),
        )
        progress.stage("keeping the table", None)
        folder = _publish(path, base, table, how, kept.folder)
        shutil.rmtree(kept.folder, ignore_errors=True)
    return ArtifactSet.open(folder)


def best_region(values: FloatArray) -> Region:
    """The settings that cannot be told from the best one.

    The best is the setting with the highest mean. Another setting is in the region when the 95% interval of the mean
    difference between the two reaches zero. The difference is taken listener by listener and replicate by replicate,
    and its squared standard error is

        variance over listeners of the difference (mean over replicates) / listeners
        + variance over replicates of the difference (mean over listeners) / replicates:

    other listeners would give another mean, and so would other seeds. The interval is that of Student's t with the
    degrees of freedom of Satterthwaite. Each part holds a little of the other, so the interval is rather too wide than
    too narrow. With one replicate the second part is not known and left out, and the region may be too small. Settings
    are compared with the best one by one; nothing is added for there being many.

    Parameters
    ----------
    values : (n_settings, n_replicates, n_listeners), higher is better; NaN throughout for a setting without values.
        Replicate r and listener l are the same in all settings.

    Raises
    ------
    ParameterError : no setting has values, or there are fewer than two listeners.

    Source: Satterthwaite (1946), An Approximate Distribution of Estimates of Variance Components.
    """
    n_settings, n_replicates, n_listeners = values.shape
    means = values.mean(axis=(1, 2))
    if n_listeners < 2 or np.isnan(means).all():
        raise ParameterError(f"{n_settings} settings measured on {n_listeners} listeners leave nothing to compare")
    best = int(np.nanargmax(means))
    behind, low, high = (np.full(n_settings, np.nan) for _ in range(3))
    for setting in np.flatnonzero(~np.isnan(means)):
        difference = values[best] - values[setting]
        parts = [(difference.mean(axis=0).var(ddof=1) / n_listeners, n_listeners - 1)]
        if n_replicates > 1:
            parts.append((difference.mean(axis=1).var(ddof=1) / n_replicates, n_replicates - 1))
        variance = sum(part for part, _ in parts)
        behind[setting] = means[best] - means[setting]
        reach = 0.0
        if variance > 0:
            freedom = variance**2 / sum(part**2 / own for part, own in parts)
            reach = float(stdtrit(freedom, (1 + CONFIDENCE) / 2)) * math.sqrt(variance)
        low[setting], high[setting] = behind[setting] - reach, behind[setting] + reach
    return Region(best, behind, low, high, low <= 0)


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
    if (path / MANIFEST).is_file():
        raise ArtifactError(f"{path} is a single build, which is never written to; tune its set: {path.parent}")
    base = ArtifactSet.open(path)
    if "als" not in base.manifest.models:
        raise ArtifactError(f"{path} has no ALS model, only {', '.join(base.model_names)}; build one that has")
    return base


@dataclass(frozen=True)
class _Ground:
    """What all points have in common.

    params : of ALS; K1 and B change. train : CSR (n_users, n_items).
    users : rows of the listeners evaluated; known, held_out : their play counts in training and outside, CSR.
    items : rows whose neighbour lists are looked at. listeners, popularity, tags : of all items.
    seeds : one a replicate. resampling : of the bootstrap.
    """

    params: als.AlsParams
    train: sp.csr_matrix
    users: npt.NDArray[np.int64]
    known: sp.csr_matrix
    held_out: sp.csr_matrix
    items: npt.NDArray[np.int64]
    listeners: npt.NDArray[np.int64]
    popularity: FloatArray
    tags: list[list[str]]
    seeds: list[np.random.SeedSequence]
    resampling: np.random.SeedSequence
    settings: TuningSettings

    @classmethod
    def of(cls, base: ArtifactSet, settings: TuningSettings) -> _Ground:
        used = base.manifest.models["als"].params
        kept: dict[str, Any] = {
            name: used[name] for name in ("factors", "iterations", "regularization") if name in used
        }
        params = validated(als.AlsParams, kept, f"{base.folder / MANIFEST}: als")
        split, by_listener, by_item, resampling, fits = np.random.SeedSequence([settings.seed, 3]).spawn(5)
        parts = holdout(base.user_items, np.random.default_rng(split), share=settings.held_out)
        asked = np.flatnonzero(np.diff(parts.held_out.indptr))
        if len(asked) < 2:
            raise ArtifactError(
                f"{base.folder.parent} has {len(asked)} listeners with more than one item; measuring takes 2 or more: "
                "build the set from more listening data"
            )
        users = _sample(asked, settings.listeners, by_listener)
        listeners = base.catalogue["listeners"].to_numpy(np.int64)
        return cls(
            params=params,
            train=parts.train,
            users=users,
            known=parts.train[users],
            held_out=parts.held_out[users],
            items=_sample(np.flatnonzero(listeners >= SUMMARY_MIN_LISTENERS), ITEMS_COMPARED, by_item),
            listeners=listeners,
            popularity=base.catalogue["popularity"].to_numpy(np.float64),
            tags=base.catalogue["tags"].tolist(),
            seeds=fits.spawn(settings.replicates),
            resampling=resampling,
            settings=settings,
        )

    def key(self, base: ArtifactSet) -> str:
        """12 hex digits of everything that a point's figures depend on besides its K1 and B."""
        about = {
            "base": base.fingerprint,
            "als": self.params.model_dump(exclude={"k1", "b"}),
            "settings": self.settings.model_dump(exclude={"jobs"}),
            # A version of this program that measures something else begins anew.
            "measured": TUNING_COLUMNS,
        }
        return hashlib.sha256(_canonical(about)).hexdigest()[:12]


def _sample(rows: npt.NDArray[np.int64], size: int, seed: np.random.SeedSequence) -> npt.NDArray[np.int64]:
    return np.sort(np.random.default_rng(seed).choice(rows, min(size, len(rows)), replace=False))


@dataclass(frozen=True)
class _Measured:
    """One point. values : nDCG@n and Recall@n, (2, n_replicates, n_listeners); numbers : all the rest."""

    values: FloatArray
    numbers: dict[str, Any]


def _measure(point: Point, ground: _Ground, threads: int, on_iteration: Callable[[], None]) -> _Measured:
    start = time.perf_counter()
    k1, b = point
    n, n_items = ground.settings.n, len(ground.listeners)
    params = ground.params.model_copy(update={"k1": k1, "b": b})
    values = np.full((2, len(ground.seeds), len(ground.users)), np.nan)
    lists, tag_shares, coverages, popularities = [], [], [], []
    clipped: int | None = None
    reason = ""
    for replicate, seed in enumerate(ground.seeds):
        try:
            fit = als.fit(ground.train, params, np.random.default_rng(seed), on_iteration, threads=threads)
        except ParameterError as error:
            reason = str(error)
            break
        recommended = recommendations(fit.user_factors[ground.users], fit.item_factors, ground.known, n)
        found = accuracy(recommended, ground.held_out, n)
        values[:, replicate] = found.ndcg, found.recall
        places = recommended[recommended >= 0]
        coverages.append(len(np.unique(places)) / n_items)
        popularities.append(ground.popularity[places].mean() if len(places) else np.nan)
        neighbours = np.full((n_items, n), -1, np.int32)
        neighbours[ground.items] = exact_neighbours(unit_rows(fit.item_factors), ground.items, n).neighbours
        lists.append(neighbours)
        tag_shares.append(
            tag_share(neighbours, ground.tags, ground.listeners, n=n, min_listeners=SUMMARY_MIN_LISTENERS)
        )
        clipped = fit.clipped_weights
    seconds = round(time.perf_counter() - start, 2)
    if reason:
        nothing = dict.fromkeys(("noise_floor", "coverage", "popularity", "tag_share", "clipped"))
        return _Measured(np.full(values.shape, np.nan), {**nothing, "seconds": seconds, "reason": reason})
    numbers = {
        "noise_floor": mean_over_known(noise_floors(lists, n), ground.listeners),
        "coverage": rounded(float(np.mean(coverages))),
        "popularity": rounded(float(np.mean(popularities))),
        "tag_share": rounded(float(np.mean(tag_shares))),
        "clipped": clipped,
        "seconds": seconds,
        "reason": reason,
    }
    return _Measured(values, numbers)


def _measure_all(
    points: list[Point], ground: _Ground, kept: _Kept, settings: TuningSettings, progress: Progress
) -> list[_Measured]:
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

    def measure(point: Point) -> None:
        measured[point] = _measure(point, ground, threads, on_iteration)
        kept.write(point, measured[point])

    with ThreadPoolExecutor(jobs) as pool:
        try:
            # Leaving this loop cancels what has not begun.
            for _ in pool.map(measure, missing):
                pass
        finally:
            # Ctrl-C reaches this thread only; the fits look at `stop` after every iteration.
            stop.set()
    return [measured[point] for point in points]


def _table(points: list[Point], measured: list[_Measured], ground: _Ground) -> pd.DataFrame:
    """One row a point, by K1, then B; see `tune` for the columns."""
    ndcg, recall = np.stack([each.values for each in measured], axis=1)
    if np.isnan(ndcg).all():
        raise ParameterError(f"ALS converges nowhere on the grid: {measured[0].numbers['reason']}")
    region = best_region(ndcg)
    columns: dict[str, Any] = {"k1": [k1 for k1, _ in points], "b": [b for _, b in points]}
    for name, values in (("ndcg", ndcg), ("recall", recall)):
        columns[name] = values.mean(axis=(1, 2))
        intervals = _bootstrapped(values.mean(axis=1), np.random.default_rng(ground.resampling))
        columns[f"{name}_low"], columns[f"{name}_high"] = intervals
    columns |= {"behind": region.behind, "behind_low": region.low, "behind_high": region.high}
    columns["best_region"] = region.inside
    for name in ("noise_floor", "coverage", "popularity", "tag_share", "clipped", "seconds"):
        columns[name] = np.array([each.numbers[name] for each in measured], np.float64)
    columns["reason"] = [each.numbers["reason"] for each in measured]
    return pd.DataFrame(columns)


def _bootstrapped(values: FloatArray, rng: np.random.Generator) -> FloatArray:
    """The 95% interval of each row's mean, (2, n_settings), over resamples of the listeners, the same for all rows.

    values : (n_settings, n_listeners).

    Source: Efron & Tibshirani (1993), An Introduction to the Bootstrap, chapter 13: the percentile interval.
    """
    n_listeners = values.shape[1]
    means = np.empty((RESAMPLES, len(values)))
    for resample in range(RESAMPLES):
        times = np.bincount(rng.integers(0, n_listeners, n_listeners), minlength=n_listeners)
        means[resample] = values @ times / n_listeners
    result: FloatArray = np.quantile(means, ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2), axis=0)
    return result


@dataclass(frozen=True)
class _Kept:
    """Finished points on disk: K1-B.npy with the values, then K1-B.json with the numbers and a digest over both."""

    folder: Path

    @classmethod
    @contextmanager
    def beside(cls, path: Path, key: str) -> Iterator[_Kept]:
        """The folder of this key in the set at `path`, for one process at a time."""
        folder = path / f"{TUNING}{key}"
        try:
            folder.mkdir(exist_ok=True)
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise ArtifactError(f"cannot write to {folder}: {error.strerror}; check its permissions") from error
        try:
            try:
                # As for builds: the kernel lets go when the process dies.
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise ArtifactError(f"{path} is being tuned with the same settings already; wait for it") from error
            yield cls(folder)
        finally:
            os.close(lock)

    def read(self, point: Point, shape: tuple[int, ...]) -> _Measured | None:
        """A point as it was written; None where it was not, or not whole."""
        try:
            content = self._path(point, "npy").read_bytes()
            numbers = json.loads(self._path(point, "json").read_bytes())
        except (FileNotFoundError, ValueError, RecursionError):
            return None
        if not isinstance(numbers, dict) or numbers.pop("digest", None) != _digest(numbers, content):
            return None
        values: FloatArray = np.load(io.BytesIO(content), allow_pickle=False)
        return _Measured(values, numbers) if values.shape == shape else None

    def write(self, point: Point, measured: _Measured) -> None:
        stream = io.BytesIO()
        np.save(stream, measured.values, allow_pickle=False)
        content = stream.getvalue()
        # The numbers come last: a point is finished when they are there.
        self._replace(self._path(point, "npy"), content)
        signed = {**measured.numbers, "digest": _digest(measured.numbers, content)}
        self._replace(self._path(point, "json"), _canonical(signed))

    def _path(self, point: Point, ending: str) -> Path:
        k1, b = point
        return self.folder / f"{k1!r}-{b!r}.{ending}"

    @staticmethod
    def _replace(path: Path, content: bytes) -> None:
        beside = path.with_name(f"{path.name}.part")
        beside.write_bytes(content)
        os.replace(beside, path)


def _digest(numbers: dict[str, Any], content: bytes) -> str:
    return hashlib.sha256(_canonical(numbers) + content).hexdigest()


def _canonical(document: dict[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True).encode()


def _publish(path: Path, base: ArtifactSet, table: pd.DataFrame, how: Tuning, work: Path) -> Path:
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
        manifest = base.manifest.model_copy(
            update={
                "tuning": how,
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
                "files": writer.files,
            }
        )
        return path / writer.publish(manifest)
