"""What text columns mean: play counts, times, and which rows can be used. Each unusable row is counted once."""

from __future__ import annotations

from time import time as clock
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from recsys.interactions.report import EXAMPLES_PER_KIND, ReadReport
from recsys.interactions.tabular import Block
from recsys.interactions.texts import Texts

FEWEST_PLAYS, MOST_PLAYS = 1e-6, 1e9
YEAR_2100 = 4_102_444_800
DAY = 86_400
# Numbers that can only be dates written as YYYYMMDD: as seconds they would lie in 1970.
FIRST_DATE, LAST_DATE = 19_000_101, 20_991_231

Usable = npt.NDArray[np.bool_]


class Rows:
    """Which rows of one block can be used; what is said against one is counted in the report."""

    def __init__(self, block: Block, file: str, report: ReadReport) -> None:
        self.block, self.file, self.report = block, file, report
        self.usable: Usable = np.ones(len(block), bool)

    def require(self, good: Usable, kind: str, column: str) -> None:
        """Rows that are not `good` leave; those that were usable until now are counted under `kind`."""
        bad = np.flatnonzero(self.usable & ~good)
        for row in bad[:EXAMPLES_PER_KIND]:
            shown = {name: texts.only(np.array([row])).to_list()[0] for name, texts in self.block.columns.items()}
            text = f"{column} {shown[column]!r} in {' | '.join(map(str, shown.values()))}"
            self.report.skip(kind, file=self.file, line=int(self.block.lines[row]), text=text)
        if len(bad) > EXAMPLES_PER_KIND:
            self.report.bad[kind] += len(bad) - EXAMPLES_PER_KIND
        self.usable &= good

    def require_text(self, column: str, what: str) -> None:
        self.require(self.block.columns[column].filled(), f"empty {what}", column)

    def plays(self, column: str) -> npt.NDArray[np.float64]:
        """The play counts of all rows; rows without a sensible one leave."""
        plays = numbers(self.block.columns[column])
        self.require(~np.isnan(plays), "play count that is not a number", column)
        self.require(plays > 0, "play count of zero or less", column)
        self.require(plays >= FEWEST_PLAYS, f"play count under {FEWEST_PLAYS:g}", column)
        self.require(plays <= MOST_PLAYS, f"play count over {MOST_PLAYS:g}", column)
        return plays

    def seconds(self, column: str) -> npt.NDArray[np.int64]:
        """The times of all rows in seconds since 1970; rows without a sensible one leave."""
        time = seconds(self.block.columns[column])
        self.require(time >= 0, "time that cannot be read", column)
        return time

    def kept(self) -> dict[str, Texts]:
        """The columns of the usable rows."""
        columns = self.block.columns
        return columns if self.usable.all() else {name: texts.only(self.usable) for name, texts in columns.items()}


def numbers(texts: Texts) -> npt.NDArray[np.float64]:
    """Text to float64, NaN where it is not a plain number."""
    values, n_others = texts.digits()
    if n_others:
        others = np.flatnonzero(np.isnan(values))
        strings = texts.only(others).arrow()
        try:
            values[others] = strings.cast(pa.float64()).to_numpy()
        except pa.ArrowException:
            values[others] = pd.to_numeric(strings.to_pandas(), errors="coerce").to_numpy(np.float64)
    return values


def seconds(texts: Texts) -> npt.NDArray[np.int64]:
    """Each row's time in whole seconds since 1970, -1 where there is none to be read.

    ISO 8601 (UTC unless it says otherwise), YYYYMMDD, seconds or milliseconds since 1970; rows may differ.
    """
    values = numbers(texts)
    result = np.full(len(values), -1, np.int64)
    is_number = np.isfinite(values)
    is_date = is_number & (values >= FIRST_DATE) & (values <= LAST_DATE)
    plain = is_number & ~is_date
    in_seconds = np.where(values[plain] > 10 * YEAR_2100, values[plain] / 1000, values[plain])
    result[plain] = np.clip(in_seconds, -1, YEAR_2100).astype(np.int64)
    if is_date.any():
        dates = pd.Series(values[is_date].astype(np.int64)).astype(str)
        result[is_date] = _since_1970(pd.to_datetime(dates, errors="coerce", utc=True, format="%Y%m%d"))
    as_text = np.isnan(values)
    if as_text.any():
        text = texts.only(as_text).arrow().to_pandas()
        result[as_text] = _since_1970(pd.to_datetime(text, errors="coerce", utc=True, format="ISO8601"))
    return np.where(result < YEAR_2100, result, -1)


def plays_ahead(time: npt.NDArray[np.int64]) -> int:
    """How many of these seconds since 1970 are yet to come, by more than time zones can explain."""
    return int((time > clock() + DAY).sum())


def _since_1970(times: pd.Series[Any]) -> npt.NDArray[np.int64]:
    whole = times.dt.as_unit("s").astype("int64").to_numpy()
    return np.where(times.isna(), -1, whole)
