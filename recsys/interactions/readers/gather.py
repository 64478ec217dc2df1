"""Plays gathered block by block: listeners and items become codes, names are kept once an item."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp

from recsys.interactions.log import Interactions
from recsys.interactions.readers.columns import plays_ahead
from recsys.interactions.report import ReadReport
from recsys.interactions.texts import Codes, Texts, refuse_if_larger


class Gathered:
    """What a reader has taken in so far; memory is that of the codes, not of the file.

    users, ids : the codes of listeners and of items, in which `add` is given its columns.
    """

    def __init__(self, report: ReadReport, ids: Codes) -> None:
        self.report, self.ids = report, ids
        self.users = Codes(keep_texts=False, most_bytes=ids.most_bytes)
        self._user, self._item = _Users(), _Column(np.int32)
        self._plays, self._time = _Column(np.float32), _Column(np.int64)
        # The names of the first items, and of those among them that came without one and were named later.
        self._names: list[pa.Array] = []
        self._n_named = 0
        self._nameless: set[int] = set()
        self._late_names: dict[int, str] = {}

    def add(
        self,
        user: npt.NDArray[np.int32],
        item: npt.NDArray[np.int32],
        name: Texts | None = None,
        *,
        plays: npt.NDArray[np.float64] | None = None,
        time: npt.NDArray[np.int64] | None = None,
    ) -> None:
        """Rows of one block, all columns of one length; plays and time for every block or for none."""
        self._user.extend(user)
        self._item.extend(item)
        if plays is not None:
            self._plays.extend(plays)
        if time is not None:
            self._time.extend(time)
        if name is not None:
            self._take_names(item, name)

    def refuse_if_empty(self) -> None:
        """Raise InputError when no row could be used."""
        if not len(self.ids):
            raise self.report.no_usable_row()

    def catalogue(self) -> pd.DataFrame:
        """One row an item: item_id and name."""
        ids = self.ids.values()
        names = pa.concat_arrays([*self._names, ids.slice(self._n_named)])  # without a name, the id
        late = pa.array([self._late_names.get(code) for code in sorted(self._nameless)], pa.string())
        names = pc.replace_with_mask(names, pc.is_null(names), late)
        return pd.DataFrame({"item_id": ids.to_pandas(), "name": pc.coalesce(names, ids).to_pandas()})

    def interactions(self, items: pd.DataFrame, session_gap_minutes: float) -> Interactions:
        """The log; what was gathered is let go."""
        shape = len(self.users), len(items)
        self.users.clear()
        self.ids.clear()
        plays, time = self._plays.values(), self._time.values()
        if len(time):
            self.report.times = int(time.min()), int(time.max())
            self.report.note_plays_ahead(plays_ahead(time))
        indptr = None if len(time) else self._user.indptr()
        if indptr is not None and len(plays):
            matrix = sp.csr_matrix((plays, self._item.values(), indptr), shape=shape)
            return Interactions.from_matrix(matrix, items, self.report)
        return Interactions.from_plays(
            user=self._user.values(), item=self._item.values(), plays=plays if len(plays) else None,
            time=time if len(time) else None, items=items, n_users=shape[0], report=self.report,
            session_gap_minutes=session_gap_minutes,
        )  # fmt: skip

    def _take_names(self, item: npt.NDArray[np.int32], names: Texts) -> None:
        """An item is called what it was first called; rows without a name say nothing."""
        late = self._nameless - self._late_names.keys()
        if late:
            rows = np.flatnonzero(np.isin(item, list(late)))
            rows = rows[names.only(rows).filled()]
            for code, name in zip(item[rows].tolist(), names.only(rows).to_list(), strict=True):
                self._late_names.setdefault(code, name)
        # Not len(ids), which may be ahead of this block.
        n_items = int(item.max(initial=-1)) + 1
        if n_items <= self._n_named:
            return
        rows = np.flatnonzero(item >= self._n_named)
        rows = rows[names.only(rows).filled()]
        codes, first = np.unique(item[rows], return_index=True)
        texts = names.only(rows[np.sort(first)]).arrow()
        place = np.full(n_items - self._n_named, -1, np.int64)
        place[codes[np.argsort(first)] - self._n_named] = np.arange(len(codes))
        self._nameless.update((np.flatnonzero(place < 0) + self._n_named).tolist())
        self._names.append(texts.take(pa.array(place, mask=place < 0)))
        if self.ids.most_bytes is not None:
            refuse_if_larger(sum(each.nbytes for each in self._names), self.ids.most_bytes)
        self._n_named = n_items


class _Column:
    """An array that grows; the memory moves, it is not copied."""

    def __init__(self, dtype: type[np.generic]) -> None:
        self._array: npt.NDArray[Any] = np.empty(1 << 12, dtype)
        self._n = 0

    def extend(self, values: npt.NDArray[Any]) -> None:
        end = self._n + len(values)
        if end > len(self._array):
            self._array.resize(max(end, len(self._array) * 9 // 8), refcheck=False)
        self._array[self._n : end] = values
        self._n = end

    def values(self) -> npt.NDArray[Any]:
        """What was put in; nothing more can be."""
        self._array.resize(self._n, refcheck=False)
        return self._array


class _Users:
    """The column of listeners; as long as it is sorted, how many rows each has says it all."""

    def __init__(self) -> None:
        self._counts: list[npt.NDArray[np.int64]] = []
        self._last = -1
        self._unsorted: _Column | None = None

    def extend(self, users: npt.NDArray[np.int32]) -> None:
        if not len(users):
            return
        if self._unsorted is None and (users[0] < self._last or (users[1:] < users[:-1]).any()):
            self._unsorted, before = _Column(np.int32), self.values()
            self._unsorted.extend(before)
        if self._unsorted is not None:
            self._unsorted.extend(users)
            return
        # Codes are given in the order of appearance, so a sorted column skips none.
        counts = np.bincount(users - users[0])
        if users[0] == self._last:
            self._counts[-1][-1] += counts[0]
            counts = counts[1:]
        if len(counts):
            self._counts.append(counts)
        self._last = int(users[-1])

    def indptr(self) -> npt.NDArray[np.int64] | None:
        """Where each listener's rows begin, if they lie together."""
        return None if self._unsorted is not None else np.cumsum(np.concatenate([[0], *self._counts]))

    def values(self) -> npt.NDArray[np.int32]:
        """The code of each row's listener."""
        if self._unsorted is not None:
            return self._unsorted.values()
        counts = np.concatenate([np.empty(0, np.int64), *self._counts])
        return np.repeat(np.arange(self._last + 1, dtype=np.int32), counts)
