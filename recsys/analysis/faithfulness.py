"""How true a map is: what of the neighbours survives in two dimensions, beside maps that know less.

Layouts are (n_items, 2), NaN rows where an item is not on the map.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from recsys.analysis.neighbours import BLOCK_CELLS, top_columns
from recsys.errors import ParameterError

Coordinates = npt.NDArray[np.floating[Any]]
FAITHFUL_N = 15
SAMPLE = 1000
BLOCK_ROWS = 20_000


class RankQuality(NamedTuple):
    """Both in [0, 1], 1 when a map neither invents neighbours (trustworthiness) nor loses any (continuity)."""

    trustworthiness: float
    continuity: float


def faithfulness(
    layout: Coordinates, neighbours: npt.NDArray[np.integer[Any]], n: int = FAITHFUL_N
) -> npt.NDArray[np.float32]:
    """Per item, the share of its true top-n that is among the n nearest points on the map.

    neighbours : (n_items, depth), best first, -1 where a list ended. A list shorter than n counts as long as it is.

    Returns
    -------
    float32 (n_items,) in [0, 1]; NaN for items that are not on the map or have no list.

    Raises
    ------
    ParameterError : n < 1, or lists shorter than n.
    """
    if not 1 <= n <= neighbours.shape[1]:
        raise ParameterError(f"n is {n}; the stored lists hold {neighbours.shape[1]} items, so n must be 1 to that")
    result = np.full(len(layout), np.nan, np.float32)
    rows = np.flatnonzero(np.isfinite(layout).all(axis=1))
    tree = cKDTree(np.asarray(layout[rows], np.float64))
    found = min(n + 1, len(rows))
    for start in range(0, len(rows), BLOCK_ROWS):
        here = rows[start : start + BLOCK_ROWS]
        _, places = tree.query(layout[here], k=np.arange(1, found + 1), workers=-1)
        near = rows[places]
        # Points that coincide may come before the item itself, so it is taken out by its row.
        others = near != here[:, None]
        near = np.where(others & (np.cumsum(others, axis=1) <= n), near, -2)
        true = neighbours[here, :n]
        held = (true[:, :, None] == near[:, None, :]).any(axis=2).sum(axis=1)
        length = (true >= 0).sum(axis=1)
        result[here] = np.divide(held, length, out=np.full(len(here), np.nan), where=length > 0)
    return result


def rank_quality(
    vectors: npt.NDArray[np.float32],
    layout: Coordinates,
    rng: np.random.Generator,
    *,
    n: int = FAITHFUL_N,
    sample: int = SAMPLE,
) -> RankQuality:
    """Trustworthiness and continuity over a random sample of the items, each ranked against all the others.

    Trustworthiness falls by how far down the true ranking those stand that the map shows among the n nearest;
    continuity by how far away the map shows the true n nearest. True is the ranking by cosine.

    Parameters
    ----------
    vectors : float32 (n_items, d), unit rows, or zeros where there is none.
    sample : how many items the means run over; all where there are fewer.

    Returns
    -------
    NaN both when fewer than 2 · n + 1 items are on the map, for which the measures are not defined.

    Source: Venna & Kaski (2001), Neighborhood preservation in nonlinear projection methods; normalised as there.
    """
    rows = np.flatnonzero(np.isfinite(layout).all(axis=1) & np.any(vectors, axis=1))
    count = len(rows)
    if count <= 2 * n:
        return RankQuality(float("nan"), float("nan"))
    true, points = vectors[rows], np.asarray(layout[rows], np.float64)
    chosen = np.sort(rng.choice(count, min(sample, count), replace=False))
    lost, invented = 0.0, 0.0
    step = max(1, BLOCK_CELLS // count)
    for start in range(0, len(chosen), step):
        block = chosen[start : start + step]
        alike = true[block] @ true.T
        close = -((points[block, 0, None] - points[:, 0]) ** 2 + (points[block, 1, None] - points[:, 1]) ** 2)
        itself = (np.arange(len(block)), block)
        alike[itself], close[itself] = -np.inf, -np.inf
        invented += _beyond(alike, top_columns(close, n)[0], n)
        lost += _beyond(close, top_columns(alike, n)[0], n)
    worst = len(chosen) * n * (2 * count - 3 * n - 1) / 2
    return RankQuality(1 - invented / worst, 1 - lost / worst)


def _beyond(scores: Coordinates, columns: npt.NDArray[np.integer[Any]], n: int) -> float:
    """By how many ranks the `columns` of each row stand below the n best of its scores, summed."""
    total = 0
    for row, own in zip(scores, columns, strict=True):
        ranks = 1 + np.count_nonzero(row > row[own, None], axis=1)
        total += int(np.maximum(ranks - n, 0).sum())
    return float(total)


def random_map(present: npt.NDArray[np.bool_], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """A map that knows nothing: points anywhere in a square; float32 (n_items, 2), NaN where not present."""
    layout = rng.random((len(present), 2), np.float32)
    layout[~present] = np.nan
    return layout


def pca_map(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The plane in which the vectors vary most; float32 (n_items, 2), NaN for rows of zeros.

    Singular value decomposition of the centred rows, by way of their d × d products.
    """
    present = np.any(vectors, axis=1)
    layout = np.full((len(vectors), 2), np.nan, np.float32)
    if present.any():
        centred = vectors[present] - vectors[present].mean(axis=0)
        _, axes = np.linalg.eigh(centred.T @ centred)
        plane = centred @ axes[:, ::-1][:, :2]
        layout[present] = 0
        layout[present, : plane.shape[1]] = plane
    return layout
