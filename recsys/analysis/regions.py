"""Regions of a map and what to call them: by the tags that stand out in them, else by their best-known items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp
from scipy.ndimage import gaussian_filter, maximum_filter
from scipy.spatial import cKDTree

from recsys.artifacts.names import REGION_COLUMNS

Layout = npt.NDArray[np.float32]

LEVELS = 5
WIDTHS = 20.0  # how many bandwidths of the coarsest level the map is wide; each finer level doubles it
CELLS = 3  # of the density's grid, to a bandwidth
REACH = 2.5  # bandwidths from the densest point to the farthest item of a region
LEAST_ITEMS = 8
TAGS_OF_AN_ITEM, TAGS_OF_A_REGION, NAMES_OF_A_REGION = 3, 2, 2
LEAST_SHARE = 0.15  # of a region's items that have a tag which it is named after


@dataclass(frozen=True)
class Tags:
    """Each item's commonest tags: has, CSR bool-like float32 (n_items, n_tags), and the tags' names."""

    has: sp.csr_matrix
    names: list[str]


def tags_of_items(tags: Sequence[Sequence[str]]) -> Tags:
    """The first TAGS_OF_AN_ITEM tags of each item; `tags` names them commonest first."""
    kept = [list(each[:TAGS_OF_AN_ITEM]) for each in tags]
    rows = np.repeat(np.arange(len(kept)), [len(each) for each in kept])
    codes, names = pd.factorize(np.array([tag for each in kept for tag in each], object))
    has = sp.csr_matrix((np.ones(len(codes), np.float32), (rows, codes)), shape=(len(kept), len(names)))
    has.data[:] = 1  # a tag that is named twice counts once
    return Tags(has, [str(name) for name in names])


def regions(layout: Layout, tags: Tags, names: Sequence[str]) -> pd.DataFrame:
    """Where items crowd on a map, at LEVELS levels of detail, and what those places are called.

    The map's density is smoothed; each of its peaks is a region, with the items that no other peak is nearer to, up to
    REACH bandwidths away. Every level halves the bandwidth. A region is named after its commonest tags, counted by how
    far they exceed what is common everywhere (share times the logarithm of share over share in all); where LEAST_SHARE
    of its items have no such tag, after its most popular items.

    Parameters
    ----------
    layout : (n_items, 2), NaN rows where an item is not on the map. Rows go by popularity, most popular first.
    tags : of the same items. names : of the items.

    Returns
    -------
    One row a region: level (0 is the coarsest), x, y (its densest point), items (how many), label; of each level the
    largest first.
    """
    rows = np.flatnonzero(np.isfinite(layout).all(axis=1))
    places = layout[rows].astype(np.float64)
    found: list[dict[str, object]] = []
    extent = float(np.ptp(places, axis=0).max()) if len(rows) >= LEAST_ITEMS else 0.0
    overall = np.asarray(tags.has[rows].mean(axis=0)).ravel() if extent > 0 else np.zeros(0)
    for level in range(LEVELS if extent > 0 else 0):
        bandwidth = extent / (WIDTHS * 2**level)
        peaks = _peaks(places, bandwidth)
        distance, nearest = cKDTree(peaks).query(places)
        nearest = np.where(distance <= REACH * bandwidth, nearest, -1)
        sizes = np.bincount(nearest[nearest >= 0], minlength=len(peaks))
        inside = np.flatnonzero(nearest >= 0)
        members = sp.csr_matrix(
            (np.ones(len(inside), np.float32), (nearest[inside], inside)), shape=(len(peaks), len(rows))
        )
        counts = (members @ tags.has[rows]).tocsr()
        for region in np.argsort(-sizes, kind="stable"):
            if sizes[region] < LEAST_ITEMS:
                break
            of_it = slice(counts.indptr[region], counts.indptr[region + 1])
            label = _by_tags(counts.indices[of_it], counts.data[of_it] / sizes[region], overall, tags.names)
            if not label:
                first = np.sort(members.indices[members.indptr[region] : members.indptr[region + 1]])
                label = ", ".join(str(names[rows[each]]) for each in first[:NAMES_OF_A_REGION])
            x, y = peaks[region]
            found.append({"level": level, "x": x, "y": y, "items": int(sizes[region]), "label": label})
    return pd.DataFrame(found, columns=REGION_COLUMNS)


def _peaks(places: npt.NDArray[np.float64], bandwidth: float) -> npt.NDArray[np.float64]:
    """Points where the smoothed density is greatest around, (n, 2)."""
    cell = bandwidth / CELLS
    low = places.min(axis=0) - 2 * bandwidth
    cells = np.floor((places - low) / cell).astype(np.int64)
    counts = np.zeros(cells.max(axis=0) + 2 * CELLS + 1, np.float32)
    np.add.at(counts, tuple(cells.T), 1)
    density = gaussian_filter(counts, CELLS, mode="constant")
    highest = (density == maximum_filter(density, 2 * CELLS + 1)) & (density > 0)
    peaks: npt.NDArray[np.float64] = low + (np.argwhere(highest) + 0.5) * cell
    return peaks


def _by_tags(
    codes: npt.NDArray[np.int32], shares: npt.NDArray[np.float32], overall: npt.NDArray[np.float64], names: list[str]
) -> str:
    telling = shares * np.log(shares / overall[codes])
    telling[shares < LEAST_SHARE] = 0
    best = np.lexsort((codes, -telling))[:TAGS_OF_A_REGION]
    return ", ".join(names[codes[each]] for each in best if telling[each] > 0)
