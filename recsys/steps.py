"""The steps that builds have in common: fits, neighbour lists and what they tell, how far the models agree."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from recsys.analysis.agreement import catalogue_agreement
from recsys.analysis.evaluation import tag_share
from recsys.analysis.neighbours import NeighbourGraph, neighbour_graph, recall_on_sample
from recsys.analysis.stability import noise_floors
from recsys.artifacts.manifest import ModelEntry
from recsys.artifacts.store import ArtifactWriter
from recsys.config import BuildConfig
from recsys.errors import RecsysError
from recsys.interactions.log import Interactions
from recsys.models import als, word2vec
from recsys.models.vectors import ItemVectors

SUMMARY_N = 10
SUMMARY_MIN_LISTENERS = 10
MODEL_TITLES = {"als": "ALS", "word2vec": "Word2vec"}

Result = TypeVar("Result")
Rows = npt.NDArray[np.int32]


class Progress(Protocol):
    """Told what a build is doing."""

    def stage(self, words: str, total: float | None) -> None: ...

    def advance(self, amount: float) -> None: ...


class Silence:
    """Progress that nobody watches."""

    def stage(self, words: str, total: float | None) -> None: ...

    def advance(self, amount: float) -> None: ...


class Stages:
    """Runs stages by name: tells progress, keeps seconds."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, key: str, words: str | None = None, total: float | None = None) -> Iterator[None]:
        if words:
            self.progress.stage(words, total)
        start = time.perf_counter()
        yield
        self.seconds[key] = round(self.seconds.get(key, 0.0) + time.perf_counter() - start, 2)


def fit_als(
    user_items: sp.csr_matrix, params: als.AlsParams, seeds: Sequence[np.random.SeedSequence], stages: Stages
) -> list[als.AlsFit]:
    """One fit a seed; user_items CSR (n_users, n_items) of play counts."""
    words = f"fitting ALS, {len(seeds)} replicates"
    with stages("fit_als", words, len(seeds) * params.iterations):
        return [
            als.fit(user_items, params, np.random.default_rng(own), lambda: stages.progress.advance(1)) for own in seeds
        ]


def fit_word2vec(
    interactions: Interactions,
    params: word2vec.Word2vecParams,
    seeds: Sequence[np.random.SeedSequence],
    stages: Stages,
) -> list[word2vec.Word2vecFit]:
    """One fit a seed."""
    stop = threading.Event()

    def on_epoch() -> None:
        if stop.is_set():
            raise RecsysError("the build was stopped")
        stages.progress.advance(1)

    with stages("fit_word2vec", f"fitting Word2vec, {len(seeds)} replicates", len(seeds) * params.epochs):
        # A fit with one worker is repeatable; replicates side by side keep the other cores busy all the same.
        return _side_by_side(
            [
                lambda own=own: word2vec.fit(  # type: ignore[misc]
                    interactions, params, np.random.default_rng(own), on_epoch
                )
                for own in seeds
            ],
            workers=max(1, (os.cpu_count() or 1) // params.workers),
            stop=stop,
        )


def _side_by_side(tasks: Sequence[Callable[[], Result]], workers: int, stop: threading.Event) -> list[Result]:
    with ThreadPoolExecutor(min(workers, len(tasks))) as pool:
        futures = [pool.submit(task) for task in tasks]
        try:
            return [future.result() for future in futures]
        except BaseException:
            # Ctrl-C reaches this thread only; the fits look at `stop` after every epoch.
            stop.set()
            pool.shutdown(cancel_futures=True, wait=False)
            raise


@dataclass(frozen=True)
class KeptModel:
    """One model as a build has written it.

    neighbours, similarities : of the consensus, (n_items, depth). replicates, halves : neighbours of each fit and of
    both halves, (n_items, replicate_depth); none with one replicate.
    """

    entry: ModelEntry
    neighbours: Rows
    similarities: npt.NDArray[np.float32]
    replicates: list[Rows]
    halves: list[Rows]


def keep_als_factors(writer: ArtifactWriter, fits: Sequence[als.AlsFit]) -> None:
    """What a what-if goes on from: float32 (n_replicates, n_users or n_items, factors)."""
    writer.array("als/user_factors", np.stack([fit.user_factors for fit in fits]))
    writer.array("als/item_factors", np.stack([fit.item_factors for fit in fits]))


def keep_model(
    name: str,
    vectors: ItemVectors,
    params: dict[str, Any],
    catalogue: pd.DataFrame,
    config: BuildConfig,
    writer: ArtifactWriter,
    stages: Stages,
) -> KeptModel:
    """Write the neighbour lists of the consensus, the replicates and the halves, and measure what they tell."""
    rng = np.random.default_rng([config.seed, 2])
    n_items = len(catalogue)
    depth, shallow, n = min(config.depth, n_items - 1), replicate_depth(config, n_items), summary_n(config, n_items)
    listeners = catalogue["listeners"].to_numpy()
    title = MODEL_TITLES[name]
    subsets = {str(r): vectors.only([r]) for r in range(vectors.n_replicates)} if vectors.n_replicates > 1 else {}
    if vectors.n_replicates > 1:
        subsets.update(zip(("half_a", "half_b"), vectors.halves(), strict=True))

    def graph_of(each: ItemVectors, list_depth: int) -> NeighbourGraph:
        return neighbour_graph(
            each.vectors, list_depth, rng, exact_below=config.exact_below, on_rows=stages.progress.advance
        )

    with stages(f"neighbours_{name}", f"{title}: neighbours", n_items * (1 + len(subsets))):
        graph = graph_of(vectors, depth)
        writer.array(f"{name}/vectors", vectors.vectors)
        writer.array(f"{name}/neighbours", graph.neighbours)
        writer.array(f"{name}/similarities", graph.similarities)
        lists: dict[str, Rows] = {}
        for subset, own in subsets.items():
            lists[subset] = graph_of(own, shallow).neighbours
            writer.array(f"{name}/replicates/{subset}", lists[subset])
        exact = n_items < config.exact_below
        recall = recall_on_sample(graph, vectors.vectors, n, rng)
    singles = [lists[str(r)] for r in range(len(subsets) and vectors.n_replicates)]
    halves = [lists[half] for half in ("half_a", "half_b")] if subsets else []
    share = tag_share(
        graph.neighbours, catalogue["tags"].tolist(), listeners, n=n, min_listeners=SUMMARY_MIN_LISTENERS
    )  # fmt: skip
    repeatable, note = _repeatability(name, params, exact)
    entry = ModelEntry(
        title=title,
        params=params,
        n_replicates=vectors.n_replicates,
        repeatable=repeatable,
        repeatable_note=note,
        items_missing=int((~vectors.present).sum()),
        recall=rounded(recall),
        tag_share=rounded(share),
        replicate_overlap=mean_over_known(noise_floors(singles, n), listeners) if singles else None,
        noise_floor=mean_over_known(noise_floors(halves, n), listeners) if halves else None,
        notes=[],
    )
    return KeptModel(entry, graph.neighbours, graph.similarities, singles, halves)


def _repeatability(name: str, params: dict[str, Any], exact: bool) -> tuple[bool, str]:
    if name == "word2vec" and params["workers"] > 1:
        return False, f"{params['workers']} threads of one fit race each other; workers = 1 repeats bit by bit"
    if not exact:
        return False, "the same seed gives the same vectors; the approximate graph comes with no such promise"
    return True, "the same seed and library versions give the same bits on the same kind of processor"


def keep_agreement(models: Mapping[str, KeptModel], n: int, writer: ArtifactWriter, stages: Stages) -> pd.DataFrame:
    """Measure over the whole catalogue how far two models agree, and write it."""
    with stages("agreement", "comparing the models", None):
        agreement = catalogue_agreement(
            {name: model.neighbours for name, model in models.items()},
            {name: model.similarities for name, model in models.items()},
            {name: model.replicates for name, model in models.items()},
            {name: model.halves for name, model in models.items()},
            n,
        )
        writer.table("agreement", agreement)
    return agreement


def check(
    shape: tuple[int, int],
    als_fits: Sequence[als.AlsFit],
    vectors: Mapping[str, ItemVectors],
    models: Mapping[str, KeptModel],
) -> list[str]:
    """Checks that ran, in words; shape (n_users, n_items).

    Raises
    ------
    RecsysError : one does not hold, which is a fault of the program and stops the build.
    """
    n_users, n_items = shape
    passed = []
    for words, holds in {
        "ALS user factors have one row a listener": all(len(fit.user_factors) == n_users for fit in als_fits),
        "ALS item factors have one row an item": all(len(fit.item_factors) == n_items for fit in als_fits),
        "vectors are finite and of length 1 or 0": all(
            np.isfinite(v.vectors).all() and np.allclose(np.linalg.norm(v.vectors[v.present], axis=1), 1, atol=1e-4)
            for v in vectors.values()
        ),
        "no item is its own neighbour": all(
            not (model.neighbours == np.arange(n_items)[:, None]).any() for model in models.values()
        ),
        "similarities fall along each list": all(
            not (np.diff(model.similarities, axis=1) > 1e-5).any() for model in models.values()
        ),
    }.items():
        if not holds:
            raise RecsysError(f"the build failed its check “{words}”; nothing was published. Please report this")
        passed.append(words)
    return passed


def clipped_note(fits: Sequence[als.AlsFit], n_interactions: int) -> list[str]:
    """How many BM25 weights had to be clipped, in words."""
    clipped = fits[0].clipped_weights
    return [f"BM25: {clipped:,} of {n_interactions:,} weights were zero or less and set to a small positive number"]


def replicate_depth(config: BuildConfig, n_items: int) -> int:
    """How long the stored lists of replicates are; the longest n that can be compared."""
    return min(config.replicate_depth, config.depth, n_items - 1)


def summary_n(config: BuildConfig, n_items: int) -> int:
    """The n of the overlaps in a manifest."""
    return min(SUMMARY_N, replicate_depth(config, n_items))


def mean_over_known(per_item: npt.NDArray[np.float64], listeners: npt.NDArray[np.integer[Any]]) -> float | None:
    """Mean over the items with enough listeners for which the value is known."""
    known = per_item[listeners >= SUMMARY_MIN_LISTENERS]
    known = known[~np.isnan(known)]
    return rounded(float(known.mean())) if len(known) else None


def rounded(share: float) -> float | None:
    """A share as a manifest keeps it."""
    return None if np.isnan(share) else round(share, 4)
