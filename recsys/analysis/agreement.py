"""Where over the catalogue two models part, and where that is more than noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from recsys.analysis.compare import overlaps_at_n, rank_biased_overlaps
from recsys.analysis.stability import noise_floors, separations
from recsys.artifacts.store import ArtifactSet, Pair

IntArray = npt.NDArray[np.integer[Any]]
FloatArray = npt.NDArray[np.floating[Any]]
# A difference is called real when a model compared with itself would look as different at most this often.
REAL_BELOW = 0.05


def catalogue_agreement(
    neighbours: Mapping[str, IntArray],
    similarities: Mapping[str, FloatArray],
    replicates: Mapping[str, Sequence[IntArray]],
    halves: Mapping[str, Sequence[IntArray]],
    n: int,
) -> pd.DataFrame:
    """Agreement of two models for every item.

    Parameters
    ----------
    neighbours, replicates, halves : by model, two models; item rows (n_items, >= n), best first.
    similarities : by model, of `neighbours`, same shape; what lists are ranked by, and so where they hold ties.

    Returns
    -------
    One row an item: overlap (overlap@n of the two), rbo (of their top n), floor_MODEL for both (overlap@n of the
    model's two halves), p_value (see `stability.separations`). NaN where it cannot be known.
    """
    first, second = neighbours
    (left, left_scores), (right, right_scores) = (
        (neighbours[name][:, :n], similarities[name][:, :n]) for name in (first, second)
    )
    rbo = rank_biased_overlaps(left, right, left_scores=left_scores, right_scores=right_scores)
    return pd.DataFrame(
        {
            "overlap": overlaps_at_n(left, right, n).astype(np.float32),
            "rbo": rbo.astype(np.float32),
            **{f"floor_{name}": _floors(halves[name], neighbours[name], n) for name in (first, second)},
            "p_value": _p_values(replicates[first], replicates[second], neighbours[first], n),
        }
    )


def pair_agreement(artifacts: ArtifactSet, pair: Pair) -> pd.DataFrame:
    """`catalogue_agreement` of two models of a set: as stored for those of the build, else measured now."""
    if pair == artifacts.pair:
        return artifacts.agreement
    return catalogue_agreement(
        {name: artifacts.neighbours(name) for name in pair},
        {name: artifacts.similarities(name) for name in pair},
        {name: artifacts.replicate_neighbours(name) for name in pair},
        {name: artifacts.half_neighbours(name) for name in pair},
        artifacts.manifest.agreement_n,
    )


def _floors(halves: Sequence[IntArray], neighbours: IntArray, n: int) -> npt.NDArray[np.float32]:
    floors = noise_floors(halves, n) if halves else np.full(len(neighbours), np.nan)
    return floors.astype(np.float32)


def _p_values(
    left: Sequence[IntArray], right: Sequence[IntArray], neighbours: IntArray, n: int
) -> npt.NDArray[np.float32]:
    values = separations(left, right, n) if left and right else np.full(len(neighbours), np.nan)
    return values.astype(np.float32)


def popularity_percentiles(listeners: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.float64]:
    """Share of items with no more listeners than each item, in percent, (0, 100]; equal counts, equal percentiles."""
    counts = np.asarray(listeners)
    return 100.0 * np.searchsorted(np.sort(counts), counts, side="right") / len(counts)


def popularity_bands(listeners: npt.NDArray[np.integer[Any]], n_bands: int = 10) -> npt.NDArray[np.int64]:
    """Each item's band of popularity, 1 (fewest listeners) to `n_bands`; all bands hold equally many items."""
    order = np.argsort(np.asarray(listeners), kind="stable")
    band = np.empty(len(order), np.int64)
    band[order] = np.arange(len(order)) * n_bands // len(order) + 1
    return band


def overlap_distribution(agreement: pd.DataFrame, n: int) -> pd.DataFrame:
    """For how many items two lists share 0, 1, … n: the two models', and each model's with itself.

    agreement : as by `catalogue_agreement`, of the items to count.

    Returns
    -------
    One row a column and number shared: column (overlap or floor_MODEL), shared (0 … n), items, share (of the items for
    which the column is known, in [0, 1]). A column that is known for no item is left out.
    """
    tables = []
    for column in agreement.filter(regex="^(overlap$|floor_)"):
        known = agreement[column].dropna()
        if len(known):
            items = np.bincount(np.rint(known * n).astype(np.int64), minlength=n + 1)
            tables.append(
                pd.DataFrame({"column": column, "shared": range(n + 1), "items": items, "share": items / len(known)})
            )
    if not tables:
        return pd.DataFrame({"column": [], "shared": [], "items": [], "share": []})
    return pd.concat(tables, ignore_index=True)


def by_popularity(agreement: pd.DataFrame, listeners: npt.NDArray[np.integer[Any]], n_bands: int = 10) -> pd.DataFrame:
    """Mean overlap and noise floors in `n_bands` bands of equally many items, least popular first.

    Returns
    -------
    One row a band: band (1 … n_bands), listeners_from, listeners_to, items, and the mean of every column of
    `agreement` but the p-value.
    """
    band = popularity_bands(listeners, n_bands)
    values = agreement.drop(columns="p_value").assign(band=band, listeners=np.asarray(listeners))
    bands = values.groupby("band")
    summary = bands.mean().drop(columns="listeners")
    summary.insert(0, "items", bands.size())
    summary.insert(0, "listeners_to", bands["listeners"].max())
    summary.insert(0, "listeners_from", bands["listeners"].min())
    return summary.reset_index()


def most_disputed(
    agreement: pd.DataFrame, listeners: IntArray, limit: int = 12, among: npt.NDArray[np.bool_] | None = None
) -> IntArray:
    """Rows of the items where the difference is real (see `is_real`), by how far the overlap lies below the lower
    floor, then by listeners; at most `limit`, of those that are `among` (n_items,)."""
    real = is_real(agreement)
    rows = np.flatnonzero(real if among is None else real & among)
    gap = (_lowest_floor(agreement) - agreement["overlap"]).to_numpy()[rows]
    result: IntArray = rows[np.lexsort((-np.asarray(listeners)[rows], -gap))][:limit]
    return result


def most_agreed(
    agreement: pd.DataFrame, listeners: IntArray, limit: int = 12, among: npt.NDArray[np.bool_] | None = None
) -> IntArray:
    """Rows of the items on which the models share at least what the noisier one shares with itself, by overlap, then by
    listeners; at most `limit`, of those that are `among` (n_items,)."""
    agreed = (agreement["overlap"] >= _lowest_floor(agreement)).to_numpy(bool)
    rows = np.flatnonzero(agreed if among is None else agreed & among)
    overlap = agreement["overlap"].to_numpy()[rows]
    result: IntArray = rows[np.lexsort((-np.asarray(listeners)[rows], -overlap))][:limit]
    return result


def is_real(agreement: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Where the models differ by more than noise, bool (n_rows,).

    That is where the p-value is at most REAL_BELOW, and the overlap lies below what either model shares with itself.
    """
    below = agreement["overlap"] < _lowest_floor(agreement)
    return (below & (agreement["p_value"] <= REAL_BELOW)).to_numpy(bool)


def _lowest_floor(agreement: pd.DataFrame) -> pd.Series:
    return agreement.filter(like="floor_").min(axis=1, skipna=False)
