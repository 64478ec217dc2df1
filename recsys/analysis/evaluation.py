"""How good lists are: neighbours as far as tags can tell, recommendations by what listeners played besides."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from recsys.analysis.neighbours import BLOCK_CELLS, top_columns
from recsys.errors import ParameterError

IntArray = npt.NDArray[np.integer[Any]]
# Scores of all items for some of the lists that are asked for, (n_rows, n_items).
Scores = Callable[[slice], npt.NDArray[np.floating[Any]]]
TAGS_COMPARED = 3
# trec_eval, in C beneath ir-measures, keeps what it computes in variables of the whole process.
_one_at_a_time = threading.Lock()


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
    hr : 1 where one of them is (hit rate). map : average precision@n, over all held-out items, as trec_eval has it.
    mrr : one over the rank of the first hit within n, 0 without one.
    """

    ndcg: npt.NDArray[np.float64]
    recall: npt.NDArray[np.float64]
    hr: npt.NDArray[np.float64]
    map: npt.NDArray[np.float64]
    mrr: npt.NDArray[np.float64]


@dataclass(frozen=True)
class TopLists:
    """What is recommended, a list a row.

    items : item rows (n_lists, n), best first, ties by row; -1 where there are fewer items left to recommend.
    tied : where the last place could as well have gone to another item, bool (n_lists,).
    """

    items: npt.NDArray[np.int32]
    tied: npt.NDArray[np.bool_]


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
    shape = (len(user_factors), len(item_factors))
    if known.shape != shape:
        raise ParameterError(f"the known items are a matrix of {known.shape}; the factors are of {shape}")
    return top_lists(by_factors(user_factors, item_factors), known, n).items


def by_factors(user_factors: npt.NDArray[np.float32], item_factors: npt.NDArray[np.float32]) -> Scores:
    """Dot products of each list's factors, (n_lists, d), with the items', (n_items, d)."""

    def scores(rows: slice) -> npt.NDArray[np.float32]:
        with np.errstate(over="ignore", invalid="ignore"):
            products: npt.NDArray[np.float32] = user_factors[rows] @ item_factors.T
        # Factors may be finite and their products not: inf − inf says nothing in favour of an item.
        products[np.isnan(products)] = -np.inf
        return products

    return scores


def top_lists(scores: Scores, known: sp.csr_matrix, n: int) -> TopLists:
    """The `n` best scored items of each list; memory does not grow with the number of lists.

    Parameters
    ----------
    scores : asked for the rows of a slice, in order, each row once; what it gives is changed. -inf recommends nothing.
    known : CSR (n_lists, n_items); what a list has here it does not recommend.
    n : length of a list, >= 1.

    Raises
    ------
    ParameterError : n < 1.
    """
    if n < 1:
        raise ParameterError(f"n is {n}; it must be at least 1")
    n_lists, n_items = known.shape
    found = min(n, n_items)
    items = np.full((n_lists, n), -1, np.int32)
    tied = np.zeros(n_lists, bool)
    step = max(1, BLOCK_CELLS // n_items)
    for start in range(0, n_lists, step):
        rows = slice(start, start + step)
        block, own = scores(rows), known[rows]
        block[np.repeat(np.arange(len(block)), np.diff(own.indptr)), own.indices] = -np.inf
        # One more than is shown tells whether the last place is tied.
        best, values = top_columns(block, min(n + 1, n_items))
        items[rows, :found] = np.where(values[:, :found] > -np.inf, best[:, :found], -1)
        if n < n_items:
            tied[rows] = (values[:, n - 1] == values[:, n]) & (values[:, n] > -np.inf)
    return TopLists(items, tied)


def accuracy(recommended: IntArray, held_out: sp.csr_matrix, n: int) -> Accuracy:
    """Five measures of each listener's list.

    Parameters
    ----------
    recommended : item rows (n_users, >= n), best first, no repeats, -1 where a list has ended.
    held_out : CSR (n_users, n_items), what would have been right.

    Raises
    ------
    ParameterError : n < 1, or lists shorter than n or not one a listener.

    Source: Järvelin & Kekäläinen (2002), Cumulated gain-based evaluation of IR techniques, for nDCG; all as in
    ir-measures.
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
    # The runs end at n, so RR needs no cut-off, with which ir-measures would leave pytrec_eval for something slower.
    measures = [
        ir_measures.nDCG @ n, ir_measures.R @ n, ir_measures.Success @ n, ir_measures.AP @ n, ir_measures.RR
    ]  # fmt: skip
    result = {measure: np.full(len(recommended), np.nan) for measure in measures}
    with _one_at_a_time:
        for found in ir_measures.iter_calc(measures, relevant, run):
            result[found.measure][int(found.query_id)] = found.value
    return Accuracy(*(result[measure] for measure in measures))


def top_tags(tags: Sequence[Sequence[str]]) -> sp.csr_matrix:
    """Which item has which of all tags among its three most used ones, CSR bool (n_items, n_tags).

    tags : one list an item, commonest first.
    """
    code: dict[str, int] = {}
    used = [[code.setdefault(tag, len(code)) for tag in own[:TAGS_COMPARED]] for own in tags]
    lengths = [len(own) for own in used]
    return sp.csr_matrix(
        (np.ones(sum(lengths), bool), np.concatenate([[], *used]).astype(np.int64), np.cumsum([0, *lengths])),
        shape=(len(tags), max(len(code), 1)),
    )


def share_with_tag(own: sp.csr_matrix, has_tag: sp.csr_matrix, lists: IntArray) -> npt.NDArray[np.float64]:
    """Share of each list's items that have one of the list's own tags.

    Parameters
    ----------
    own : CSR bool (n_lists, n_tags). has_tag : CSR bool (n_items, n_tags), see `top_tags`.
    lists : item rows (n_lists, n), -1 where a list has ended.

    Returns
    -------
    float64 (n_lists,) in [0, 1]; NaN where a list is empty or has no tag of its own.
    """
    real = lists >= 0
    shares_tag = np.zeros(lists.shape, bool)
    for rank in range(lists.shape[1]):
        common = own.multiply(has_tag[lists[:, rank]])
        shares_tag[:, rank] = np.asarray(common.sum(axis=1)).ravel() > 0
    asked = real.any(axis=1) & (np.diff(own.indptr) > 0)
    result = np.full(len(lists), np.nan)
    result[asked] = (shares_tag & real)[asked].sum(axis=1) / real[asked].sum(axis=1)
    return result


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
    has_tag = top_tags(tags)
    asked = np.flatnonzero((np.asarray(listeners) >= min_listeners) & (np.diff(has_tag.indptr) > 0))
    shares = share_with_tag(has_tag[asked], has_tag, neighbours[asked, :n])
    known = shares[~np.isnan(shares)]
    return float(known.mean()) if len(known) else float("nan")
