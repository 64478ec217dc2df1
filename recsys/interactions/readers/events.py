"""Tables of plays with named columns: CSV, TSV, Parquet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recsys.config import DELIMITERS
from recsys.errors import InputError
from recsys.interactions.inputs import BytesRead, Input, any_name, open_inputs, paths_of
from recsys.interactions.log import Interactions
from recsys.interactions.readers.beside import BESIDE, described, source_cards
from recsys.interactions.readers.columns import Rows
from recsys.interactions.readers.gather import Gathered
from recsys.interactions.readers.options import ReadOptions
from recsys.interactions.report import ReadReport
from recsys.interactions.tabular import Block, read_blocks, shown
from recsys.interactions.texts import Codes, Texts
from recsys.plural import counted

COLUMNS = ("user", "item", "name", "timestamp", "plays")
SUFFIX_DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
TABLES = (*SUFFIX_DELIMITERS, ".parquet")


def read_events(path: Path, options: ReadOptions) -> Interactions:
    """CSV, TSV or Parquet with the columns user, item and optionally name, timestamp, plays; or a folder of such files.

    `timestamp` is ISO 8601, YYYYMMDD, or seconds or milliseconds since 1970. Beside FILE.csv, a FILE.items.csv (item,
    name, tags separated by "|", further columns) describes the items and a FILE.source.json the source.
    """
    report = options.report("events", path)
    files = table_files(path, report)
    log = Gathered(report, Codes())
    present: set[str] | None = None
    for where, columns, blocks in tables(files, options, report):
        if present is not None and present != set(columns):
            raise InputError(f"has the columns {sorted(columns)}, other files have {sorted(present)}", file=where)
        present = set(columns)
        for block in blocks:
            each = usable_plays(Rows(block, where, report))
            user, item = log.users.add(each.user), log.ids.add(each.item)
            log.add(user, item, each.name, plays=each.plays, time=each.time)
    report.refuse_if_mostly_bad(options.max_bad_share)
    log.refuse_if_empty()
    source_cards(files, report)
    return log.interactions(described(log.catalogue(), files, report), options.session_gap_minutes)


@dataclass(frozen=True)
class Plays:
    """Usable rows of a table, all columns of one length; None where the table has no such column.

    time : seconds since 1970.
    """

    user: Texts
    item: Texts
    name: Texts | None
    plays: npt.NDArray[np.float64] | None
    time: npt.NDArray[np.int64] | None


def usable_plays(rows: Rows) -> Plays:
    """What can be used of a block; the other rows are counted in its report."""
    present = rows.block.columns
    rows.require_text("user", "user")
    rows.require_text("item", "item")
    plays = rows.plays("plays") if "plays" in present else None
    time = rows.seconds("timestamp") if "timestamp" in present else None
    kept = rows.kept()
    return Plays(
        kept["user"], kept["item"], kept.get("name"),
        plays=None if plays is None else plays[rows.usable], time=None if time is None else time[rows.usable],
    )  # fmt: skip


def table_files(path: Path, report: ReadReport) -> list[Path]:
    """The files of plays at a path; what else a folder holds is noted in the report.

    Raises
    ------
    InputError : there is none.
    """
    found = paths_of(path)
    if len(found) == 1 and not path.is_dir():
        return found
    files = [file for file in found if _is_table(file.name)]
    if not files:
        raise InputError(f"holds no {', '.join(TABLES)} file", file=path)
    others = [file.name for file in found if file not in files and not file.name.endswith(BESIDE)]
    if others:
        report.notes.append(f"{counted(len(others), 'other file')} in the folder not read: {', '.join(others[:3])}")
    return files


def _is_table(name: str) -> bool:
    """Whether a file or archive of this name holds events, as far as names tell."""
    small = name.lower()
    for packing in (".gz", ".zst"):
        small = small.removesuffix(packing)
    return small.endswith((*TABLES, ".zip", ".tar", ".tgz")) and not small.endswith(BESIDE)


def tables(
    files: list[Path], options: ReadOptions, report: ReadReport
) -> Iterator[tuple[str, list[str], Iterator[Block]]]:
    """Where it is, column names and rows of each table in the files, archives included.

    Raises
    ------
    InputError : a table lacks user or item, or has a column twice.
    """
    for file in files:
        if file.suffix.lower() == ".parquet":
            names = list(parquet(file).schema_arrow.names)
            _check_columns(names, str(file), "")
            yield str(file), names, parquet_blocks(file, names, report, options.on_bytes)
            continue
        several = file.suffix.lower() in (".zip", ".tar", ".tgz") or ".tar." in file.name
        for source in open_inputs([file], _is_table if several else any_name, options.on_bytes):
            source.check_is_text()
            delimiter = options.delimiter or delimiter_of(source)
            names = source.header_fields(delimiter)
            others = [
                word for word, other in DELIMITERS.items()
                if other != delimiter and {"user", "item"} <= set(source.header_fields(other))
            ]  # fmt: skip
            hint = f"; it looks separated by {others[0]}: pass --delimiter {others[0]}" if others else ""
            _check_columns(names, source.name, hint)
            rows = read_blocks(source, names, delimiter=delimiter, report=report, quoting=delimiter != "\t")
            yield source.name, names, rows


def delimiter_of(source: Input) -> str:
    """What separates fields: by the file's name, else comma or tab by its first line."""
    small = source.name.lower()
    for suffix, delimiter in SUFFIX_DELIMITERS.items():
        if small.endswith((suffix, f"{suffix}.gz", f"{suffix}.zst")):
            return delimiter
    return max((",", "\t"), key=lambda delimiter: len(source.header_fields(delimiter)))


def _check_columns(names: list[str], where: str, hint: str) -> None:
    missing = [name for name in ("user", "item") if name not in names]
    if missing:
        if not hint and {"user", "item"} <= {name.casefold() for name in names}:
            hint = "; names are told apart by case: write them small"
        words = f"has no column {' or '.join(missing)}; its columns are {shown(names)}{hint}"
        raise InputError(words, file=where, line=1)
    if len(set(names)) < len(names):
        twice = (name for name, count in Counter(names).items() if count > 1)
        raise InputError(f"names a column twice: {shown(twice)}", file=where, line=1)


def parquet(file: Path) -> pq.ParquetFile:
    """The file, opened.

    Raises
    ------
    InputError : it is no whole Parquet file.
    """
    try:
        return pq.ParquetFile(file)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"is not a whole Parquet file: {error}", file=file) from error


def parquet_blocks(
    file: Path,
    names: list[str],
    report: ReadReport,
    on_bytes: BytesRead | None = None,
    groups: range | None = None,
) -> Iterator[Block]:
    """The rows of a file with columns of these names, those that mean nothing here left out; lines are row numbers.

    groups : only these row groups.

    Raises
    ------
    InputError : it is damaged, or holds in a column what is neither text nor numbers.
    """
    report.add_file(file)
    wanted = [name for name in names if name in COLUMNS]
    try:
        table = parquet(file)
        before = range(0 if groups is None else groups.start)
        first = 1 + sum(table.metadata.row_group(group).num_rows for group in before)
        bytes_a_row = file.stat().st_size / max(table.metadata.num_rows, 1)
        only = None if groups is None else list(groups)
        for batch in table.iter_batches(batch_size=1 << 18, columns=wanted, row_groups=only):
            columns = {name: Texts.of(_as_text(batch.column(name), name, file)) for name in wanted}
            report.rows += batch.num_rows
            if on_bytes:
                on_bytes(round(bytes_a_row * batch.num_rows))
            yield Block(columns, np.arange(first, first + batch.num_rows))
            first += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"is damaged: {error}", file=file) from error


def _as_text(column: pa.Array, name: str, file: Path) -> pa.Array:
    try:
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.timestamp("s", column.type.tz), safe=False).cast(pa.int64())
        elif pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            column = column.cast(pa.binary())  # and back below, which looks whether it is UTF-8
        return pc.fill_null(column.cast(pa.string()), "")
    except pa.ArrowException as error:
        raise InputError(
            f"holds {column.type} that cannot be taken for text or numbers: {error}", file=file, column=name
        ) from error
