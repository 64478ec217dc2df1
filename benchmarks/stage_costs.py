"""What a build's fits and neighbour graphs cost beside the bare libraries: the same weights, parameters and seeds.

Ours is the build's own step, with BM25 weighting, progress and keeping what was made for an interrupted build; the
library's is the bare call, on weights that are there. What the product promises: an ALS fit takes at most 1.05 times as
long as implicit's, a graph at most 1.1 times as long as pynndescent's. Where others share the machine, the processor's
seconds tell more than the clock's.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from benchmarks.data import Asked, simulated_log
from benchmarks.paired import Figures, called, in_turn, spread

DEPTH = 100
SHORT = 3  # iterations of the fit whose vectors the graphs are made of
WARM = 3000  # items of a first graph, for which pynndescent compiles


def measure(asked: Asked) -> dict[str, Any]:
    base = asked.folder / f"stage_costs_{asked.size}"
    if not _vectors(base).exists():
        _prepare(simulated_log(asked.folder, asked.size), base)
    user_items, rounds = sp.load_npz(f"{base}.npz"), asked.rounds_or(tiny=1, small=5, full=2)
    return {
        "data": {"listeners": user_items.shape[0], "items": user_items.shape[1], "pairs": user_items.nnz},
        "als": _paired(implicit_fit, our_fit, base, rounds),
        "graph": _paired(bare_graph, our_graph, base, rounds),
    }


def _paired(bare: Any, ours: Any, base: Path, rounds: int) -> dict[str, Any]:
    measured = in_turn({"bare": called(bare), "ours": called(ours)}, [str(base)], rounds)
    result: dict[str, Any] = {"rounds": rounds}
    for figure in ("seconds", "cpu_seconds"):
        ours_, bare_ = ([figures[figure] for figures in measured[name]] for name in ("ours", "bare"))
        result |= {f"{figure}_bare": spread(bare_), f"{figure}_ours": spread(ours_)}
        result[f"{figure}_ours_over_bare"] = spread([our / its for our, its in zip(ours_, bare_, strict=True)])
    return result


def _timed(step: Callable[[], object]) -> Figures:
    start, cpu = time.perf_counter(), time.process_time()
    step()
    return {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - cpu}


def our_fit(base: str) -> Figures:
    from recsys.artifacts.unfinished import KeptParts
    from recsys.models.als import AlsParams
    from recsys.steps.fits import fit_als
    from recsys.steps.progress import Silence, Stages

    user_items, stages = sp.load_npz(f"{base}.npz"), Stages(Silence())
    fit_als(user_items[:WARM], AlsParams(iterations=1), np.random.SeedSequence(1).spawn(1), stages)
    with tempfile.TemporaryDirectory(dir=Path(base).parent) as folder:
        seeds, parts = np.random.SeedSequence(0).spawn(1), KeptParts(Path(folder))
        return _timed(lambda: fit_als(user_items, AlsParams(), seeds, stages, parts))


def implicit_fit(base: str) -> Figures:
    from implicit.cpu.als import AlternatingLeastSquares

    from recsys.models.als import AlsParams, one_blas_thread
    from recsys.models.bm25 import bm25_weights

    params = AlsParams()
    weights = bm25_weights(sp.load_npz(f"{base}.npz"), k1=params.k1, b=params.b).user_items
    same = {"factors": params.factors, "regularization": params.regularization}
    seed = int(np.random.default_rng(np.random.SeedSequence(0).spawn(1)[0]).integers(2**31 - 1))
    with one_blas_thread():
        AlternatingLeastSquares(**same, iterations=1).fit(weights[:WARM], show_progress=False)
        model = AlternatingLeastSquares(**same, iterations=params.iterations, random_state=seed)
        return _timed(lambda: model.fit(weights, show_progress=False))


def our_graph(base: str) -> Figures:
    from recsys.analysis.neighbours import neighbour_graph

    vectors = np.load(_vectors(Path(base)))
    neighbour_graph(vectors[:WARM], DEPTH, np.random.default_rng(1), exact_below=2)
    return _timed(lambda: neighbour_graph(vectors, DEPTH, np.random.default_rng(0), exact_below=2))


def bare_graph(base: str) -> Figures:
    from pynndescent import NNDescent

    vectors = np.load(_vectors(Path(base)))

    def graph(rows: np.ndarray[Any, Any], rng: np.random.Generator) -> None:
        seed = int(rng.integers(2**31 - 1))
        # A property that turns pynndescent's own distances into cosines.
        _ = NNDescent(
            rows, metric="cosine", n_neighbors=min(DEPTH, len(rows) - 1) + 1, random_state=seed
        ).neighbor_graph

    graph(vectors[:WARM], np.random.default_rng(1))
    return _timed(lambda: graph(vectors, np.random.default_rng(0)))


def _prepare(log: Path, base: Path) -> None:
    """Play counts as a build sees them, and unit vectors of a short fit."""
    from recsys.interactions.readers import read
    from recsys.models import als
    from recsys.models.vectors import unit_rows

    interactions = read("lastfm-360k", log).with_min_listeners(5)
    sp.save_npz(f"{base}.npz", interactions.user_items, compressed=False)
    fit = als.fit(interactions.user_items, als.AlsParams(iterations=SHORT), np.random.default_rng(0))
    np.save(_vectors(base), unit_rows(fit.item_factors))


def _vectors(base: Path) -> Path:
    return base.with_name(f"{base.name}.vectors.npy")
