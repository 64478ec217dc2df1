"""Agreement of ranked lists. Models are compared by rank, never by raw similarity."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from recsys.errors import ParameterError

IntArray = npt.NDArray[np.integer[Any]]
RBO_PERSISTENCE = 0.9


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
    if n < 1:
        raise ParameterError(f"n is {n}; it must be at least 1")
    if left.shape[1] < n or right.shape[1] < n:
        raise ParameterError(f"n is {n}; the lists hold {left.shape[1]} and {right.shape[1]} items")
    result = np.empty(len(left))
    step = max(1, 50_000_000 // (n * n))
    for start in range(0, len(left), step):
        a, b = left[start : start + step, :n], right[start : start + step, :n]
        a_real, b_real = a >= 0, b >= 0
        shared = ((a[:, :, None] == b[:, None, :]).any(axis=2) & a_real).sum(axis=1)
        length = np.maximum(a_real.sum(axis=1), b_real.sum(axis=1))
        either_empty = (a_real.sum(axis=1) == 0) | (b_real.sum(axis=1) == 0)
        with np.errstate(invalid="ignore"):
            result[start : start + step] = np.where(either_empty, np.nan, shared / length)
    return result


def rank_biased_overlap(left: IntArray, right: IntArray, p: float = RBO_PERSISTENCE) -> float:
    """Extrapolated rank-biased overlap of two ranked lists without ties.

    Parameters
    ----------
    left, right : item rows, best first, no repeats within a list; -1 where a list has ended. Lengths may differ.
    p : persistence, in (0, 1): how likely a reader goes on from one rank to the next.

    Returns
    -------
    In [0, 1]; 1 for equal lists, 0 for disjoint ones; NaN when either is empty.

    Raises
    ------
    ParameterError : p outside (0, 1).

    Source: Webber, Moffat & Zobel (2010), A similarity measure for indefinite rankings, equation 32.

    Examples
    --------
    >>> round(rank_biased_overlap(np.array([1, 2]), np.array([2, 1])), 3)
    0.9
    """
    if not 0 < p < 1:
        raise ParameterError(f"p is {p}; it must lie between 0 and 1")
    short, long = sorted(([x for x in left.tolist() if x >= 0], [x for x in right.tolist() if x >= 0]), key=len)
    if not short:
        return float("nan")
    s, length = len(short), len(long)
    seen_short: set[int] = set()
    seen_long: set[int] = set()
    shared, shared_at_s, weighted = 0, 0, 0.0
    for depth in range(1, length + 1):
        item = long[depth - 1]
        shared += item in seen_short
        seen_long.add(item)
        if depth <= s:
            shared += short[depth - 1] in seen_long
            seen_short.add(short[depth - 1])
            shared_at_s = shared
        weighted += shared / depth * p**depth
        if depth > s:
            weighted += shared_at_s * (depth - s) / (s * depth) * p**depth
    tail = ((shared - shared_at_s) / length + shared_at_s / s) * p**length
    return (1 - p) / p * weighted + tail
