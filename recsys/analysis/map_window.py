"""What a map shows through a window: which items, how dense the rest is, and which regions have room for their name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from recsys.analysis.regions import LEVELS

Layout = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]

# A browser draws so many at once and still answers a hover; of more, the most popular are drawn over their density.
MOST_POINTS, SHOWN_OF_MORE = 20_000, 5_000
EDGE = 0.04
MOST_LABELS, MOST_NAMES = 14, 20
FEW = 400  # items, among which single ones are named
# Of the window's side, about, at the size at which maps are drawn.
LETTER, LINE = 0.0135, 0.034


@dataclass(frozen=True)
class Window:
    """A rectangle of a map, in the map's own coordinates."""

    x: tuple[float, float]
    y: tuple[float, float]

    @property
    def side(self) -> float:
        """The longer side."""
        return max(self.x[1] - self.x[0], self.y[1] - self.y[0])

    def holds(self, layout: Layout) -> npt.NDArray[np.bool_]:
        """Which places lie in it, bool (n_items,); those that are not known do not."""
        (left, right), (low, high) = self.x, self.y
        x, y = layout[:, 0], layout[:, 1]
        inside: npt.NDArray[np.bool_] = (x >= left) & (x <= right) & (y >= low) & (y <= high)
        return inside

    def scaled(self, factor: float, within: Window) -> Window:
        """A square of `factor` times its longer side around the same middle; never larger than `within`."""
        middle = (sum(self.x) / 2, sum(self.y) / 2)
        half = factor * self.side / 2
        if 2 * half >= within.side:
            return within
        return Window((middle[0] - half, middle[0] + half), (middle[1] - half, middle[1] + half))


def frame(layouts: Sequence[Layout]) -> Window:
    """The square that holds all of these maps, so that what stands elsewhere on one of them is seen to."""
    # fmin and fmax pass over what is not known.
    low = np.min([np.fmin.reduce(layout, axis=0) for layout in layouts], axis=0).astype(np.float64)
    high = np.max([np.fmax.reduce(layout, axis=0) for layout in layouts], axis=0).astype(np.float64)
    if np.isnan(low).any():
        return Window((0.0, 1.0), (0.0, 1.0))
    half = (0.5 + EDGE) * max(float((high - low).max()), 1e-6)
    x, y = ((low + high) / 2).tolist()
    return Window((x - half, x + half), (y - half, y + half))


def around(places: npt.NDArray[Any], whole: Window, share: float = 1 / 6) -> Window | None:
    """A window with these places, one item's on several maps, in it: `share` of the whole, or as much as they take.

    places : (n, 2); None where none is known.
    """
    known = places[np.isfinite(places).all(axis=1)].astype(np.float64)
    if not len(known):
        return None
    low, high = known.min(axis=0), known.max(axis=0)
    half = max(share * whole.side, 1.3 * float((high - low).max())) / 2
    x, y = ((low + high) / 2).tolist()
    return Window((x - half, x + half), (y - half, y + half))


def drawn_rows(layouts: Sequence[Layout], window: Window, always: Sequence[int] = ()) -> tuple[Rows, int]:
    """Which items to draw in a window, and how many stand in it on one map or another.

    All of them up to MOST_POINTS; of more the SHOWN_OF_MORE most popular (rows go by popularity) and those of `always`.
    """
    inside = np.any([window.holds(layout) for layout in layouts], axis=0)
    rows = np.flatnonzero(inside)
    if len(rows) <= MOST_POINTS:
        return rows, len(rows)
    drawn = np.zeros(len(inside), bool)
    drawn[rows[:SHOWN_OF_MORE]] = drawn[list(always)] = True
    return np.flatnonzero(drawn & inside), len(rows)


def density(layout: Layout, window: Window, side: int = 260) -> npt.NDArray[np.int64]:
    """How many items stand in each cell of a window, (side, side); the first row is the top of the map."""
    places = layout[window.holds(layout)]
    # Cells of equal size by arithmetic: np.histogram2d searches their edges, which takes ten times as long.
    (left, right), (low, high) = window.x, window.y
    column = np.minimum(((places[:, 0] - left) * (side / (right - left))).astype(np.int64), side - 1)
    row = np.minimum(((high - places[:, 1]) * (side / (high - low))).astype(np.int64), side - 1)
    return np.bincount(row * side + column, minlength=side * side).reshape(side, side)


def named_item(layout: Layout, names: npt.NDArray[np.object_], window: Window, item_row: int) -> pd.DataFrame:
    """Where the name of an item stands in a window, x, y and label: one row, or none."""
    rows = np.flatnonzero(window.holds(layout[[item_row]])) + item_row
    return pd.DataFrame({"x": layout[rows, 0], "y": layout[rows, 1], "label": names[rows].astype(str)})


def labels_in(regions: pd.DataFrame, window: Window, whole: Window, beside: pd.DataFrame | None = None) -> pd.DataFrame:
    """Regions whose names fit into a window: of the level that suits its size, the largest first.

    regions : `analysis.regions.regions`. Returns rows of it.
    beside : x, y, label: what is written there in any case.
    """
    level = int(np.clip(np.floor(np.log2(whole.side / window.side) + 0.5), 0, LEVELS - 1))
    return fitting_labels(regions[regions["level"] == level], window, MOST_LABELS, beside)


def names_in(
    layout: Layout, names: npt.NDArray[np.object_], window: Window, item_row: int, beside: pd.DataFrame
) -> pd.DataFrame:
    """Names of single items but `item_row`, where a window holds few: the most popular first (rows go by popularity).

    beside : x, y, label: what is written there in any case. Returns x, y, label.
    """
    rows = np.flatnonzero(window.holds(layout))
    rows = rows[:0] if len(rows) > FEW else rows[rows != item_row]
    items = pd.DataFrame({"x": layout[rows, 0], "y": layout[rows, 1], "label": names[rows].astype(str)})
    return fitting_labels(items, window, MOST_NAMES, beside)


def fitting_labels(labels: pd.DataFrame, window: Window, most: int, beside: pd.DataFrame | None = None) -> pd.DataFrame:
    """The first of these that lie in the window, none over another or over one of `beside`, none twice."""
    (left, right), (low, high) = window.x, window.y

    def taking(x: float, y: float, label: str) -> tuple[float, float, float]:
        return (x - left) / (right - left), (y - low) / (high - low), LETTER * len(label) / 2

    written = [] if beside is None else beside[["x", "y", "label"]].itertuples(index=False)
    taken = {label: taking(x, y, label) for x, y, label in written}
    kept: list[Any] = []
    for index, x, y, label in labels[["x", "y", "label"]].itertuples():
        across, up, half = taking(x, y, label)
        has_room = half <= across <= 1 - half and LINE <= up <= 1 - LINE
        if (
            has_room
            and label not in taken
            and all(
                abs(across - other) > half + wide or abs(up - height) > LINE for other, height, wide in taken.values()
            )
        ):
            taken[label] = (across, up, half)
            kept.append(index)
        if len(kept) == most:
            break
    return labels.loc[kept]
