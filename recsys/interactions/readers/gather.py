"""Plays gathered block by block: listeners and items become codes, names are kept once an item."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from recsys.errors import InputError
from recsys.interactions.log import Interactions
from recsys.interactions.report import ReadReport
from recsys.interactions.tabular import Codes

Column: TypeAlias = Any  # pa.Array or pa.ChunkedArray of text; pyarrow has no types


class Gathered:
    """What a reader has taken in so far; memory is that of the codes, not of the file."""

    def __init__(self, report: ReadReport) -> None:
        self.report = report
        self.users, self.items = Codes(), Codes()
        self._name_of: dict[int, str] = {}
        self._nameless: set[int] = set()
        self._parts: dict[str, list[npt.NDArray[Any]]] = {"user": [], "item": [], "plays": [], "time": []}

    def add(
        self,
        user: Column,
        item: Column,
        name: Column | None = None,
        *,
        plays: npt.NDArray[np.float64] | None = None,
        time: npt.NDArray[np.int64] | None = None,
    ) -> None:
        """Rows of one block, all columns of one length; plays and time for every block or for none."""
        self._parts["user"].append(self.users.add(user))
        known = len(self.items)
        codes = self.items.add(item)
        self._parts["item"].append(codes)
        if plays is not None:
            self._parts["plays"].append(plays.astype(np.float32))
        if time is not None:
            self._parts["time"].append(time)
        if name is not None:
            self._take_names(codes, name, known)

    def refuse_if_empty(self) -> None:
        """Raise InputError when no row could be used."""
        if not len(self.items):
            raise InputError(f"{self.report.source}: no usable row; {self.report.summary()}")

    def catalogue(self) -> pd.DataFrame:
        """One row an item: item_id and name."""
        ids = self.items.values
        return pd.DataFrame(
            {"item_id": ids, "name": [self._name_of.get(code, item_id) for code, item_id in enumerate(ids)]}
        )

    def interactions(self, items: pd.DataFrame, session_gap_minutes: float) -> Interactions:
        """The log; what was gathered is let go on the way."""
        columns: dict[str, Any] = {}
        for name in list(self._parts):
            parts = self._parts.pop(name)
            columns[name] = np.concatenate(parts) if parts else None
        return Interactions.from_plays(
            **columns, items=items, n_users=len(self.users), report=self.report,
            session_gap_minutes=session_gap_minutes,
        )  # fmt: skip

    def _take_names(self, codes: npt.NDArray[np.int32], names: Column, known: int) -> None:
        """An item is called what it was first called; rows without a name say nothing."""
        nameless = [code for code in self._nameless if code < known]
        where = np.flatnonzero(codes >= known)
        if nameless:
            where = np.flatnonzero((codes >= known) | np.isin(codes, nameless))
        if not len(where):
            return
        texts = names.take(pa.array(where)).to_pylist()
        for code, text in zip(codes[where].tolist(), texts, strict=True):
            if code not in self._name_of and text.strip():
                self._name_of[code] = text
                self._nameless.discard(code)
            elif code not in self._name_of:
                self._nameless.add(code)
