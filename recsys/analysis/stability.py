"""How much a model disagrees with itself: noise floors and the stability of each neighbour."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from recsys.analysis.compare import overlaps_at_n

IntArray = npt.NDArray[np.integer[Any]]


def noise_floors(lists: Sequence[IntArray], n: int) -> npt.NDArray[np.float64]:
    """Each item's noise floor: the mean overlap@n of its lists over all pairs of replicates, or the pair of halves.

    Parameters
    ----------
    lists : one array a replicate, item rows (n_items, >= n), best first, -1 where a list has ended.

    Returns
    -------
    float64 (n_items,) in [0, 1]; NaN where there are fewer than two replicates or the model lacks the item.
    """
    pairs = list(combinations(lists, 2))
    if not pairs:
        return np.full(len(lists[0]) if lists else 0, np.nan)
    result: npt.NDArray[np.float64] = np.mean([overlaps_at_n(left, right, n) for left, right in pairs], axis=0)
    return result


def stabilities(neighbours: IntArray, replicate_lists: Sequence[IntArray], n: int) -> npt.NDArray[np.float64]:
    """For each neighbour of one item the share of replicates whose top-n holds it.

    Parameters
    ----------
    neighbours : item rows (n_shown,) to ask about.
    replicate_lists : that item's list in each replicate, item rows (>= n,).

    Returns
    -------
    float64 (n_shown,) in [0, 1]; NaN where there are no replicates to ask.
    """
    if len(replicate_lists) < 2:
        return np.full(len(neighbours), np.nan)
    result: npt.NDArray[np.float64] = np.mean([np.isin(neighbours, lists[:n]) for lists in replicate_lists], axis=0)
    return result


def smallest_p_value(n_replicates: int) -> float:
    """The smallest p-value that `separations` can find with so many replicates a model."""
    return 2 / math.comb(2 * n_replicates, n_replicates) if n_replicates > 1 else 1.0


def separations(left: Sequence[IntArray], right: Sequence[IntArray], n: int) -> npt.NDArray[np.float64]:
    """How rarely relabelled replicates look as different as the two models do: a permutation p-value for each item.

    The statistic is the smaller of the models' mean overlaps@n with themselves minus the mean overlap@n between them:
    how far they disagree more than *either* disagrees with itself. Were the models one and the same, every division
    of all replicates into two groups would be as likely as the real one; the p-value is the share of divisions that
    separate the replicates at least as well, and 1 where the statistic is not above zero. With 4 replicates each it
    can be as small as 1/35, with fewer it cannot get below 0.05.

    Parameters
    ----------
    left, right : each model's replicates, item rows (n_items, >= n), as many of one as of the other.

    Returns
    -------
    float64 (n_items,) in (0, 1]; NaN where a model lacks the item or has fewer than two replicates.

    Source: Good (2005), Permutation, Parametric and Bootstrap Tests of Hypotheses, chapter 3.
    """
    half = len(left)
    lists = [*left, *right]
    if half < 2 or len(right) != half:
        return np.full(len(lists[0]) if lists else 0, np.nan)
    pairs = list(combinations(range(2 * half), 2))
    overlaps = np.stack([overlaps_at_n(lists[a], lists[b], n) for a, b in pairs])
    # Divisions come in mirrored pairs; keep those that put replicate 0 in the first group, the real one first.
    groups = [{0, *others} for others in combinations(range(1, 2 * half), half - 1)]
    statistics = np.stack([_statistic(group, pairs, overlaps) for group in groups])
    as_extreme = (statistics >= statistics[0] - 1e-9).sum(axis=0)
    p_values = np.where(statistics[0] > 0, as_extreme / len(groups), 1.0)
    return np.where(np.isnan(overlaps).any(axis=0), np.nan, p_values)


def _statistic(
    group: set[int], pairs: list[tuple[int, int]], overlaps: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Smaller mean overlap within the two groups minus the mean overlap between them, (n_items,)."""
    n_inside = np.array([(a in group) + (b in group) for a, b in pairs])
    inside, outside, between = (overlaps[n_inside == members].mean(axis=0) for members in (2, 0, 1))
    result: npt.NDArray[np.float64] = np.minimum(inside, outside) - between
    return result
