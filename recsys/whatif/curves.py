"""Why K1 and B change a list: what a play is worth under them, and whose plays an item's weights are."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from recsys.models.bm25 import weigh
from recsys.whatif.engine import WhatIfEngine

Settings = Mapping[str, tuple[float, float]]
HEAVIEST = 0.1
POINTS, MOST_TICKS = 80, 120


def worth_of_plays(engine: WhatIfEngine, item_row: int, settings: Settings) -> pd.DataFrame:
    """What a listener's plays of an item are worth, counted in first plays.

    settings : K1 and B by name.

    Returns
    -------
    One row a setting and number of plays, from 1 to the item's most: setting, plays, worth (1 for one play).
    """
    most = max(float(engine.plays_of(item_row)[0].max(initial=1)), 10.0)
    plays = np.geomspace(1, most, POINTS)
    return pd.concat(
        [
            pd.DataFrame({"setting": name, "plays": plays, "worth": _worth(engine, item_row, plays, k1, b)})
            for name, (k1, b) in settings.items()
        ],
        ignore_index=True,
    )


def worth(engine: WhatIfEngine, item_row: int, plays: float, k1: float, b: float) -> float:
    """What so many plays of an item are worth, counted in first plays."""
    return float(_worth(engine, item_row, np.array([plays]), k1, b)[0])


def listeners_by_plays(engine: WhatIfEngine, item_row: int) -> pd.DataFrame:
    """How often an item's listeners played it: plays, listeners; counts that lie close together stand as one."""
    plays, listeners = np.unique(engine.plays_of(item_row)[0].astype(np.float64), return_counts=True)
    if len(plays) > MOST_TICKS:
        edges = np.geomspace(plays[0], plays[-1], MOST_TICKS + 1)
        place = np.clip(np.searchsorted(edges, plays, side="right") - 1, 0, MOST_TICKS - 1)
        listeners = np.bincount(place, listeners, MOST_TICKS)
        plays = np.sqrt(edges[:-1] * edges[1:])[listeners > 0]
        listeners = listeners[listeners > 0]
    return pd.DataFrame({"plays": plays, "listeners": listeners.astype(np.int64)})


def heaviest_share(engine: WhatIfEngine, item_row: int, k1: float, b: float) -> float:
    """Share of an item's whole weight that its heaviest tenth of listeners hold, in (0, 1]; at least one listener."""
    plays, idf = engine.plays_of(item_row)
    weights = np.maximum(weigh(plays, _length(engine, item_row), idf, k1=k1, b=b), 0)
    if not weights.sum():
        return float("nan")
    heaviest = np.argsort(-plays, kind="stable")[: max(1, round(HEAVIEST * len(plays)))]
    return float(weights[heaviest].sum() / weights.sum())


def length_factors(engine: WhatIfEngine, settings: Settings) -> pd.DataFrame:
    """How much slower plays of an item saturate, by how much the item is played against the mean item.

    Returns
    -------
    One row a setting and relative length, over the range of the catalogue: setting, length, factor (1 at length 1).
    """
    lengths = engine.statistics.relative_length
    grid = np.geomspace(max(lengths.min(), 1e-3), max(lengths.max(), 2.0), POINTS)
    return pd.concat(
        [
            pd.DataFrame({"setting": name, "length": grid, "factor": (1 - b) + b * grid})
            for name, (_, b) in settings.items()
        ],
        ignore_index=True,
    )


def length_of(engine: WhatIfEngine, item_row: int) -> float:
    """An item's plays over the mean item's."""
    return _length(engine, item_row)


def _worth(
    engine: WhatIfEngine, item_row: int, plays: npt.NDArray[np.float64], k1: float, b: float
) -> npt.NDArray[np.float64]:
    length = _length(engine, item_row)
    return weigh(plays, length, 1.0, k1=k1, b=b) / weigh(np.ones(1), length, 1.0, k1=k1, b=b)


def _length(engine: WhatIfEngine, item_row: int) -> float:
    return float(engine.statistics.relative_length[item_row])
