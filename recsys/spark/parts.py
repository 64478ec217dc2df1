"""Logs in parts that a cluster reads side by side, each row meaning what it means to the reader of one machine.

Everything here runs on the cluster's machines, beside no Spark of its own: `read_part` is given a part and yields
Arrow batches, of which the last one carries the part's report.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from time import time as clock
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recsys.errors import InputError
from recsys.interactions.inputs import SNIFF_BYTES, UTF8_BOM, Input, any_name, open_inputs
from recsys.interactions.readers import events, lastfm_logs, listenbrainz, queues
from recsys.interactions.readers.columns import Rows
from recsys.interactions.readers.gather import DAY
from recsys.interactions.readers.identity import Identity
from recsys.interactions.readers.options import ReadOptions
from recsys.interactions.report import EXAMPLES_PER_KIND, ReadReport
from recsys.interactions.tabular import BLOCK_BYTES, Block, read_blocks
from recsys.interactions.texts import Codes, Texts

PART_BITS = 40  # a row's place in the log is its part, shifted by so many bits, and its place in the part
QUEUE_LINES = 100_000
SCHEMA = "place long, user string, item string, name string, by_name boolean, plays double, time long, report string"
_ARROW = pa.schema({
    "place": pa.int64(), "user": pa.string(), "item": pa.string(), "name": pa.string(), "by_name": pa.bool_(),
    "plays": pa.float64(), "time": pa.int64(), "report": pa.string(),
})  # fmt: skip


@dataclass(frozen=True)
class Part:
    """What one task reads of a log.

    number : its place among the parts, from 0.
    start, end : bytes of a plain file, or row groups of a Parquet file; the lines that begin there are the part's.
        end None is the whole file, packed or not.
    delimiter, columns : of a plain file of queues or events, as its first lines show them.
    """

    number: int
    file: Path
    start: int = 0
    end: int | None = None
    delimiter: str | None = None
    columns: tuple[str, ...] = ()


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
    n_rows: int = 0
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
        self.ahead += int((time > clock() + DAY).sum())

    def see_step(self, before: tuple[str, int], after: tuple[str, int]) -> None:
        """Two rows, one behind the other."""
        if before[0] == after[0]:
            self.rises += after[1] > before[1]
            self.falls += after[1] < before[1]


@dataclass
class _Counted(ReadReport):
    """A report that keeps examples with the numbers of their lines apart."""

    apart: dict[str, list[tuple[str, int, str]]] = field(default_factory=dict)

    def skip(self, kind: str, *, file: str, line: int, text: str, count: int = 1) -> None:
        super().skip(kind, file=file, line=line, text=text, count=count)
        shown = self.apart.setdefault(kind, [])
        if len(shown) < EXAMPLES_PER_KIND:
            shown.append((file, line, text))


@dataclass(frozen=True)
class _Columns:
    """Usable rows of one block. item : the item's identity. by_name : rows that their name alone identifies."""

    user: Texts
    item: pa.Array
    name: Texts | None
    by_name: npt.NDArray[np.bool_] | None = None
    plays: npt.NDArray[np.float64] | None = None
    time: npt.NDArray[np.int64] | None = None


class PartReader:
    """Reads parts of logs of one format."""

    def __init__(self, reader: str, options: ReadOptions) -> None:
        self.reader, self.options = reader, replace(options, on_bytes=None)

    def __call__(self, part: Part) -> Iterator[pa.RecordBatch]:
        """The part's rows and then its report.

        Errors of input are in the report: what a task raises would be tried again on other machines.
        """
        counted = _Counted(source=str(part.file), reader=self.reader)
        seen = PartReport()
        place = part.number << PART_BITS
        users = Codes(keep_texts=False)
        try:
            for columns in self._columns(part, counted, seen):
                if columns.time is not None:
                    seen.see_times(users.add(columns.user), columns.time, columns.user)
                yield _batch(columns, place)
                place += len(columns.user)
        except InputError as error:
            seen.error = str(error)
        seen.rows, seen.blank_lines, seen.bad = counted.rows, counted.blank_lines, dict(counted.bad)
        seen.examples, seen.notes, seen.files = counted.apart, counted.notes, [str(file) for file in counted.files]
        seen.n_rows = place - (part.number << PART_BITS)
        last: dict[str, list[Any]] = {name: [None] for name in _ARROW.names}
        last["place"] = [part.number << PART_BITS]
        yield pa.RecordBatch.from_pydict(last | {"report": [json.dumps(asdict(seen))]}, _ARROW)

    def _columns(self, part: Part, report: _Counted, seen: PartReport) -> Iterator[_Columns]:
        if self.reader == "events":
            yield from self._events(part, report, seen)
            return
        wanted, read = {
            "lastfm-360k": (lastfm_logs._is_log, self._lastfm_360k),
            "lastfm-1k": (lastfm_logs._is_log, self._lastfm_1k),
            "listenbrainz": (lambda name: name.lower().endswith(listenbrainz.SUFFIXES), self._listenbrainz),
            "queues": (any_name, self._queues),
        }[self.reader]
        identity = Identity(self.options.merge_spellings)
        if part.end is None:
            for source in open_inputs([part.file], wanted):
                yield from read(source, report, identity, part)
            return
        with _Range.open(part) as stretch:
            report.add_file(part.file)
            if stretch.left:
                source = Input(str(part.file), part.file, io.BufferedReader(stretch, SNIFF_BYTES))
                yield from read(source, report, identity, part)
            seen.lines = stretch.lines

    def _events(self, part: Part, report: _Counted, seen: PartReport) -> Iterator[_Columns]:
        if part.file.suffix.lower() == ".parquet":
            names = list(events._parquet(part.file).schema_arrow.names)
            seen.columns = sorted(names)
            for rows in _row_groups(part, names, report):
                yield _event_rows(rows)
        elif part.end is None:
            for where, names, blocks in events._tables([part.file], self.options, report):
                if seen.columns is not None and seen.columns != sorted(names):
                    raise InputError(f"has the columns {sorted(names)}, other files have {seen.columns}", file=where)
                seen.columns = sorted(names)
                for block in blocks:
                    yield _event_rows(Rows(block, where, report))
        else:
            delimiter = part.delimiter or ","
            seen.columns = sorted(part.columns)
            with _Range.open(part) as stretch:
                report.add_file(part.file)
                source = Input(str(part.file), part.file, io.BufferedReader(stretch, SNIFF_BYTES))
                if stretch.left:
                    for block in read_blocks(
                        source, part.columns, delimiter=delimiter, report=report, header=part.start == 0,
                        quoting=delimiter != "\t",
                    ):  # fmt: skip
                        yield _event_rows(Rows(block, source.name, report))
                seen.lines = stretch.lines

    def _lastfm_360k(self, source: Input, report: ReadReport, identity: Identity, _: Part) -> Iterator[_Columns]:
        columns = ("user", "mbid", "artist", "plays")
        for block in read_blocks(source, columns, delimiter="\t", report=report, header=False):
            rows = Rows(block, source.name, report)
            rows.require_text("user", "listener")
            rows.require_text("artist", "artist")
            plays = rows.plays("plays")
            kept = rows.kept()
            yield _identified(identity, kept["user"], kept["mbid"], kept["artist"], plays=plays[rows.usable], time=None)

    def _lastfm_1k(self, source: Input, report: ReadReport, identity: Identity, _: Part) -> Iterator[_Columns]:
        columns = ("user", "time", "artist_mbid", "artist", "track_mbid", "track")
        for block in read_blocks(source, columns, delimiter="\t", report=report, header=False):
            rows = Rows(block, source.name, report)
            rows.require_text("user", "listener")
            rows.require_text("artist", "artist")
            if self.options.level == "track":
                rows.require_text("track", "track")
            time = rows.seconds("time")
            kept = rows.kept()
            mbid, name = lastfm_logs._item(kept, self.options.level)
            yield _identified(identity, kept["user"], mbid, name, plays=None, time=time[rows.usable])

    def _listenbrainz(self, source: Input, report: ReadReport, identity: Identity, part: Part) -> Iterator[_Columns]:
        batch: list[tuple[str, int, str, str]] = []

        def columns() -> _Columns:
            user, time, mbid, name = zip(*batch, strict=True)
            texts = [Texts.of(each) for each in (user, mbid, name)]
            return _identified(identity, *texts, plays=None, time=np.array(time, np.int64))

        report.add_file(source.path)
        if part.start == 0:
            source.check_is_text()
        for number, line in enumerate(source.stream, 1):
            if not line.strip():
                report.blank_lines += 1
                continue
            report.rows += 1
            listen = listenbrainz._listen(line, self.options.level)
            if isinstance(listen, str):
                text = line[:200].decode("utf-8", "replace").strip()
                report.skip(listen, file=source.name, line=number, text=text)
            else:
                batch.append(listen)
            if len(batch) == listenbrainz.ROWS_A_BATCH:
                yield columns()
                batch = []
        if batch:
            yield columns()

    def _queues(self, source: Input, report: ReadReport, _: Identity, part: Part) -> Iterator[_Columns]:
        """A line is a listener, told by its place in the log."""
        report.add_file(source.path)
        if part.start == 0:
            source.check_is_text()
        delimiter = self.options.delimiter or part.delimiter
        if delimiter is None:
            start = source.stream.peek(SNIFF_BYTES).removeprefix(UTF8_BOM)
            delimiter = queues._delimiter(start, source.name)
        users: list[str] = []
        items: list[str] = []
        line, number = b"\n", 0
        for number, line in enumerate(source.stream, 1):
            text = (line.removeprefix(UTF8_BOM) if number == 1 and part.start == 0 else line).rstrip(b"\r\n")
            if not text.strip():
                report.blank_lines += 1
                continue
            report.rows += 1
            queue = _queue(text, delimiter)
            if isinstance(queue, str):
                report.skip(queue, file=source.name, line=number, text=text.decode("utf-8", "replace"))
                continue
            # Members of an archive count their lines anew.
            users += [f"{part.number}/{source.name}/{number}"] * len(queue)
            items += queue
            if len(items) >= QUEUE_LINES:
                yield _Columns(Texts.of(users), pa.array(items, pa.string()), Texts.of(items))
                users, items = [], []
        if items:
            yield _Columns(Texts.of(users), pa.array(items, pa.string()), Texts.of(items))
        if number and not line.endswith(b"\n"):
            report.note_missing_line_end(source.name)


def _queue(line: bytes, delimiter: str) -> list[str] | str:
    """The items of one line, or what is wrong with it."""
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return "not UTF-8"
    if "\0" in text or "\r" in text:
        return "NUL byte" if "\0" in text else "carriage return inside a line"
    parts = text.split() if delimiter == " " else text.split(delimiter)
    return [item for part in parts if (item := part.strip())] or "no item on the line"


def _identified(
    identity: Identity,
    user: Texts,
    mbid: Texts,
    name: Texts,
    *,
    plays: npt.NDArray[np.float64] | None,
    time: npt.NDArray[np.int64] | None,
) -> _Columns:
    items = identity.items(mbid, name)
    by_name = (mbid.lengths == 0) if identity.merge else np.zeros(len(name), bool)
    return _Columns(user, identity.ids.values().take(pa.array(items)), name, by_name, plays, time)


def _event_rows(rows: Rows) -> _Columns:
    present = rows.block.columns
    rows.require_text("user", "user")
    rows.require_text("item", "item")
    plays = rows.plays("plays") if "plays" in present else None
    time = rows.seconds("timestamp") if "timestamp" in present else None
    kept = rows.kept()
    return _Columns(
        kept["user"], kept["item"].arrow(), kept.get("name"), None,
        None if plays is None else plays[rows.usable], None if time is None else time[rows.usable],
    )  # fmt: skip


def _row_groups(part: Part, names: list[str], report: _Counted) -> Iterator[Rows]:
    report.add_file(part.file)
    wanted = [name for name in names if name in events.COLUMNS]
    try:
        table = pq.ParquetFile(part.file)
        first = 1 + sum(table.metadata.row_group(group).num_rows for group in range(part.start))
        groups = range(part.start, table.num_row_groups if part.end is None else part.end)
        for batch in table.iter_batches(batch_size=1 << 18, columns=wanted, row_groups=list(groups)):
            columns = {name: Texts.of(events._as_text(batch.column(name), name, part.file)) for name in wanted}
            report.rows += batch.num_rows
            yield Rows(Block(columns, np.arange(first, first + batch.num_rows)), str(part.file), report)
            first += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"is damaged: {error}", file=part.file) from error


def _batch(columns: _Columns, place: int) -> pa.RecordBatch:
    n = len(columns.user)
    names = pa.nulls(n, pa.string())
    if columns.name is not None:
        names = pc.if_else(pa.array(columns.name.filled()), columns.name.arrow(), names)
    given = {
        "place": np.arange(place, place + n), "user": columns.user.arrow(), "item": columns.item, "name": names,
        "by_name": columns.by_name, "plays": columns.plays, "time": columns.time,
    }  # fmt: skip
    arrays = [
        pa.nulls(n, each.type) if (value := given.get(each.name)) is None else pa.array(value, each.type)
        for each in _ARROW
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=_ARROW)


class _Range(io.RawIOBase):
    """The lines of a plain file that begin in a part; counts line ends as they go by."""

    def __init__(self, file: io.BufferedReader, start: int, left: int) -> None:
        self._file, self.left, self.lines = file, left, 0
        file.seek(start)

    @classmethod
    def open(cls, part: Part) -> _Range:
        assert part.end is not None  # nosec B101
        try:
            file = part.file.open("rb")
            start, end = (_line_start(file, at) for at in (part.start, part.end))
            return cls(file, start, end - start)
        except OSError as error:
            raise InputError(
                f"cannot be read by one of the cluster's machines: {error.strerror}; put it where all of them see it "
                f"under the same path", file=part.file,
            ) from error  # fmt: skip

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        content = self._file.read(min(len(buffer), self.left))
        self.left -= len(content)
        self.lines += content.count(b"\n")
        buffer[: len(content)] = content
        return len(content)


def _line_start(file: io.BufferedReader, at: int) -> int:
    """Where the first line begins that does not begin before `at`."""
    if at == 0:
        return 0
    file.seek(at - 1)
    # No reader takes a longer line than that, so one that is cut here is refused by whoever has its beginning.
    file.readline(BLOCK_BYTES + 1)
    return file.tell()
