"""Agreement of ranked lists. Models are compared by rank, never by raw similarity.

Lists come as arrays (n_lists, length), one list a row: item rows, best first, no repeats within a list, -1 where a list
has ended. What is said of one list holds for each row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from recsys.errors import ParameterError

IntArray = npt.NDArray[np.integer[Any]]
FloatArray = npt.NDArray[np.floating[Any]]
RBO_PERSISTENCE = 0.9
# float32 cosines of one and the same vector differ by less.
TIED_WITHIN = 1e-6


def overlap_at_n(left: IntArray, right: IntArray, n: int) -> float:
    """Fraction of the top-n that two ranked lists share.

    Parameters
    ----------
    left, right : item rows, best first, shape (>= n,), no repeats within a list; -1 where a list has ended.
    n : length compared, >= 1.

    Returns
    -------
    In [0, 1]; 1 when the two top-n hold the same items in any order. Where a list has ended before n, the longer of
    the two counts as the length; NaN when either list is empty.

    Raises
    ------
    ParameterError : n < 1, or a list shorter than n.

    Source: Webber, Moffat & Zobel (2010), section 3.

    Examples
    --------
    >>> overlap_at_n(np.array([1, 2, 3]), np.array([3, 4, 1]), 3)
    0.6666666666666666
    """
    return float(overlaps_at_n(np.atleast_2d(left), np.atleast_2d(right), n)[0])


def overlaps_at_n(left: IntArray, right: IntArray, n: int) -> npt.NDArray[np.float64]:
    """`overlap_at_n` of each pair of rows; left and right (n_lists, >= n), result float64 (n_lists,)."""
    shared, a, b = _shared_and_lengths(left, right, n)
    return _fraction(shared, np.maximum(a, b), np.minimum(a, b) > 0)


def jaccards_at_n(left: IntArray, right: IntArray, n: int) -> npt.NDArray[np.float64]:
    """Items in both top-n over items in either, of each pair of rows.

    left, right : (n_lists, >= n), n >= 1.

    Returns
    -------
    float64 (n_lists,) in [0, 1]; never above `overlaps_at_n`; NaN when either list is empty.

    Raises
    ------
    ParameterError : n < 1, or lists shorter than n.

    Source: Jaccard (1912), The distribution of the flora in the alpine zone.
    """
    shared, a, b = _shared_and_lengths(left, right, n)
    return _fraction(shared, a + b - shared, np.minimum(a, b) > 0)


def ranks_in(left: IntArray, right: IntArray) -> npt.NDArray[np.int64]:
    """The rank, from 1, at which each item of the left list stands in the right one; 0 where it does not.

    left : (n_lists, n), right : (n_lists, any length); result int64 (n_lists, n).
    """
    found = np.zeros(left.shape, np.int64)
    for rank, column in enumerate(np.asarray(right).T, start=1):
        np.copyto(found, rank, where=left == column[:, None])
    found[left < 0] = 0
    return found


def rank_moves(left: IntArray, right: IntArray) -> npt.NDArray[np.float64]:
    """How many places each item of the left list climbs on the way to the right one; below zero it falls.

    Returns
    -------
    float64 (n_lists, n); NaN where the right list does not hold the item, or the left one has ended.
    """
    there = ranks_in(left, right)
    return np.where(there > 0, np.arange(1, left.shape[1] + 1) - there, np.nan)


def rank_biased_overlaps(
    left: IntArray,
    right: IntArray,
    p: float = RBO_PERSISTENCE,
    *,
    left_scores: FloatArray | None = None,
    right_scores: FloatArray | None = None,
) -> npt.NDArray[np.float64]:
    """Extrapolated rank-biased overlap of each pair of rows; lists may differ in length and hold ties.

    Parameters
    ----------
    left, right : (n_lists, any length).
    p : persistence, in (0, 1): how likely a reader goes on from one rank to the next.
    left_scores, right_scores : what the lists are ranked by, same shapes, descending. Items whose scores lie within
        TIED_WITHIN of their neighbours' are tied: all stand at the first rank of their group. None: no ties.

    Returns
    -------
    float64 (n_lists,) in [0, 1]; 1 for equal lists, 0 for disjoint ones; NaN when either is empty.

    Raises
    ------
    ParameterError : p outside (0, 1).

    Source: Webber, Moffat & Zobel (2010), A similarity measure for indefinite rankings: equation 32, with the
    agreement at a depth as twice what is shared over what both hold there, as for ties.

    Examples
    --------
    >>> one, other = np.array([[1, 2]]), np.array([[2, 1]])
    >>> rank_biased_overlaps(one, other).round(3).tolist()
    [0.9]
    >>> tied = np.array([[0.5, 0.5]])
    >>> rank_biased_overlaps(one, other, left_scores=tied, right_scores=tied).round(3).tolist()
    [1.0]
    """
    if not 0 < p < 1:
        raise ParameterError(f"p is {p}; it must lie between 0 and 1")
    result = np.empty(len(left))
    step = max(1, 2_000_000 // max(left.shape[1], right.shape[1], 1))
    for start in range(0, len(left), step):
        rows = slice(start, start + step)
        left_ranks, right_ranks = (
            _tied_ranks(lists[rows], None if scores is None else scores[rows])
            for lists, scores in ((left, left_scores), (right, right_scores))
        )
        result[rows] = _rank_biased_overlaps(ranks_in(left[rows], right[rows]), left_ranks, right_ranks, p)
    return result


def _rank_biased_overlaps(
    there: npt.NDArray[np.int64], left_ranks: npt.NDArray[np.int64], right_ranks: npt.NDArray[np.int64], p: float
) -> npt.NDArray[np.float64]:
    """there (n_lists, n): the place from 1 of each left item in the right list, else 0; ranks as by `_tied_ranks`."""
    longest = max(left_ranks.shape[1], right_ranks.shape[1])
    rank_there = np.take_along_axis(right_ranks, np.maximum(there - 1, 0), axis=1)
    # An item is shared from the depth on at which both lists hold it.
    shared = _held(np.where(there > 0, np.maximum(left_ranks, rank_there), 0), longest)
    held = [_held(ranks, longest) for ranks in (left_ranks, right_ranks)]
    lengths = [each[:, -1:] for each in held]
    short, long = np.minimum(*lengths), np.maximum(*lengths)
    depth = np.arange(1, longest + 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        # Beyond its end a list is taken to go on sharing as it did.
        at_short = np.take_along_axis(shared, np.maximum(short - 1, 0), axis=1)
        unseen = np.where(depth > short, at_short * (depth - short) / short, 0.0)
        both = sum(np.where(depth > own, depth, size) for own, size in zip(lengths, held, strict=True))
        agreement = np.where(depth <= long, 2 * (shared + unseen) / both, 0.0)
        tail = ((shared[:, -1:] - at_short) / long + at_short / short) * p**long
        result: npt.NDArray[np.float64] = ((1 - p) / p * (agreement * p**depth).sum(axis=1, keepdims=True) + tail)[:, 0]
    return np.where(short[:, 0] > 0, result, np.nan)


def _tied_ranks(lists: IntArray, scores: FloatArray | None) -> npt.NDArray[np.int64]:
    """Rank from 1 of each place, tied ones at the first rank of their group; 0 where the list has ended."""
    ranks = np.broadcast_to(np.arange(1, lists.shape[1] + 1), lists.shape)
    if scores is not None and lists.shape[1]:
        starts = np.ones(lists.shape, bool)
        starts[:, 1:] = scores[:, :-1] - scores[:, 1:] > TIED_WITHIN
        ranks = np.maximum.accumulate(np.where(starts, ranks, 0), axis=1)
    return np.where(lists >= 0, ranks, 0)


def _held(ranks: npt.NDArray[np.int64], longest: int) -> npt.NDArray[np.int64]:
    """How many items are held at each depth, (n_lists, longest), given the rank at which each comes in (0: never)."""
    n_lists = len(ranks)
    places = np.arange(n_lists)[:, None] * (longest + 1) + ranks
    counts = np.bincount(places.ravel(), minlength=n_lists * (longest + 1)).reshape(n_lists, longest + 1)
    result: npt.NDArray[np.int64] = counts[:, 1:].cumsum(axis=1)
    return result


def _shared_and_lengths(
    left: IntArray, right: IntArray, n: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """By list: items in both top-n, and the length of either top-n."""
    if n < 1:
        raise ParameterError(f"n is {n}; it must be at least 1")
    if left.shape[1] < n or right.shape[1] < n:
        raise ParameterError(f"n is {n}; the lists hold {left.shape[1]} and {right.shape[1]} items")
    a, b = left[:, :n], right[:, :n]
    return (ranks_in(a, b) > 0).sum(axis=1), (a >= 0).sum(axis=1), (b >= 0).sum(axis=1)


def _fraction(
    part: npt.NDArray[np.int64], whole: npt.NDArray[np.int64], known: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    result = np.full(len(part), np.nan)
    np.divide(part, whole, out=result, where=known)
    return result
