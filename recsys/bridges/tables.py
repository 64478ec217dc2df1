"""Vectors and ids as tables: Parquet, and lists of ids in any of the usual forms."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as types

from recsys.bridges.arrays import as_labels, read_npy
from recsys.bridges.foreign import Foreign, checked, refuse_too_many
from recsys.errors import InputError

# Columns that are looked for where no --id-column is named.
ID_COLUMNS = ("item_id", "id", "mbid", "artist_id", "track_id", "name", "label")
MOST_BYTES_OF_IDS = 1 << 30
ROWS_AT_ONCE = 1024


def read_parquet(file: Path, id_column: str | None) -> Foreign:
    """A column of ids and either one column of lists or a column of floating-point numbers for each dimension.

    Whole numbers and other columns are no part of a vector.

    Raises
    ------
    InputError : it cannot be read, is larger than what is read, or its columns are not these.
    """
    labels: list[str] = []
    blocks: list[npt.NDArray[np.float32]] = []
    try:
        with pq.ParquetFile(file) as opened:
            schema = opened.schema_arrow
            ids = _column(schema.names, id_column, file)
            lists = [field.name for field in schema if _is_list(field.type)]
            wanted = lists or [field.name for field in schema if types.is_floating(field.type) and field.name != ids]
            if len(lists) > 1 or not wanted:
                raise InputError(
                    f"has the columns {', '.join(schema.names)}; vectors are one column of lists of numbers, or a "
                    f"column of floating-point numbers for each dimension",
                    file=file,
                )
            # Not sized up by the metadata of its columns: pyarrow ends the whole process where those are damaged.
            for batch in opened.iter_batches(ROWS_AT_ONCE, columns=[ids, *wanted]):
                labels += _labels(batch.column(ids), file)
                blocks.append(_vectors(batch, wanted, bool(lists), file))
                refuse_too_many(opened.metadata.num_rows, blocks[-1].shape[1], file)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError(f"is not readable Parquet: {error}; write it again", file=file) from error
    widths = {block.shape[1] for block in blocks}
    if len(widths) != 1:
        raise InputError(f"holds vectors of {' and '.join(map(str, widths)) or 'no'} numbers", file=file)
    return checked(labels, np.concatenate(blocks), "Parquet", file)


def _labels(column: pa.Array, file: Path) -> list[str]:
    if not (types.is_string(column.type) or types.is_large_string(column.type) or types.is_integer(column.type)):
        raise InputError(f"its ids are {column.type}, not text or whole numbers: choose --id-column", file=file)
    return ["" if each is None else str(each) for each in column.to_pylist()]


def _is_list(kind: pa.DataType) -> bool:
    is_list = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
    return bool(is_list and types.is_floating(kind.value_type))


def _vectors(batch: pa.RecordBatch, wanted: Sequence[str], is_list: bool, file: Path) -> npt.NDArray[np.float32]:
    columns = [batch.column(name) for name in wanted]
    if not is_list:
        return np.column_stack([each.to_numpy(zero_copy_only=False).astype(np.float32) for each in columns])
    lengths = {-1 if each is None else each for each in pc.list_value_length(columns[0]).unique().to_pylist()}
    if len(lengths) != 1 or min(lengths) < 0:
        shown = ", ".join("null" if each < 0 else str(each) for each in sorted(lengths)[:4])
        raise InputError(f"its column {wanted[0]} holds lists of the lengths {shown}; all must have one", file=file)
    flat: npt.NDArray[np.float32] = columns[0].flatten().to_numpy(zero_copy_only=False).astype(np.float32)
    return flat.reshape(len(batch), lengths.pop())


def read_ids(file: Path, count: int, id_column: str | None) -> list[str]:
    """What rows are called, in their order: a list, one a line; a table with a heading; a .npy of text or numbers.

    count : of the vectors. Where a list has one line more, its first is a heading.

    Raises
    ------
    InputError : it cannot be read, or no column of it is sure to hold the ids.
    """
    if not file.is_file():
        raise InputError("does not exist; check --ids", file=file)
    if file.suffix == ".npy":
        return as_labels(read_npy(file), file)
    if file.suffix == ".parquet":
        try:
            names = pq.read_schema(file).names
            column = pq.read_table(file, columns=[_column(names, id_column, file)], partitioning=None).column(0)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise InputError(f"is not readable Parquet: {error}; write it again", file=file) from error
        return _labels(column.combine_chunks(), file)
    rows = _rows_of(file)
    width = max(map(len, rows), default=0)
    if width == 1 and id_column is None:
        labels = [row[0] for row in rows]
        return labels[1:] if len(labels) == count + 1 else labels
    names, *rows = rows or [[]]
    at = names.index(_column(names, id_column, file))
    return [row[at] if at < len(row) else "" for row in rows]


def _rows_of(file: Path) -> list[list[str]]:
    """Lines in their fields; blank ones are none."""
    size = file.stat().st_size
    if size > MOST_BYTES_OF_IDS:
        raise InputError(f"has {size:,} bytes, more than {MOST_BYTES_OF_IDS:,}; give the ids alone", file=file)
    try:
        text = file.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError("is not UTF-8; write it again in UTF-8", file=file) from error
    lines: Iterable[str] = text.split("\n")
    if file.suffix == ".csv":
        return [row for row in csv.reader(lines) if row]
    # Names hold quotes, which mean nothing between tabs.
    return [line.removesuffix("\r").split("\t") for line in lines if line.strip()]


def _column(names: Sequence[str], id_column: str | None, file: Path) -> str:
    found = id_column or next((each for each in ID_COLUMNS if each in names), None)
    if found is None or found not in names:
        asked = f"no column {id_column!r}" if id_column else "no column that is sure to hold ids"
        raise InputError(f"has {asked}, but {', '.join(names)}; choose one with --id-column", file=file)
    return found
