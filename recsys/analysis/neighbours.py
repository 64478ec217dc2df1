"""Nearest items by cosine: one graph a model over the whole catalogue, and exact answers for single vectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from recsys.errors import ParameterError

EXACT_BELOW = 20_000
BLOCK_CELLS = 16_000_000  # similarities held at once, 64 MB
GATHERED_CELLS = 500_000  # of neighbours' vectors held at once: 2 MB stay in the processor's cache
# Whom NN-descent compares around an item in one round. Its work space grows with the square: with 30 instead of the
# library's 60, lists of 100 over 292,365 items take 1.6 GB instead of 2.4 and three quarters of the time, and hold
# 99.9% of the true neighbours.
CANDIDATES = 30


@dataclass(frozen=True)
class NeighbourGraph:
    """The nearest items of every item.

    neighbours : int32 (n_items, depth), best first, never the row itself, -1 where there are fewer.
    similarities : float32 (n_items, depth), cosine in [-1, 1], NaN where neighbours is -1.
    """

    neighbours: npt.NDArray[np.int32]
    similarities: npt.NDArray[np.float32]


def neighbour_graph(
    vectors: npt.NDArray[np.float32],
    depth: int,
    rng: np.random.Generator,
    *,
    exact_below: int = EXACT_BELOW,
    on_rows: Callable[[int], None] | None = None,
) -> NeighbourGraph:
    """The `depth` nearest items of every row: exact for fewer than `exact_below` items, else by NN-descent.

    Parameters
    ----------
    vectors : float32 (n_items, d), unit rows; rows of zeros have no neighbours and are nobody's.
    depth : length of a list, >= 1; lists are shorter where the catalogue is.

    Raises
    ------
    ParameterError : depth < 1.

    Source: Dong, Moses & Li (2011), Efficient k-nearest neighbor graph construction, for the large case.
    """
    if depth < 1:
        raise ParameterError(f"depth is {depth}; it must be at least 1")
    rows = np.arange(len(vectors))
    if len(vectors) < exact_below:
        return exact_neighbours(vectors, rows, depth, on_rows=on_rows)
    return _approximate_neighbours(vectors, depth, rng)


def exact_neighbours(
    vectors: npt.NDArray[np.float32],
    rows: npt.NDArray[np.integer[Any]],
    depth: int,
    *,
    on_rows: Callable[[int], None] | None = None,
) -> NeighbourGraph:
    """The nearest items of some `rows` by brute force, ties by row; shapes (len(rows), depth)."""
    n_items = len(vectors)
    present = np.any(vectors, axis=1)
    found = min(depth, n_items - 1)
    neighbours = np.full((len(rows), depth), -1, np.int32)
    similarities = np.full((len(rows), depth), np.nan, np.float32)
    step = max(1, BLOCK_CELLS // n_items)
    for start in range(0, len(rows), step):
        block = rows[start : start + step]
        cosine = vectors[block] @ vectors.T
        cosine[:, ~present] = -np.inf
        cosine[~present[block]] = -np.inf
        cosine[np.arange(len(block)), block] = -np.inf
        best, values = top_columns(cosine, found)
        here = slice(start, start + len(block))
        neighbours[here, :found] = np.where(np.isfinite(values), best, -1)
        similarities[here, :found] = np.where(np.isfinite(values), np.clip(values, -1, 1), np.nan)
        if on_rows:
            on_rows(len(block))
    return NeighbourGraph(neighbours, similarities)


def top_columns(
    scores: npt.NDArray[np.floating[Any]], n: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.floating[Any]]]:
    """The `n` best columns of each row, best first, ties by column; (n_rows, n) columns and their scores."""
    if n < 1:
        return np.empty((len(scores), 0), np.int32), np.empty((len(scores), 0), scores.dtype)
    if n < scores.shape[1]:
        worst_kept = -np.partition(-scores, n - 1, axis=1)[:, n - 1 : n]
        # Of several columns that tie for the last place, the partition may keep any; take the first by column.
        above = scores > worst_kept
        tied = scores == worst_kept
        room = n - above.sum(axis=1, keepdims=True)
        kept = above | (tied & (np.cumsum(tied, axis=1) <= room))
        columns = np.nonzero(kept)[1].reshape(len(scores), n)
    else:
        columns = np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
    values = np.take_along_axis(scores, columns, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    return np.take_along_axis(columns, order, axis=1).astype(np.int32), np.take_along_axis(values, order, axis=1)


def _approximate_neighbours(vectors: npt.NDArray[np.float32], depth: int, rng: np.random.Generator) -> NeighbourGraph:
    from pynndescent import NNDescent

    present = np.flatnonzero(np.any(vectors, axis=1))
    everybody = len(present) == len(vectors)
    found = min(depth, len(present) - 1)
    # The graph lists the query among its own neighbours, not always first: ask for one more and take it out by id.
    index = NNDescent(
        vectors if everybody else vectors[present],
        # Of unit rows the nearest have the greatest cosines; asked for cosines, the library would copy the vectors.
        metric="euclidean",
        n_neighbors=found + 1,
        max_candidates=min(found + 1, CANDIDATES),
        random_state=int(rng.integers(2**31 - 1)),
    )
    rows, _ = index.neighbor_graph
    del index
    neighbours = np.full((len(vectors), depth), -1, np.int32)
    similarities = np.full((len(vectors), depth), np.nan, np.float32)
    step = max(1, GATHERED_CELLS // ((found + 1) * vectors.shape[1]))
    for start in range(0, len(present), step):
        here = present[start : start + step]
        near = rows[start : start + step]
        valid = (near >= 0) & (near != np.arange(start, start + len(here))[:, None])
        candidates = present[np.where(near >= 0, near, 0)]
        cosine = np.einsum("id,ind->in", vectors[here], vectors[candidates])
        cosine[~valid] = -np.inf
        order = np.lexsort((candidates, -cosine), axis=1)[:, :found]
        values = np.take_along_axis(cosine, order, axis=1)
        best = np.take_along_axis(candidates, order, axis=1)
        neighbours[here, :found] = np.where(np.isfinite(values), best, -1)
        similarities[here, :found] = np.where(np.isfinite(values), np.clip(values, -1, 1), np.nan)
    return NeighbourGraph(neighbours, similarities)


def recall_on_sample(
    graph: NeighbourGraph,
    vectors: npt.NDArray[np.float32],
    n: int,
    rng: np.random.Generator,
    *,
    sample: int = 1000,
) -> float:
    """Mean share of the exact top-n that the graph's top-n holds, over a random sample of items; NaN without any."""
    present = np.flatnonzero(np.any(vectors, axis=1))
    rows = np.sort(rng.choice(present, min(sample, len(present)), replace=False))
    exact = exact_neighbours(vectors, rows, n).neighbours
    approximate = graph.neighbours[rows, :n]
    real = exact >= 0
    held = (exact[:, :, None] == approximate[:, None, :]).any(axis=2) & real
    return float(held.sum() / real.sum()) if real.any() else float("nan")
