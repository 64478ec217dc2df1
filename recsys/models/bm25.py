"""BM25 weights of play counts; items are the documents, listeners the terms."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from recsys.errors import ParameterError

FloatArray = npt.NDArray[np.floating[Any]]
SMALLEST_WEIGHT = 1e-6
LARGEST_K1 = 1e9
BLOCK_ENTRIES = 1 << 20  # of play counts weighed at once, if listeners have no more each


@dataclass(frozen=True)
class Bm25Weights:
    """Weighted plays.

    user_items : CSR (n_users, n_items), float32, > 0, same sparsity as the counts.
    clipped : how many weights would have been zero or less and were set to SMALLEST_WEIGHT.
    """

    user_items: sp.csr_matrix
    clipped: int


@dataclass(frozen=True)
class Bm25Statistics:
    """What BM25 needs to know of a matrix of play counts, whatever K1 and B are.

    relative_length : an item's plays over the mean item's, float64 (n_items,), > 0.
    idf : ln(n_items) − ln(1 + items the listener has), float64 (n_users,); zero or less for listeners of nearly all.
    """

    relative_length: npt.NDArray[np.float64]
    idf: npt.NDArray[np.float64]

    @classmethod
    def of(cls, user_items: sp.csr_matrix) -> Bm25Statistics:
        """user_items : CSR (n_users, n_items) of play counts > 0."""
        n_items = user_items.shape[1]
        item_plays = np.bincount(user_items.indices, weights=user_items.data, minlength=n_items)
        return cls(item_plays / item_plays.mean(), math.log(n_items) - np.log1p(np.diff(user_items.indptr)))


def check_bm25(k1: float, b: float) -> None:
    """Raises ParameterError where K1 or B lies outside its limits."""
    if not (math.isfinite(k1) and 0 <= k1 <= LARGEST_K1):
        raise ParameterError(f"K1 is {k1}; it must be a finite number from 0 to {LARGEST_K1:,.0f}")
    if not 0 <= b <= 1:
        raise ParameterError(f"B is {b}; it must be between 0 and 1")


def weigh(
    plays: FloatArray, relative_length: FloatArray | float, idf: FloatArray | float, *, k1: float, b: float
) -> npt.NDArray[np.float64]:
    """BM25's weight of play counts, not clipped; arrays of one shape, or that broadcast.

    weight = plays · (K1 + 1) / (K1 · (1 − B + B · relative length) + plays) · idf

    k1 : saturation, >= 0; 0 makes every play count alike, large makes it linear.
    b : length normalisation by an item's total plays, in [0, 1].

    Raises
    ------
    ParameterError : k1 or b outside its limits.

    Source: Robertson & Zaragoza (2009), The Probabilistic Relevance Framework; idf as in implicit's `bm25_weight`.
    """
    check_bm25(k1, b)
    plays = np.asarray(plays, np.float64)
    result: npt.NDArray[np.float64] = plays * (k1 + 1.0) / (k1 * ((1.0 - b) + b * relative_length) + plays) * idf
    return result


def clip(weights: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float32], int]:
    """Weights that ALS can take, > 0, and how many would have been zero or less, which it would read as dislike."""
    clipped = int(np.count_nonzero(weights < SMALLEST_WEIGHT))
    return np.maximum(weights, SMALLEST_WEIGHT).astype(np.float32), clipped


def bm25_weights(
    user_items: sp.csr_matrix, *, k1: float, b: float, statistics: Bm25Statistics | None = None
) -> Bm25Weights:
    """Weigh each play count by how much it says about the item; see `weigh`.

    Parameters
    ----------
    user_items : CSR (n_users, n_items) of play counts > 0.
    statistics : of this matrix, where they are known already.

    Raises
    ------
    ParameterError : k1 or b outside its limits.
    """
    known = statistics or Bm25Statistics.of(user_items)
    starts, plays, items = user_items.indptr, user_items.data, user_items.indices
    data, clipped = np.empty(len(plays), np.float32), 0
    # A block at a time: in float64, with all its steps, the whole takes ten times the room of the result.
    edges = np.searchsorted(starts, np.arange(0, len(plays), BLOCK_ENTRIES)).tolist()
    for first, last in pairwise(sorted({0, *edges, len(starts) - 1})):
        here = slice(starts[first], starts[last])
        idf = np.repeat(known.idf[first:last], np.diff(starts[first : last + 1]))
        data[here], few = clip(weigh(plays[here], known.relative_length[items[here]], idf, k1=k1, b=b))
        clipped += few
    return Bm25Weights(sp.csr_matrix((data, user_items.indices, user_items.indptr), shape=user_items.shape), clipped)
