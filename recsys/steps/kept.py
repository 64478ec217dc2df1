"""Models as a build keeps them: neighbour lists, what they tell, how far two models agree, and the checks of it all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from recsys.analysis.agreement import catalogue_agreement
from recsys.analysis.evaluation import tag_share
from recsys.analysis.neighbours import NeighbourGraph, neighbour_graph, recall_on_sample
from recsys.analysis.stability import noise_floors
from recsys.artifacts.manifest import ModelEntry
from recsys.artifacts.unfinished import MAKES_ALL, Part, Parts
from recsys.artifacts.writer import ArtifactWriter
from recsys.config import BuildConfig
from recsys.errors import RecsysError
from recsys.models import als
from recsys.models.vectors import ItemVectors
from recsys.steps.progress import Stages

SUMMARY_N = 10
SUMMARY_MIN_LISTENERS = 10
MODEL_TITLES = {"als": "ALS", "word2vec": "Word2vec"}

Rows = npt.NDArray[np.int32]


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
    n, listeners = summary_n(config, n_items), catalogue["listeners"].to_numpy()
    graph, lists, recall = _searched(name, vectors, config, writer, stages, parts)
    singles = [lists[str(r)] for r in range(count)] if count > 1 else []
    halves = [lists[half] for half in ("half_a", "half_b")] if count > 1 else []
    share = tag_share(
        graph.neighbours, catalogue["tags"].tolist(), listeners, n=n, min_listeners=SUMMARY_MIN_LISTENERS
    )  # fmt: skip
    repeatable, note = _repeatability(name, params, exact=n_items < config.exact_below)
    entry = ModelEntry(
        title=MODEL_TITLES.get(name, name),
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


def _searched(
    name: str, vectors: ItemVectors, config: BuildConfig, writer: ArtifactWriter, stages: Stages, parts: Parts
) -> tuple[NeighbourGraph, dict[str, Rows], float]:
    """The graph of the consensus; the lists of the replicates "0", "1", … and of half_a and half_b, none with one
    replicate; and the graph's recall. All but that is written."""
    n_items, count = len(vectors.vectors), vectors.n_replicates
    depth, shallow = depth_of(config, n_items), replicate_depth(config, n_items)
    title = MODEL_TITLES.get(name, name)
    subsets: dict[str, Callable[[], ItemVectors]] = {}
    if count > 1:
        subsets = {str(r): partial(vectors.only, [r]) for r in range(count)}
    if count > 2:
        subsets |= {"half_a": lambda: vectors.halves()[0], "half_b": lambda: vectors.halves()[1]}
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
        recall = recall_on_sample(graph, vectors.vectors, summary_n(config, n_items), np.random.default_rng(sampling))
    return graph, lists, recall


def _repeatability(name: str, params: dict[str, Any], *, exact: bool) -> tuple[bool, str]:
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


def depth_of(config: BuildConfig, n_items: int) -> int:
    """How long the stored lists are."""
    return min(config.depth, n_items - 1)


def replicate_depth(config: BuildConfig, n_items: int) -> int:
    """How long the stored lists of replicates are; the longest n that can be compared."""
    return min(config.replicate_depth, depth_of(config, n_items))


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
