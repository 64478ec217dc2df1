"""Why is this a neighbour? What the stored interactions say of a pair of items, from counts alone."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from recsys.artifacts.store import ArtifactSet
from recsys.errors import ParameterError
from recsys.interactions.log import Queues
from recsys.plural import counted

Positions = npt.NDArray[np.intp]

MOST_EXCERPTS = 3
CONTEXT = 2  # plays shown before and after the pair
LONGEST_GAP = 4  # plays shown between the two


@dataclass(frozen=True)
class SharedListeners:
    """What ALS learns from.

    shared : how many listeners played both.
    lift : how many times more than if listeners chose the two independently; NaN when nobody played one of them.
    share : of the first item's listeners, how many played the second, in [0, 1]; NaN when it has none.
    """

    shared: int
    lift: float
    share: float


@dataclass(frozen=True)
class Excerpt:
    """A stretch of one queue around the pair.

    items : item rows in the order they were played; -1 stands for plays left out.
    first, second : where in `items` the pair is.
    """

    items: list[int]
    first: int
    second: int


@dataclass(frozen=True)
class PlayedTogether:
    """What Word2vec learns from.

    window : plays to either side that count.
    times : how often the two stand within the window, each pair of plays counted once.
    queues : in how many queues they do.
    excerpts : up to three real ones, where the two stand closest, each of another queue; empty for sets, which have
        no order to show.
    """

    window: int
    times: int
    queues: int
    excerpts: list[Excerpt]


@dataclass(frozen=True)
class Evidence:
    """Why one item is near another, from what each model learns from."""

    item: int
    other: int
    listeners: SharedListeners
    queues: PlayedTogether

    def as_json(self, catalogue: pd.DataFrame) -> dict[str, Any]:
        """The shape that `python -m recsys neighbours --json` prints; None where something is not known."""
        ids, names = catalogue["item_id"], catalogue["name"]
        return {
            "item_id": ids.iloc[self.other],
            "shared_listeners": self.listeners.shared,
            "lift": _known(self.listeners.lift),
            "listener_share": _known(self.listeners.share),
            "window": self.queues.window,
            "times_within_window": self.queues.times,
            "queues": self.queues.queues,
            "excerpts": [
                {
                    "items": [names.iloc[row] if row >= 0 else None for row in excerpt.items],
                    "item": excerpt.first,
                    "neighbour": excerpt.second,
                }
                for excerpt in self.queues.excerpts
            ],
        }


def reasons(found: Evidence, name: str, *, ordered: bool) -> dict[str, str]:
    """By model what speaks for the pair, in words; `name` is the item asked about, `ordered` whether queues are."""
    listeners, queues = found.listeners, found.queues
    who = f"{counted(listeners.shared, 'listener')} played both"
    if listeners.shared:
        who += f": {listeners.share:.0%} of those of {name}, {listeners.lift:.1f} times what chance would give"
    if not ordered:
        sets = counted(queues.queues, "listener")
        what = f"together in the sets of {sets}; in which order they were played is not known"
    elif queues.times:
        times, among = counted(queues.times, "time"), counted(queues.queues, "queue")
        what = f"{times} within {queues.window} plays of each other, in {among}"
    else:
        what = f"never within {queues.window} plays of each other; the two have common neighbours instead"
    return {"als": who, "word2vec": what}


def evidence(artifacts: ArtifactSet, item: int, other: int) -> Evidence:
    """What the stored interactions say of two item rows; the window is that of the set's Word2vec.

    Raises
    ------
    ParameterError : no such row, or the two are one item.
    """
    window = max((int(model.params.get("window", 0)) for model in artifacts.manifest.models.values()), default=0)
    return Evidence(
        item=item,
        other=other,
        listeners=shared_listeners(artifacts.user_items, item, other),
        queues=played_together(artifacts.queues, item, other, window=window),
    )


def shared_listeners(user_items: sp.csr_matrix, item: int, other: int) -> SharedListeners:
    """How the listeners of two items overlap.

    user_items : CSR (n_users, n_items) without duplicates; may be mapped from disk, it is read once from end to end.

    Raises
    ------
    ParameterError : no such row.
    """
    _check(item, other, user_items.shape[1])
    indices, indptr = user_items.indices, user_items.indptr
    listeners, others = (_holders(np.flatnonzero(indices == row), indptr) for row in (item, other))
    shared = len(np.intersect1d(listeners, others, assume_unique=True))
    expected = len(listeners) * len(others) / user_items.shape[0]
    return SharedListeners(
        shared=shared,
        lift=shared / expected if expected else float("nan"),
        share=shared / len(listeners) if len(listeners) else float("nan"),
    )


def played_together(queues: Queues, item: int, other: int, *, window: int) -> PlayedTogether:
    """How often two different items stand within `window` plays of each other in one queue.

    Raises
    ------
    ParameterError : window < 1, no such row, or the two are one item.
    """
    if window < 1:
        raise ParameterError(f"window is {window}; it must be at least 1")
    if item == other:
        raise ParameterError(f"item row {item} is asked about beside itself")
    if min(item, other) < 0:
        raise ParameterError(f"there is no item row {min(item, other)}")
    plays, others = np.flatnonzero(queues.items == item), np.flatnonzero(queues.items == other)
    # For each play of the one, the plays of the other that are near enough and in the same queue.
    queue = _holders(plays, queues.offsets)
    start = np.maximum(plays - window, queues.offsets[queue])
    end = np.minimum(plays + window + 1, queues.offsets[queue + 1])
    low, high = np.searchsorted(others, start), np.searchsorted(others, end)
    near = high > low
    return PlayedTogether(
        window=window,
        times=int((high - low).sum()),
        # Plays go by place, so their queues are in order: each change is a new one.
        queues=int(near.any() + np.count_nonzero(np.diff(queue[near]))),
        excerpts=_excerpts(queues, plays[near], others, queue[near]) if queues.ordered else [],
    )


def _excerpts(queues: Queues, plays: Positions, others: Positions, queue: Positions) -> list[Excerpt]:
    """The closest pairs of different queues, closest first, then in the order of the log."""
    if not len(plays):
        return []
    after = np.clip(np.searchsorted(others, plays), 0, len(others) - 1)
    before = np.maximum(after - 1, 0)

    def distance(candidates: Positions) -> npt.NDArray[np.int64]:
        at = others[candidates]
        inside = (at >= queues.offsets[queue]) & (at < queues.offsets[queue + 1])
        return np.where(inside, np.abs(at - plays), np.iinfo(np.int64).max)

    nearest = np.where(distance(before) <= distance(after), before, after)
    gap = distance(nearest)
    order = np.lexsort((plays, gap))
    _, first = np.unique(queue[order], return_index=True)
    best = order[np.sort(first)][:MOST_EXCERPTS]
    return [_excerpt(queues, int(plays[at]), int(others[nearest[at]]), int(queue[at])) for at in best]


def _excerpt(queues: Queues, play: int, other: int, queue: int) -> Excerpt:
    start, end = int(queues.offsets[queue]), int(queues.offsets[queue + 1])
    left, right = min(play, other), max(play, other)
    items = queues.items[max(start, left - CONTEXT) : left + 1].tolist()
    ends = [len(items) - 1]
    between = queues.items[left + 1 : right].tolist()
    half = LONGEST_GAP // 2
    items += between if len(between) <= LONGEST_GAP else [*between[:half], -1, *between[-half:]]
    ends.append(len(items))
    items += queues.items[right : min(end, right + CONTEXT + 1)].tolist()
    return Excerpt(items, *(ends if play == left else ends[::-1]))


def _known(value: float) -> float | None:
    return value if isfinite(value) else None


def _holders(positions: Positions, offsets: npt.NDArray[np.integer[Any]]) -> Positions:
    """The row or queue that each position of a ragged array lies in."""
    return np.searchsorted(offsets, positions, side="right") - 1


def _check(item: int, other: int, n_items: int) -> None:
    for row in (item, other):
        if not 0 <= row < n_items:
            raise ParameterError(f"there is no item row {row}; rows go from 0 to {n_items - 1}")
