"""What the tasks that read a log's parts saw, and the report of the whole log made of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from recsys.errors import InputError
from recsys.interactions.readers.columns import plays_ahead
from recsys.interactions.report import EXAMPLES_PER_KIND, ReadReport
from recsys.interactions.texts import Texts
from recsys.spark.plan import Part


@dataclass
class PartReport:
    """What a part's task saw, for the report of the whole log; goes through JSON.

    lines : line ends in the part, by which the next part knows its line numbers; 0 where lines are numbered right.
    examples : kind → file, line in the part and text of the first bad rows.
    ends : listener and time of the first and the last row. rises, falls : how often the time does so between two rows
        of a listener, one behind the other. ahead : plays in the future.
    error : the input is refused for this.
    """

    rows: int = 0
    blank_lines: int = 0
    bad: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[tuple[str, int, str]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    lines: int = 0
    columns: list[str] | None = None
    times: tuple[int, int] | None = None
    ends: tuple[tuple[str, int], tuple[str, int]] | None = None
    rises: int = 0
    falls: int = 0
    ahead: int = 0
    error: str | None = None

    @classmethod
    def from_json(cls, text: str) -> PartReport:
        return cls(**json.loads(text))

    def see_times(self, user: npt.NDArray[np.int32], time: npt.NDArray[np.int64], names: Texts) -> None:
        """Rows of one block, in the order of the log; `user` are codes, the same in all blocks of a part."""
        if not len(time):
            return
        first, last = ((names.only(np.array([row])).to_list()[0], int(time[row])) for row in (0, len(time) - 1))
        if self.ends is not None:
            self.see_step(self.ends[1], first)
        self.ends = (first if self.ends is None else self.ends[0], last)
        step = np.diff(time)[np.diff(user) == 0]
        self.rises += int(np.count_nonzero(step > 0))
        self.falls += int(np.count_nonzero(step < 0))
        low, high = int(time.min()), int(time.max())
        self.times = (low, high) if self.times is None else (min(low, self.times[0]), max(high, self.times[1]))
        self.ahead += plays_ahead(time)

    def see_step(self, before: tuple[str, int], after: tuple[str, int]) -> None:
        """Two rows, one behind the other."""
        if before[0] == after[0]:
            self.rises += after[1] > before[1]
            self.falls += after[1] < before[1]


@dataclass
class Counted(ReadReport):
    """A report that keeps examples with the numbers of their lines apart."""

    apart: dict[str, list[tuple[str, int, str]]] = field(default_factory=dict)

    def skip(self, kind: str, *, file: str, line: int, text: str, count: int = 1) -> None:
        super().skip(kind, file=file, line=line, text=text, count=count)
        shown = self.apart.setdefault(kind, [])
        if len(shown) < EXAMPLES_PER_KIND:
            shown.append((file, line, text))


def merge(report: ReadReport, parts: Sequence[Part], seen: Sequence[PartReport]) -> bool:
    """Put together what the parts' tasks saw, as if one had seen all; returns whether the log is newest first.

    Raises
    ------
    InputError : a task refused its part, or files have different columns.
    """
    lines: dict[Path, int] = {}
    present: list[str] | None = None
    for part, each in zip(parts, seen, strict=True):
        if each.error is not None:
            raise InputError(each.error)
        if each.columns is not None:
            if present is not None and present != each.columns:
                raise InputError(f"has the columns {each.columns}, other files have {present}", file=part.file)
            present = each.columns
        before = lines.get(part.file, 0)
        for kind, count in each.bad.items():
            for file, line, text in each.examples[kind]:
                report.skip(kind, file=file, line=before + line, text=text, count=0)
            report.bad[kind] += count
        lines[part.file] = before + each.lines
        report.rows += each.rows
        report.blank_lines += each.blank_lines
        report.notes += each.notes
        for file in each.files:
            report.add_file(Path(file))
    timed = [each for each in seen if each.times is not None]
    if not timed:
        return False
    report.times = min(each.times[0] for each in timed), max(each.times[1] for each in timed)  # type: ignore[index]
    report.note_plays_ahead(sum(each.ahead for each in timed))
    whole = PartReport(rises=sum(each.rises for each in timed), falls=sum(each.falls for each in timed))
    for one, other in pairwise(each.ends for each in timed):
        if one is not None and other is not None:
            whole.see_step(one[1], other[0])
    return whole.falls > whole.rises
