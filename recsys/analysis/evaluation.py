"""How good neighbour lists are, as far as tags can tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

TAGS_COMPARED = 3


def tag_share(
    neighbours: npt.NDArray[np.integer[Any]],
    tags: Sequence[Sequence[str]],
    listeners: npt.NDArray[np.integer[Any]],
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
