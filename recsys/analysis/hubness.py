"""What a model over-recommends: items that stand in everybody's lists, and items that stand in nobody's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from recsys.errors import ParameterError

IntArray = npt.NDArray[np.integer[Any]]
HEAD_SHARE = 0.01


@dataclass(frozen=True)
class Hubness:
    """How a model spends the places in its lists.

    never : share of the items that are in no other item's top n, in [0, 1].
    head : share of all places that the 1% most listed items hold, in [0, 1]; 0.01 would be even.
    popularity_lift : listeners of a neighbour, over listeners of an item with a list; both means. 1 favours nobody.

    Source: Radovanović, Nanopoulos & Ivanović (2010), Hubs in Space, JMLR 11.
    """

    never: float
    head: float
    popularity_lift: float


def appearances(neighbours: IntArray, n: int) -> npt.NDArray[np.int64]:
    """In how many other items' top n each item stands, int64 (n_items,).

    neighbours : item rows (n_items, >= n), best first, -1 where there are fewer.

    Raises
    ------
    ParameterError : n < 1, or lists shorter than n.
    """
    if not 1 <= n <= neighbours.shape[1]:
        raise ParameterError(f"n is {n}; the lists hold {neighbours.shape[1]} items")
    top = neighbours[:, :n]
    return np.bincount(top[top >= 0], minlength=len(neighbours)).astype(np.int64)


def hubness(neighbours: IntArray, listeners: IntArray, n: int) -> Hubness:
    """Over a whole catalogue; NaN where there is no list at all.

    neighbours : as for `appearances`. listeners : of each item, (n_items,).
    """
    counts = appearances(neighbours, n)
    places = counts.sum()
    has_list = (neighbours[:, :n] >= 0).any(axis=1)
    if not places:
        return Hubness(float("nan"), float("nan"), float("nan"))
    head = np.sort(counts)[::-1][: max(1, round(HEAD_SHARE * len(counts)))]
    listened = float((counts * listeners).sum() / places)
    return Hubness(
        never=float((counts[has_list] == 0).mean()),
        head=float(head.sum() / places),
        popularity_lift=listened / float(np.mean(np.asarray(listeners)[has_list])),
    )
