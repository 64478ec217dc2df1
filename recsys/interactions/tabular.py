"""Delimited text, block by block, as columns of strings; every line that is not a row is counted with its number.

pyarrow does the splitting. What it would merge, drop or die of (stray line ends, bytes that are not text, quotes that
span lines) is taken out and counted line by line before it sees a block, so rows and lines always add up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pa_csv

from recsys.errors import InputError
from recsys.interactions.inputs import UTF8_BOM, Input
from recsys.interactions.report import ReadReport

BLOCK_BYTES = 48 << 20
SMALLEST_PIECE = 1 << 16


@dataclass(frozen=True)
class Block:
    """Rows of one stretch of a file. `lines[r]` is the line of row r, counted from 1."""

    table: pa.Table
    lines: npt.NDArray[np.int64]


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
    """Yield the file's rows as tables of string columns named `columns`, in file order.

    Blank lines count for nothing. Lines with another number of fields, bytes that are not `encoding`, NULs or stray
    line ends are counted in `report` and skipped.

    Raises
    ------
    InputError : the file is not text, or was cut inside its last row.
    """
    report.add_file(source.path)
    source.check_is_text()
    blocks = _blocks(source, columns, delimiter, report, header, quoting, encoding, must_end_with_newline)
    # One block ahead: reading and splitting run in C++ beside what the reader does with the block before.
    with ThreadPoolExecutor(1) as ahead:
        coming = ahead.submit(next, blocks, None)
        while (block := coming.result()) is not None:
            coming = ahead.submit(next, blocks, None)
            yield block


def _blocks(
    source: Input,
    columns: Sequence[str],
    delimiter: str,
    report: ReadReport,
    header: bool,
    quoting: bool,
    encoding: str,
    must_end_with_newline: bool,
) -> Iterator[Block]:
    stream = source.stream
    line = 1
    if header:
        stream.readline()
        line = 2
    rest = b""
    while True:
        read = stream.read(BLOCK_BYTES)
        if read and b"\n" not in read and len(rest) + len(read) > BLOCK_BYTES:
            raise InputError(f"one line is longer than {BLOCK_BYTES:,} bytes", file=source.name, line=line)
        block, newline, tail = (rest + read).rpartition(b"\n")
        if not read:
            block, newline, tail = tail, b"", b""
        if line == 1:
            block = block.removeprefix(UTF8_BOM)
        rest = tail
        if block or newline:
            n_lines = block.count(b"\n") + 1
            cut = not read and bool(block.strip())
            if cut and must_end_with_newline:
                raise InputError(
                    "the last line has no line end, so the file was cut; fetch it again", file=source.name, line=line
                )
            yield _parse(block, line, n_lines, columns, delimiter, quoting, encoding, source.name, report, cut)
            line += n_lines
        if not read:
            return


def _parse(
    block: bytes,
    first_line: int,
    n_lines: int,
    columns: Sequence[str],
    delimiter: str,
    quoting: bool,
    encoding: str,
    where: str,
    report: ReadReport,
    last_line_is_cut: bool,
) -> Block:
    if b"\r" in block:
        block = (block + b"\n").replace(b"\r\n", b"\n").removesuffix(b"\n")
    parse = pa_csv.ParseOptions(
        delimiter=delimiter, quote_char='"' if quoting else False, double_quote=quoting, ignore_empty_lines=False
    )
    convert = pa_csv.ConvertOptions(column_types=dict.fromkeys(columns, pa.string()), strings_can_be_null=False)
    if encoding == "utf-8" and not _suspicious(block, quoting):
        # The common case, in parallel: every line has its fields and all bytes are text.
        try:
            pieces = pa_csv.ReadOptions(column_names=list(columns), block_size=max(len(block) // 4, SMALLEST_PIECE))
            table = pa_csv.read_csv(pa.py_buffer(block), pieces, parse, convert)
        except pa.ArrowInvalid:
            table = None
        if table is not None and table.num_rows == n_lines:
            report.rows += n_lines
            if last_line_is_cut:
                report.note_missing_line_end(where)
            return Block(table, np.arange(first_line, first_line + n_lines))
    lines, block = _usable_lines(block, first_line, quoting, encoding, where, report)
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
        return Block(pa.table({name: pa.array([], pa.string()) for name in columns}), lines)
    whole = pa_csv.ReadOptions(
        use_threads=False, column_names=list(columns), block_size=max(len(block) + 1, SMALLEST_PIECE)
    )
    parse.invalid_row_handler = skip
    table = pa_csv.read_csv(pa.py_buffer(block), whole, parse, convert)
    if last_line_is_cut:
        if wrong_width and wrong_width[-1] == len(lines) - 1:
            raise InputError(
                "the last line is incomplete and has no line end, so the file was cut; fetch it again",
                file=where, line=int(lines[-1]),
            )  # fmt: skip
        report.note_missing_line_end(where)
    return Block(table, np.delete(lines, wrong_width) if wrong_width else lines)


def _suspicious(block: bytes, quoting: bool) -> bool:
    """Whether some line may be no row: blank, or with bytes that pyarrow would merge lines at or choke on."""
    return (
        not block
        or b"\n\n" in block
        or block[:1] == b"\n"
        or block[-1:] == b"\n"
        or b"\0" in block
        or b"\r" in block
        or (quoting and b'"' in block)
    )


def _usable_lines(
    block: bytes, first_line: int, quoting: bool, encoding: str, where: str, report: ReadReport
) -> tuple[npt.NDArray[np.int64], bytes]:
    """Line numbers and UTF-8 text of the lines that can be split into fields; the others are counted."""
    numbers, kept = [], []
    for number, line in enumerate(block.split(b"\n"), first_line):
        if not line:
            continue
        problem = None
        text = line
        if b"\0" in line:
            problem = "NUL byte"
        elif b"\r" in line:
            problem = "carriage return inside a line"
        elif quoting and line.count(b'"') % 2:
            problem = "quote that is not closed on its line"
        else:
            try:
                text = line.decode(encoding).encode()
            except UnicodeDecodeError:
                problem = f"not {encoding.upper()}"
        if problem:
            report.rows += 1
            report.skip(problem, file=where, line=number, text=line.decode("utf-8", "replace"))
        else:
            numbers.append(number)
            kept.append(text)
    return np.array(numbers, dtype=np.int64), b"\n".join(kept)


class Codes:
    """Strings to dense codes 0, 1, 2 … in order of first appearance."""

    def __init__(self) -> None:
        self._code: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._code)

    @property
    def values(self) -> list[str]:
        return list(self._code)

    def add(self, column: pa.ChunkedArray | pa.Array) -> npt.NDArray[np.int32]:
        """Codes of one column, int32 (n_rows,); unseen strings get the next ones."""
        combined = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        if isinstance(combined, pa.ChunkedArray):
            combined = combined.chunk(0) if combined.num_chunks else pa.array([], pa.string())
        encoded = combined.dictionary_encode()
        values, code = encoded.dictionary.to_pylist(), self._code
        here = np.array([code.get(value, -1) for value in values], np.int32)
        for at in np.flatnonzero(here < 0).tolist():
            here[at] = code[values[at]] = len(code)
        return here[encoded.indices.to_numpy(zero_copy_only=False)] if len(here) else np.empty(0, np.int32)
