"""BM25 weights of play counts; items are the documents, listeners the terms."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from recsys.errors import ParameterError

SMALLEST_WEIGHT = 1e-6


@dataclass(frozen=True)
class Bm25Weights:
    """Weighted plays.

    user_items : CSR (n_users, n_items), float32, > 0, same sparsity as the counts.
    clipped : how many weights would have been zero or less and were set to SMALLEST_WEIGHT.
    """

    user_items: sp.csr_matrix
    clipped: int


def bm25_weights(user_items: sp.csr_matrix, *, k1: float, b: float) -> Bm25Weights:
    """Weigh each play count by how much it says about the item.

    weight = plays · (K1 + 1) / (K1 · (1 − B + B · item plays / mean item plays) + plays) · idf(listener), with
    idf(listener) = ln(n_items) − ln(1 + items the listener has). A listener who has nearly every item gets an idf of
    zero or less, which ALS would read as dislike: such weights are clipped and counted.

    Parameters
    ----------
    user_items : CSR (n_users, n_items) of play counts > 0.
    k1 : saturation, >= 0; 0 makes every play count alike, large makes it linear.
    b : length normalisation by an item's total plays, in [0, 1].

    Raises
    ------
    ParameterError : k1 or b outside its limits.

    Source: Robertson & Zaragoza (2009), The Probabilistic Relevance Framework; idf as in implicit's `bm25_weight`.
    """
    if not (math.isfinite(k1) and k1 >= 0):
        raise ParameterError(f"K1 is {k1}; it must be a finite number of at least 0")
    if not 0 <= b <= 1:
        raise ParameterError(f"B is {b}; it must be between 0 and 1")
    n_items = user_items.shape[1]
    plays = user_items.data.astype(np.float64)
    item_plays = np.bincount(user_items.indices, weights=plays, minlength=n_items)
    items_held = np.diff(user_items.indptr)
    idf = math.log(n_items) - np.log1p(items_held)
    length_norm = (1.0 - b) + b * item_plays / item_plays.mean()
    weights = plays * (k1 + 1.0) / (k1 * length_norm[user_items.indices] + plays) * np.repeat(idf, items_held)
    clipped = int(np.count_nonzero(weights < SMALLEST_WEIGHT))
    data = np.maximum(weights, SMALLEST_WEIGHT).astype(np.float32)
    return Bm25Weights(sp.csr_matrix((data, user_items.indices, user_items.indptr), shape=user_items.shape), clipped)
