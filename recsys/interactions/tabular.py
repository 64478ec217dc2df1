"""Delimited text, block by block, as columns of text; every line that is not a row is counted with its number.

A block in which every line has its fields is split in one pass. Any other goes to pyarrow, after what that would merge,
drop or die of (stray line ends, bytes that are not text, quotes that span lines) was taken out and counted line by
line; so rows and lines always add up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TypeVar
from weakref import finalize

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pa_csv

from recsys.errors import InputError
from recsys.interactions.inputs import SNIFF_BYTES, UTF8_BOM, Input
from recsys.interactions.kernels import NO_ROOM, NOT_REGULAR, Bytes, split_fields, words_of
from recsys.interactions.report import ReadReport
from recsys.interactions.texts import SLACK, Texts

Step = TypeVar("Step")

BLOCK_BYTES = 4 << 20
SMALLEST_PIECE = 1 << 16
FEWEST_ROWS = 1 << 10


def shown(names: Iterable[str]) -> list[str]:
    """The first ten names, of each the beginning: what a message says of columns."""
    return [name[:40] for name in islice(names, 10)]


@dataclass(frozen=True)
class Block:
    """Rows of one stretch of a file. `lines[r]` is the line of row r, counted from 1."""

    columns: dict[str, Texts]
    lines: range | npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.lines)


@dataclass(frozen=True)
class _Layout:
    """How the lines of a file are cut into fields."""

    columns: tuple[str, ...]
    delimiter: str
    quoting: bool
    encoding: str


def read_blocks(
    source: Input,
    columns: Sequence[str],
    *,
    delimiter: str,
    report: ReadReport,
    header: bool = True,
    quoting: bool = False,
    encoding: str = "utf-8",
    must_end_with_newline: bool = False,
) -> Iterator[Block]:
    """Yield the file's rows as columns of text named `columns`, in file order.

    Blank lines count for nothing. Lines with another number of fields, bytes that are not `encoding`, NULs or stray
    line ends are counted in `report` and skipped.

    Raises
    ------
    InputError : the file is not text, or was cut inside its last row.
    """
    report.add_file(source.path)
    source.check_is_text()
    layout = _Layout(tuple(columns), delimiter, quoting, encoding)
    line = 1
    if header:
        source.stream.readline()
        line = 2
    # The report is written here alone, in the order of the file.
    for stretch, fields in ahead(_split_all(_stretches(source, line == 1), layout)):
        if stretch.is_cut and must_end_with_newline:
            raise InputError(
                "the last line has no line end, so the file was cut; fetch it again",
                file=source.name, line=line + stretch.n_lines - 1,
            )  # fmt: skip
        if fields is None:
            yield _line_by_line(stretch, line, layout, source.name, report)
            line += stretch.n_lines
        else:
            block = _regular(fields, stretch, line, source.name, report)
            yield block
            line += len(block)


def ahead(steps: Iterator[Step]) -> Iterator[Step]:
    """The same, with the next step on its way in a thread: what lets go of the interpreter lock runs side by side."""
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, steps, None)
        while (step := coming.result()) is not None:
            coming = thread.submit(next, steps, None)
            yield step


def _regular(columns: dict[str, Texts], stretch: _Stretch, first_line: int, where: str, report: ReadReport) -> Block:
    """The block of a stretch in which every line is a row."""
    n_rows = len(next(iter(columns.values())))
    report.rows += n_rows
    if stretch.is_cut:
        report.note_missing_line_end(where)
    return Block(columns, range(first_line, first_line + n_rows))


class _Buffers:
    """Memory for blocks, used again when nothing refers to a block any more.

    Fresh memory for every block would cost more than the parsing.
    """

    def __init__(self) -> None:
        self._free: list[Bytes] = []

    def lend(self) -> Bytes:
        """An array of BLOCK_BYTES + 1, and SLACK behind them."""
        buffer = self._free.pop() if self._free else np.zeros(BLOCK_BYTES + 1 + SLACK, np.uint8)
        lent = buffer[:]
        finalize(lent, self._free.append, buffer).atexit = False
        return lent


@dataclass(frozen=True)
class _Stretch:
    """Whole lines, the first `size` bytes of `data`; `is_cut` says that the last line was given its end by us."""

    data: Bytes
    size: int
    is_cut: bool

    @cached_property
    def n_lines(self) -> int:
        return int(np.count_nonzero(self.data[: self.size] == ord("\n")))


def _stretches(source: Input, at_start: bool) -> Iterator[_Stretch]:
    """The stream from here on, cut at line ends; a last line without one is given it."""
    buffers = _Buffers()
    rest, read = b"", 1
    while read:
        buffer = buffers.lend()
        view = buffer.data
        if len(rest) >= BLOCK_BYTES:
            raise InputError(f"one line is longer than {BLOCK_BYTES:,} bytes", file=source.name)
        view[: len(rest)] = rest
        size = len(rest)
        while size < BLOCK_BYTES and (read := source.stream.readinto(view[size:BLOCK_BYTES])):
            size += read
        if at_start and bytes(view[: len(UTF8_BOM)]) == UTF8_BOM:
            size -= len(UTF8_BOM)
            buffer[:size] = buffer[len(UTF8_BOM) : len(UTF8_BOM) + size].copy()
        at_start = False
        whole = _last_line_end(buffer[:size])
        last = bytes(view[whole:size]) if not read else b""
        is_cut = bool(last.strip())
        if last:
            buffer[size] = ord("\n")
            whole = size = size + 1
        rest = bytes(view[whole:size])
        if whole:
            yield _Stretch(buffer, whole, is_cut)
        del view, buffer


def _last_line_end(data: Bytes) -> int:
    """How many bytes there are up to the last line end and with it."""
    for start in range(len(data) - SNIFF_BYTES, -SNIFF_BYTES, -SNIFF_BYTES):
        at = bytes(data[max(start, 0) : start + SNIFF_BYTES]).rfind(b"\n")
        if at >= 0:
            return max(start, 0) + at + 1
    return 0


def _split_all(stretches: Iterator[_Stretch], layout: _Layout) -> Iterator[tuple[_Stretch, dict[str, Texts] | None]]:
    room = FEWEST_ROWS
    for stretch in stretches:
        fields = _split(stretch, layout, room)
        if fields is not None:
            room = max(room, len(next(iter(fields.values()))) * 9 // 8)
        yield stretch, fields


def _split(stretch: _Stretch, layout: _Layout, room: int = FEWEST_ROWS) -> dict[str, Texts] | None:
    """The common case, without a look at single lines: every line has its fields and all bytes are text. Else None.

    room : how many rows there may be; the work begins anew if there are more.
    """
    text = stretch.data[: stretch.size]
    if layout.encoding != "utf-8" or (layout.quoting and (text == ord('"')).any()) or not _is_utf8(text):
        return None
    words, delimiter = words_of(stretch.data), ord(layout.delimiter)
    while True:
        starts, lengths = np.empty((2, len(layout.columns), room), np.int32)
        n_found = split_fields(stretch.data, words, stretch.size, delimiter, starts, lengths)
        if n_found == NOT_REGULAR:
            return None
        if n_found != NO_ROOM:
            break
        room *= 4
    fields = zip(layout.columns, starts[:, :n_found], lengths[:, :n_found], strict=True)
    return {name: Texts(stretch.data, start, length) for name, start, length in fields}


def _is_utf8(data: Bytes) -> bool:
    whole = [None, pa.py_buffer(np.array([0, len(data)], np.int32)), pa.py_buffer(data)]
    try:
        pa.Array.from_buffers(pa.string(), 1, whole).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _line_by_line(stretch: _Stretch, first_line: int, layout: _Layout, where: str, report: ReadReport) -> Block:
    """What of a stretch is rows; everything else is counted with its line."""
    text = stretch.data[: stretch.size].tobytes()
    if b"\r\n" in text:
        text = text.replace(b"\r\n", b"\n")
        unix = np.frombuffer(text + bytes(SLACK), np.uint8)
        fields = _split(_Stretch(unix, len(text), stretch.is_cut), layout)
        if fields is not None:
            return _regular(fields, stretch, first_line, where, report)
    lines, block = _usable_lines(text[:-1], first_line, layout, where, report)
    wrong_width: list[int] = []

    def skip(row: pa_csv.InvalidRow) -> str:
        wrong_width.append(row.number - 1)
        number = int(lines[row.number - 1])
        report.skip(
            f"{row.actual_columns} fields instead of {row.expected_columns}",
            file=where, line=number, text=row.text or "",
        )  # fmt: skip
        return "skip"

    report.rows += len(lines)
    if not len(lines):
        return Block({name: Texts.of([]) for name in layout.columns}, lines)
    whole = pa_csv.ReadOptions(
        use_threads=False,
        column_names=list(layout.columns),
        block_size=max(len(UTF8_BOM) + len(block) + 1, SMALLEST_PIECE),
    )
    parse = pa_csv.ParseOptions(
        delimiter=layout.delimiter, quote_char='"' if layout.quoting else False, double_quote=layout.quoting,
        ignore_empty_lines=False, invalid_row_handler=skip,
    )  # fmt: skip
    convert = pa_csv.ConvertOptions(column_types=dict.fromkeys(layout.columns, pa.string()), strings_can_be_null=False)
    # One byte-order mark is taken away at the start; here it is text, as on any other line.
    marked = UTF8_BOM + block if block.startswith(UTF8_BOM) else block
    table = pa_csv.read_csv(pa.py_buffer(marked), whole, parse, convert)
    if stretch.is_cut:
        if wrong_width and wrong_width[-1] == len(lines) - 1:
            raise InputError(
                "the last line is incomplete and has no line end, so the file was cut; fetch it again",
                file=where, line=int(lines[-1]),
            )  # fmt: skip
        report.note_missing_line_end(where)
    columns = {name: Texts.of(table[name]) for name in layout.columns}
    return Block(columns, np.delete(lines, wrong_width) if wrong_width else lines)


def _usable_lines(
    block: bytes, first_line: int, layout: _Layout, where: str, report: ReadReport
) -> tuple[npt.NDArray[np.int64], bytes]:
    """Line numbers and UTF-8 text of the lines that can be split into fields; the others are counted."""
    closed = None
    if layout.quoting:
        # A quote opens a field only at its start; pyarrow would look for its end on the lines that follow.
        sep = re.escape(layout.delimiter.encode())
        field = rb'(?:"(?:[^"]|"")*+"[^%b]*+|(?!")[^%b]*+)' % (sep, sep)
        closed = re.compile(rb"%b(?:%b%b)*+" % (field, sep, field), re.DOTALL)
    numbers, kept = [], []
    for number, line in enumerate(block.split(b"\n"), first_line):
        if not line:
            report.blank_lines += 1
            continue
        problem = None
        text = line
        if b"\0" in line:
            problem = "NUL byte"
        elif b"\r" in line:
            problem = "carriage return inside a line"
        elif closed is not None and not closed.fullmatch(line):
            problem = "quote that is not closed on its line"
        else:
            try:
                text = line.decode(layout.encoding).encode()
            except UnicodeDecodeError:
                problem = f"not {layout.encoding.upper()}"
        if problem:
            report.rows += 1
            report.skip(problem, file=where, line=number, text=line.decode("utf-8", "replace"))
        else:
            numbers.append(number)
            kept.append(text)
    return np.array(numbers, dtype=np.int64), b"\n".join(kept)
