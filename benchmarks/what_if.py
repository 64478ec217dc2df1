"""The BM25 what-if: how long a preview and a refine take, and how near they come to a full fit.

Small is HetRec Last.fm-2K, built with K1 100 and B 0.8. Full is beside it what pages_at_full_size leaves in FOLDER: the
factors are those of short fits and the neighbours of the items asked about are exact; only how many plays they have
matters to the time. What the product promises: 60 ms and 1 s on HetRec, 400 ms for a preview at full size, and a refine
iteration of at most 1.1 times implicit's own.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data import Asked, hetrec
from recsys.analysis.compare import overlap_at_n
from recsys.analysis.neighbours import exact_neighbours
from recsys.artifacts.store import ArtifactSet
from recsys.artifacts.writer import ArtifactWriter
from recsys.config import BuildConfig
from recsys.models import als
from recsys.models.bm25 import bm25_weights
from recsys.models.vectors import ItemVectors
from recsys.pipeline import build
from recsys.whatif.engine import REFINE_ITERATIONS, WhatIfEngine, lists_by
from recsys.whatif.trust import measure_trust

TO = {"k1": 1.2, "b": 0.75}
ITEMS, REPLICATES, SHORT, PAIRS = 41, 2, 3, 3


def measure(asked: Asked) -> dict[str, Any]:
    path = asked.folder / "sets" / "hetrec"
    if not path.exists():
        build("lastfm-2k", hetrec(), path, BuildConfig(als={"k1": 100.0, "b": 0.8}, maps=[]))
    at_full_size = {"lastfm_360k_simulated": _full_size(asked.folder)} if asked.size == "full" else {}
    return {"hetrec": _hetrec(path), **at_full_size}


def _hetrec(path: Path) -> dict[str, Any]:
    artifacts = ArtifactSet.open(path)
    engine = WhatIfEngine(artifacts)
    listeners = artifacts.catalogue["listeners"].to_numpy()
    rows = np.random.default_rng(0).choice(np.flatnonzero(listeners >= 10), ITEMS, replace=False)
    engine.preview(0, **TO, n=10)
    fits = [engine.fitted(**TO), _other_fits(engine)]
    floor = [
        overlap_at_n(lists_by(fits[0], int(row), 10).rows[0], lists_by(fits[1], int(row), 10).rows[0], 10)
        for row in np.flatnonzero(listeners >= 10)[:: max(1, len(listeners) // 300)]
    ]
    trust = measure_trust(artifacts, 10)
    return {
        "from": artifacts.manifest.models["als"].params,
        "ms_preview": _summary([1000 * _seconds(lambda row=row: engine.preview(int(row), **TO, n=10)) for row in rows]),
        "s_refine_of_10_iterations": _summary(
            [_seconds(lambda row=row: engine.refine(int(row), **TO, n=10)) for row in rows[:9]]
        ),
        "trust": trust.model_dump(),
        "overlap_of_two_full_fits": round(float(np.mean(floor)), 3),
    }


def _other_fits(engine: WhatIfEngine) -> list[als.AlsFit]:
    """As many full fits again, with seeds that nothing else has."""
    params = engine.params.model_copy(update=TO)
    seeds = np.random.SeedSequence(987).spawn(engine.artifacts.manifest.models["als"].n_replicates)
    user_items = engine.artifacts.user_items.copy()
    return [als.fit(user_items, params, np.random.default_rng(seed)) for seed in seeds]


def _full_size(folder: Path) -> dict[str, Any]:
    artifacts, rows = _written(folder)
    engine = WhatIfEngine(artifacts)
    engine.preview(int(rows[0]), **TO, n=10)
    previews = [1000 * _seconds(lambda row=row: engine.preview(int(row), **TO, n=10)) for row in rows]
    weights = bm25_weights(artifacts.user_items.copy(), **TO)
    ratios, ours, theirs = [], [], []
    for _ in range(PAIRS):
        theirs.append(_seconds(lambda: _bare(artifacts, engine, weights.user_items)))
        ours.append(
            _seconds(lambda: engine.trained_on(**TO, iterations=REFINE_ITERATIONS, on_iteration=lambda *_: None))
        )
        ratios.append(ours[-1] / theirs[-1])
        print(f"bare {theirs[-1]:.1f} s, refine {ours[-1]:.1f} s", flush=True)
    plays = np.diff(artifacts.user_items.tocsc().indptr)[rows]
    return {
        "items": artifacts.manifest.counts.items,
        "pairs": artifacts.manifest.counts.interactions,
        "replicates": REPLICATES,
        "listeners_of_the_items_asked_about": {"median": int(np.median(plays)), "most": int(plays.max())},
        "ms_preview": _summary(previews),
        "s_bare_implicit": [round(each, 1) for each in theirs],
        "s_refine": [round(each, 1) for each in ours],
        "refine_over_bare": _summary(ratios),
    }


def _bare(artifacts: ArtifactSet, engine: WhatIfEngine, weights: Any) -> None:
    from implicit.cpu.als import AlternatingLeastSquares

    with als.one_blas_thread():
        for replicate in range(REPLICATES):
            model = AlternatingLeastSquares(factors=engine.params.factors, iterations=REFINE_ITERATIONS)
            model.user_factors = np.array(artifacts.array("als/user_factors")[replicate])
            model.item_factors = np.array(artifacts.array("als/item_factors")[replicate])
            model.fit(weights, show_progress=False)


def _written(folder: Path) -> tuple[ArtifactSet, np.ndarray[Any, Any]]:
    """sets/full with real, short ALS fits, and the rows to ask about: from the most popular to the rarest."""
    base = ArtifactSet.open(folder / "sets" / "full")
    n_items = base.manifest.counts.items
    rows = np.unique(np.geomspace(1, n_items, ITEMS).astype(np.int64) - 1)
    params = als.AlsParams.model_validate({"k1": 100.0, "b": 0.8, "iterations": SHORT})
    user_items = base.user_items.copy()
    fits = [als.fit(user_items, params, np.random.default_rng(seed)) for seed in range(REPLICATES)]
    vectors = ItemVectors.consensus([fit.item_factors for fit in fits])
    near = exact_neighbours(vectors.vectors, rows, base.neighbours("als").shape[1])
    with ArtifactWriter(folder / "sets" / "whatif") as writer:
        writer.adopt(base, but=lambda name: name in ("als/neighbours.npy", "als/similarities.npy"))
        neighbours, similarities = base.neighbours("als").copy(), base.similarities("als").copy()
        neighbours[rows], similarities[rows] = near.neighbours, near.similarities
        writer.array("als/neighbours", neighbours)
        writer.array("als/similarities", similarities)
        writer.array("als/user_factors", np.stack([fit.user_factors for fit in fits]))
        writer.array("als/item_factors", np.stack([fit.item_factors for fit in fits]))
        entry = base.manifest.models["als"].model_copy(
            update={"params": params.model_dump(), "n_replicates": REPLICATES}
        )
        models = {**base.manifest.models, "als": entry}
        writer.publish(base.manifest.model_copy(update={"models": models, "files": writer.files}))
    return ArtifactSet.open(folder / "sets" / "whatif"), rows


def _seconds(step: Callable[[], object]) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def _summary(values: list[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(values), 3), "min": round(min(values), 3), "max": round(max(values), 3)
    }  # fmt: skip
