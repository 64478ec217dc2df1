"""How good lists are: neighbours as far as tags can tell, recommendations by what listeners played besides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from recsys.analysis.neighbours import BLOCK_CELLS, top_columns
from recsys.errors import ParameterError

IntArray = npt.NDArray[np.integer[Any]]
TAGS_COMPARED = 3


@dataclass(frozen=True)
class Holdout:
    """Play counts in two parts that share no (listener, item) pair; both CSR (n_users, n_items), same dtype.

    train : what models may see. held_out : what they are asked for.
    """

    train: sp.csr_matrix
    held_out: sp.csr_matrix


@dataclass(frozen=True)
class Accuracy:
    """How well each listener's list meets what was held out; float64 (n_users,) in [0, 1], NaN where nothing was.

    ndcg : nDCG@n with binary relevance. recall : share of the held-out items that are in the top n.
    """

    ndcg: npt.NDArray[np.float64]
    recall: npt.NDArray[np.float64]


def holdout(user_items: sp.csr_matrix, rng: np.random.Generator, *, share: float = 0.2) -> Holdout:
    """Keep a random share of each listener's items from training.

    Of m items, share · m are held out, rounded, but at least one and at most m − 1; of a single item none.

    Parameters
    ----------
    user_items : CSR (n_users, n_items) of play counts; a pair that is stored twice counts as one.
    share : in (0, 1).

    Raises
    ------
    ParameterError : share outside its limits.
    """
    if not 0 < share < 1:
        raise ParameterError(f"the share held out is {share}; it must lie between 0 and 1, as 0.2 does")
    if not user_items.has_canonical_format:
        user_items = user_items.copy()
        user_items.sum_duplicates()
    held = np.diff(user_items.indptr)
    wanted = np.where(held > 1, np.clip(np.rint(share * held), 1, np.maximum(held - 1, 1)), 0)
    user = np.repeat(np.arange(len(held)), held)
    # Sorting by listener first shuffles entries among a listener's own places only.
    order = np.lexsort((rng.random(user_items.nnz), user))
    chosen = np.empty(user_items.nnz, bool)
    chosen[order] = np.arange(user_items.nnz) - user_items.indptr[user] < wanted[user]
    return Holdout(_entries(user_items, user, ~chosen), _entries(user_items, user, chosen))


def _entries(user_items: sp.csr_matrix, user: IntArray, kept: npt.NDArray[np.bool_]) -> sp.csr_matrix:
    indptr = np.concatenate([[0], np.cumsum(np.bincount(user[kept], minlength=user_items.shape[0]))])
    return sp.csr_matrix((user_items.data[kept], user_items.indices[kept], indptr), shape=user_items.shape)


def recommendations(
    user_factors: npt.NDArray[np.float32],
    item_factors: npt.NDArray[np.float32],
    known: sp.csr_matrix,
    n: int,
) -> npt.NDArray[np.int32]:
    """The `n` items with the greatest dot products for each listener, exactly; memory does not grow with listeners.

    Parameters
    ----------
    user_factors, item_factors : (n_users, d), (n_items, d).
    known : CSR (n_users, n_items); what a listener has here is not recommended to them.
    n : length of a list, >= 1.

    Returns
    -------
    Item rows (n_users, n), best first, ties by row; -1 where there are fewer items left with a score above -inf.

    Raises
    ------
    ParameterError : n < 1, or shapes that do not fit.
    """
    if n < 1:
        raise ParameterError(f"n is {n}; it must be at least 1")
    shape = (len(user_factors), len(item_factors))
    if known.shape != shape:
        raise ParameterError(f"the known items are a matrix of {known.shape}; the factors are of {shape}")
    found = min(n, shape[1])
    result = np.full((shape[0], n), -1, np.int32)
    step = max(1, BLOCK_CELLS // shape[1])
    for start in range(0, shape[0], step):
        rows = slice(start, start + step)
        with np.errstate(over="ignore", invalid="ignore"):
            scores = user_factors[rows] @ item_factors.T
        # Factors may be finite and their products not: inf − inf says nothing in favour of an item.
        scores[np.isnan(scores)] = -np.inf
        own = known[rows]
        scores[np.repeat(np.arange(len(scores)), np.diff(own.indptr)), own.indices] = -np.inf
        best, values = top_columns(scores, found)
        result[rows, :found] = np.where(values > -np.inf, best, -1)
    return result


def accuracy(recommended: IntArray, held_out: sp.csr_matrix, n: int) -> Accuracy:
    """nDCG@n and Recall@n of each listener's list.

    Parameters
    ----------
    recommended : item rows (n_users, >= n), best first, no repeats, -1 where a list has ended.
    held_out : CSR (n_users, n_items), what would have been right.

    Raises
    ------
    ParameterError : n < 1, or lists shorter than n or not one a listener.

    Source: Järvelin & Kekäläinen (2002), Cumulated gain-based evaluation of IR techniques, as in ir-measures.
    """
    if not 1 <= n <= recommended.shape[1] or len(recommended) != held_out.shape[0]:
        raise ParameterError(
            f"n is {n}, for {held_out.shape[0]} listeners; the lists are {recommended.shape[0]} of length "
            f"{recommended.shape[1]}"
        )
    import ir_measures

    asked = np.flatnonzero(np.diff(held_out.indptr))
    relevant = {
        str(user): {str(item): 1 for item in held_out.indices[held_out.indptr[user] : held_out.indptr[user + 1]]}
        for user in asked
    }
    run = {
        str(user): {str(item): float(-rank) for rank, item in enumerate(recommended[user, :n].tolist()) if item >= 0}
        for user in asked
    }
    result = {measure: np.full(len(recommended), np.nan) for measure in (ir_measures.nDCG @ n, ir_measures.R @ n)}
    for found in ir_measures.iter_calc(list(result), relevant, run):
        result[found.measure][int(found.query_id)] = found.value
    ndcg, recall = result.values()
    return Accuracy(ndcg, recall)


def tag_share(
    neighbours: IntArray,
    tags: Sequence[Sequence[str]],
    listeners: IntArray,
    *,
    n: int = 10,
    min_listeners: int = 10,
) -> float:
    """Mean share of an item's top-n neighbours that have one of its three most used tags among their own three.

    Parameters
    ----------
    neighbours : item rows (n_items, >= n), best first, -1 where a list has ended.
    tags : one list an item, commonest first.
    listeners : how many people play each item, (n_items,).
    n, min_listeners : over items with a tag and at least so many listeners.

    Returns
    -------
    In [0, 1]; NaN where no item has a tag.
    """
    code: dict[str, int] = {}
    used = [[code.setdefault(tag, len(code)) for tag in own[:TAGS_COMPARED]] for own in tags]
    lengths = [len(own) for own in used]
    has_tag = sp.csr_matrix(
        (np.ones(sum(lengths), bool), np.concatenate([[], *used]).astype(np.int64), np.cumsum([0, *lengths])),
        shape=(len(tags), max(len(code), 1)),
    )
    asked = np.flatnonzero((np.asarray(listeners) >= min_listeners) & (np.asarray(lengths) > 0))
    if not len(asked):
        return float("nan")
    near = neighbours[asked, :n]
    real = near >= 0
    shares_tag = np.zeros(near.shape, bool)
    for rank in range(near.shape[1]):
        common = has_tag[asked].multiply(has_tag[near[:, rank]])
        shares_tag[:, rank] = np.asarray(common.sum(axis=1)).ravel() > 0
    shares_tag &= real
    filled = real.any(axis=1)
    return float((shares_tag.sum(axis=1)[filled] / real.sum(axis=1)[filled]).mean()) if filled.any() else float("nan")
