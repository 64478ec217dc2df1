"""Tables of plays with named columns: CSV, TSV, Parquet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recsys.config import DELIMITERS
from recsys.errors import InputError
from recsys.interactions.inputs import Input, any_name, open_inputs, paths_of
from recsys.interactions.log import Interactions
from recsys.interactions.readers.columns import Rows
from recsys.interactions.readers.gather import Gathered
from recsys.interactions.readers.options import ReadOptions
from recsys.interactions.report import ReadReport
from recsys.interactions.tabular import Block, read_blocks
from recsys.interactions.texts import Codes, Texts

COLUMNS = ("user", "item", "name", "timestamp", "plays")
SUFFIX_DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
TABLES = (*SUFFIX_DELIMITERS, ".parquet")
BESIDE = ITEMS_SUFFIX, SOURCE_SUFFIX = ".items.csv", ".source.json"
# Counted or computed by us; a description of items cannot set them.
OWN_COLUMNS = {"item_id", "listeners", "plays", "popularity"}
MAX_CARD_BYTES = 1 << 20


def read_events(path: Path, options: ReadOptions) -> Interactions:
    """CSV, TSV or Parquet with the columns user, item and optionally name, timestamp, plays; or a folder of such files.

    `timestamp` is ISO 8601, YYYYMMDD, or seconds or milliseconds since 1970. Beside FILE.csv, a FILE.items.csv (item,
    name, tags separated by "|", further columns) describes the items and a FILE.source.json the source.
    """
    report = ReadReport(source=str(path), reader="events", title=_stem(path))
    files = _files(path, report)
    log = Gathered(report, Codes())
    present: set[str] | None = None
    for where, columns, blocks in _tables(files, options, report):
        if present is not None and present != set(columns):
            raise InputError(f"has the columns {sorted(columns)}, other files have {sorted(present)}", file=where)
        present = set(columns)
        for block in blocks:
            _take(log, Rows(block, where, report))
    report.refuse_if_mostly_bad(options.max_bad_share)
    log.refuse_if_empty()
    _source_cards(files, report)
    return log.interactions(_described(log.catalogue(), files, report), options.session_gap_minutes)


def _take(log: Gathered, rows: Rows) -> None:
    present = rows.block.columns
    rows.require_text("user", "user")
    rows.require_text("item", "item")
    plays = rows.plays("plays") if "plays" in present else None
    time = rows.seconds("timestamp") if "timestamp" in present else None
    kept = rows.kept()
    log.add(
        log.users.add(kept["user"]), log.ids.add(kept["item"]), kept["name"] if "name" in present else None,
        plays=None if plays is None else plays[rows.usable], time=None if time is None else time[rows.usable],
    )  # fmt: skip


def _files(path: Path, report: ReadReport) -> list[Path]:
    found = paths_of(path)
    if len(found) == 1 and not path.is_dir():
        return found
    files = [file for file in found if _is_table(file.name)]
    if not files:
        raise InputError(f"holds no {', '.join(TABLES)} file", file=path)
    others = [file.name for file in found if file not in files and not file.name.endswith(BESIDE)]
    if others:
        report.notes.append(f"{len(others)} other files in the folder were not read: {', '.join(others[:3])}")
    return files


def _is_table(name: str) -> bool:
    """Whether a file or archive of this name holds events, as far as names tell."""
    small = name.lower()
    for packing in (".gz", ".zst"):
        small = small.removesuffix(packing)
    return small.endswith((*TABLES, ".zip", ".tar", ".tgz")) and not small.endswith(BESIDE)


def _stem(path: Path) -> str:
    """A file's name without what says how it is written."""
    return path.name.split(".")[0]


def _tables(
    files: list[Path], options: ReadOptions, report: ReadReport
) -> Iterator[tuple[str, list[str], Iterator[Block]]]:
    """Where it is, column names and rows of each table in the files, archives included."""
    for file in files:
        if file.suffix.lower() == ".parquet":
            names = list(_parquet(file).schema_arrow.names)
            _check_columns(names, str(file), "")
            yield str(file), names, _parquet_blocks(file, names, options, report)
            continue
        several = file.suffix.lower() in (".zip", ".tar", ".tgz") or ".tar." in file.name
        for source in open_inputs([file], _is_table if several else any_name, options.on_bytes):
            source.check_is_text()
            delimiter = options.delimiter or _delimiter(source)
            names = source.header_fields(delimiter)
            others = [
                word for word, other in DELIMITERS.items()
                if other != delimiter and {"user", "item"} <= set(source.header_fields(other))
            ]  # fmt: skip
            hint = f"; it looks separated by {others[0]}: pass --delimiter {others[0]}" if others else ""
            _check_columns(names, source.name, hint)
            rows = read_blocks(source, names, delimiter=delimiter, report=report, quoting=delimiter != "\t")
            yield source.name, names, rows


def _delimiter(source: Input) -> str:
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
        shown = [name[:40] for name in names[:10]]
        raise InputError(f"has no column {' or '.join(missing)}; its columns are {shown}{hint}", file=where, line=1)
    if len(set(names)) < len(names):
        raise InputError(f"names a column twice: {names[:10]}", file=where, line=1)


def _parquet(file: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(file)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"is not a whole Parquet file: {error}", file=file) from error


def _parquet_blocks(file: Path, names: list[str], options: ReadOptions, report: ReadReport) -> Iterator[Block]:
    report.add_file(file)
    wanted = [name for name in names if name in COLUMNS]
    first = 1
    try:
        table = _parquet(file)
        bytes_a_row = file.stat().st_size / max(table.metadata.num_rows, 1)
        for batch in table.iter_batches(batch_size=1 << 18, columns=wanted):
            columns = {name: Texts.of(_as_text(batch.column(name), name, file)) for name in wanted}
            report.rows += batch.num_rows
            if options.on_bytes:
                options.on_bytes(round(bytes_a_row * batch.num_rows))
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


def _beside(file: Path, suffix: str) -> Path:
    """FILE.items.csv for FILE.csv and FILE.csv.gz alike."""
    unpacked = file.with_suffix("") if file.suffix.lower() in (".gz", ".zst") else file
    return unpacked.with_suffix(suffix)


def _source_cards(files: list[Path], report: ReadReport) -> None:
    """What FILE.source.json beside the files says; one simulated file makes the whole log simulated."""
    titles = []
    for file in files:
        card = _beside(file, SOURCE_SUFFIX)
        if not card.exists():
            continue
        try:
            if card.stat().st_size > MAX_CARD_BYTES:
                raise InputError(f"has more than {MAX_CARD_BYTES:,} bytes", file=card)
            source = json.loads(card.read_text("utf-8"))
        except (ValueError, RecursionError, OSError) as error:
            raise InputError(f"cannot be read as JSON: {error}", file=card) from error
        if not isinstance(source, dict):
            raise InputError("is not a JSON object", file=card)
        titles.append(str(source.get("title", file.stem)).encode("utf-8", "replace").decode())
        report.simulated |= source.get("simulated") is True
    if len(set(titles)) == 1:
        report.title = titles[0]


def _described(catalogue: pd.DataFrame, files: list[Path], report: ReadReport) -> pd.DataFrame:
    """The catalogue with what FILE.items.csv beside the files says; the first description of an item counts."""
    parts = []
    for file in files:
        beside = _beside(file, ITEMS_SUFFIX)
        if not beside.exists():
            continue
        seen = ReadReport(source=str(beside), reader="items")
        for source in open_inputs([beside]):
            source.check_is_text()
            columns = source.header_fields(",")
            if "item" not in columns or len(set(columns)) < len(columns):
                raise InputError(
                    f"needs a column item and no name twice; its columns are {columns[:10]}", file=beside, line=1
                )
            rows = read_blocks(source, columns, delimiter=",", report=seen, quoting=True)
            parts += [pd.DataFrame({name: texts.to_list() for name, texts in block.columns.items()}) for block in rows]
        report.take_in(seen)
    if not parts:
        return catalogue
    by_item = pd.concat(parts, ignore_index=True).drop_duplicates("item").set_index("item")
    described = by_item.reindex(catalogue["item_id"].to_numpy(object)).reset_index(drop=True)
    for column in [name for name in described if name not in OWN_COLUMNS]:
        values = described[column]
        if column == "name":
            named = values.notna() & (values != "")
            catalogue["name"] = np.where(named, values, catalogue["name"])
        elif column == "tags":
            catalogue["tags"] = [
                [tag for tag in text.split("|") if tag] if isinstance(text, str) else [] for text in values
            ]
        else:
            as_numbers = pd.to_numeric(values, errors="coerce")
            catalogue[column] = as_numbers if as_numbers.notna().equals(values.notna()) else values
    return catalogue
