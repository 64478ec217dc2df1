"""Which of several measured settings cannot be told from the best."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from recsys.analysis.intervals import CONFIDENCE
from recsys.errors import ParameterError

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Region:
    """Which settings cannot be told from the best; arrays (n_settings,), NaN and False where there are no values.

    best : row of the setting with the highest mean.
    behind, low, high : by how much the best's mean is above each setting's, and the 95% interval of that.
    inside : whether the interval reaches zero.
    """

    best: int
    behind: FloatArray
    low: FloatArray
    high: FloatArray
    inside: npt.NDArray[np.bool_]


def best_region(values: FloatArray) -> Region:
    """The settings that cannot be told from the best one.

    The best is the setting with the highest mean. Another setting is in the region when the 95% interval of the mean
    difference between the two reaches zero. The difference is taken listener by listener and replicate by replicate,
    and its squared standard error is

        variance over listeners of the difference (mean over replicates) / listeners
        + variance over replicates of the difference (mean over listeners) / replicates:

    other listeners would give another mean, and so would other seeds. The interval is that of Student's t with the
    degrees of freedom of Satterthwaite. Each part holds a little of the other, so the interval is rather too wide than
    too narrow. With one replicate the second part is not known and left out, and the region may be too small. Settings
    are compared with the best one by one; nothing is added for there being many.

    Parameters
    ----------
    values : (n_settings, n_replicates, n_listeners), higher is better; NaN throughout for a setting without values.
        Replicate r and listener l are the same in all settings.

    Raises
    ------
    ParameterError : no setting has values, or there are fewer than two listeners.

    Source: Satterthwaite (1946), An Approximate Distribution of Estimates of Variance Components.
    """
    n_settings, n_replicates, n_listeners = values.shape
    means = values.mean(axis=(1, 2))
    if n_listeners < 2 or np.isnan(means).all():
        raise ParameterError(f"{n_settings} settings measured on {n_listeners} listeners leave nothing to compare")
    best = int(np.nanargmax(means))
    behind, low, high = (np.full(n_settings, np.nan) for _ in range(3))
    for setting in np.flatnonzero(~np.isnan(means)):
        difference = values[best] - values[setting]
        parts = [(difference.mean(axis=0).var(ddof=1) / n_listeners, n_listeners - 1)]
        if n_replicates > 1:
            parts.append((difference.mean(axis=1).var(ddof=1) / n_replicates, n_replicates - 1))
        variance = sum(part for part, _ in parts)
        behind[setting] = means[best] - means[setting]
        reach = 0.0
        if variance > 0:
            freedom = variance**2 / sum(part**2 / own for part, own in parts)
            reach = float(stdtrit(freedom, (1 + CONFIDENCE) / 2)) * math.sqrt(variance)
        low[setting], high[setting] = behind[setting] - reach, behind[setting] + reach
    return Region(best, behind, low, high, low <= 0)
