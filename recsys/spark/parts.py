"""Parts of a log read on a cluster's machines, each row meaning what it means to the reader of one machine.

Everything here runs beside no Spark of its own: a `PartReader` is given a part and yields Arrow batches, of which the
last one carries the part's report.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from recsys.errors import InputError
from recsys.interactions.inputs import SNIFF_BYTES, Input, open_inputs
from recsys.interactions.readers import events, lastfm_logs, listenbrainz, queues
from recsys.interactions.readers.columns import Rows
from recsys.interactions.readers.identity import Identity, NamedPlays
from recsys.interactions.readers.options import ReadOptions
from recsys.interactions.tabular import BLOCK_BYTES, read_blocks
from recsys.interactions.texts import Codes, Texts
from recsys.spark.plan import HOLDS_A_LOG, Part
from recsys.spark.reports import Counted, PartReport

PART_BITS = 40  # a row's place in the log is its part, shifted by so many bits, and its place in the part
PLAYS_AT_ONCE = 100_000  # of queues
SCHEMA = "place long, user string, item string, name string, by_name boolean, plays double, time long, report string"
_ARROW = pa.schema({
    "place": pa.int64(), "user": pa.string(), "item": pa.string(), "name": pa.string(), "by_name": pa.bool_(),
    "plays": pa.float64(), "time": pa.int64(), "report": pa.string(),
})  # fmt: skip


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
        counted = Counted(source=str(part.file), reader=self.reader)
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
        last: dict[str, list[Any]] = {name: [None] for name in _ARROW.names}
        last["place"] = [part.number << PART_BITS]
        yield pa.RecordBatch.from_pydict(last | {"report": [json.dumps(asdict(seen))]}, _ARROW)

    def _columns(self, part: Part, report: Counted, seen: PartReport) -> Iterator[_Columns]:
        if self.reader == "events":
            yield from self._events(part, report, seen)
            return
        identity = Identity(self.options.merge_spellings)
        if part.end is None:
            for source in open_inputs([part.file], HOLDS_A_LOG[self.reader]):
                yield from self._lines(source, part, report, identity)
            return
        with _Range.open(part) as stretch:
            report.add_file(part.file)
            if stretch.left:
                yield from self._lines(stretch.source(part), part, report, identity)
            seen.lines = stretch.lines

    def _lines(self, source: Input, part: Part, report: Counted, identity: Identity) -> Iterator[_Columns]:
        # The readers of tables do this themselves.
        if self.reader in ("listenbrainz", "queues"):
            report.add_file(source.path)
            if part.start == 0:
                source.check_is_text()
        if self.reader == "queues":
            yield from self._queues(source, part, report)
            return
        if self.reader == "lastfm-360k":
            plays = lastfm_logs.counted_plays(source, report)
        elif self.reader == "lastfm-1k":
            plays = lastfm_logs.timed_plays(source, self.options.level, report)
        else:
            plays = listenbrainz.listens(source, self.options.level, report)
        yield from (_identified(identity, each) for each in plays)

    def _events(self, part: Part, report: Counted, seen: PartReport) -> Iterator[_Columns]:
        if part.file.suffix.lower() == ".parquet":
            names = list(events.parquet(part.file).schema_arrow.names)
            seen.columns = sorted(names)
            groups = None if part.end is None else range(part.start, part.end)
            for block in events.parquet_blocks(part.file, names, report, groups=groups):
                yield _of_event_rows(Rows(block, str(part.file), report))
        elif part.end is None:
            for where, names, blocks in events.tables([part.file], self.options, report):
                if seen.columns is not None and seen.columns != sorted(names):
                    raise InputError(f"has the columns {sorted(names)}, other files have {seen.columns}", file=where)
                seen.columns = sorted(names)
                for block in blocks:
                    yield _of_event_rows(Rows(block, where, report))
        else:
            delimiter = part.delimiter or ","
            seen.columns = sorted(part.columns)
            with _Range.open(part) as stretch:
                report.add_file(part.file)
                source = stretch.source(part)
                if stretch.left:
                    for block in read_blocks(
                        source, part.columns, delimiter=delimiter, report=report, header=part.start == 0,
                        quoting=delimiter != "\t",
                    ):  # fmt: skip
                        yield _of_event_rows(Rows(block, source.name, report))
                seen.lines = stretch.lines

    def _queues(self, source: Input, part: Part, report: Counted) -> Iterator[_Columns]:
        """A line is a listener, told by its place in the log."""
        delimiter = self.options.delimiter or part.delimiter or queues.delimiter_of(source.start(), source.name)
        users: list[str] = []
        items: list[str] = []
        for number, queue in queues.queues_of(source, delimiter, report, at_start=part.start == 0):
            # Members of an archive count their lines anew.
            users += [f"{part.number}/{source.name}/{number}"] * len(queue)
            items += queue
            if len(items) >= PLAYS_AT_ONCE:
                yield _Columns(Texts.of(users), pa.array(items, pa.string()), Texts.of(items))
                users, items = [], []
        if items:
            yield _Columns(Texts.of(users), pa.array(items, pa.string()), Texts.of(items))


def _identified(identity: Identity, plays: NamedPlays) -> _Columns:
    items = identity.items(plays.mbid, plays.name)
    by_name = (plays.mbid.lengths == 0) if identity.merge else np.zeros(len(items), bool)
    of_rows = identity.ids.values().take(pa.array(items))
    return _Columns(plays.user, of_rows, plays.name, by_name, plays.plays, plays.time)


def _of_event_rows(rows: Rows) -> _Columns:
    plays = events.usable_plays(rows)
    return _Columns(plays.user, plays.item.arrow(), plays.name, None, plays.plays, plays.time)


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

    def source(self, part: Part) -> Input:
        """These lines, for a reader."""
        return Input(str(part.file), part.file, io.BufferedReader(self, SNIFF_BYTES))

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
