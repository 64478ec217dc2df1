"""What each model and each baseline thinks of every item, for some of the lists at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from recsys.analysis.evaluation import Scores
from recsys.evaluation.split import Split
from recsys.interactions.log import Queues
from recsys.models.vectors import unit_rows

FloatArray = npt.NDArray[np.floating[Any]]


def popularity(split: Split) -> Scores:
    """The same for everybody: how many listeners an item has in training."""
    listeners = split.train.catalogue["listeners"].to_numpy(np.float32)
    return lambda rows: np.tile(listeners, (split.known[rows].shape[0], 1))


def chance(split: Split, rng: np.random.Generator) -> Scores:
    """Nothing but luck."""
    return lambda rows: rng.random(split.known[rows].shape, np.float32)


def co_occurrence(split: Split) -> Scores:
    """In how many queues an item stands with what is known, added up over the known items."""
    held = in_queues(split.train.queues, split.train.n_items)
    return item_item(held, _ones(split.known))


def item_item(weights: sp.csr_matrix, profiles: sp.csr_matrix) -> Scores:
    """Profiles times the items' similarities, which are the dot products of their columns of weights.

    weights : CSR (n_listeners or n_queues, n_items). profiles : CSR (n_lists, n_items).

    All similarities count, with no number of nearest items to choose, and none is ever held in memory.

    Source: Sarwar et al. (2001), Item-based collaborative filtering recommendation algorithms.
    """
    by_item = weights.T.tocsr()
    return lambda rows: ((profiles[rows] @ by_item) @ weights).toarray()


def nearest(vectors: FloatArray, split: Split) -> Scores:
    """Cosine with the mean of the known items' unit vectors, up to a factor that all items share.

    Items without a vector are never recommended.

    vectors : (n_items, d), of any length; zeros for items that the model lacks.
    """
    unit = unit_rows(vectors)
    lacking = ~np.any(vectors, axis=1)
    profiles = _ones(split.known) @ unit

    def scores(rows: slice) -> FloatArray:
        result: FloatArray = profiles[rows] @ unit.T
        result[:, lacking] = -np.inf
        # Who knows only items that the model lacks is recommended nothing.
        result[~profiles[rows].any(axis=1)] = -np.inf
        return result

    return scores


def nearest_euclidean(vectors: FloatArray, split: Split) -> Scores:
    """Minus half the squared distance from the one known item's vector, up to what all items share.

    vectors : as for `nearest`; their lengths count.
    """
    exact = vectors.astype(np.float64)
    lacking: npt.NDArray[np.bool_] = np.logical_not(np.any(vectors, axis=1))
    shortness = -(exact**2).sum(axis=1) / 2
    query = split.known.indices

    def scores(rows: slice) -> FloatArray:
        result: FloatArray = exact[query[rows]] @ exact.T + shortness
        result[:, lacking] = -np.inf
        result[lacking[query[rows]]] = -np.inf
        return result

    return scores


def in_queues(queues: Queues, n_items: int) -> sp.csr_matrix:
    """Which items stand in which queue, CSR float32 of ones (n_queues, n_items)."""
    queue = np.repeat(np.arange(len(queues)), queues.lengths)
    held = sp.coo_matrix((np.ones(len(queue), np.float32), (queue, queues.items)), shape=(len(queues), n_items)).tocsr()
    held.data[:] = 1
    return held


def _ones(matrix: sp.csr_matrix) -> sp.csr_matrix:
    return sp.csr_matrix((np.ones(matrix.nnz, np.float32), matrix.indices, matrix.indptr), shape=matrix.shape)
