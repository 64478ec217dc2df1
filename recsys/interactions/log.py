"""What people listened to: one catalogue for both models, play counts, and queues."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import repeat
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from recsys.errors import InputError, ParameterError
from recsys.interactions.report import ReadReport

IntArray = npt.NDArray[np.integer[Any]]
SESSION_GAP_MINUTES = 30.0


@dataclass(frozen=True)
class Queues:
    """Ragged list of queues: queue q is `items[offsets[q]:offsets[q + 1]]`.

    items : int32 (n_plays,), item rows in the order they were played.
    offsets : int64 (n_queues + 1,), starting at 0.
    ordered : False when a queue is a listener's whole set, most played first, because no times are known.
    """

    items: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    ordered: bool

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, queue: int) -> npt.NDArray[np.int32]:
        return self.items[self.offsets[queue] : self.offsets[queue + 1]]

    def __iter__(self) -> Iterator[npt.NDArray[np.int32]]:
        return (self[queue] for queue in range(len(self)))

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Plays in each queue, int64 (n_queues,)."""
        return np.diff(self.offsets)

    def only(self, row_of: npt.NDArray[np.int32]) -> Queues:
        """The queues with items renumbered by `row_of` (old row → new row, -1 leaves); empty queues leave."""
        new = row_of[self.items]
        kept = new >= 0
        before = np.concatenate([[0], np.cumsum(kept, dtype=np.int64)])
        lengths = np.diff(before[self.offsets])
        offsets = np.concatenate([[0], np.cumsum(lengths[lengths > 0])]).astype(np.int64)
        return replace(self, items=new[kept].astype(np.int32), offsets=offsets)


@dataclass(frozen=True)
class Interactions:
    """A listening log over one catalogue.

    catalogue : one row an item, row i is item_row i; columns item_id, name, listeners, plays, tags (list,
        commonest first) and whatever else the source knows. Sorted by listeners, plays, then item_id.
    user_items : CSR (n_users, n_items), float32 play counts, > 0, no duplicates.
    played : queues in the order they were played, over the same item rows; None where no order is known.
    report : what the reader saw.
    dropped : what filtering removed, counted: items, listeners, plays, queues.
    """

    catalogue: pd.DataFrame
    user_items: sp.csr_matrix
    played: Queues | None
    report: ReadReport
    dropped: dict[str, int] = field(default_factory=dict)

    @cached_property
    def queues(self) -> Queues:
        """What was played in which order; without times each listener's whole set, read off the matrix."""
        return self.played if self.played is not None else listener_sets(self.user_items)

    @property
    def queue_lengths(self) -> npt.NDArray[np.int64]:
        """Plays in each queue, int64 (n_queues,), without making queues out of listeners' sets."""
        if self.played is not None:
            return self.played.lengths
        lengths = np.diff(self.user_items.indptr).astype(np.int64)
        return lengths[lengths > 0]

    @property
    def n_users(self) -> int:
        return int(self.user_items.shape[0])

    @property
    def n_items(self) -> int:
        return int(self.user_items.shape[1])

    @classmethod
    def from_plays(
        cls,
        *,
        user: IntArray,
        item: IntArray,
        plays: npt.NDArray[np.floating[Any]] | None,
        items: pd.DataFrame,
        n_users: int,
        report: ReadReport,
        time: npt.NDArray[np.int64] | None = None,
        session_gap_minutes: float = SESSION_GAP_MINUTES,
        queue_offsets: npt.NDArray[np.int64] | None = None,
    ) -> Interactions:
        """Put a log together from parallel columns of one row a play (or a counted play).

        Parameters
        ----------
        user, item : codes, shape (n_rows,); `item` are rows of `items`.
        plays : how often, > 0, shape (n_rows,); None counts each row once.
        items : one row an item with item_id and name, optionally tags and further columns.
        time : seconds since 1970, shape (n_rows,); cut into queues where the gap exceeds `session_gap_minutes`.
        queue_offsets : queues given as they are: rows are in order already, int64 (n_queues + 1,).

        Raises
        ------
        InputError : there is no row.
        ParameterError : the session gap is not positive.
        """
        if len(item) == 0:
            raise report.no_usable_row()
        if not session_gap_minutes > 0:
            raise ParameterError(f"session gap is {session_gap_minutes} minutes; it must be greater than 0")
        counts = np.ones(len(item), np.float32) if plays is None else plays.astype(np.float32)
        user_items = sp.coo_matrix((counts, (user, item)), shape=(n_users, len(items)), dtype=np.float32).tocsr()
        played = None
        if queue_offsets is not None:
            played = Queues(item.astype(np.int32), queue_offsets.astype(np.int64), ordered=True)
        elif time is not None:
            played = sessions(user, item, time, gap_seconds=60.0 * session_gap_minutes)
        return cls.from_matrix(user_items, items, report, played)

    @classmethod
    def from_matrix(
        cls, user_items: sp.csr_matrix, items: pd.DataFrame, report: ReadReport, played: Queues | None = None
    ) -> Interactions:
        """Put a log together from play counts, CSR (n_users, n_items) float32, which it takes over and changes.

        Pairs of listener and item may come more than once; their plays are added up.
        """
        every, entries = np.arange(len(items)), user_items.nnz
        log = cls(items.reset_index(drop=True), user_items, played, report)._renumbered(every, in_place=True)
        log.user_items.sum_duplicates()
        # A pair that came again was counted as a further listener of the item.
        return log if log.user_items.nnz == entries else log._renumbered(every, in_place=True)

    def with_min_listeners(self, min_listeners: int) -> Interactions:
        """The log without items that fewer than `min_listeners` people played; both models see the same catalogue.

        Listeners and queues that lose all their items leave too; `dropped` counts everything that left.

        Raises
        ------
        ParameterError : min_listeners < 1.
        InputError : fewer than two items are left.
        """
        if min_listeners < 1:
            raise ParameterError(f"min_listeners is {min_listeners}; it must be at least 1")
        listeners = self.catalogue["listeners"].to_numpy()
        keep = np.flatnonzero(listeners >= min_listeners)
        if len(keep) < 2:
            second = int(np.sort(listeners)[-2]) if len(listeners) > 1 else 0
            raise too_few_items(self.report, len(keep), self.n_items, min_listeners, second)
        return self._renumbered(keep)

    def _renumbered(self, keep: IntArray, *, in_place: bool = False) -> Interactions:
        """Only the items in `keep`, in catalogue order, with listeners and plays counted afresh."""
        matrix = self.user_items
        listeners = _per_code(matrix.indices, self.n_items)[keep]
        plays = _per_code(matrix.indices, self.n_items, matrix.data)[keep]
        order = np.lexsort((_ranks(self.catalogue["item_id"])[keep], -plays, -listeners))
        kept = np.asarray(keep)[order]
        row_of = np.full(self.n_items, -1, np.int32)
        row_of[kept] = np.arange(len(kept), dtype=np.int32)

        catalogue = self.catalogue.iloc[kept].reset_index(drop=True)
        catalogue["listeners"] = listeners[order].astype(np.int32)
        catalogue["plays"] = plays[order]
        if "tags" not in catalogue:
            catalogue["tags"] = [[]] * len(catalogue)
        user_items = _with_columns(matrix, row_of, len(kept), in_place=in_place)
        played = self.played.only(row_of) if self.played is not None else None
        dropped = {
            "items": self.n_items - len(kept),
            "listeners": self.n_users - int(user_items.shape[0]),
            "plays": round(float(matrix.data.sum(dtype=np.float64)) - float(plays.sum())),
        }
        # Without times a listener is a queue.
        dropped["queues"] = dropped["listeners"]
        if self.played is not None and played is not None:
            dropped["queues"] = len(self.played) - len(played)
        return replace(
            self,
            catalogue=catalogue,
            user_items=user_items,
            played=played,
            dropped={what: count + self.dropped.get(what, 0) for what, count in dropped.items()},
        )


def too_few_items(report: ReadReport, kept: int, n_items: int, min_listeners: int, second: int) -> InputError:
    """What is raised where a filter leaves fewer than two items.

    second : listeners of the item with the second most; 0 where there is none.
    """
    hint = f"pass --min-listeners {second} or less" if second else "bring more than one item"
    return InputError(
        f"{report.source}: {kept} of {n_items} items have at least {min_listeners} listeners, and a comparison needs "
        f"two; {hint}"
    )


def _ranks(texts: pd.Series) -> npt.NDArray[np.int64]:
    """The place of each text among all in the order of their characters, int64 (n,)."""
    ranks = np.empty(len(texts), np.int64)
    ranks[texts.argsort(kind="stable")] = np.arange(len(texts))
    return ranks


def _per_code(codes: IntArray, n: int, weights: npt.NDArray[np.float32] | None = None) -> npt.NDArray[Any]:
    """How often each code comes, or the sum of its weights: np.bincount in parts."""
    total = np.zeros(n, np.int64 if weights is None else np.float64)
    for part, weight in zip(_parts(codes), repeat(None) if weights is None else _parts(weights), strict=False):
        total += np.bincount(part, weight, minlength=n)
    return total


def _parts(array: npt.NDArray[Any], at_once: int = 1 << 20) -> Iterator[npt.NDArray[Any]]:
    """Views of a long array: NumPy widens whatever it takes for codes, and here never the whole of it."""
    return (array[start : start + at_once] for start in range(0, len(array), at_once))


def _with_columns(
    matrix: sp.csr_matrix, row_of: npt.NDArray[np.int32], n_columns: int, *, in_place: bool
) -> sp.csr_matrix:
    """The matrix with its columns renumbered (-1 leaves) and empty rows left out; `in_place` uses its memory."""
    columns, data, indptr = matrix.indices, matrix.data, matrix.indptr
    if not in_place:
        columns = columns.copy()
    for part in _parts(columns):
        part[:] = row_of[part]
    if n_columns < matrix.shape[1]:
        kept = columns >= 0
        ends = np.concatenate([[0], np.cumsum(kept, dtype=np.int64)])
        columns, data, indptr = columns[kept], data[kept], ends[indptr]
    filled = np.diff(indptr) > 0
    if not filled.all():
        indptr = np.concatenate([[0], indptr[1:][filled]])
    result = sp.csr_matrix((data, columns, indptr.astype(np.int64)), shape=(len(indptr) - 1, n_columns))
    result.has_sorted_indices = False
    result.sort_indices()
    return result


def sessions(user: IntArray, item: IntArray, time: npt.NDArray[np.int64], *, gap_seconds: float) -> Queues:
    """Cut each listener's plays, oldest first, into queues wherever the next play is more than `gap_seconds` later.

    Plays that share a timestamp keep the order of the log; a log written newest first is turned round for that.
    """
    step = np.diff(time)[np.diff(user) == 0]
    newest_first = np.count_nonzero(step < 0) > np.count_nonzero(step > 0)
    log_order = np.arange(len(time))
    order = np.lexsort((-log_order if newest_first else log_order, time, user))
    user, time = user[order], time[order]
    starts = np.flatnonzero((np.diff(user) != 0) | (np.diff(time) > gap_seconds)) + 1
    offsets = np.concatenate([[0], starts, [len(order)]]).astype(np.int64)
    return Queues(item[order].astype(np.int32), offsets, ordered=True)


def listener_sets(user_items: sp.csr_matrix) -> Queues:
    """Each listener's whole set as one queue, most played first, then by item row."""
    user = np.repeat(np.arange(user_items.shape[0]), np.diff(user_items.indptr))
    order = np.lexsort((user_items.indices, -user_items.data, user))
    offsets = user_items.indptr.astype(np.int64)
    filled = np.concatenate([[True], np.diff(offsets) > 0])
    return Queues(user_items.indices[order].astype(np.int32), offsets[filled], ordered=False)
