"""The steps that builds have in common: fits, neighbour lists and what they tell, how far the models agree."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
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
from recsys.artifacts.unfinished import Part, Parts
from recsys.config import BuildConfig
from recsys.errors import RecsysError
from recsys.interactions.log import Interactions
from recsys.memory import frugal_heap, hand_back
from recsys.models import als, word2vec
from recsys.models.vectors import ItemVectors
from recsys.models.word2vec_budget import Allowed, allowed

SUMMARY_N = 10
SUMMARY_MIN_LISTENERS = 10
MODEL_TITLES = {"als": "ALS", "word2vec": "Word2vec"}
MAKES_ALL = Parts()
PACE_SECONDS = 3.0

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
    """Runs stages by name: tells progress, keeps seconds, and hands back the memory that a stage has freed."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.seconds: dict[str, float] = {}
        frugal_heap()

    @contextmanager
    def __call__(self, key: str, words: str | None = None, total: float | None = None) -> Iterator[None]:
        if words:
            self.progress.stage(words, total)
        start = time.perf_counter()
        yield
        self.add(key, time.perf_counter() - start)
        hand_back()

    def add(self, key: str, seconds: float) -> None:
        """Seconds that an interrupted build spent on what this one took up."""
        self.seconds[key] = round(self.seconds.get(key, 0.0) + seconds, 2)


def fit_als(
    user_items: sp.csr_matrix,
    params: als.AlsParams,
    seeds: Sequence[np.random.SeedSequence],
    stages: Stages,
    parts: Parts = MAKES_ALL,
) -> list[als.AlsFit]:
    """One fit a seed; user_items CSR (n_users, n_items) of play counts."""

    def fitted(own: np.random.SeedSequence) -> Part:
        fit = als.fit(user_items, params, np.random.default_rng(own), lambda: stages.progress.advance(1))
        factors = {"item_factors": fit.item_factors, "user_factors": fit.user_factors}
        return Part(factors, {"clipped_weights": fit.clipped_weights})

    words = f"fitting ALS, {len(seeds)} replicates"
    with stages("fit_als", words, len(seeds) * params.iterations):
        found = [
            parts.once(f"als-{r}", f"ALS {r + 1} of {len(seeds)}", lambda own=own: fitted(own))  # type: ignore[misc]
            for r, own in enumerate(seeds)
        ]
    stages.add("fit_als", sum(part.seconds for part in found))
    return [
        als.AlsFit(part.arrays["item_factors"], part.arrays["user_factors"], part.numbers["clipped_weights"])
        for part in found
    ]


def fit_word2vec(
    interactions: Interactions,
    params: word2vec.Word2vecParams,
    seeds: Sequence[np.random.SeedSequence],
    stages: Stages,
    parts: Parts = MAKES_ALL,
) -> list[word2vec.Word2vecFit]:
    """One fit a seed."""
    stop = threading.Event()

    def on_epoch() -> None:
        if stop.is_set():
            raise RecsysError("the build was stopped")
        stages.progress.advance(1)

    def fitted(own: np.random.SeedSequence) -> Part:
        return Part({"vectors": word2vec.fit(interactions, params, np.random.default_rng(own), on_epoch).vectors})

    with stages("fit_word2vec", f"fitting Word2vec, {len(seeds)} replicates", len(seeds) * params.epochs):
        found = _side_by_side(
            [
                lambda r=r, own=own: parts.once(  # type: ignore[misc]
                    f"word2vec-{r}", f"Word2vec {r + 1} of {len(seeds)}", lambda: fitted(own)
                )
                for r, own in enumerate(seeds)
            ],
            workers=_fits_at_once(params),
            stop=stop,
        )
    stages.add("fit_word2vec", sum(part.seconds for part in found) / min(_fits_at_once(params), len(seeds)))
    return [word2vec.Word2vecFit(**part.arrays) for part in found]


def within_budget(
    interactions: Interactions,
    wanted: word2vec.Word2vecParams,
    minutes: float,
    given: Collection[str],
    seeds: Sequence[np.random.SeedSequence],
    stages: Stages,
    parts: Parts,
    *,
    refuse: bool,
) -> tuple[word2vec.Word2vecParams, str]:
    """The wanted parameters with as many epochs, and as wide a window, as the budget allows here; what was chosen, in
    words. An interrupted build's choice stands, however fast the machine is now.

    given : of epochs and window those that stay. seeds : one a fit. refuse : a budget too small, see `allowed`.

    Raises
    ------
    ParameterError : see `allowed`.
    """
    at_once = min(_fits_at_once(wanted), len(seeds))

    def side_by_side(tasks: Sequence[Callable[[], Result]]) -> list[Result]:
        return _side_by_side(tasks, workers=at_once, stop=threading.Event())

    def choose() -> Part:
        stages.progress.stage("measuring how fast Word2vec is here", None)
        streams = [np.random.default_rng(own) for own in seeds[:at_once]]
        # As many at a time as there will be fits: they share caches and cores.
        meters = side_by_side([partial(word2vec.PaceMeter, interactions, wanted, rng) for rng in streams])

        def pace_at(window: int) -> word2vec.Pace:
            paces = side_by_side([partial(meter.at, window, seconds=PACE_SECONDS) for meter in meters])
            return max(paces, key=lambda pace: pace.epoch)

        rounds = -(-len(seeds) // at_once)
        chosen = allowed(wanted, minutes, rounds=rounds, given=given, pace_at=pace_at, refuse=refuse)
        return Part(numbers=asdict(chosen))

    with stages("measure_word2vec"):
        part = parts.once("word2vec-budget", "what the time allows Word2vec", choose)
    chosen = Allowed(**part.numbers)
    stages.progress.stage(f"Word2vec: {chosen.words}", None)
    return wanted.model_copy(update={"window": chosen.window, "epochs": chosen.epochs}), chosen.words


def _fits_at_once(params: word2vec.Word2vecParams) -> int:
    """A fit with one worker is repeatable; replicates side by side keep the other cores busy all the same."""
    return max(1, (os.cpu_count() or 1) // params.workers)


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
    parts: Parts = MAKES_ALL,
) -> KeptModel:
    """Write the neighbour lists of the consensus, the replicates and the halves, and measure what they tell."""
    n_items, count = len(catalogue), vectors.n_replicates
    depth, shallow, n = min(config.depth, n_items - 1), replicate_depth(config, n_items), summary_n(config, n_items)
    listeners = catalogue["listeners"].to_numpy()
    title = MODEL_TITLES.get(name, name)
    subsets = {str(r): partial(vectors.only, [r]) for r in range(count)} if count > 1 else {}
    if count > 2:
        subsets |= {f"half_{half}": partial(_half, vectors, i) for i, half in enumerate("ab")}
    # One stream of random numbers a graph: the same whether others are taken up or not.
    sampling, whole, *each = np.random.SeedSequence([config.seed, 2]).spawn(2 + len(subsets))

    def graph_of(
        key: str, words: str, of: Callable[[], ItemVectors], list_depth: int, seed: np.random.SeedSequence
    ) -> NeighbourGraph:
        def searched() -> Part:
            graph = neighbour_graph(
                of().vectors,
                list_depth,
                np.random.default_rng(seed),
                exact_below=config.exact_below,
                on_rows=stages.progress.advance,
            )
            return Part({"neighbours": graph.neighbours, "similarities": graph.similarities})

        part = parts.once(f"{name}-{key}", f"{title}: {words}", searched)
        stages.add(f"neighbours_{name}", part.seconds)
        return NeighbourGraph(**part.arrays)

    with stages(f"neighbours_{name}", f"{title}: neighbours", n_items * (1 + len(subsets))):
        graph = graph_of("neighbours", "neighbours", lambda: vectors, depth, whole)
        writer.array(f"{name}/vectors", vectors.vectors)
        writer.array(f"{name}/neighbours", graph.neighbours)
        writer.array(f"{name}/similarities", graph.similarities)
        lists: dict[str, Rows] = {}
        for (subset, of), seed in zip(subsets.items(), each, strict=True):
            lists[subset] = graph_of(f"neighbours-{subset}", f"neighbours of {subset}", of, shallow, seed).neighbours
        if count == 2:
            # Half of two replicates is one of them.
            lists |= {"half_a": lists["0"], "half_b": lists["1"]}
        for subset, own in lists.items():
            writer.array(f"{name}/replicates/{subset}", own)
        exact = n_items < config.exact_below
        recall = recall_on_sample(graph, vectors.vectors, n, np.random.default_rng(sampling))
    singles = [lists[str(r)] for r in range(len(subsets) and count)]
    halves = [lists[half] for half in ("half_a", "half_b")] if subsets else []
    share = tag_share(
        graph.neighbours, catalogue["tags"].tolist(), listeners, n=n, min_listeners=SUMMARY_MIN_LISTENERS
    )  # fmt: skip
    repeatable, note = _repeatability(name, params, exact)
    entry = ModelEntry(
        title=title,
        params=params,
        n_replicates=count,
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


def _half(vectors: ItemVectors, half: int) -> ItemVectors:
    return vectors.halves()[half]


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
