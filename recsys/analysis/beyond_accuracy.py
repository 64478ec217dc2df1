"""What recommended lists are like besides being right: how popular, how varied, how much of the catalogue they use."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from recsys.analysis.evaluation import TAGS_COMPARED

IntArray = npt.NDArray[np.integer[Any]]
FloatArray = npt.NDArray[np.float64]


def mean_over_list(of_item: npt.NDArray[np.floating[Any]], lists: IntArray) -> FloatArray:
    """Mean of a number that each item has over each list, (n_lists,); NaN where a list is empty.

    of_item : (n_items,). lists : item rows (n_lists, n), -1 where a list has ended.
    """
    real = lists >= 0
    lengths = real.sum(axis=1)
    sums = np.where(real, of_item[np.maximum(lists, 0)], 0.0).sum(axis=1)
    result: FloatArray = np.divide(sums, lengths, out=np.full(len(lists), np.nan), where=lengths > 0)
    return result


def novelties(listeners: IntArray, n_users: int) -> FloatArray:
    """How unlikely it is that a listener drawn by chance has played an item, in bits, (n_items,).

    listeners : how many have, (n_items,), >= 1.

    Source: Zhou et al. (2010), Solving the apparent diversity-accuracy dilemma of recommender systems.
    """
    result: FloatArray = np.log2(n_users / np.asarray(listeners, np.float64))
    return result


def intra_list_similarity(user_items: sp.csr_matrix, lists: IntArray) -> FloatArray:
    """Mean similarity of the pairs of items in each list, float64 (n_lists,) in [0, 1]; NaN below two items.

    The similarity is the cosine of who played the items, whatever model made the list.

    user_items : CSR (n_users, n_items); what is stored was played. lists : item rows (n_lists, n), -1 at the end.

    Source: Ziegler et al. (2005), Improving Recommendation Lists Through Topic Diversification.
    """
    of_item = sp.csr_matrix(
        (np.ones(user_items.nnz), user_items.indices, user_items.indptr), shape=user_items.shape
    ).T.tocsr()
    held = np.diff(of_item.indptr)
    of_item.data /= np.sqrt(np.repeat(held, held))
    rows, places = np.nonzero(lists >= 0)
    has_item = sp.csr_matrix((np.ones(len(rows)), (rows, lists[rows, places])), shape=(len(lists), user_items.shape[1]))
    # The squared length of a sum of unit vectors is their number and twice the cosines of all pairs.
    squared = np.asarray((has_item @ of_item).power(2).sum(axis=1)).ravel()
    length = (lists >= 0).sum(axis=1).astype(np.float64)
    pairs = length * (length - 1)
    result: FloatArray = np.divide(squared - length, pairs, out=np.full(len(lists), np.nan), where=pairs > 0)
    return result


def own_tags(known: sp.csr_matrix, has_tag: sp.csr_matrix) -> sp.csr_matrix:
    """The three tags that most of the items a list is asked from have, CSR bool (n_lists, n_tags), ties by column.

    known : CSR (n_lists, n_items); what is stored is known. has_tag : CSR bool (n_items, n_tags).
    """
    ones = sp.csr_matrix((np.ones(known.nnz), known.indices, known.indptr), shape=known.shape)
    counts = sp.csr_matrix(ones @ has_tag.astype(np.float64))
    row = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    order = np.lexsort((counts.indices, -counts.data, row))
    kept = order[np.arange(counts.nnz) - counts.indptr[row] < TAGS_COMPARED]
    return sp.csr_matrix((np.ones(len(kept), bool), (row[kept], counts.indices[kept])), shape=counts.shape)


def coverage(lists: IntArray, n_items: int) -> float:
    """Share of the catalogue that stands in any list, in [0, 1]; it grows with the number of lists."""
    return float(np.count_nonzero(np.bincount(lists[lists >= 0], minlength=n_items)) / n_items)


def gini(lists: IntArray, n_items: int) -> float:
    """How unevenly the places in all lists fall to items: 0 for evenly, towards 1 for all to one; NaN without a place.

    Source: Gini (1912), Variabilità e mutabilità.
    """
    counts = np.sort(np.bincount(lists[lists >= 0], minlength=n_items))
    places = counts.sum()
    if not places:
        return float("nan")
    rank = np.arange(1, n_items + 1)
    return float(((2 * rank - n_items - 1) * counts).sum() / (n_items * places))
