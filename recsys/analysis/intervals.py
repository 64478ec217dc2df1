"""How sure a mean over listeners is: bootstrap intervals, on the same resamples for all that is compared."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, stdtrit

FloatArray = npt.NDArray[np.float64]
RESAMPLES = 2000
CONFIDENCE = 0.95
_AT_ONCE = 100  # resamples


def resampled_means(
    values: FloatArray, rng: np.random.Generator, groups: npt.NDArray[np.integer[Any]] | None = None
) -> FloatArray:
    """Means of each row over resamples of its columns, or of groups of columns, the same resamples for all rows.

    Parameters
    ----------
    values : (n_rows, n_columns), NaN where a column has no value.
    groups : of each column, (n_columns,); columns of one group come and go together, as a listener's queues do.

    Returns
    -------
    (RESAMPLES, n_rows); NaN where a resample has no value. The difference of two columns is the paired difference.

    Source: Efron & Tibshirani (1993), An Introduction to the Bootstrap, chapter 6; Field & Welsh (2007),
    Bootstrapping clustered data, for groups.
    """
    known = ~np.isnan(values)
    sums, counts = np.where(known, values, 0.0), known.astype(np.float64)
    if groups is not None:
        order = np.argsort(groups, kind="stable")
        _, starts = np.unique(groups[order], return_index=True)
        sums, counts = (np.add.reduceat(each[:, order], starts, axis=1) for each in (sums, counts))
    n_drawn = sums.shape[1]
    result = np.empty((RESAMPLES, len(values)))
    for start in range(0, RESAMPLES, _AT_ONCE):
        times = np.stack(
            [np.bincount(rng.integers(0, n_drawn, n_drawn), minlength=n_drawn) for _ in range(_AT_ONCE)]
        ).astype(np.float64)
        with np.errstate(invalid="ignore"):
            result[start : start + _AT_ONCE] = (times @ sums.T) / (times @ counts.T)
    return result


def interval(resampled: FloatArray, n_drawn: int) -> tuple[float, float]:
    """The 95% interval of a mean from its resamples (RESAMPLES,), NaN with fewer than two draws.

    Percentiles at levels that a normal mean would need for Student's t with the divisor n − 1: plain ones are too
    narrow where listeners are few.

    n_drawn : how many listeners had a value.

    Source: Hesterberg (2015), What Teachers Should Know About the Bootstrap, section 3.3, expanded percentiles.
    """
    if n_drawn < 2 or np.isnan(resampled).all():
        return math.nan, math.nan
    reach = stdtrit(n_drawn - 1, (1 + CONFIDENCE) / 2) * math.sqrt(n_drawn / (n_drawn - 1))
    low, high = np.nanquantile(resampled, (ndtr(-reach), ndtr(reach)))
    return float(low), float(high)


def bootstrapped(values: FloatArray, rng: np.random.Generator) -> FloatArray:
    """The 95% interval of each row's mean, (2, n_rows), over resamples of the listeners, the same for all rows.

    values : (n_rows, n_listeners).
    """
    resampled = resampled_means(values, rng)
    drawn = (~np.isnan(values)).sum(axis=1)
    return np.array([interval(column, int(n)) for column, n in zip(resampled.T, drawn, strict=True)]).T
